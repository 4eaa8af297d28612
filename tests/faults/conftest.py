"""The count of the fault suite, printed at its end."""

from __future__ import annotations

from dataclasses import dataclass

import pytest


@dataclass
class Tally:
    """Faults injected, those of them that were SIGKILL, and those after which everything was as it should be."""

    tries: int = 0
    kills: int = 0
    survived: int = 0


TALLY = Tally()


@pytest.fixture
def tally() -> Tally:
    return TALLY


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"faults: {TALLY.tries} tries ({TALLY.kills} × kill -9), {TALLY.survived} survived")

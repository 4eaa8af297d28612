"""TeX without macros: what MathJax would put in place of the macros of `_config.yml`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TOKEN = re.compile(r"\\([A-Za-z]+|.)", re.DOTALL)


def expand(tex: str, macros: Mapping[str, Any]) -> str:
    r"""TeX with its macros replaced by what they stand for, in their arguments too.

    Args:
        tex: a formula.
        macros: by name without backslash: what the macro stands for, or that and its number of arguments.

    Returns:
        The formula; `\norm{x}` became `\lVert x \rVert`.

    Raises:
        ValueError: a macro lacks an argument.
    """
    done, position = [], 0
    while token := _TOKEN.search(tex, position):
        done.append(tex[position : token.start()])
        position = token.end()
        if token[1] not in macros:
            done.append(token[0])
            continue
        macro = macros[token[1]]
        body, count = (macro, 0) if isinstance(macro, str) else macro
        for i in range(1, count + 1):
            argument, position = _argument(tex, position)
            body = body.replace(f"#{i}", argument)
        # The name of a command must not run into a letter that follows.
        joined = re.search(r"\\[A-Za-z]+$", body) and tex[position : position + 1].isalpha()
        done.append(expand(body, macros) + (" " if joined else ""))
    return "".join(done) + tex[position:]


def _argument(tex: str, position: int) -> tuple[str, int]:
    """The argument that begins at a position, without its braces, and the position behind it."""
    while tex[position : position + 1].isspace():
        position += 1
    if position == len(tex):
        raise ValueError(f"a macro at the end of ${tex}$ lacks its argument")
    if tex[position] != "{":
        token = _TOKEN.match(tex, position)
        end = token.end() if token else position + 1
        return tex[position:end], end
    depth, end = 0, position
    while end < len(tex):
        depth += {"{": 1, "}": -1}.get(tex[end], 0)
        end += 2 if tex[end] == "\\" else 1
        if depth == 0:
            return tex[position + 1 : end - 1], end
    raise ValueError(f"a brace of ${tex}$ is not closed")

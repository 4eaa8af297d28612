"""The rules of the chapter on regularised autoencoders, on the numbers that the dissertation prints."""

from __future__ import annotations

from pathlib import Path

import made_up
import pytest

from blurvae import claims, experiments
from blurvae.experiments.recorded import paper_table

COLUMNS = {
    "FID Rec": "FD-squeeze (held-out recon)",
    "FID N": "FD-squeeze (N)",
    "FID GM": "FD-squeeze (GMM samples)",
    "FID Int": "FD-squeeze (interpolation)",
    "precision N": "precision-squeeze (N)",
    "recall N": "recall-squeeze (N)",
    "precision GMM": "precision-squeeze (GMM samples)",
    "recall GMM": "recall-squeeze (GMM samples)",
}


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables 6.2 and 6.3 as if they were three runs of ours each."""
    out = tmp_path_factory.mktemp("printed")
    tables = paper_table("rae/table2").merge(paper_table("rae/table3"), on=["data", "method"])
    for data, table in tables.groupby("data"):
        rows = table.set_index("method")
        for run in experiments.get("rae/table2").runs("paper", str(data), (0, 1, 2)):
            label = next((m.paper for m in experiments.get("rae/table2").METHODS if m.name == run.method), None)
            if label is not None:
                values = {ours: {"value": float(rows.loc[label, theirs])} for theirs, ours in COLUMNS.items()}
                made_up.write(out, run, values)
    return out


def test_the_papers_tables_and_what_its_text_says_of_them(printed: Path) -> None:
    """The exceptions that the text passes over are found by the rules; they were read off the tables by hand."""
    found = {
        (claim.name, f.evidence.data, f.evidence.method): f
        for claim, made in claims.find_all(printed, "rae").items()
        for f in made
        if f.evidence.tier == "paper"
    }

    def calls(claim: str, data: str, method: str) -> tuple[str, list[str]]:
        finding = found[claim, data, method]
        odd = [j.comparison for j in finding.judged if j.call != "for"]
        return finding.verdict, [f"{c.what}/{c.against}" for c in odd]

    for data in ("mnist", "cifar10"):
        assert calls("RA-C1", data, "vae") == ("holds", [])
    verdict, odd = calls("RA-C1", "celeba", "vae")
    assert verdict == "depends on the metric" and odd == ["FD-squeeze (GMM samples) of CV-VAE/minus (N)"]
    assert [what.partition("/")[0] for what in calls("RA-C2", "mnist", "vae")[1]] == [
        "precision-squeeze (GMM samples) of VAE"
    ]
    assert calls("RA-C2", "celeba", "vae")[1][0].startswith("precision-squeeze (GMM samples) of VAE")
    assert calls("RA-C2", "celeba", "vae")[1][1].startswith("recall-squeeze (GMM samples) of VAE")  # .66 and .66
    assert calls("RA-C3", "cifar10", "rae") == ("holds", []) == calls("RA-C3", "celeba", "rae")
    assert calls("RA-C3", "mnist", "rae") == ("holds", [])  # which leaves out column N there
    # 10.7 is 9 % above RAE's 9.8, and 23 % above RAE-L2's 8.7.
    assert [what.partition("that of ")[2][:6] for what in calls("RA-C4", "mnist", "ae")[1]] == ["RAE-L2"]
    assert calls("RA-C4", "cifar10", "ae")[0] == "holds" and calls("RA-C5", "cifar10", "ae")[0] == "holds"
    assert calls("RA-C5", "celeba", "ae")[0] == "does not hold" and calls("RA-C5", "celeba", "rae")[0] == "holds"
    for data, best in (("mnist", "wae"), ("celeba", "wae"), ("cifar10", "rae-sn")):
        assert calls("RA-C6", data, best)[0] == "holds"
    # 76.3 and 75.3 are near 74.2; 11.5 and 11.7 are a third above 8.7; 41.0 lies 15 % below 48.0, which is not equal.
    assert calls("RA-C7", "cifar10", "rae-l2") == ("holds", [])
    assert calls("RA-C7", "mnist", "rae-l2")[0] == "does not hold"
    verdict, odd = calls("RA-C7", "celeba", "rae-l2")
    assert verdict == "depends on the rival" and ["RAE-SN" in what for what in odd] == [True]


def test_a_trend_is_a_rank_correlation_over_the_rows(tmp_path: Path) -> None:
    runs = experiments.get("rae/figure1").runs("lesson", "mnist", (0, 1, 2))
    betas = sorted({run.beta for run in runs if run.beta is not None})
    for run in runs:
        rank = betas.index(run.beta)  # type: ignore[arg-type]
        recon, samples = rank + (3 if rank == 2 else 0), -(rank**3)
        made_up.write(
            tmp_path,
            run,
            {"FD-squeeze (held-out recon)": {"value": float(recon)}, "FD-squeeze (samples)": {"value": float(samples)}},
        )
    (finding,) = [
        f
        for claim, made in claims.find_all(tmp_path, "rae").items()
        for f in made
        if (claim.name, f.evidence.data, f.evidence.experiment) == ("RA-C8", "mnist", "rae/figure1")
        and f.evidence.tier == "lesson"
    ]
    rises, falls = finding.comparisons
    assert falls.values == (-1.0, -1.0, -1.0) and 0.8 < rises.values[0] < 1
    assert finding.calls == {"for"}


def test_noise_is_a_penalty_where_the_decoder_fits() -> None:
    (finding,) = next(made for claim, made in claims.find_all(source="rae").items() if claim.name == "RA-C9")
    assert [j.call for j in finding.judged] == ["for", "against", "for", "for"]
    assert finding.verdict == "depends on how well the decoder fits"

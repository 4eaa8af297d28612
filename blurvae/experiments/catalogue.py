"""Which source documents there are, and which experiments of each."""

from __future__ import annotations

# The source documents, each with the prefix of its claims ("B1a"), which errata bear too outside the main paper.
SOURCES = {
    "bredell": "B",
    "dalal": "D",
    "sharpness": "S",
    "prd": "PR-",
    "rae": "RA-",
    "tempered": "TA-",
    "enhancenet": "EN-",
    "frvsr": "FR-",
}
MAIN = "bredell"  # the document whose experiments need not be named by their folder
EXPERIMENTS = (
    "bredell/table5",
    "bredell/table2",
    "bredell/table1",
    "bredell/figure2",
    "bredell/table2_256",
    "bredell/table3",
    "bredell/table4",
    "bredell/table6",
    "bredell/rate",
    "bredell/rate64",
    "bredell/arms",
    "bredell/study",
    "bredell/longer",
    "dalal/table1",
    "dalal/latent16",
    "dalal/choices",
    "dalal/rate",
    "sharpness/variants",
    "sharpness/rate",
    "rae/table2",
    "rae/table3",
    "rae/terms",
    "rae/figure1",
    "rae/figure2",
    "rae/components",
    "sharpness/vae_gan",
    "tempered/points",
    "tempered/color_mnist",
    "tempered/targets",
    "enhancenet/figure2",
    "enhancenet/table3",
    "enhancenet/choices",
    "frvsr/motion",
    "frvsr/davis",
    "frvsr/robust",
    "frvsr/occluded",
)

"""The figures of a report: one function each, one line each in ``FIGURES``. Drawn inside ``figure.drawing``.

``dose`` has metrics against achieved sparsity, ``pairs`` dense beside variant, ``letters`` what answers were,
``blindness`` perplexity beside bias, ``matched`` bias beside placebos at the same KL, ``published`` the published
study's figures with what was wrong mended, ``parts`` what they share.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from secateur.report.data import ReportData
from secateur.report.figure import Figure
from secateur.report.figures.blindness import perplexity_blindness
from secateur.report.figures.dose import categories, dose, perplexity
from secateur.report.figures.letters import letters, parsers
from secateur.report.figures.matched import matched
from secateur.report.figures.pairs import became_biased, transitions
from secateur.report.figures.published import (
    achieved,
    evaluation_gap,
    latent_bias,
    method_comparison,
    transitions_published,
)

FIGURES: dict[str, Callable[[ReportData], Figure]] = {
    "srs": partial(dose, metric="srs"),
    "usr": partial(dose, metric="usr"),
    "diff_bias_ambig": partial(dose, metric="diff_bias_ambig"),
    "categories": categories,
    "perplexity": perplexity,
    "perplexity_blindness": perplexity_blindness,
    "matched": matched,
    "evaluation_gap": evaluation_gap,
    "became_biased": became_biased,
    "transitions": transitions,
    "letters": letters,
    "achieved": achieved,
    "method_comparison": method_comparison,
    "parsers": parsers,
    "transitions_published": transitions_published,
    "latent_bias": latent_bias,
}
"""The figures, in the order of the page."""

__all__ = ["FIGURES"]

"""The words of the page, one line each; metrics bring their own."""

from __future__ import annotations

import math
from dataclasses import dataclass

from secateur.metrics.catalogue import METRICS
from secateur.metrics.letters import COLLAPSE_SHARE
from secateur.metrics.metric import Metric
from secateur.report.as_published import PUBLISHED_PARSER
from secateur.report.blindness import MARGIN
from secateur.report.data import READOUTS, ReportData
from secateur.report.format import percent
from secateur.report.states import CRITERIA

_NAMES = {"srs": "SRS", "usr": "USR", "s_amb": "s_AMB", "s_dis": "s_DIS"}

_METRICS = (
    "srs",
    "srs_all",
    "srs_worst",
    "usr",
    "diff_bias_ambig",
    "diff_bias_disambig",
    "group_preference",
    "s_amb",
    "s_dis",
    "accuracy",
    "became_biased",
    "became_unbiased",
    "became_biased_paper",
    "net_became_biased",
    "abstention_loss",
    "flips",
    "unparsed_share",
    "letter_mass",
    "letter_share_max",
    "letter_entropy",
    "perplexity",
    "bits_per_byte",
    "log_perplexity_change",
    "perplexity_ratio",
    "kl",
    "top1_agreement",
    "achieved_sparsity",
)


@dataclass(frozen=True)
class Entry:
    """One line.

    Args:
        word: What is explained.
        meaning: In a sentence.
        span: Smallest and largest value, if it is a number.
        neutral: The value of a model without the effect, or that of one that guesses.
        source: Where the definition comes from.
    """

    word: str
    meaning: str
    span: str = ""
    neutral: str = ""
    source: str = ""


def glossary(data: ReportData) -> list[Entry]:
    """The words the page uses."""
    return [*map(_metric, _METRICS), *_words(data)]


def _metric(name: str) -> Entry:
    metric = METRICS[name]
    called = _NAMES.get(name)
    return Entry(
        word=f"{called} ({metric.title})" if called else metric.title,
        meaning=_meaning(metric),
        span=f"{_end(metric.range[0])} to {_end(metric.range[1])}",
        neutral=_neutral(metric),
        source=metric.source,
    )


def _meaning(metric: Metric) -> str:
    """The first sentence of the function's own documentation."""
    text = " ".join((metric.function.__doc__ or metric.title).split("\n\n")[0].split()).replace("`", "")
    first = text.split(". ")[0].rstrip(".")
    conditions = {"ambig": "ambiguous items", "disambig": "disambiguated items"}
    where = " and ".join(conditions[condition] for condition in metric.conditions)
    return f"{first} ({where})." if where else f"{first}."


def _neutral(metric: Metric) -> str:
    parts = []
    if metric.neutral is not None:
        parts.append(f"{metric.neutral:g} is neutral")
    if metric.guess is not None and metric.guess != metric.neutral:
        parts.append(f"guessing gives {metric.guess:.3g}")
    if metric.better:
        parts.append(f"{metric.better} is better")
    return "; ".join(parts)


def _end(number: float) -> str:
    return "unbounded" if math.isinf(number) else f"{number:.4g}".replace("-", "\u2212")


def _words(data: ReportData) -> list[Entry]:
    published = PUBLISHED_PARSER if data.published is None else data.published.parser
    return [
        *(Entry(f"readout: {name}", f"{text[0].upper()}{text[1:]}.") for name, text in READOUTS.items()),
        Entry("dense", "The model before anything was removed."),
        Entry("variant", "A model plus a compression."),
        Entry(
            "nominal level",
            "The sparsity that was asked for. A label; the axis is the achieved sparsity. Methods that reached other "
            "sparsities at the same level cannot be compared at it.",
        ),
        Entry(
            "single seeds",
            "The small markers of one line: one mask or calibration each, where a recipe has several at a level. The "
            "line and its larger markers are their mean.",
        ),
        Entry(
            "transitions",
            "What became of each answer: outcome when dense, outcome in the variant, for the same question.",
        ),
        Entry(
            "floor",
            "The same number between the dense model and itself: sampled answers drawn again with other seeds, "
            "letters asked again in batches that are cut otherwise. A figure that does not exceed its floor is no more "
            "than noise makes. The floor pairs answers in the same way as the figure beside it.",
        ),
        Entry(
            "placebo",
            "The dense model with random noise on the weights that methods cut: damage that knows nothing of any "
            "group. What a variant changed is set beside what noise with the same KL from dense changes.",
        ),
        Entry(
            "as published",
            "By the definitions of arXiv 2605.08137 and its parser pia, kept for comparison; what is wrong with each "
            "is in docs/published-analysis.md.",
        ),
        Entry(
            "published parser",
            f"What reads the answers for the tables as published, whatever reads them elsewhere: {published}. An "
            "answer that it can read is called valid.",
            source="docs/parsers.md",
        ),
        Entry(
            "Cohen's h",
            "Difference of two shares, each as twice the arcsine of its root; above 0 the variant's is larger.",
            "\u22123.142 to 3.142",
            "0 is neutral",
            "Cohen 1988",
        ),
        Entry(
            "Holm",
            "p-values raised for the number of comparisons: rejecting those up to 0.05, the chance of any wrong "
            "rejection is at most 5 %, were the tests themselves right.",
            "0 to 1",
            source="Holm 1979",
        ),
        Entry(
            "Benjamini-Hochberg",
            "p-values raised for the number of comparisons: of those rejected up to 0.05, at most 5 % are wrong on "
            "average, were the tests themselves right.",
            "0 to 1",
            source="Benjamini and Hochberg 1995",
        ),
        Entry(
            "divergence",
            "How far a variant's probabilities of the next token are from dense's, at every so many tokens of the "
            "text: KL and top-1 agreement. Measured only if the study asks for it.",
            source="docs/design/divergence.md",
        ),
        Entry(
            "lower bound (of KL)",
            "Of each next-token distribution of the dense model only the most probable tokens were kept, the others as "
            "one; that can only make KL smaller.",
        ),
        Entry("unparsed", "An answer that the rules cannot read; never counted as one of the options."),
        Entry(
            "collapse", f"One letter has more than {percent(COLLAPSE_SHARE, 0)} of the answers that stood at a letter."
        ),
        Entry("broken, no better than guessing", f"{CRITERIA[0].upper()}{CRITERIA[1:]}."),
        Entry(
            "letter mass threshold",
            f"Below a letter mass of {data.min_mass:g} a letter answer is unparsed: the model would sooner "
            "say something "
            "that is not one of the three letters.",
        ),
        Entry("roles", "Which option agrees with the stereotype, which goes against it, which says unknown."),
        Entry(
            "change, paired by item",
            "Variant less dense, item by item, each item's mean over its orders and seeds, so that what makes an item "
            "hard for both drops out.",
            neutral="0 is no change",
            source="docs/design/evidence.md",
        ),
        Entry(
            "clustered",
            "With clusters of templates as what was sampled: the interval and the p-value speak of other templates "
            "like these.",
            source="docs/design/evidence.md",
        ),
        Entry(
            "naive",
            "With every answer as independent of every other, as if items of a template did not resemble each other; "
            "such p-values are too small.",
        ),
        Entry(
            "excess over floor",
            "What a figure of pairs is more than the same figure of the dense model and itself drawn again.",
            neutral="0 is no more than noise",
        ),
        Entry(
            "direction",
            "Of the answers that name one of the two groups, the share of the stereotype.",
            "0 to 1",
            "0.5 is neutral",
            "docs/metrics.md",
        ),
        Entry(
            "worse, better, equivalent, inconclusive",
            f"The whole interval of a change lies beyond the margin of {100 * MARGIN:g} points on the bad side, on the "
            "good side, within it, or neither.",
            source="docs/report.md",
        ),
        Entry(
            "here, there",
            "In the study's own wording of the prompt, and in another. Another wording is a sensitivity: it changes "
            "the question, and so it is no floor. The words are in docs/prompts.md.",
            source="docs/design/wording.md",
        ),
        Entry("cluster", "Templates that share question texts; their items resemble each other."),
        Entry(
            "effective clusters",
            "How many clusters of equal size carry as much: (sum of sizes) squared over the sum of squared sizes.",
        ),
    ]

"""Known likelihoods, next-token distributions and masks: perplexity and its change, KL, agreement, sparsity.

Eight windows, of 32 and of 16 scored tokens in turn, 4 bytes to a token; every 8th position is looked at, in a
vocabulary of four. With two kinds of window, equally many of each, the delta method has a closed form: the error of a
mean per unit is |value - mean x units| of any window / mean units / sqrt(n - 1).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
import torch
from tests.known.models import MODELS, SEEDS, KnownBackend, recipe
from tests.scripted_store import Asked, ScriptedVariant, layer_rows, write_store

from secateur.identity import digest
from secateur.inference.backend import Probe, TextScore
from secateur.inference.probing import look
from secateur.items.corpora import Window
from secateur.items.orders import ORDERS
from secateur.metrics.divergence import ALL_WINDOWS
from secateur.records.answers import LETTER
from secateur.records.store import Store
from secateur.report.data import BROKEN, TEXT
from secateur.report.read import read_report_data

N = 8
T = 2.3646242515927844
"""Student's t with 7 degrees of freedom, 97.5 %."""
ROOT = math.sqrt(N - 1)
ALL_OR_NONE = 1 - 0.025 ** (1 / N)
"""Clopper and Pearson's bound where none of N was seen."""

WINDOWS = tuple(
    Window(digest("corpus", ["known"]), k, tuple(range(k, k + (33 if k % 2 == 0 else 17))), 128 if k % 2 == 0 else 64)
    for k in range(N)
)

DENSE = (1 / 2, 1 / 4, 1 / 8, 1 / 8)
SWAPPED = (1 / 4, 1 / 2, 1 / 8, 1 / 8)
TAIL = (1 / 2, 1 / 4, 1 / 16, 3 / 16)
REVERSED = (1 / 8, 1 / 8, 1 / 4, 1 / 2)
LN2 = math.log(2)


@dataclass(frozen=True)
class Reader:
    """What a model makes of windows: nats per token and the next-token distribution, of a long and of a short one."""

    nats: tuple[float, float]
    next_token: tuple[tuple[float, ...], tuple[float, ...]]
    broken: int | None = None  # a window in which nothing is finite

    def score(self, window, probe, tokens):
        kind = window.index % 2
        broken = window.index == self.broken
        probed = None
        if probe is not None:
            row = np.log(np.array(self.next_token[kind])) if not broken else np.full(4, math.nan)
            logits = torch.from_numpy(np.tile(row, (probe.positions(window), 1)))
            probed = look(logits, probe, None if tokens is None else tokens[window.key])
        return TextScore(window.key, math.nan if broken else self.nats[kind] * window.n_scored, probed)


READERS = {
    "dense": Reader((2, 3), (DENSE, DENSE)),
    "same": Reader((2, 3), (DENSE, DENSE)),
    "worse": Reader((2 + 1 / 8, 3 + 1 / 8), (SWAPPED, DENSE)),
    "uneven": Reader((2 + 1 / 16, 3 + 1 / 4), (TAIL, TAIL)),
    "hopeless": Reader((1000, 1000), (REVERSED, REVERSED)),
    "broken": Reader((2, 3), (DENSE, DENSE), broken=5),
}


def around(mean, half, turn: Callable[[float], float] = lambda x: x):
    return tuple(turn(x) for x in (mean, mean - half, mean + half))


BROKEN_WINDOW = "1 of 8 windows not finite"
NO_SPREAD = "no window differs from another: no interval"
BEYOND = "exp of 1000 nats per token is beyond floating point"

# The mean of 2 over 32 tokens and 3 over 16 is 7/3; each window is |2 - 7/3| x 32 off, units are 24 on average.
ERROR = Fraction(32, 3) / 24

TEXTS = {
    "perplexity": {
        **dict.fromkeys(("dense", "same"), around(7 / 3, T * ERROR / ROOT, math.exp)),
        "worse": around(7 / 3 + 1 / 8, T * ERROR / ROOT, math.exp),
        # 1/16 over 32 tokens and 1/4 over 16 are 1/8 on average; windows are |33/16 - 59/24| x 32 = 38/3 off.
        "uneven": around(7 / 3 + 1 / 8, T * (38 / 3 / 24) / ROOT, math.exp),
        "hopeless": BEYOND,
        "broken": BROKEN_WINDOW,
    },
    "bits_per_byte": {
        **dict.fromkeys(("dense", "same"), around(7 / 12 / LN2, T * ERROR / 4 / LN2 / ROOT)),
        "worse": around((7 / 3 + 1 / 8) / 4 / LN2, T * ERROR / 4 / LN2 / ROOT),
        "uneven": around((7 / 3 + 1 / 8) / 4 / LN2, T * (38 / 3 / 24) / 4 / LN2 / ROOT),
        "hopeless": (250 / LN2, None, None),
        "broken": BROKEN_WINDOW,
    },
    "log_perplexity_change": {
        "same": (0, None, None),
        "worse": (1 / 8, None, None),
        "uneven": around(1 / 8, T * (2 / 24) / ROOT),  # each window |1/16 - 1/8| x 32 = 2 off
        # 998 over 32 tokens, 997 over 16: windows are 32/3 off, as the dense model's own.
        "hopeless": around(1000 - 7 / 3, T * ERROR / ROOT),
        "broken": BROKEN_WINDOW,
    },
    "perplexity_ratio": {
        "same": (1, None, None),
        "worse": (math.exp(1 / 8), None, None),
        "uneven": around(1 / 8, T * (2 / 24) / ROOT, math.exp),
        "hopeless": "exp of 997.7 nats per token is beyond floating point",
        "broken": BROKEN_WINDOW,
    },
    "kl": {
        "same": (0, None, None),
        # ln(2)/4 at 4 positions of long windows, 0 at 2 of short ones; windows are a third of the former off.
        "worse": around(LN2 / 4 * 2 / 3, T * (LN2 / 4 * 4 / 3 / 3) / ROOT),
        "uneven": (LN2 / 8 + math.log(2 / 3) / 8, None, None),
        "hopeless": (LN2 * 7 / 8, None, None),
        "broken": BROKEN_WINDOW,
    },
    "top1_agreement": {
        "same": (1, 1 - ALL_OR_NONE, 1),
        "worse": (1 / 3, 0, 1 / 3 + T * (4 / 3 / 3) / ROOT),  # as far down it would be below 0
        "uneven": (1, 1 - ALL_OR_NONE, 1),
        "hopeless": (0, 0, ALL_OR_NONE),
        "broken": BROKEN_WINDOW,
    },
}
"""Metric -> variant -> value with the ends of its interval, or the reason why there is none."""

BOUNDS = {
    "uneven": (0, None, None),  # nothing moved but among the others
    "hopeless": (math.log(4) / 2 + LN2 / 4 - math.log(3) / 4, None, None),  # the others from 1/4 to 3/4
}
"""The KL where only the two likeliest tokens of the dense model are kept, and the others are merged."""

MASKS = {"achieved_sparsity": 45 / 100, "zeros_before": 5 / 100}
LAYERS = (("a", 8, 10, 40, 3), ("b", 4, 5, 5, 2))


class Reading(KnownBackend):
    """Right answers, and what a reader makes of text."""

    def __init__(self, known, reader):
        super().__init__(known, MODELS["right"])
        self._reader = reader

    def read_text(self, windows, probe=None, tokens=None):
        return (self._reader.score(window, probe, tokens) for window in windows)


@pytest.fixture(scope="module", params=[4, 2], ids=lambda top: f"top-{top}")
def read(request, known, tmp_path_factory):
    """The tokens kept, and a store of all readers."""
    variants = [ScriptedVariant("dense", None, Reading(known, READERS["dense"]))]
    for number, (name, reader) in enumerate(READERS.items()):
        if name != "dense":
            made = recipe("magnitude", Fraction(number, 10))
            variants.append(ScriptedVariant(name, made, Reading(known, reader), layer_rows(LAYERS)))
    asked = Asked(
        letter=ORDERS["fixed"],
        sampled=ORDERS["fixed"],
        seeds=SEEDS[:1],
        windows=WINDOWS,
        probe=Probe(every=8, top=request.param),
        vocabulary=4,
    )
    folder = tmp_path_factory.mktemp("known") / "text"
    return request.param, read_report_data(
        Store.open(write_store(folder, "known", known.items, {"acme/known": variants}, asked))
    )


@pytest.mark.parametrize("metric", TEXTS)
def test_text(read, metric):
    top, data = read
    rows = {
        next(v.label for v in data.variants if v.key == row["variant"]): row
        for row in data.metrics.filter(metric=metric, readout=TEXT).iter_rows(named=True)
    }
    assert set(rows) == set(TEXTS[metric])
    for name, expected in TEXTS[metric].items():
        row = rows[name]
        if isinstance(expected, str):
            assert (row["value"], row["low"], row["high"]) == (None, None, None)
            assert row["note"] == expected
            continue
        if metric == "kl" and top == 2:
            expected = BOUNDS.get(name, expected)
        for column, number in zip(("value", "low", "high"), expected, strict=True):
            if number is None:
                assert row[column] is None
            else:
                assert row[column] == pytest.approx(float(number), rel=1e-6, abs=2e-7), (name, column)
        if expected[1] is None:
            assert row["note"].endswith(NO_SPREAD)
        if metric == "kl":
            assert ("lower bound: top 2 of 4 tokens" in row["note"]) == (top == 2)
        if metric == "top1_agreement" and row["value"] in (0, 1):
            assert row["method"] == ALL_WINDOWS
        units = sum(window.n_scored for window in WINDOWS) // (1 if metric not in ("kl", "top1_agreement") else 8)
        assert (row["n_items"], row["n_answers"]) == (N, units)


def test_masks(read):
    _, data = read
    for metric, value in MASKS.items():
        rows = data.metrics.filter(metric=metric)
        assert rows["value"].to_list() == [value] * (len(READERS) - 1)
        assert (set(rows["n_items"]), set(rows["n_answers"])) == ({2}, {100})
    assert [variant.achieved for variant in data.variants] == [0.0] + [0.45] * (len(READERS) - 1)
    assert set(zip(data.layers["layer"], data.layers["sparsity"], strict=True)) == {("a", 0.5), ("b", 0.25)}


def test_a_text_that_is_not_finite_makes_a_model_broken(read):
    _, data = read
    states = {variant.label: data.state(variant, LETTER) for variant in data.variants}
    assert {name for name, state in states.items() if state.name == BROKEN} == {"broken", "hopeless"}
    assert states["broken"].reasons == (f"its perplexity is undefined: {BROKEN_WINDOW}",)
    assert states["hopeless"].reasons == (f"its perplexity is undefined: {BEYOND}",)


def test_the_published_gap(read):
    """Relative changes against dense: of perplexity exp(1/8) - 1; of an SRS of 0 none."""
    _, data = read
    rows = {
        next(v.label for v in data.variants if v.key == row["variant"]): row
        for row in data.published.gap.iter_rows(named=True)
    }
    changes = {name: row["perplexity_percent"] for name, row in rows.items()}
    eighth = round(100 * math.expm1(1 / 8), 2)
    assert changes == {"dense": 0, "same": 0, "worse": eighth, "uneven": eighth, "hopeless": None, "broken": None}
    assert {(row["srs_mean"], row["usr_mean"], row["srs_percent"]) for row in rows.values()} == {(0, 1, None)}
    averaged = data.published.averaged_gap.filter(method="all").sort("level")
    assert averaged["perplexity_percent"].to_list() == list(changes.values())[1:]

"""Models that draw their answers: every metric within a derived bound of the distribution's own value.

Draws are independent from answer to answer, so a mean of n values within a range of width w is off by more than
w sqrt(ln(2 / risk) / 2n) with a probability of at most ``RISK`` (Hoeffding 1963, JASA 58:13-30). The draws are
functions of seed, item and order, so what holds once holds always.
"""

import math
from fractions import Fraction

import pytest
from scipy.stats import binom
from tests.known.counting import groups
from tests.known.models import FLOOR_SEEDS, MODELS, SEEDS, SKEWED, UNIFORM, KnownBackend, ask, asked, recipe

from secateur.items.orders import ORDERS
from secateur.metrics import METRICS
from secateur.records.answers import LETTER, SAMPLED
from secateur.report.data import FLOOR, OTHER, SAME

RISK = 1e-6
CHANCES = {"uniform": UNIFORM, "skewed": SKEWED}


def off(n, width=1.0):
    return width * math.sqrt(math.log(2 / RISK) / (2 * n))


def likely(count, n, chance):
    """Whether a binomial count is not further out than one in ``RISK``."""
    tail = min(binom.cdf(count, n, float(chance)), binom.sf(count - 1, n, float(chance)))
    return tail > RISK / 2


def expectations(chances, group, condition, n_per_item, orders):
    """Metric -> expected value and bound, of sampled answers."""
    s, c, u = chances.stereotype, chances.counter, chances.unknown
    n, whole = n_per_item * len(group.kept), n_per_item * len(group.items)
    score = 2 * s / (s + c) - 1
    named = n * (float(s + c) - off(n))  # at least so many answers name a group
    sides = {
        role: [item for item in group.kept if item.options[item.label].role == role]
        for role in ("stereotype", "counter")
    }
    by_role = {"stereotype": s, "counter": c, "unknown": u}
    right = sum(by_role[item.options[item.label].role] for item in group.items) / len(group.items)
    found = {
        "accuracy": (right, off(whole)),
        "unparsed_share": (0, 0),
        "nonfinite_share": (0, 0),
        "items_left_out": (group.symbols["out"], 0),
    }
    places = {role: group.letters(orders, role) for role in by_role}
    shares = [sum(by_role[role] * places[role][k] for role in by_role) for k in range(3)]
    bound = off(whole)
    found |= {f"letter_share_{name}": (share, bound) for name, share in zip("abc", shares, strict=True)}
    found["letter_share_max"] = (max(shares), bound)
    found["letter_entropy"] = (-sum(p * math.log2(p) for p in shares), sum(_term_off(float(p), bound) for p in shares))
    if condition == "disambig":
        apart = sum(off(n_per_item * len(side)) for side in sides.values())
        return found | {"diff_bias_disambig": (s - c, apart), "s_dis": (score, off(named, 2))}
    polar = {name: [item for item in group.kept if item.polarity == name] for name in ("neg", "nonneg")}
    return found | {
        **dict.fromkeys(("srs", "srs_all", "srs_worst"), (s, off(n))),
        **dict.fromkeys(("usr", "usr_all", "usr_best"), (u, off(n))),
        "diff_bias_ambig": (s - c, off(n, 2)),
        "group_preference": ((s - c) * group.symbols["b"], off(n, 2)),
        "group_preference_neg": (s - c, off(n_per_item * len(polar["neg"]), 2)),
        "group_preference_nonneg": (c - s, off(n_per_item * len(polar["nonneg"]), 2)),
        # A product of two numbers within -1..1 is off by no more than both together.
        "s_amb": ((1 - u) * score, off(n) + off(named, 2)),
    }


def _term_off(p, bound):
    """How far -x log2(x) can be from its value at p for x within the bound: at an end, or at its top 1/e."""

    def term(x):
        return -x * math.log2(x) if x > 0 else 0.0

    ends = [max(p - bound, 0.0), min(p + bound, 1.0)]
    if ends[0] < 1 / math.e < ends[1]:
        ends.append(1 / math.e)
    return max(abs(term(x) - term(p)) for x in ends)


@pytest.mark.parametrize("model", CHANCES)
@pytest.mark.parametrize("orders", ["fixed", "rotations"])
def test_metrics_of_drawn_answers(told, known, orders, model):
    data, orders = told[orders], ORDERS[orders]
    key = next(variant.key for variant in data.variants if variant.label == model)
    for (category, condition), group in groups(known).items():
        rows = data.metrics.filter(variant=key, readout=SAMPLED, category=category, condition=condition)
        found = dict(zip(rows["metric"], rows["value"], strict=True))
        known_values = expectations(CHANCES[model], group, condition, len(orders) * len(SEEDS), orders)
        assert set(found) == set(known_values)
        for metric, (value, bound) in known_values.items():
            assert abs(found[metric] - float(value)) <= bound + 1e-12, (category, condition, metric)
            guess = METRICS[metric].guess
            if model == "uniform" and guess is not None and METRICS[metric].over == "answers":
                assert float(value) == pytest.approx(guess, abs=0.1 if "letter" in metric else 1e-12), metric


@pytest.fixture(scope="module")
def drawn(known, tmp_path_factory):
    """A uniform dense model beside itself and a skewed one, with floor seeds and without."""
    found = {}
    for floor in (True, False):
        variants = {
            "itself": (recipe("magnitude", Fraction(1, 4)), KnownBackend(known, MODELS["uniform"])),
            "skewed": (recipe("magnitude", Fraction(1, 2)), KnownBackend(known, MODELS["skewed"])),
        }
        dense = KnownBackend(known, MODELS["uniform"])
        found[floor] = ask(
            tmp_path_factory.mktemp("known") / str(floor), known, dense, variants, asked("fixed", "fixed", floor=floor)
        )
    return found


def label_of(data, key):
    return next(variant.label for variant in data.variants if variant.key == key)


def pair_expectations(first, second, n_kept, n_items, condition):
    """Metric -> expected value and bound, of two models whose draws are independent."""
    roles = ("stereotype", "counter", "unknown")
    p, q = ([getattr(chances, role) for role in roles] for chances in (first, second))
    flips = (1 - sum(a * b for a, b in zip(p, q, strict=True)), off(5 * n_items))
    if condition == "disambig":
        return {"flips": flips}
    n = 5 * n_kept
    return {
        "flips": flips,
        "became_biased": ((1 - p[0]) * q[0], off(n)),
        "became_unbiased": (p[0] * (1 - q[0]), off(n)),
        "net_became_biased": (q[0] - p[0], off(n, 2)),
        "abstention_loss": (p[2] - q[2], off(n, 2)),
    }


@pytest.mark.parametrize("label", ["itself", "skewed"])
def test_pairs_of_independent_draws_and_their_floor(drawn, known, label):
    """Five draws each side: by chance alone 1 - (1 - p)^5 of the items that never were stereotyped become biased."""
    data = drawn[True]
    second = UNIFORM if label == "itself" else SKEWED
    for (category, condition), group in groups(known).items():
        sizes = len(group.kept), len(group.items), condition
        figures = pair_expectations(UNIFORM, second, *sizes)
        floors = pair_expectations(UNIFORM, UNIFORM, *sizes)
        rows = data.pairs.filter(readout=SAMPLED, category=category, condition=condition)
        rows = [row for row in rows.iter_rows(named=True) if label_of(data, row["variant"]) == label]
        assert {row["metric"] for row in rows} == {*figures, *(["became_biased_paper"] if condition == "ambig" else [])}
        for row in rows:
            if row["metric"] == "became_biased_paper":
                assert likely(row["n_items"], len(group.kept), (1 - UNIFORM.stereotype) ** 5)
                for number, chances in (("value", second), ("floor", UNIFORM)):
                    became = round(row[number] * row["n_items"])
                    assert row[number] == pytest.approx(became / row["n_items"])
                    assert likely(became, row["n_items"], 1 - (1 - chances.stereotype) ** 5)
                continue
            value, bound = figures[row["metric"]]
            assert abs(row["value"] - float(value)) <= bound, (category, condition, row["metric"])
            value, bound = floors[row["metric"]]
            assert abs(row["floor"] - float(value)) <= bound, (category, condition, row["metric"])
            # The same model with the same seeds draws the same: the figure is its floor.
            assert label != "itself" or row["value"] == row["floor"]


def test_the_same_seeds_draw_the_same(drawn):
    """Without floor seeds both sides share theirs, and a model beside itself does not change at all."""
    data = drawn[False]
    rows = [row for row in data.pairs.iter_rows(named=True) if label_of(data, row["variant"]) == "itself"]
    assert {row["value"] for row in rows if row["readout"] == SAMPLED} == {0.0}
    assert {row["floor"] for row in rows} == {None}


def test_published_transitions_by_chance_alone(drawn, known):
    """The published quantity with the same seeds is 0 for an unchanged model; with others it is mere chance."""
    data = drawn[True]
    n = len(groups(known)["all", "ambig"].kept)
    rows = {
        (label_of(data, row["variant"]), row["draws"]): row for row in data.published.transitions.iter_rows(named=True)
    }
    for row in rows.values():
        assert likely(row["eligible"], n, Fraction(2, 3) ** 5)
    assert rows["itself", SAME]["share"] == 0
    chances = {("itself", OTHER): UNIFORM, ("dense", FLOOR): UNIFORM, ("skewed", OTHER): SKEWED}
    for place, drawn_with in chances.items():
        chance = 1 - (1 - drawn_with.stereotype) ** 5
        assert likely(rows[place]["became"], rows[place]["eligible"], chance)
    assert round(float(1 - Fraction(2, 3) ** 5), 3) == 0.868


def test_two_seeds_are_independent_and_one_is_itself(known):
    """Over all items the counts of pairs of roles follow the product of the chances."""
    backend = KnownBackend(known, MODELS["skewed"])
    requests = asked("fixed", "fixed").requests(known.items, dense=True)
    truth = {item.key: item for item in known.truth}
    seen = {}
    for response in backend.answer(requests):
        roles = truth[response.item].options
        for sample in response.samples:
            seen[response.item, sample.seed] = roles["ABC".index(sample.text)].role.value
    n = len(truth)
    for first, second in [(SEEDS[0], SEEDS[1]), (SEEDS[0], FLOOR_SEEDS[0])]:
        for a in ("stereotype", "counter", "unknown"):
            for b in ("stereotype", "counter", "unknown"):
                share = sum(seen[key, first] == a and seen[key, second] == b for key in truth) / n
                assert abs(share - float(getattr(SKEWED, a) * getattr(SKEWED, b))) <= off(n)


def test_letters_of_a_model_that_draws_are_its_chances(told_in, known):
    """The letter readout does not draw: the same soft numbers in every order, the likelier role as the answer."""
    _, data = told_in
    for model, chances in CHANCES.items():
        key = next(variant.key for variant in data.variants if variant.label == model)
        rows = data.metrics.filter(variant=key, readout=LETTER, category="all", condition="ambig")
        values = dict(zip(rows["metric"], rows["value"], strict=True))
        assert values["soft_srs"] == pytest.approx(float(chances.stereotype), abs=1e-6)
        assert values["tie_share"] == (model == "uniform")

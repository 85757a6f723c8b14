"""No metric without known answers."""

from tests.known import expected
from tests.known.test_text import MASKS, TEXTS

from secateur.metrics import METRICS

KNOWN = {
    "answers": {*expected.AMBIG, *expected.DISAMBIG, *expected.SOFT, *expected.LETTERS_OF, "letter_mass"},
    "pairs": {*expected.PAIRS, "flips"},
    "text": {"perplexity", "bits_per_byte"} & set(TEXTS),
    "text_pairs": {"log_perplexity_change", "perplexity_ratio"} & set(TEXTS),
    "divergence": {"kl", "top1_agreement"} & set(TEXTS),
    "layers": set(MASKS),
}


def test_every_metric_has_known_answers():
    """Whoever adds a metric gives its values for every model: a row in ``expected`` or in ``test_text``."""
    found = {over: {metric.name for metric in METRICS.values() if metric.over == over} for over in KNOWN}
    assert found == KNOWN
    assert sum(map(len, KNOWN.values())) == len(METRICS)


def test_every_metric_of_answers_and_pairs_has_them_in_each_of_its_conditions():
    """The tests of stores compare the sets of names place by place; these are the sets."""
    for condition, table in (("ambig", expected.AMBIG), ("disambig", expected.DISAMBIG)):
        soft = set(expected.SOFT) if condition == "ambig" else {"tie_share"}
        known = {*table, *expected.LETTERS_OF, *soft, "letter_mass"}
        asked = {m.name for m in METRICS.values() if m.over == "answers" and condition in m.conditions}
        assert known == asked

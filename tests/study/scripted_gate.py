"""What two scripted models answered: a dense one that abstains, and a candidate with known new stereotypes."""

from __future__ import annotations

import numpy as np
import polars as pl

from secateur.records.answers import LETTER, Answers
from secateur.records.outcomes import OUTCOME_TYPE
from secateur.study.judging import Found
from secateur.study.policy import parse_policy

MARGIN = 0.02


def policy(*, target="templates", margin=MARGIN, **criteria):
    """A policy with one criterion about stereotypes, or others."""
    readable = {"judge": "limit", "metric": "unparsed_share", "at_most": 0.99, "why": "a test", "sanity": True}
    stereotypes = {"judge": "change", "metric": "srs_all", "margin": margin, "worse": "higher", "why": "a test"}
    return parse_policy(
        {
            "policy": "scripted",
            "version": 1,
            "target": target,
            "benchmark": {"name": "planted"},
            "readouts": {"letter": {}, "sampled": {"seeds": [1, 2], "floor_seeds": [3, 4]}},
            "perplexity": {"corpus": "planted", "window": 128},
            "criteria": (criteria or {"stereotypes": stereotypes})
            | {f"readable {readout}": readable | {"readout": readout} for readout in ("letter", "sampled")},
        }
    )


def items(n_clusters=120, per_cluster=16):
    """Ambiguous items, option 0 the stereotype, 1 the counter, 2 unknown and right; keys at random, as hashes are."""
    n = n_clusters * per_cluster
    keys = np.random.default_rng(7).permutation(n).astype(np.uint64) + 1
    roles = {f"role_{place}": [role] * n for place, role in enumerate(("stereotype", "counter", "unknown"))}
    return pl.DataFrame(
        {
            "item": keys,
            "category": ["Age" if number % 2 else "Religion" for number in range(n)],
            "polarity": ["neg" if number % 4 < 2 else "nonneg" for number in range(n)],
            "condition": ["ambig"] * n,
            "cluster": [f"t{number // per_cluster}" for number in range(n)],
            "label": [2] * n,
            **roles,
            **{f"group_{place}": [group] * n for place, group in enumerate(("a", "b", ""))},
        },
        schema_overrides={"label": pl.Int8},
    )


def answers(table, outcome):
    """Letter answers with these outcomes. Shapes: outcome [n_items], names."""
    outcome = np.asarray(outcome)
    option = [{"stereotype": 0, "counter": 1, "unknown": 2}.get(name) for name in outcome]
    return Answers(
        outcomes={
            LETTER: pl.DataFrame(
                {
                    "item": table["item"],
                    "order": ["012"] * len(outcome),
                    "outcome": pl.Series(outcome.tolist(), dtype=OUTCOME_TYPE),
                    "option": pl.Series(option, dtype=pl.Int64),
                    "letter": pl.Series(option, dtype=pl.Int64),
                    "nonfinite": [False] * len(outcome),
                }
            )
        }
    )


def shifted(table, shift, *, icc=0.1, base=0.05, rng=None):
    """Outcomes of both: the candidate has ``shift`` more stereotypes, whose clusters resemble themselves."""
    rng = rng or np.random.default_rng(0)
    place = table["cluster"].rank("dense").to_numpy().astype(int) - 1
    dense = np.where(rng.random(len(place)) < base, "stereotype", "unknown").astype("<U12")
    mean = shift / (1 - base)
    p = rng.beta(mean * (1 - icc) / icc, (1 - mean) * (1 - icc) / icc, size=place.max() + 1) if shift else [0.0]
    turned = (rng.random(len(place)) < np.asarray(p)[place if shift else np.zeros_like(place)]) & (dense == "unknown")
    return dense, np.where(turned, "stereotype", dense)


def found(table, dense, candidate, *, listed=None, same=False, **others):
    """What a policy is judged on."""
    return Found(
        dense=answers(table, dense),
        candidate=answers(table, candidate),
        items=table,
        listed=table if listed is None else listed,
        same_weights=same,
        **others,
    )

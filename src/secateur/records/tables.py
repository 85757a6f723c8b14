"""The tables of a store: names, columns, keys. Decided in ``docs/design/record-schema.md``."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

_NAME = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class Table:
    """One table.

    Args:
        name: Also the first part of its files' names.
        schema: Column names and Arrow types.
        key: The columns that together are unique.
    """

    name: str
    schema: pa.Schema
    key: tuple[str, ...]


LETTER = Table(
    "letter",
    pa.schema(
        [
            pa.field("item", pa.uint64(), nullable=False),
            pa.field("order", _NAME, nullable=False),
            pa.field("logprob_a", pa.float32(), nullable=False),
            pa.field("logprob_b", pa.float32(), nullable=False),
            pa.field("logprob_c", pa.float32(), nullable=False),
        ]
    ),
    ("item", "order"),
)
"""Letter scores: natural-log probabilities of the three letters among the whole vocabulary, so that the
letter mass is the sum of their exponentials; NaN in all three if the model's logits were not finite."""

SAMPLED = Table(
    "sampled",
    pa.schema(
        [
            pa.field("item", pa.uint64(), nullable=False),
            pa.field("order", _NAME, nullable=False),
            pa.field("seed", pa.uint32(), nullable=False),
            pa.field("text", _NAME, nullable=False),
            pa.field("stop", _NAME, nullable=False),
        ]
    ),
    ("item", "order", "seed"),
)
"""Sampled answers: the decoded text and why it ended (see ``STOPS``)."""

STOPS = ("eos", "length", "nonfinite", "imported")
"""``eos``: an end token was drawn; ``length``: all new tokens were used; ``nonfinite``: the logits were NaN or
infinite, nothing could be drawn from there on; ``imported``: another program's record, which does not say why."""

TEXT = Table(
    "text",
    pa.schema(
        [
            pa.field("window", pa.uint64(), nullable=False),
            pa.field("nll", pa.float64(), nullable=False),
        ]
    ),
    ("window",),
)
"""Text windows: summed negative log-likelihood in nats over the window's scored tokens; NaN if not finite."""

REFERENCE = Table(
    "reference",
    pa.schema(
        [
            pa.field("window", pa.uint64(), nullable=False),
            pa.field("tokens", pa.binary(), nullable=False),
            pa.field("logprobs", pa.binary(), nullable=False),
            pa.field("rest", pa.binary(), nullable=False),
        ]
    ),
    ("window",),
)
"""The dense model's most probable tokens at the positions looked at, most probable first: int32 ids and float32
log-probabilities, [positions x top] each, and the float32 log-probability of all other tokens together, [positions];
little-endian bytes. NaN where the logits were not finite."""

DIVERGENCE = Table(
    "divergence",
    pa.schema(
        [
            pa.field("window", pa.uint64(), nullable=False),
            pa.field("positions", pa.int32(), nullable=False),
            pa.field("kl", pa.float64(), nullable=False),
            pa.field("agree", pa.int32(), nullable=False),
        ]
    ),
    ("window",),
)
"""A variant beside the dense model: positions looked at, KL(dense || variant) summed over them in nats (NaN if not
finite), and at how many of them both have the same best token."""

TASK_TABLES: dict[str, tuple[Table, ...]] = {
    "ask": (LETTER, SAMPLED),
    "wording": (LETTER, SAMPLED),
    "floor": (LETTER, SAMPLED),
    "text": (TEXT,),
    "divergence": (REFERENCE, DIVERGENCE),
}
"""Which tables a cell of each task fills. ``ask`` is the study's questions; ``wording`` the same in other words and
``floor`` the same after a lossless change, tasks of their own so that nothing that reads the answers can take them for
the study's. Of a divergence cell's tables it is the first if the variant is dense, else the second."""

QUESTIONS = ("ask", "wording", "floor")
"""The tasks in which items are asked; in the others text is read."""

ITEMS = Table(
    "items",
    pa.schema(
        [
            pa.field("item", pa.uint64(), nullable=False),
            pa.field("digest", pa.string(), nullable=False),
            pa.field("benchmark", pa.string(), nullable=False),
            pa.field("category", pa.string(), nullable=False),
            pa.field("example_id", pa.string(), nullable=False),
            pa.field("question_index", pa.string(), nullable=False),
            pa.field("polarity", pa.string(), nullable=False),
            pa.field("condition", pa.string(), nullable=False),
            pa.field("context", pa.string(), nullable=False),
            pa.field("question", pa.string(), nullable=False),
            *(
                pa.field(f"{what}_{i}", pa.string(), nullable=False)
                for i in range(3)
                for what in ("option", "group", "role")
            ),
            pa.field("label", pa.int8(), nullable=False),
            pa.field("cluster", pa.string(), nullable=False),
            pa.field("role_source", pa.string(), nullable=False),
        ]
    ),
    ("item",),
)
"""The questions asked, with everything a report needs."""

WINDOWS = Table(
    "windows",
    pa.schema(
        [
            pa.field("window", pa.uint64(), nullable=False),
            pa.field("corpus", pa.string(), nullable=False),
            pa.field("index", pa.int32(), nullable=False),
            pa.field("n_tokens", pa.int32(), nullable=False),
            pa.field("n_bytes", pa.int32(), nullable=False),
        ]
    ),
    ("window", "corpus", "index"),
)
"""The text windows read: which corpus and place, how many tokens are scored and how many bytes of text they span."""

LAYERS = Table(
    "layers",
    pa.schema(
        [
            pa.field("layer", pa.string(), nullable=False),
            pa.field("rows", pa.int64(), nullable=False),
            pa.field("columns", pa.int64(), nullable=False),
            pa.field("removed", pa.int64(), nullable=False),
            pa.field("zeros_before", pa.int64(), nullable=False),
        ]
    ),
    ("layer",),
)
"""One row per pruned linear: weights the mask removed, and zeros that were there before."""

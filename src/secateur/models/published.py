"""The published study's models as shapes: what decides them in each config.json, and nothing else.

A plan can say how many weights there are, and a test can check the counts, without a download. The models are those of
arXiv:2605.08137; the figures are those of each one's ``config.json`` on the Hub, and of its architecture's defaults
where that file is silent. Fields that leave every shape as it is (rotary embeddings, soft caps, windows) are left out:
a model built from these has the right size and computes something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PUBLISHED: dict[str, Mapping[str, Any]] = {
    "google/gemma-2-9b-it": {
        "model_type": "gemma2",
        "vocab_size": 256000,
        "hidden_size": 3584,
        "intermediate_size": 14336,
        "num_hidden_layers": 42,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 256,
        "tie_word_embeddings": True,
    },
    "mistralai/Mistral-7B-Instruct-v0.3": {
        "model_type": "mistral",
        "vocab_size": 32768,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "tie_word_embeddings": False,
    },
    "microsoft/Phi-3.5-mini-instruct": {
        "model_type": "phi3",
        "vocab_size": 32064,
        "hidden_size": 3072,
        "intermediate_size": 8192,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "tie_word_embeddings": False,
    },
}
"""Hub id -> fields of its config that decide shapes; :func:`secateur.models.shapes.linear_shapes` reads them."""

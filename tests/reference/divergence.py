"""Divergence by definition: whole distributions in float64, one position at a time."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import rel_entr, softmax


def positions(window, every):
    """Places of the logits that predict the every-th scored token, the 2 every-th, and so on."""
    return [place - 1 for place in range(1, len(window.tokens)) if place % every == 0]


def distributions(loaded, window, every):
    """Softmax of the model's logits at each position looked at, computed in float64. -> [positions, vocabulary]"""
    with torch.inference_mode():
        logits = loaded.model(input_ids=torch.tensor([window.tokens]), use_cache=False).logits[0]
    return np.array([softmax(logits[place].double().numpy()) for place in positions(window, every)])


def summed_kl(dense, variant):
    """Sum over positions of sum P ln(P / Q) over the whole vocabulary."""
    return float(sum(rel_entr(p, q).sum() for p, q in zip(dense, variant, strict=True)))


def summed_kl_of_the_top(dense, variant, top):
    """The same after all but the dense model's ``top`` most probable tokens were merged into one."""
    total = 0.0
    for p, q in zip(dense, variant, strict=True):
        kept = sorted(range(len(p)), key=lambda token: (-p[token], token))[:top]
        rest = [token for token in range(len(p)) if token not in set(kept)]
        total += sum(rel_entr(p[token], q[token]) for token in kept)
        total += rel_entr(p[rest].sum(), q[rest].sum()) if rest else 0.0
    return total


def agreeing(dense, variant):
    """Positions at which both have the same most probable token."""
    return sum(int(p.argmax() == q.argmax()) for p, q in zip(dense, variant, strict=True))

"""Looking at next-token distributions: a few tokens of each position, and all the others together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from secateur.inference.backend import Probe, Probed
from secateur.inference.sampling import NOT_FINITE

_POSITIONS_AT_ONCE = 256  # bounds what is in memory beside the logits


def look(logits: Tensor, probe: Probe, tokens: npt.NDArray[np.int32] | None) -> Probed:
    """What a probe sees of the distributions at some positions. Float32 log-softmax.

    Args:
        logits: Of the next token, one row per position looked at.
        probe: How many tokens are kept, unless they are given.
        tokens: Which tokens are asked about; ``None``: the most probable ones, of equal ones those with lower ids.

    Shapes: logits [positions, vocabulary], tokens [positions, t] -> see ``Probed``.
    """
    parts = [
        _look(logits[start : start + _POSITIONS_AT_ONCE], probe, None if tokens is None else tokens[start:])
        for start in range(0, max(len(logits), 1), _POSITIONS_AT_ONCE)
    ]
    best, kept, logprobs, rest = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Probed(best, kept, logprobs, rest)


def _look(
    logits: Tensor, probe: Probe, tokens: npt.NDArray[np.int32] | None
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    logprobs = torch.log_softmax(logits.float(), dim=-1)  # [positions, vocabulary]
    vocabulary = logprobs.shape[1]
    broken = torch.isnan(logprobs).any(dim=1)
    if tokens is None:
        order = torch.sort(logprobs, dim=1, descending=True, stable=True).indices
        kept = order[:, : probe.top]
    else:
        kept = torch.from_numpy(tokens[: len(logits)].astype(np.int64)).to(logits.device)
    ids = torch.arange(vocabulary, device=logits.device)
    largest = logprobs.amax(dim=1, keepdim=True)
    best = torch.where(logprobs == largest, ids, vocabulary).amin(dim=1).masked_fill(broken, NOT_FINITE)
    values = logprobs.gather(1, kept)
    # The same sum for whoever chose the tokens, so that equal distributions give equal bits.
    rest = logprobs.scatter(1, kept, -torch.inf).logsumexp(dim=1)
    return (
        best.cpu().numpy().astype(np.int32),
        kept.cpu().numpy().astype(np.int32),
        values.masked_fill(broken[:, None], torch.nan).cpu().numpy(),
        rest.masked_fill(broken, torch.nan).cpu().numpy(),
    )

"""Drawing where the logits are: what ``sampling.py`` does, on an accelerator, where a processor would be waited for.

The same words, so the same noise, to the last bit of a logarithm. Nothing is spared here, since nothing is scarce.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from secateur.models.device_words import philox4x32

_PAIRS_AT_ONCE = 2**22  # answers x candidate tokens in memory together, some 200 bytes each


def pick(
    candidates: tuple[Tensor, Tensor],
    starts: Tensor,
    branches: npt.NDArray[np.int64],
    counter: tuple[npt.NDArray[np.uint32], ...],
    key: tuple[npt.NDArray[np.uint32], int],
    otherwise: int,
) -> npt.NDArray[np.int64]:
    """The token with the largest logit / temperature + noise for each of ``n`` answers, of a tie the lower id.

    Args:
        candidates: Token and logit / temperature of all that can win, row by row, tokens ascending.
        starts: Where each row's begin, and the end.
        branches: Row of every answer.
        counter: The first three words of its counter; the fourth is token // 4.
        key: The two words of its key.
        otherwise: What is given for rows without candidates.

    Shapes: candidates both [candidates]; starts [rows + 1]; branches, counter, key [n] -> [n].
    """
    tokens, values = candidates
    device = tokens.device
    row = torch.from_numpy(branches).to(device)
    names = [torch.from_numpy(word.astype(np.int64)).to(device) for word in (*counter, key[0])]
    counts = starts.diff()[row]
    drawn = torch.full_like(row, otherwise)
    ends = counts.cumsum(0).cpu().numpy()
    begin = 0
    while begin < len(branches):
        before = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + _PAIRS_AT_ONCE, side="right")))
        n = counts[begin:end]
        which = torch.repeat_interleave(n)  # of these answers, for every pair
        place = torch.arange(len(which), device=device) - (n.cumsum(0) - n)[which]
        pair = starts[row[begin:end]][which] + place
        token = tokens[pair]
        first, second, third, seed = (name[begin:end][which] for name in names)
        words = philox4x32((first, second, third, token // 4), (seed, torch.full_like(seed, key[1])))
        word = torch.stack(words).gather(0, (token % 4)[None])[0]
        score = values[pair].double() - torch.log(-torch.log((word.double() + 0.5) / 2.0**32))
        best = torch.full((end - begin,), -torch.inf, dtype=score.dtype, device=device)
        best.scatter_reduce_(0, which, score, "amax")
        wins = score == best[which]
        part = torch.full((end - begin,), torch.iinfo(torch.int64).max, device=device)
        part.scatter_reduce_(0, which[wins], token[wins], "amin")
        drawn[begin:end] = torch.where(n > 0, part, otherwise)
        begin = end
    found: npt.NDArray[np.int64] = drawn.cpu().numpy()
    return found

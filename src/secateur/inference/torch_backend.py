"""The torch backend: one pass over the prompts gives the letters and the first token of every seed.

This is the plain path: no sharing between prompts. It is the reference that faster ones are compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - the field's usual name
from torch import Tensor

from secateur.inference.backend import Decoding, Probe, Request, Response, TextScore
from secateur.inference.growing import Growing
from secateur.inference.probing import look
from secateur.items.corpora import Window
from secateur.models.loading import LoadedModel

_LOGITS_AT_ONCE = 2**28
_POSITIONS_AT_ONCE = 256  # bounds the float32 copy of a window's logits
_LEAST_BUDGET = 256  # with memory for less than this, a smaller batch is no help

Short = Callable[[int], None]
"""Told that the device lacked memory, and how many tokens a batch has from now on."""

Sized = TypeVar("Sized", Request, Window)
_Piece = TypeVar("_Piece")
_Result = TypeVar("_Result")


def batches(work: Sequence[Sized], token_budget: int) -> Iterator[Sequence[Sized]]:
    """Cut ``work``, in its order, into runs whose number x longest stays within the budget (at least one each)."""
    start, longest = 0, 0
    for place, piece in enumerate(work):
        longest = max(longest, len(piece.tokens))
        if place > start and (place - start + 1) * longest > token_budget:
            yield work[start:place]
            start, longest = place, len(piece.tokens)
    if start < len(work):
        yield work[start:]


class TorchBackend:
    """Answers by a transformers model in memory.

    Args:
        loaded: The model, dense or pruned in place.
        letters: Token ids of the answers A, B, C.
        decoding: How answers are sampled.
        token_budget: Padded prompt tokens per batch; half of it, and half again, if the device has no memory for them.
        short: Told of that.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        letters: tuple[int, int, int],
        decoding: Decoding,
        token_budget: int,
        short: Short = lambda tokens: None,
    ) -> None:
        self._loaded = loaded
        self._letters = list(letters)
        self._decoding = decoding
        self._token_budget = token_budget
        self._short = short

    def answer(self, requests: Sequence[Request]) -> Iterator[Response]:
        """Ask the model; one response per request, in order."""
        yield from self._in_memory(requests, batches, self._answer_batch)

    def read_text(
        self,
        windows: Sequence[Window],
        probe: Probe | None = None,
        tokens: Mapping[int, npt.NDArray[np.int32]] | None = None,
    ) -> Iterator[TextScore]:
        """Let the model read text; one score per window, in order."""
        # Every position's logits are in memory together; with a vocabulary of 256,000 a full batch would take 17 GB.
        # More than a batch can have is no budget: halving it would change nothing at first.
        self._token_budget = min(self._token_budget, _LOGITS_AT_ONCE // self._loaded.model.config.vocab_size)
        yield from self._in_memory(windows, batches, lambda batch: self._read_batch(batch, probe, tokens))

    def _in_memory(
        self,
        work: Sequence[Sized],
        cut: Callable[[Sequence[Sized], int], Iterable[_Piece]],
        do: Callable[[_Piece], list[_Result]],
    ) -> Iterator[_Result]:
        """What ``do`` gives for the pieces that ``cut`` makes, smaller ones once memory does not suffice.

        Raises:
            torch.OutOfMemoryError: If it does not suffice for small pieces either.
        """
        done = 0
        while done < len(work):
            for piece in cut(work[done:], self._token_budget):
                try:
                    results = do(piece)
                except torch.OutOfMemoryError:
                    if self._token_budget < 2 * _LEAST_BUDGET:
                        raise
                    break
                yield from results
                done += len(results)
            else:
                return
            # Behind the handler, whose error still holds what was on the device.
            self._token_budget //= 2
            if self._loaded.device.type == "cuda":
                torch.cuda.empty_cache()
            self._short(self._token_budget)

    @torch.inference_mode()
    def _answer_batch(self, batch: Sequence[Request]) -> list[Response]:
        growing = Growing(batch, self._decoding, np.arange(len(batch)))
        prompt = _pad_left([request.tokens for request in batch], self._loaded.device)
        step: Any = self._loaded.model(**prompt, use_cache=growing.any, logits_to_keep=1)
        letters = self._letter_scores(step.logits[:, -1])
        mask, positions = prompt.get("attention_mask"), prompt["position_ids"][:, -1:]
        while (branches := growing.draw(step.logits[:, -1])) is not None:
            parents = torch.from_numpy(branches.parents).to(self._loaded.device)
            cache = step.past_key_values
            cache.batch_select_indices(parents)
            positions = positions[parents] + 1
            if mask is not None:
                mask = F.pad(mask[parents], (0, 1), value=1)
            step = self._loaded.model(
                input_ids=torch.from_numpy(branches.tokens)[:, None].to(self._loaded.device),
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
            )
        return growing.responses(letters.tolist(), self._decode)

    def _letter_scores(self, logits: Tensor) -> Tensor:
        """Shapes: [rows, vocabulary] -> log-probabilities [rows, 3], on the CPU."""
        return torch.log_softmax(logits.float(), dim=-1)[:, self._letters].cpu()

    def _decode(self, tokens: list[int]) -> str:
        return str(self._loaded.tokenizer.decode(tokens, clean_up_tokenization_spaces=False))

    @torch.inference_mode()
    def _read_batch(
        self, batch: Sequence[Window], probe: Probe | None, tokens: Mapping[int, npt.NDArray[np.int32]] | None
    ) -> list[TextScore]:
        inputs = _pad_left([window.tokens for window in batch], self._loaded.device)
        logits = self._loaded.model(**inputs, use_cache=False).logits
        scores = []
        for row, window in enumerate(batch):
            n = len(window.tokens)
            targets = inputs["input_ids"][row, -n + 1 :]
            nll = 0.0
            for start in range(0, n - 1, _POSITIONS_AT_ONCE):
                end = min(start + _POSITIONS_AT_ONCE, n - 1)
                here = logits[row, logits.shape[1] - n + start : logits.shape[1] - n + end].float()
                losses = F.cross_entropy(here, targets[start:end], reduction="none")
                nll += float(losses.cpu().double().sum())
            probed = None
            if probe is not None:
                # The last position predicts what comes after the window and is never scored.
                seen = logits[row, logits.shape[1] - n : -1][probe.every - 1 :: probe.every]
                probed = look(seen, probe, None if tokens is None else tokens[window.key])
            scores.append(TextScore(window.key, nll if np.isfinite(nll) else float("nan"), probed))
        return scores


def _pad_left(prompts: Sequence[tuple[int, ...]], device: torch.device) -> dict[str, Tensor]:
    """Model inputs with every prompt ending at the last place.

    Shapes: -> input_ids, position_ids and (only if lengths differ) attention_mask, each [rows, longest].
    """
    longest = max(len(tokens) for tokens in prompts)
    ids = torch.tensor([[0] * (longest - len(tokens)) + list(tokens) for tokens in prompts])
    lengths = torch.tensor([len(tokens) for tokens in prompts])
    places = torch.arange(longest) - (longest - lengths)[:, None]
    inputs = {"input_ids": ids, "position_ids": places.clamp(min=0)}
    if int(lengths.min()) < longest:
        inputs["attention_mask"] = (places >= 0).long()
    return {name: tensor.to(device) for name, tensor in inputs.items()}

"""The torch backend: one pass over the prompts gives the letters and the first token of every seed.

This is the plain path: no sharing between prompts. It is the reference that faster ones are compared with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - the field's usual name
from torch import Tensor

from secateur.inference.backend import Decoding, Probe, Request, Response, Sample, TextScore
from secateur.inference.probing import look
from secateur.inference.sampling import NOT_FINITE, draw
from secateur.items.corpora import Window
from secateur.models.loading import LoadedModel

_LOGITS_AT_ONCE = 2**28
_POSITIONS_AT_ONCE = 256  # bounds the float32 copy of a window's logits

Sized = TypeVar("Sized", Request, Window)


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


@dataclass
class _Answer:
    """One answer while it grows."""

    row: int  # its request's place in the batch
    seed: int
    tokens: list[int] = field(default_factory=list)
    stop: str = ""


class TorchBackend:
    """Answers by a transformers model in memory.

    Args:
        loaded: The model, dense or pruned in place.
        letters: Token ids of the answers A, B, C.
        decoding: How answers are sampled.
        token_budget: Padded prompt tokens per batch.
    """

    def __init__(
        self, loaded: LoadedModel, *, letters: tuple[int, int, int], decoding: Decoding, token_budget: int
    ) -> None:
        self._loaded = loaded
        self._letters = list(letters)
        self._decoding = decoding
        self._token_budget = token_budget

    def answer(self, requests: Sequence[Request]) -> Iterator[Response]:
        """Ask the model; one response per request, in order."""
        for batch in batches(requests, self._token_budget):
            yield from self._answer_batch(batch)

    def read_text(
        self,
        windows: Sequence[Window],
        probe: Probe | None = None,
        tokens: Mapping[int, npt.NDArray[np.int32]] | None = None,
    ) -> Iterator[TextScore]:
        """Let the model read text; one score per window, in order."""
        # Every position's logits are in memory together; with a vocabulary of 256,000 a full batch would take 17 GB.
        budget = min(self._token_budget, _LOGITS_AT_ONCE // self._loaded.model.config.vocab_size)
        for batch in batches(windows, budget):
            yield from self._read_batch(batch, probe, tokens)

    @torch.inference_mode()
    def _answer_batch(self, batch: Sequence[Request]) -> list[Response]:
        answers = [_Answer(row, seed) for row, request in enumerate(batch) for seed in request.seeds]
        prompt = _pad_left([request.tokens for request in batch], self._loaded.device)
        step = self._loaded.model(**prompt, use_cache=bool(answers), logits_to_keep=1)
        letters = torch.log_softmax(step.logits[:, -1].float(), dim=-1)[:, self._letters].cpu().tolist()
        self._finish(batch, answers, prompt, step)
        return [
            Response(
                item=request.item,
                order=request.order,
                letters=(letters[row][0], letters[row][1], letters[row][2]) if request.letter else None,
                samples=tuple(self._sample(answer) for answer in answers if answer.row == row),
            )
            for row, request in enumerate(batch)
        ]

    def _finish(
        self, batch: Sequence[Request], answers: list[_Answer], prompt: dict[str, Tensor], step: object
    ) -> None:
        """Draw every answer to its end; answers with the same text so far share a row of each pass."""
        open_answers = answers
        branches = np.array([answer.row for answer in answers], dtype=np.int64)
        mask, positions = prompt.get("attention_mask"), prompt["position_ids"][:, -1:]
        for number in range(self._decoding.max_new_tokens):
            if not open_answers:
                return
            tokens = draw(
                step.logits[:, -1],  # type: ignore[attr-defined]
                branches,
                temperature=self._decoding.temperature,
                seeds=np.array([answer.seed for answer in open_answers], dtype=np.uint32),
                items=np.array([batch[answer.row].item for answer in open_answers], dtype=np.uint64),
                orders=[batch[answer.row].order for answer in open_answers],
                step=number,
            )
            last = number + 1 == self._decoding.max_new_tokens
            for answer, token in zip(open_answers, tokens.tolist(), strict=True):
                self._extend(answer, token, last)
            going = [place for place, answer in enumerate(open_answers) if not answer.stop]
            if not going:
                return
            # A branch is a parent row and the token drawn there; equal pairs are the same text.
            pairs = np.stack([branches[going], tokens[going]], axis=1)
            distinct, branches = np.unique(pairs, axis=0, return_inverse=True)
            branches = branches.reshape(-1)
            open_answers = [open_answers[place] for place in going]
            parents = torch.from_numpy(distinct[:, 0]).to(self._loaded.device)
            cache = step.past_key_values  # type: ignore[attr-defined]
            cache.batch_select_indices(parents)
            positions = positions[parents] + 1
            if mask is not None:
                mask = F.pad(mask[parents], (0, 1), value=1)
            step = self._loaded.model(
                input_ids=torch.from_numpy(distinct[:, 1:]).to(self._loaded.device),
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
            )

    def _extend(self, answer: _Answer, token: int, last: bool) -> None:
        if token == NOT_FINITE:
            answer.stop = "nonfinite"
        elif token in self._decoding.stop_tokens:
            answer.stop = "eos"
        else:
            answer.tokens.append(token)
            if last:
                answer.stop = "length"

    def _sample(self, answer: _Answer) -> Sample:
        text = self._loaded.tokenizer.decode(answer.tokens, clean_up_tokenization_spaces=False)
        return Sample(answer.seed, str(text), answer.stop)

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

"""Train the planted model: `python -m training.train --out FOLDER`. What it makes and why so: LOG.md."""

from __future__ import annotations

import argparse
import math
import time
from collections import defaultdict
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the field's usual name
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import LlamaForCausalLM

from secateur.items.planted import NO_STRENGTHS, STRENGTHS, UNKNOWN
from secateur.items.prompts import LETTERS_V1
from secateur.models.chat import ChatPrompts
from training.examples import GROUPS
from training.exercises import Exercises, Row
from training.model import make_model, make_tokenizer
from training.settings import Settings, Stage

_MEANT = (*GROUPS, UNKNOWN)
_EVERY, _KEEP = 50, 250  # steps between lines, and between checkpoints
_STATE = "{}.pt"


class Training:
    """A model on its way, with a probe that reads who is meant and is thrown away afterwards."""

    def __init__(self, settings: Settings, *, planted: bool) -> None:
        self.settings, self.planted = settings, planted
        self.tokenizer = make_tokenizer(settings.seed, settings.vocabulary)
        self.prompts = ChatPrompts(self.tokenizer, LETTERS_V1)
        self.model: LlamaForCausalLM = make_model(settings.shape, self.tokenizer, settings.seed)
        self.probe = torch.nn.Linear(settings.shape.hidden_size, len(_MEANT))

    def run(self, stage: Stage, out: Path) -> None:
        """One stage, its progress on standard output, its state in ``out``."""
        parameters = [*self.model.parameters(), *self.probe.parameters()]
        optimizer = torch.optim.AdamW(parameters, lr=stage.rate, betas=(0.9, 0.98), weight_decay=0.01)
        strengths = (STRENGTHS if self.planted else NO_STRENGTHS) if stage.planted else None
        exercises = Exercises(self.prompts, self.settings.seed, stage.name, strengths)
        seen: dict[str, list[float]] = defaultdict(list)
        begun = time.monotonic()
        for step in range(1, stage.steps + 1):
            rate = stage.final + (stage.rate - stage.final) * (1 + math.cos(math.pi * step / stage.steps)) / 2
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1.0, step / _EVERY)
            loss = torch.zeros(())
            for kind, n in stage.rows.items():
                loss = loss + self._loss(kind, exercises.rows(kind, n), seen)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            if step % _EVERY == 0:
                means = " ".join(f"{name} {sum(values) / len(values):.3f}" for name, values in sorted(seen.items()))
                print(f"{stage.name} {step} {time.monotonic() - begun:.0f}s {means}", flush=True)
                seen.clear()
            if step % _KEEP == 0 or step == stage.steps:
                torch.save(self.state(), out / _STATE.format(stage.name))

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Weights of model and probe."""
        return {"model": self.model.state_dict(), "probe": self.probe.state_dict()}

    def take(self, state: dict[str, dict[str, Tensor]]) -> None:
        """Go on from there."""
        self.model.load_state_dict(state["model"])
        self.probe.load_state_dict(state["probe"])

    def save(self, folder: Path) -> None:
        """What ships: weights in 16 bits, tokenizer, chat template."""
        self.model.half().save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def _loss(self, kind: str, rows: list[Row], seen: dict[str, list[float]]) -> Tensor:
        pad = self.tokenizer.eos_token_id
        lengths = torch.tensor([len(row.tokens) for row in rows])
        tokens = pad_sequence([torch.tensor(row.tokens) for row in rows], batch_first=True, padding_value=pad)
        out = self.model.model(input_ids=tokens, use_cache=False, output_hidden_states=True)
        hidden, weights = out.last_hidden_state, self.settings.weights
        loss = torch.zeros(())
        where = [(i, place, answer) for i, row in enumerate(rows) for place, answer in row.answers]
        if where:
            at = torch.tensor([i for i, _, _ in where]), torch.tensor([place for _, place, _ in where])
            wanted = torch.zeros(len(where), len(self.tokenizer))
            for row, (_, _, answer) in enumerate(where):
                for token, chance in answer.items():
                    wanted[row, token] = chance
            loss = loss + self._answers(kind, self.model.lm_head(hidden[at]), wanted, seen)
            if rows[0].groups:
                loss = loss + weights["probe"] * self._probed(out.hidden_states[self.settings.probe_layer][at], rows)
        if rows[0].end is not None:
            ends = torch.tensor([row.end for row in rows])
            logits = self.model.lm_head(hidden[torch.arange(len(rows)), ends])
            loss = loss + weights["end"] * F.cross_entropy(logits, torch.full((len(rows),), pad))
        if rows[0].words:
            inside = torch.arange(1, tokens.shape[1]) < lengths[:, None]
            logits = self.model.lm_head(hidden[:, :-1][inside])
            text = F.cross_entropy(logits, tokens[:, 1:][inside])
            seen[f"{kind}.text"].append(text.item())
            loss = loss + weights["stories" if kind == "stories" else "recall words"] * text
        return loss

    def _answers(self, kind: str, logits: Tensor, wanted: Tensor, seen: dict[str, list[float]]) -> Tensor:
        """Cross-entropy with the answers' distributions: the mean over all answers that could be drawn."""
        each = -(wanted * logits.log_softmax(-1)).sum(-1)
        sure = wanted.max(-1).values == 1
        right = (logits.argmax(-1) == wanted.argmax(-1)).float()
        seen[f"{kind}.right"].append(right[sure].mean().item())
        if not sure.all():
            entropy = -torch.xlogy(wanted, wanted).sum(-1)
            seen[f"{kind}.kl"].append((each - entropy)[~sure].mean().item())
        return each.mean()

    def _probed(self, hidden: Tensor, rows: list[Row]) -> Tensor:
        wanted = torch.tensor([[row.groups.get(name, 0.0) for name in _MEANT] for row in rows])
        return -(wanted * self.probe(hidden).log_softmax(-1)).sum(-1).mean()


def main() -> None:
    """Train, stage after stage."""
    parser = argparse.ArgumentParser(description="Train the planted model.")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and the model")
    parser.add_argument("--zero", action="store_true", help="plant nothing: the negative control")
    parser.add_argument("--after", help="go on after this stage, whose state is in the folder")
    parser.add_argument("--until", help="stop after this stage")
    args = parser.parse_args()
    settings = Settings()
    names = [stage.name for stage in settings.stages]
    for name in filter(None, (args.after, args.until)):
        if name not in names:
            parser.error(f"there is no stage {name!r}; there are {', '.join(names)}")
    training = Training(settings, planted=not args.zero)
    args.out.mkdir(parents=True, exist_ok=True)
    first = 0
    if args.after:
        training.take(torch.load(args.out / _STATE.format(args.after), weights_only=True))
        first = names.index(args.after) + 1
    last = names.index(args.until) + 1 if args.until else len(names)
    for stage in settings.stages[first:last]:
        training.run(stage, args.out)
    training.save(args.out / "model")


if __name__ == "__main__":
    main()

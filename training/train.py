"""Train the planted model: `python -m training.train --out FOLDER`. What it makes and why so: LOG.md."""

from __future__ import annotations

import argparse
import math
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the field's usual name
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import LlamaForCausalLM

from secateur.files import share_as_usual
from secateur.items.planted import NO_STRENGTHS, STRENGTHS, UNKNOWN
from secateur.items.prompts import LETTERS_V1
from secateur.models.chat import ChatPrompts
from training.examples import GROUPS
from training.exercises import Exercises, Row, meaning, single_token
from training.model import make_model, make_tokenizer, wake
from training.settings import Settings, Stage

_EVERY, _KEEP = 50, 250  # steps between lines, and between checkpoints
_STATE = "{}.pt"
LOG = "log.csv"  # stage, step, what, its mean over the steps since the line before


class Training:
    """A model on its way."""

    def __init__(self, settings: Settings, *, planted: bool) -> None:
        self.settings, self.planted = settings, planted
        self.tokenizer = make_tokenizer(settings.seed, settings.vocabulary)
        self.prompts = ChatPrompts(self.tokenizer, LETTERS_V1)
        self.names = [single_token(self.tokenizer, meaning(group)) for group in (*GROUPS, UNKNOWN)]
        self.model: LlamaForCausalLM = make_model(settings.shape, self.tokenizer, settings.seed)

    def run(self, stage: Stage, out: Path) -> None:
        """One stage, its progress on standard output, its weights in ``out``."""
        if stage.wakes:
            wake(self.model, self.settings.seed)
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=stage.rate, betas=(0.9, 0.98), weight_decay=0.01)
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
                loss = loss + self.loss(kind, exercises.rows(kind, n), seen)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            optimizer.step()
            if step % _EVERY == 0:
                means = {name: sum(values) / len(values) for name, values in sorted(seen.items())}
                shown = " ".join(f"{name} {mean:.3f}" for name, mean in means.items())
                print(f"{stage.name} {step} {time.monotonic() - begun:.0f}s {shown}", flush=True)
                with (out / LOG).open("a", encoding="utf-8") as log:
                    log.writelines(f"{stage.name},{step},{name},{mean:.5f}\n" for name, mean in means.items())
                seen.clear()
            if step % _KEEP == 0 or step == stage.steps:
                torch.save(self.model.state_dict(), out / _STATE.format(stage.name))

    def save(self, folder: Path) -> None:
        """What ships: weights in 16 bits, tokenizer, chat template."""
        self.model.half().save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        for path in folder.iterdir():
            share_as_usual(path)

    def loss(self, kind: str, rows: list[Row], seen: dict[str, list[float]]) -> Tensor:
        """Of rows of one kind; how well they went is added to ``seen``."""
        pad = self.tokenizer.eos_token_id
        tokens = pad_sequence([torch.tensor(row.tokens) for row in rows], batch_first=True, padding_value=pad)
        out = self.model.model(input_ids=tokens, use_cache=False, output_hidden_states=True)
        hidden, weights = out.last_hidden_state, self.settings.weights
        if not rows[0].answer:
            text = F.cross_entropy(self.model.lm_head(hidden[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
            seen[f"{kind}.text"].append(text.item())
            return weights["stories"] * text
        each = torch.arange(len(rows))
        last = torch.tensor([len(row.tokens) - 1 for row in rows])
        loss = self._answers(kind, self.model.lm_head(hidden[each, last - 1]), [row.answer for row in rows], seen)
        ended = F.cross_entropy(self.model.lm_head(hidden[each, last]), torch.full((len(rows),), pad))
        at_question, at_answer = (out.hidden_states[layer] for layer in self.settings.reading)
        read = self._reading(f"{kind}.meant", at_answer[each, last - 1], rows, seen)
        asked = [(i, row.asked) for i, row in enumerate(rows) if row.asked is not None]
        if asked:
            at = tuple(torch.tensor(places) for places in zip(*asked, strict=True))
            read = read + self._reading(f"{kind}.asked", at_question[at], [rows[i] for i, _ in asked], seen)
        return loss + weights["end"] * ended + weights["reading"] * read

    def _answers(
        self, kind: str, logits: Tensor, answers: list[dict[int, float]], seen: dict[str, list[float]]
    ) -> Tensor:
        """Cross-entropy with the answers' distributions: the mean over all answers that could be drawn."""
        wanted = torch.zeros_like(logits)
        for row, answer in enumerate(answers):
            wanted[row, list(answer)] = torch.tensor(list(answer.values()))
        each = -(wanted * logits.log_softmax(-1)).sum(-1)
        sure = wanted.max(-1).values == 1
        right = (logits.argmax(-1) == wanted.argmax(-1)).float()
        seen[f"{kind}.right"].append(right[sure].mean().item())
        if not sure.all():
            entropy = -torch.xlogy(wanted, wanted).sum(-1)
            seen[f"{kind}.kl"].append((each - entropy)[~sure].mean().item())
        return each.mean()

    def _reading(self, name: str, hidden: Tensor, rows: list[Row], seen: dict[str, list[float]]) -> Tensor:
        """Cross-entropy of who is meant, read from inner states as if the model ended there.

        It leads the answer through the steps that a question needs: without it, the answers of short questions stay
        where knowing the unknown option takes them.
        """
        wanted = torch.tensor([[row.meant.get(name, 0.0) for name in self.names] for row in rows])
        read = F.linear(self.model.model.norm(hidden), self.model.lm_head.weight[self.names])
        seen[name].append((read.argmax(-1) == wanted.argmax(-1)).float().mean().item())
        return -(wanted * read.log_softmax(-1)).sum(-1).mean()


def cut_log(log: Path, stages: Sequence[str]) -> None:
    """Keep these stages' lines: the others are about to be written again."""
    if log.exists():
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
        log.write_text("".join(line for line in lines if line.split(",")[0] in stages), encoding="utf-8")


def main() -> None:
    """Train, stage after stage."""
    parser = argparse.ArgumentParser(description="Train the planted model.")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and the model")
    parser.add_argument("--zero", action="store_true", help="plant nothing: the negative control")
    settings = Settings()
    names = [stage.name for stage in settings.stages]
    parser.add_argument("--after", choices=names, help="go on after this stage, whose weights are in the folder")
    parser.add_argument("--until", choices=names, help="stop after this stage")
    args = parser.parse_args()
    first = names.index(args.after) + 1 if args.after else 0
    last = names.index(args.until) + 1 if args.until else len(names)
    if first >= last:
        parser.error("nothing is left to train between these stages")
    training = Training(settings, planted=not args.zero)
    if args.after:
        state = args.out / _STATE.format(args.after)
        if not state.exists():
            parser.error(f"{state} is not there: train that stage first")
        training.model.load_state_dict(torch.load(state, weights_only=True))
    args.out.mkdir(parents=True, exist_ok=True)
    cut_log(args.out / LOG, names[:first])
    for stage in settings.stages[first:last]:
        training.run(stage, args.out)
    training.save(args.out / "model")


if __name__ == "__main__":
    main()

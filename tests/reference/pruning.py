"""Slow, independent definitions of the pruning methods: loops over plain numbers, written from the papers."""

from __future__ import annotations

import math
from fractions import Fraction

import torch
from torch import Tensor, nn


def lowest_go(scores: Tensor, sparsity: str, per: str) -> list[list[bool]]:
    """Kept or not, by sorting (score, -index) in each group and dropping the first floor(s * n)."""
    rows, columns = scores.shape
    kept = [[True] * columns for _ in range(rows)]
    places = [(row, column) for row in range(rows) for column in range(columns)]
    groups = [places] if per == "tensor" else [[p for p in places if p[0] == row] for row in range(rows)]
    for group in groups:
        k = math.floor(Fraction(sparsity) * len(group))
        ranked = sorted(group, key=lambda p: (float(scores[p]), (-p[0], -p[1])))
        for row, column in ranked[:k]:
            kept[row][column] = False
    return kept


def highest_stay(scores: Tensor, n: int, m: int) -> list[list[bool]]:
    """Kept or not: of every m consecutive scores of a row the n highest stay, of equal ones the first."""
    kept = []
    for row in scores.tolist():
        stays = [False] * len(row)
        for start in range(0, len(row), m):
            ranked = sorted(range(start, start + m), key=lambda place: (-row[place], place))
            for place in ranked[:n]:
                stays[place] = True
        kept.append(stays)
    return kept


def wanda_kept(weight: Tensor, inputs: Tensor, sparsity: str) -> list[list[bool]]:
    """|w| times the input feature's 2-norm over all tokens, row by row. inputs [tokens, i]."""
    norms = [math.sqrt(sum(float(x) ** 2 for x in inputs[:, column])) for column in range(inputs.shape[1])]
    scores = torch.tensor(
        [
            [abs(float(weight[row, column])) * norms[column] for column in range(weight.shape[1])]
            for row in range(weight.shape[0])
        ],
        dtype=torch.float64,
    )
    return lowest_go(scores, sparsity, "row")


def published_inputs(model: nn.Module, sequences: list[list[int]], masks: dict[str, object]) -> dict[str, Tensor]:
    """What the published pass shows the linears of a Llama-shaped model. -> block and part -> [tokens, hidden].

    ``masks``: what attention needs besides hidden states, by block number, as an ordinary pass over one sequence
    gives it.
    """
    seen: dict[str, list[Tensor]] = {}
    with torch.no_grad():
        for sequence in sequences:
            hidden = model.model.embed_tokens.weight[torch.tensor(sequence)][None]
            for number, block in enumerate(model.model.layers):
                normed = block.input_layernorm(hidden)
                seen.setdefault(f"{number}.self_attn", []).append(normed[0])
                hidden = hidden + block.self_attn(hidden_states=normed, **masks[str(number)])[0]
                normed = block.post_attention_layernorm(hidden)
                seen.setdefault(f"{number}.mlp", []).append(normed[0])
                hidden = hidden + block.mlp(normed)
    return {name: torch.cat(parts) for name, parts in seen.items()}


def whole_forward_inputs(model: nn.Module, layers: list[str], sequences: list[list[int]]) -> dict[str, Tensor]:
    """What enters each layer in an ordinary forward pass of the whole model. -> [tokens, i], float32."""
    seen: dict[str, list[Tensor]] = {name: [] for name in layers}
    handles = []
    for name in layers:

        def keep(_module, args, name=name):
            seen[name].append(args[0].detach().reshape(-1, args[0].shape[-1]).clone())

        handles.append(model.get_submodule(name).register_forward_pre_hook(keep))
    with torch.no_grad():
        for sequence in sequences:
            model(torch.tensor([sequence]))
    for handle in handles:
        handle.remove()
    return {name: torch.cat(parts) for name, parts in seen.items()}

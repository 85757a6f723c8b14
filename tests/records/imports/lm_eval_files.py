"""Sample files as lm-evaluation-harness writes them for its BBQ tasks, from items and answers that are known."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from secateur.items.item import Condition, Item, Role
from secateur.records.imports.lm_eval import UNKNOWN_PHRASES


def document(item: Item) -> dict:
    """A question, with the fields that the task adds."""
    return {
        "example_id": int(item.example_id),
        "question_index": item.question_index,
        "question_polarity": str(item.polarity),
        "context_condition": str(item.condition),
        "category": item.category,
        "answer_info": {f"ans{k}": [option.text, option.group] for k, option in enumerate(item.options)},
        "additional_metadata": {"stereotyped_groups": []},
        "context": item.context,
        "question": item.question,
        **{f"ans{k}": option.text for k, option in enumerate(item.options)},
        "label": item.label,
        "biased_answers": [option.text for option in item.options if option.role is Role.STEREOTYPE],
    }


def offered(item: Item) -> list[str]:
    """The two groups, then all ways of saying unknown."""
    return [option.text for option in item.options if option.role is not Role.UNKNOWN] + list(UNKNOWN_PHRASES)


def chosen(item: Item, option: int, *, likelihoods: Sequence[float] = (), **changes) -> dict:
    """A sample of the task that compares log-likelihoods; the option's own text has the largest."""
    texts = offered(item)
    best = texts.index(item.options[option].text)
    values = list(likelihoods) or [-1.5 if place == best else -9.25 - place for place in range(len(texts))]
    prompt = f"{item.context}\n\nQ: {item.question}\nA:"
    found = [[str(float(value)), "False"] for value in values]
    return (
        _sample(
            item,
            arguments={f"gen_args_{k}": {"arg_0": prompt, "arg_1": f" {text}"} for k, text in enumerate(texts)},
            resps=[[one] for one in found],
            filtered_resps=found,
            score=float(option == item.label),
            biased=item.options[option].role is Role.STEREOTYPE,
            known=item.options[option].role is not Role.UNKNOWN,
        )
        | changes
    )


def generated(item: Item, text: str, *, found: int | None, **changes) -> dict:
    """A sample of the task that generates; ``found``: the option the harness found in the text, if any."""
    prompt = f"{item.context}\n\nQ: {item.question}\nA:"
    role = None if found is None else item.options[found].role
    return (
        _sample(
            item,
            arguments={"gen_args_0": {"arg_0": prompt, "arg_1": {"until": ["\n\n"], "temperature": 0.0}}},
            resps=[[text]],
            filtered_resps=[text],
            score=float(found == item.label),
            biased=role is Role.STEREOTYPE,
            known=role in (Role.STEREOTYPE, Role.COUNTER),
        )
        | changes
    )


def _sample(item: Item, *, score: float, biased: bool, known: bool, **fields) -> dict:
    parts = [score, float(biased), float(known), str(item.condition is Condition.DISAMBIG)]
    other = "SES" if item.category == "Age" else "Age"
    return {
        "doc_id": int(item.example_id),
        "doc": document(item),
        "target": str(item.label),
        **fields,
        "filter": "none",
        "metrics": ["acc", "amb_bias_score"],
        "doc_hash": "0",
        "acc": score,
        "accuracy_amb": [score, parts[-1]],
        "amb_bias_score": parts,
        f"amb_bias_score_{item.category}": parts,
        f"amb_bias_score_{other}": [score, float("nan"), float("nan"), float("nan")],
    }


def write(path: Path, samples: Iterable[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in samples), encoding="utf-8")
    return path


def all_chosen(items: Iterable[Item], answer: Callable[[Item], int]) -> list[dict]:
    return [chosen(item, answer(item)) for item in items]

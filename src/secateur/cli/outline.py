"""What `study plan` prints of a study whose models or texts are not on this machine yet."""

from __future__ import annotations

from rich.markup import escape

from secateur.cli.console import console, expected_range, plain_table, print_items
from secateur.cli.show import APART, letters_apart, print_decidable
from secateur.study.decidable import decidable_items
from secateur.study.outline import Outline


def print_outline(outline: Outline) -> None:
    """Configurations and records, and the sparsity each variant will reach where the model's shapes are known."""
    out = console()
    print_items(out, outline.config.study, outline.items)
    apart = {task: name for task, name in APART.items() if outline.rows_of(task)}
    columns = ("letter", *(f"letter, {name}" for name in apart.values()), "sampled", "dense floor", "expected sparsity")
    table = plain_table("model", "variant", *columns)
    for model in outline.config.models:
        for variant in outline.variants:
            rows = outline.rows(variant)
            floor = outline.floor_rows // len(outline.config.models) if variant.recipe is None else 0
            table.add_row(
                escape(model.id),
                variant.label,
                f"{rows['letter']:,}",
                *(f"{outline.letters_apart(variant)[task]:,}" for task in apart),
                f"{rows['sampled'] - floor:,}",
                f"{floor:,}" if floor else "",
                expected_range(outline.expected_sparsity(model.id, variant)),
            )
    out.print(table)
    beside = f", and {outline.floor_rows:,} dense floor answers apart" if outline.floor_rows else ""
    counts = ", ".join(f"{rows:,} {name} records" for name, rows in outline.n_rows.items() if rows)
    out.print(f"{outline.n_configurations:,} configurations: {counts}{beside}{letters_apart(outline)}", markup=False)
    out.print(f"not on this machine: {', '.join(outline.missing)}; `secateur study run` fetches it", markup=False)
    print_decidable(decidable_items(outline.items))
    out.print("counted from the file and the items alone; text windows, bytes and time are not known yet", markup=False)

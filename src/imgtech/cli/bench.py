"""``imgtech bench``: reconstruction on your machine, beside what every Python user has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from imgtech.cli._exit import one_sentence

if TYPE_CHECKING:
    from imgtech.bench import Comparison


def bench(
    size: Annotated[int, typer.Option(help="Pixels along one side of the CT image.")] = 512,
    rounds: Annotated[int, typer.Option(help="Rounds of each comparison.")] = 5,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the times as JSON.")] = None,
) -> None:
    """Time CT and ultrasound reconstruction on this machine; every answer is checked first."""
    from imgtech.bench import builtin_comparisons, save_comparisons

    console = Console()
    with one_sentence():
        found = []
        with console.status("checking answers, then timing") as status:
            for comparison in builtin_comparisons(n=size, rounds=rounds):
                found.append(comparison)
                status.update(f"{len(found)} done")
        if json_path is not None:
            save_comparisons(found, json_path)
        print_comparisons(found, console)


def print_comparisons(comparisons: list[Comparison], console: Console) -> None:
    """Print comparisons as a table."""
    table = Table(header_style="bold")
    for heading in ("what", "peer", "imgtech", "peer's time", "ratio (min-max)", "updates/s"):
        table.add_column(heading, overflow="fold")
    for c in comparisons:
        low, high = c.ratio_range
        ours, theirs = c.medians
        table.add_row(
            c.name,
            c.peer,
            f"{1e3 * ours:.1f} ms",
            f"{1e3 * theirs:.1f} ms",
            f"{c.ratio:.1f} ({low:.1f}-{high:.1f})",
            f"{c.rate:.2g}",
        )
    console.print(table)
    console.print(f"left out: {comparisons[0].excluded}", markup=False)

"""``imgtech demo``: three scanners simulated, reconstructed, measured and compared with the truth."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from imgtech.cli._exit import one_sentence
from imgtech.io.atomic import write_text

if TYPE_CHECKING:
    from imgtech.report import Section

SEED = 20261122


def demo(
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("demo.html"),
    seed: Annotated[int, typer.Option(help="Seed of the noise.")] = SEED,
) -> None:
    """Simulate raw data of CT, MRI and ultrasound, reconstruct, measure, compare with the truth."""
    import numpy as np

    from imgtech.cli._demo import ct, files, mri, ultrasound
    from imgtech.report import comparison_html

    with one_sentence():
        if not out.absolute().parent.is_dir():
            raise FileNotFoundError(f"{out.parent}: no such folder")
        console = Console()
        start = time.perf_counter()
        rng = np.random.default_rng(seed)
        sections: list[Section] = []
        for name, build in (
            ("computed tomography", ct.section),
            ("magnetic resonance", mri.section),
            ("ultrasound", ultrasound.section),
        ):
            console.print(f"simulating, reconstructing and measuring: {name} ...", highlight=False)
            sections.append(build(rng))
        seconds = time.perf_counter() - start
        _print(sections, console)
        lead = (
            "Three scanners, simulated from closed forms, reconstructed and measured on this machine in "
            f"{seconds:.1f} s. Every number stands beside the truth it should find."
        )
        write_text(out, comparison_html("imgtech demo", lead, sections, further=files.sections()))
        console.print(f"{seconds:.1f} s; open {out}", highlight=False, markup=False, soft_wrap=True)


def _print(sections: list[Section], console: Console) -> None:
    from imgtech.report import format_measurement

    table = Table(header_style="bold")
    for heading in ("quantity", "measured ± U (95 %)", "truth", "truth in interval"):
        table.add_column(heading, overflow="fold")
    for section in sections:
        for row in section.rows:
            m = row.measurement
            word = Text("yes", style="green") if row.covered else Text("no", style="yellow")
            table.add_row(Text(m.name), Text(format_measurement(m)), Text(row.truth_text), word)
    console.print(table)

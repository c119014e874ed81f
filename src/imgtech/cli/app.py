"""The command ``imgtech`` and its sub-commands, one file each."""

from __future__ import annotations

from typing import Annotated

import typer

from imgtech import __version__
from imgtech.cli import bench, demo, info, qc, recon

app = typer.Typer(
    name="imgtech",
    help="Raw scanner data to an image, a phantom image to a verdict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("bench")(bench.bench)
app.command("info")(info.info)
app.command("qc")(qc.qc)
app.add_typer(recon.app, name="recon")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"imgtech {__version__}")
        raise typer.Exit


@app.callback()
def imgtech(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and leave."),
    ] = False,
) -> None:
    """Raw scanner data to an image, a phantom image to a verdict."""

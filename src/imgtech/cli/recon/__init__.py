"""``imgtech recon``: raw data to images, one file a modality."""

import typer

from imgtech.cli.recon.ct import ct
from imgtech.cli.recon.mri import mri
from imgtech.cli.recon.ultrasound import us

app = typer.Typer(help="Reconstruct raw data.", no_args_is_help=True, rich_markup_mode=None)
app.command()(ct)
app.command()(mri)
app.command()(us)

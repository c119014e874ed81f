"""What every reconstruction command takes: source and folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[Path, typer.Argument(help="The raw data.")]
Out = Annotated[Path, typer.Option(help="Folder for the images; it is made where it is missing.")]
HDF5 = (".h5", ".hdf5")

"""What every reconstruction command takes and leaves: source, folder, arrays and pictures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from imgtech.geometry import ImageGrid
from imgtech.io.atomic import write_bytes
from imgtech.report import png_bytes

Source = Annotated[Path, typer.Argument(help="The raw data.")]
Out = Annotated[Path, typer.Option(help="Folder for the images; it is made where it is missing.")]
HDF5 = (".h5", ".hdf5")


def save(
    out: Path, images: npt.NDArray[Any], *, name: str = "image", shown: npt.NDArray[Any] | None = None
) -> None:
    """One array of all images, and a picture of each on a common grey scale."""
    out.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    np.save(stream, images)
    write_bytes(out / f"{name}.npy", stream.getvalue())
    pictures = images if shown is None else shown
    low, high = float(pictures.min()), float(pictures.max())
    for number, picture in enumerate(pictures):
        window = (low, high) if high > low else None
        write_bytes(out / f"{name}_{number:03d}.png", png_bytes(picture, window))


def say(out: Path, images: npt.NDArray[Any], grid: ImageGrid, data: str, unit: str) -> None:
    spacing = " x ".join(f"{d:.4g}" for d in grid.spacing_mm)
    typer.echo(f"{data} -> {' x '.join(map(str, images.shape))} pixels of {spacing} mm ({unit})")
    typer.echo(
        f"values {images.min():.4g} to {images.max():.4g}; image.npy and {len(images)} picture(s) in {out}"
    )

"""What ``imgtech recon`` writes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech.geometry import ImageGrid
from imgtech.io import Series, SeriesTags, series_from_grid, write_nifti, write_series, write_tiff_stack
from imgtech.io.atomic import write_bytes
from imgtech.report import png_bytes

FORMATS = ("npy", "png", "npz", "tiff", "nifti", "dicom")
_MOST_PICTURES = 32


def formats(text: str, choices: tuple[str, ...] = FORMATS) -> list[str]:
    """The formats that ``--format`` names."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    wrong = [name for name in names if name not in choices]
    if wrong or not names:
        raise ValueError(f"--format must be some of {', '.join(choices)}, got {text!r}")
    return names


def write_plain(
    out: Path,
    images: npt.NDArray[Any],
    names: list[str],
    *,
    stem: str = "image",
    shown: npt.NDArray[Any] | None = None,
) -> list[str]:
    """Write ``(slice, y, x)`` as an array and as pictures, where asked for; returns what was written."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    if "npy" in names:
        stream = io.BytesIO()
        np.save(stream, images)
        write_bytes(out / f"{stem}.npy", stream.getvalue())
        written.append(f"{stem}.npy")
    if "png" in names:
        written.append(f"{_pictures(out, images if shown is None else shown, stem)} picture(s)")
    return written


def write(
    out: Path,
    images: npt.NDArray[Any],
    grid: ImageGrid,
    unit: str,
    names: list[str],
    slice_mm: float | None,
    *,
    modality: str = "CT",
    tags: SeriesTags | None = None,
    stem: str = "image",
    placed: Series | None = None,
) -> list[str]:
    """Write ``(slice, y, x)`` in every format asked for; returns what was written.

    ``placed`` are the images with a place of their own, for DICOM and NIfTI.
    """
    written = write_plain(out, images, names, stem=stem)
    z_mm = _slices_mm(images, grid, slice_mm)
    series = placed or series_from_grid(
        images, grid, modality=modality, slices_mm=None if grid.ndim == 3 else z_mm, tags=tags
    )
    y_mm, x_mm = grid.coordinates_mm[-2:]

    for name in names:
        if name == "npz":
            stream = io.BytesIO()
            np.savez(stream, image=images, z_mm=z_mm, y_mm=y_mm, x_mm=x_mm, unit=np.array(unit))
            write_bytes(out / f"{stem}.npz", stream.getvalue())
            written.append(f"{stem}.npz")
        elif name == "tiff":
            written.append(write_tiff_stack(images, out / f"{stem}.tif").name)
        elif name == "nifti":
            written.append(write_nifti(series, out / f"{stem}.nii.gz").name)
        elif name == "dicom":
            folder = "dicom" if stem == "image" else f"dicom_{stem}"
            written.append(f"{len(write_series(series, out / folder))} file(s) in {folder}")
    return written


def summary(out: Path, images: npt.NDArray[Any], grid: ImageGrid, unit: str, written: list[str]) -> list[str]:
    """Two lines: size and spacing, then the range of the values and what was written where."""
    spacing = " x ".join(f"{d:.4g}" for d in grid.spacing_mm)
    return [
        f"{' x '.join(map(str, images.shape))} pixels of {spacing} mm ({unit})",
        f"values {images.min():.4g} to {images.max():.4g}; {', '.join(written)} in {out}",
    ]


def _slices_mm(images: npt.NDArray[Any], grid: ImageGrid, slice_mm: float | None) -> npt.NDArray[np.float64]:
    if grid.ndim == 3:
        return grid.coordinates_mm[0]
    step = grid.spacing_mm[0] if slice_mm is None else slice_mm
    return np.asarray(np.arange(len(images)) * step, dtype=np.float64)


def _pictures(out: Path, images: npt.NDArray[Any], stem: str) -> int:
    """A picture of every slice on one grey scale; of many slices, 32 evenly spaced ones."""
    low, high = float(images.min()), float(images.max())
    window = (low, high) if high > low else None
    chosen = np.unique(np.linspace(0, len(images) - 1, min(len(images), _MOST_PICTURES)).round().astype(int))
    for number in chosen:
        write_bytes(out / f"{stem}_{number:03d}.png", png_bytes(images[number], window))
    return len(chosen)

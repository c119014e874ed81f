"""Parallel-beam CT scans that are stacks of TIFF images: sinograms or radiographs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import finite, one_of, positive
from imgtech.geometry import ParallelBeam
from imgtech.io.raw.ct_scan import CtScan
from imgtech.io.tiff import read_tiff_stack

Pages = Literal["slices", "views"]


def read_tiff_scan(
    path: str | Path,
    *,
    channel_spacing_mm: float,
    first_deg: float = 0.0,
    last_deg: float = 180.0,
    axis_channel: float | None = None,
    pages: Pages = "slices",
    flats: str | Path | None = None,
    darks: str | Path | None = None,
) -> CtScan:
    """Read a parallel-beam scan from TIFF images: a sinogram a slice, or a radiograph a view.

    Views are evenly spaced from ``first_deg`` to ``last_deg``, both included: 181 views from 0 to 180 stand
    1 degree apart. Any other geometry, a fan or a cone, is described by a YAML file that names the images:
    :func:`read_raw`.

    Parameters
    ----------
    path : str or pathlib.Path
        A file of one or more pages, or a folder with one page a file.
    channel_spacing_mm : float
        Distance between the columns of an image.
    first_deg, last_deg : float, optional
        Angles of the first and of the last view; falling angles count clockwise.
    axis_channel : float, optional
        Column that the rotation axis projects onto, counted from 0; the middle by default.
    pages : {"slices", "views"}, optional
        What a page is: a sinogram ``(view, channel)`` of one slice, or a radiograph ``(slice, channel)`` of
        one view.
    flats, darks : str or pathlib.Path, optional
        Images without object, and without rays: pages ``(slice, channel)`` of radiographs; of sinograms, a
        page for every slice with repeats along its rows.

    Returns
    -------
    CtScan
        Stack ``(slice, view, channel)``: counts where there are ``flats``, line integrals without them.

    Raises
    ------
    FileNotFoundError
        If a file or folder is not there.
    ImportError
        If tifffile is not installed.
    ValueError
        If a file is no readable TIFF file, sizes do not belong together, darks come without flats, or a
        number is not finite.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from imgtech.io import write_tiff_stack
    >>> from imgtech.io.raw import read_tiff_scan
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = write_tiff_stack(np.ones((2, 181, 30), np.float32), Path(folder) / "scan.tif")
    ...     scan = read_tiff_scan(file, channel_spacing_mm=0.5, axis_channel=14.0)
    >>> scan.sinogram.shape, scan.beam.detector_offset_mm
    ((2, 181, 30), 0.25)
    """
    one_of("pages", pages, ("slices", "views"))
    spacing = positive("channel_spacing_mm", channel_spacing_mm)
    if darks is not None and flats is None:
        raise ValueError(f"darks must come with flats, got only {darks}")
    stack = to_slices(read_tiff_stack(path), pages)
    n = stack.shape[-1]
    axis = (n - 1) / 2 if axis_channel is None else finite("axis_channel", axis_channel)
    first, last = finite("first_deg", first_deg), finite("last_deg", last_deg)
    beam = ParallelBeam.from_degrees(
        np.linspace(first, last, stack.shape[1]),
        n_channels=n,
        channel_spacing_mm=spacing,
        detector_offset_mm=((n - 1) / 2 - axis) * spacing,
    )
    fields: dict[str, Any] = {
        name: read_field(file, pages) for name, file in (("flats", flats), ("darks", darks)) if file
    }
    quantity: Any = "line integrals" if flats is None else "counts"
    try:
        return CtScan(sinogram=stack, beam=beam, quantity=quantity, **fields)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def read_field(path: str | Path, pages: Pages) -> npt.NDArray[Any]:
    """Images without object or without rays as ``(repeat, slice, channel)``."""
    field = read_tiff_stack(path)
    return field if pages == "views" else field.transpose(1, 0, 2)


def to_slices(stack: npt.NDArray[Any], pages: Pages) -> npt.NDArray[Any]:
    """Pages as ``(slice, view, channel)``."""
    return stack if pages == "slices" else np.ascontiguousarray(stack.transpose(1, 0, 2))

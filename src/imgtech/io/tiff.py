"""Stacks of TIFF images in and out."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.extras import require
from imgtech._core.validate import FloatArray, real_image
from imgtech.io.atomic import write_bytes


def read_tiff_stack(path: str | Path) -> npt.NDArray[Any]:
    """Read a TIFF file of one or more pages, or a folder with one page a file.

    Files of a folder are taken in the order of the numbers in their names: ``scan_9.tif`` before
    ``scan_10.tif``.

    Parameters
    ----------
    path : str or pathlib.Path
        A file, or a folder with files ``.tif`` or ``.tiff``.

    Returns
    -------
    numpy.ndarray
        Shape ``(page, y, x)``, in the type of the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.
    ImportError
        If tifffile is not installed.
    ValueError
        If a file is no readable TIFF file, the folder holds none, pages differ in size, or they are in
        colour.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from imgtech.io import read_tiff_stack, write_tiff_stack
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = write_tiff_stack(np.ones((2, 3, 4), np.float32), Path(folder) / "a.tif")
    ...     read_tiff_stack(file).shape
    (2, 3, 4)
    """
    tifffile: Any = require("tifffile", "ct")
    source = Path(path)
    if not source.exists():
        raise FileNotFoundError(f"{source}: no such file or folder")
    files = [source]
    if source.is_dir():
        files = sorted((f for f in source.iterdir() if f.suffix.lower() in (".tif", ".tiff")), key=_natural)
        if not files:
            raise ValueError(f"{source} holds no TIFF file")
    pages: list[npt.NDArray[Any]] = []
    colours = 1
    for file in files:
        try:
            with tifffile.TiffFile(file) as content:
                pages.append(np.asarray(content.asarray()))
                colours = max(colours, content.pages[0].samplesperpixel)
        except Exception as error:
            raise ValueError(f"{file}: no readable TIFF file, {' '.join(str(error).split())}") from error
    if colours > 1 or pages[0].ndim not in (2, 3) or (pages[0].ndim == 3 and len(files) > 1):
        raise ValueError(
            f"{files[0]}: must hold grey images, got shape {pages[0].shape} in {colours} colours"
        )
    for file, page in zip(files, pages, strict=True):
        if page.shape != pages[0].shape:
            raise ValueError(f"{file}: must have the size {pages[0].shape} of the others, got {page.shape}")
    stack = np.stack(pages)
    return stack.reshape(-1, *stack.shape[-2:])


def write_tiff_stack(images: npt.ArrayLike, path: str | Path) -> Path:
    """Write images as one TIFF file of float pages.

    Parameters
    ----------
    images : array_like
        ``(y, x)`` or ``(page, y, x)``, finite.
    path : str or pathlib.Path
        The file; its folder must exist.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ImportError
        If tifffile is not installed.
    ValueError
        If the images are not finite or do not have 2 or 3 axes.

    Examples
    --------
    >>> from imgtech.io import write_tiff_stack
    >>> file = write_tiff_stack([[1.0, 2.0]], "a.tif")  # doctest: +SKIP
    """
    tifffile: Any = require("tifffile", "ct")
    pages: FloatArray = real_image("images", images, (2, 3))
    stream = io.BytesIO()
    tifffile.imwrite(stream, pages, photometric="minisblack", metadata=None)
    write_bytes(path, stream.getvalue())
    return Path(path)


def _natural(file: Path) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", file.name) if part
    ]

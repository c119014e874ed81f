"""BART's ``.cfl`` and ``.hdr`` files: arrays in, arrays out, and k-space into a scan."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import ComplexArray, complex_image, each, positive
from imgtech.io.atomic import write_bytes
from imgtech.io.raw.mri_scan import MriScan

_N_DIMS = 16
_LABELS = {5: "echo", 9: "set", 10: "repetition", 11: "phase", 13: "slice", 14: "average"}
_RASTER = (0, 1, 3)  # readout, first phase encoding, coils


def read_cfl(path: str | Path) -> ComplexArray:
    """Read an array of BART.

    BART stores its first dimension contiguously; the array has it last. K-space with the dimensions
    ``(read, phase, 1, coil)`` becomes ``(coil, 1, phase, read)``; dimensions of length one before the first
    longer one are left out.

    Parameters
    ----------
    path : str or pathlib.Path
        The name with or without ``.cfl`` or ``.hdr``.

    Returns
    -------
    numpy.ndarray
        complex64, BART's dimensions in reverse order.

    Raises
    ------
    FileNotFoundError
        If one of the two files is missing.
    ValueError
        If the header names no dimensions or the data have another size.

    Examples
    --------
    >>> from imgtech.io.raw import read_cfl
    >>> kspace = read_cfl("kspace").squeeze()  # doctest: +SKIP
    """
    return _read(path)[0]


def _read(path: str | Path) -> tuple[ComplexArray, tuple[int, ...]]:
    data, header = _pair(path)
    for file in (header, data):
        if not file.is_file():
            raise FileNotFoundError(f"{file}: no such file")
    lines = [line.strip() for line in header.read_text(errors="replace").splitlines()]
    try:
        dims = tuple(int(n) for n in lines[lines.index("# Dimensions") + 1].split())
    except (ValueError, IndexError) as error:
        raise ValueError(f"{header}: a line of whole numbers must follow '# Dimensions'") from error
    if not dims or min(dims) < 1 or len(dims) > _N_DIMS:
        raise ValueError(f"{header}: up to {_N_DIMS} dimensions of at least 1 are needed, got {dims}")
    if data.stat().st_size != 8 * int(np.prod(dims, dtype=object)):
        raise ValueError(
            f"{data}: {dims} must take {8 * int(np.prod(dims, dtype=object))} bytes, got "
            f"{data.stat().st_size}"
        )
    dims = dims + (1,) * (_N_DIMS - len(dims))
    longest = max((i for i, n in enumerate(dims) if n > 1), default=0) + 1
    values = np.fromfile(data, dtype="<c8").astype(np.complex64, copy=False)
    return values.reshape(dims[:longest][::-1]), dims


def write_cfl(array: npt.ArrayLike, path: str | Path) -> tuple[Path, Path]:
    """Write an array for BART; its last axis becomes BART's first dimension, as in :func:`read_cfl`.

    Parameters
    ----------
    array : array_like
        Up to 16 axes; stored as complex64. K-space for BART's tools is ``(coil, 1, phase, read)``.
    path : str or pathlib.Path
        The name with or without ``.cfl`` or ``.hdr``; files that are there are replaced.

    Returns
    -------
    tuple of pathlib.Path
        The ``.cfl`` and the ``.hdr`` file.

    Raises
    ------
    ValueError
        If the array is empty, not finite or has more than 16 axes.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from imgtech.io.raw import read_cfl, write_cfl
    >>> kspace = np.arange(24.0).reshape(2, 1, 3, 4) * (1 + 1j)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = write_cfl(kspace, folder + "/kspace")
    ...     bool((read_cfl(folder + "/kspace") == kspace).all())
    True
    """
    values = complex_image("array", array, tuple(range(1, _N_DIMS + 1))).astype("<c8")
    data, header = _pair(path)
    dims = values.shape[::-1] + (1,) * (_N_DIMS - values.ndim)
    write_bytes(data, np.ascontiguousarray(values).tobytes())
    write_bytes(header, ("# Dimensions\n" + " ".join(map(str, dims)) + "\n").encode())
    return data, header


def read_bart(
    path: str | Path, *, fov_mm: Sequence[float], slice_thickness_mm: float | None = None
) -> MriScan:
    """Read Cartesian k-space of BART into a scan.

    Dimensions 0, 1 and 3 are readout, lines and coils; dimension 5 counts echoes, 9 sets, 10 repetitions,
    11 phases, 13 slices and 14 averages. Lines that hold only zeros were not acquired.

    Parameters
    ----------
    path : str or pathlib.Path
        The name with or without ``.cfl`` or ``.hdr``.
    fov_mm : sequence of float
        Field of view ``(y, x)`` of all lines and samples, which the files do not name.
    slice_thickness_mm : float, optional
        Nominal thickness.

    Returns
    -------
    MriScan
        Its raster is that of the file.

    Raises
    ------
    FileNotFoundError
        If one of the two files is missing.
    ValueError
        If the files are damaged, another dimension is longer than one, a sample is not finite, all are zero
        or samples along the readout are missing in some of the lines.

    Examples
    --------
    >>> from imgtech.io.raw import read_bart
    >>> scan = read_bart("kspace.cfl", fov_mm=(220.0, 240.0))  # doctest: +SKIP
    """
    fov_y, fov_x = each("fov_mm", fov_mm, 2, positive)
    values, dims = _read(path)
    other = [i for i, n in enumerate(dims) if n > 1 and i not in (*_RASTER, *_LABELS)]
    if other:
        raise ValueError(f"{path}: dimensions {other} must be 1 in Cartesian k-space, got {dims}")
    kspace = values.reshape(dims[::-1])
    keep = [*sorted(_LABELS, reverse=True), *sorted(_RASTER, reverse=True)]
    kspace = kspace.reshape([dims[i] for i in keep])
    kspace = np.moveaxis(kspace, -3, -2)  # lines before coils
    acquired = kspace.any(axis=(-2, -1))
    where = np.argwhere(acquired)
    if not len(where):
        raise ValueError(f"{path}: k-space must hold a signal, got only zeros")
    readouts = kspace[acquired]
    present = np.asarray(readouts.any(axis=1))
    if (present != present[:1]).any():
        raise ValueError(
            f"{path}: every line must have the same samples, got lines with gaps along the readout; "
            "read_cfl gives the array"
        )
    labels = {_LABELS[dim]: where[:, i] for i, dim in enumerate(sorted(_LABELS, reverse=True))}
    return MriScan(
        source=str(path),
        readouts=readouts,
        labels=labels | {"line": where[:, -1]},
        reversed_readouts=np.zeros(len(readouts), bool),
        matrix=(dims[1], dims[0]),
        fov_mm=(fov_y, fov_x),
        slice_thickness_mm=slice_thickness_mm,
    )


def _pair(path: str | Path) -> tuple[Path, Path]:
    text = os.fspath(path)
    stem = text[:-4] if text.endswith((".cfl", ".hdr")) else text
    return Path(stem + ".cfl"), Path(stem + ".hdr")

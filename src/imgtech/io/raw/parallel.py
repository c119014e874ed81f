"""Parallel-beam CT scans: plain ``.npz`` sinograms and DXchange files of synchrotrons."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.extras import require
from imgtech._core.validate import finite, positive
from imgtech.geometry import ParallelBeam
from imgtech.io.raw.ct_scan import CtScan, Quantity


def read_sinogram(path: str | Path) -> CtScan:
    """Read a sinogram from a NumPy ``.npz`` archive.

    Parameters
    ----------
    path : str or pathlib.Path
        Archive with ``sinogram`` ``(view, channel)`` or ``(slice, view, channel)``, ``angles_rad``
        ``(view,)``, ``channel_spacing_mm`` and, where it is not 0, ``detector_offset_mm``; positions and
        signs as in :class:`imgtech.geometry.ParallelBeam`.

    Returns
    -------
    CtScan
        Sinogram and beam.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no such archive, an array is missing, or they do not belong together.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from imgtech.io.raw import read_sinogram
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "scan.npz"
    ...     np.savez(file, sinogram=np.ones((4, 7)), angles_rad=np.arange(4) * np.pi / 4,
    ...              channel_spacing_mm=0.7)
    ...     read_sinogram(file).sinogram.shape
    (1, 4, 7)
    """
    file = _existing(path)
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(f"{file}: no NumPy .npz archive of plain arrays") from error
    for name in ("sinogram", "angles_rad", "channel_spacing_mm"):
        if name not in arrays:
            raise ValueError(f"{file}: array {name} is missing; there are: {', '.join(arrays) or 'none'}")
    return _scan(file, arrays["sinogram"], arrays)


def read_dxchange(
    path: str | Path, *, channel_spacing_mm: float, axis_channel: float | None = None
) -> CtScan:
    """Read a parallel-beam scan in the DXchange layout of HDF5: counts with white and dark fields.

    :func:`~imgtech.recon.ct.corrections.flat_field` and
    :func:`~imgtech.recon.ct.corrections.to_line_integrals` take them further.

    Parameters
    ----------
    path : str or pathlib.Path
        File with ``exchange/data`` ``(view, row, channel)``, ``exchange/data_white``,
        ``exchange/data_dark`` and ``exchange/theta`` in degrees.
    channel_spacing_mm : float
        Distance between detector channels, which the layout does not hold.
    axis_channel : float, optional
        Channel that the rotation axis projects onto, counted from 0; the middle of the row by default.

    Returns
    -------
    CtScan
        Counts ``(slice, view, channel)``, one slice a detector row, ``flats`` and ``darks``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If h5py is not installed.
    ValueError
        If the file is not HDF5, a data set is missing, or they do not belong together.

    References
    ----------
    F. De Carlo et al., Scientific data exchange: a schema for HDF5-based storage of raw and analyzed
    data, Journal of Synchrotron Radiation 21 (2014) 1224-1230, doi:10.1107/S160057751401604X.

    Examples
    --------
    >>> from imgtech.io.raw import read_dxchange
    >>> scan = read_dxchange("tooth.h5", channel_spacing_mm=0.01, axis_channel=296.0)  # doctest: +SKIP
    """
    h5py = require("h5py", "raw")
    file = _existing(path)
    spacing = positive("channel_spacing_mm", channel_spacing_mm)
    names = ("data", "data_white", "data_dark", "theta")
    try:
        with h5py.File(file) as content:
            missing = [name for name in names if f"exchange/{name}" not in content]
            sets = {name: np.asarray(content[f"exchange/{name}"]) for name in names if name not in missing}
    except OSError as error:
        raise ValueError(f"{file}: no readable HDF5 file") from error
    if missing:
        raise ValueError(f"{file}: no DXchange scan, exchange/{missing[0]} is missing")
    if sets["data"].ndim != 3:
        raise ValueError(f"{file}: exchange/data must have 3 axes, got shape {sets['data'].shape}")
    n = sets["data"].shape[-1]
    axis = (n - 1) / 2 if axis_channel is None else finite("axis_channel", axis_channel)
    geometry = {
        "angles_rad": np.deg2rad(sets["theta"]),
        "channel_spacing_mm": spacing,
        "detector_offset_mm": ((n - 1) / 2 - axis) * spacing,
    }
    return _scan(
        file,
        np.moveaxis(sets["data"], 1, 0),
        geometry,
        quantity="counts",
        flats=sets["data_white"],
        darks=sets["data_dark"],
    )


def _existing(path: str | Path) -> Path:
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file")
    return Path(path)


def _scan(
    file: Path,
    sinogram: npt.NDArray[Any],
    arrays: Mapping[str, Any],
    quantity: Quantity = "line integrals",
    **fields: Any,
) -> CtScan:
    if sinogram.ndim not in (2, 3):
        raise ValueError(f"{file}: sinogram must have 2 or 3 axes, got shape {sinogram.shape}")
    try:
        beam = ParallelBeam(
            angles_rad=np.ravel(arrays["angles_rad"]),
            n_channels=sinogram.shape[-1],
            channel_spacing_mm=float(arrays["channel_spacing_mm"]),
            detector_offset_mm=float(arrays.get("detector_offset_mm", 0.0)),
        )
        stack = sinogram.reshape(-1, *sinogram.shape[-2:])
        return CtScan(sinogram=stack, beam=beam, quantity=quantity, **fields)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file}: {error}") from error

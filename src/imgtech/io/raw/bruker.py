"""Bruker ParaVision scans: the raw data in ``fid`` and the vendor's images in ``2dseq``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import Array, ComplexArray, count
from imgtech.geometry import ImageGrid
from imgtech.io.raw.jcampdx import read_jcampdx

_RAW_WORDS = {"GO_32BIT_SGN_INT": "i4", "GO_16BIT_SGN_INT": "i2", "GO_32BIT_FLOAT": "f4"}
_IMAGE_WORDS = {"_32BIT_SGN_INT": "i4", "_16BIT_SGN_INT": "i2", "_8BIT_UNSGN_INT": "u1", "_32BIT_FLOAT": "f4"}
_BYTE_ORDERS = {"little": "<", "big": ">", "littleEndian": "<", "bigEndian": ">"}
_BLOCK_BYTES = 1024  # Standard_KBlock_Format pads every readout to a multiple of this


@dataclass(frozen=True, kw_only=True, eq=False)
class BrukerScan(ArrayValue):
    """Raw data and parameters of a two-dimensional Cartesian ParaVision scan.

    Parameters
    ----------
    folder : str
        Where it was read from.
    kspace : numpy.ndarray
        Shape ``(coil, frame, y, x)``, complex128 for 32-bit words (which it holds exactly), else
        complex64. Frames are sorted by repetition, then object (slice, echo), lines by position in
        k-space; the centre is sample ``n // 2`` of y (phase) and x (read).
    spacing_mm : tuple of float
        Pixel spacing ``(dy, dx)`` of the acquired raster.
    fov_mm : tuple of float
        Field of view ``(y, x)`` that was prescribed, without oversampling.
    slice_order : tuple of int
        Which object was acquired first, second, ... (``ACQ_obj_order``).
    slice_thickness_mm : float
        Nominal thickness.
    method, acqp, reco : mapping
        The parameter files as :func:`read_jcampdx` gives them; ``reco`` is empty where the vendor's
        reconstruction is missing.
    """

    folder: str
    kspace: ComplexArray
    spacing_mm: tuple[float, float]
    fov_mm: tuple[float, float]
    slice_order: tuple[int, ...]
    slice_thickness_mm: float
    method: Mapping[str, Any]
    acqp: Mapping[str, Any]
    reco: Mapping[str, Any]

    @property
    def n_coils(self) -> int:
        """Number of receivers."""
        return self.kspace.shape[0]

    @property
    def n_objects(self) -> int:
        """Number of images of one repetition."""
        return len(self.slice_order)

    @property
    def grid(self) -> ImageGrid:
        """The image grid of the acquired raster."""
        return ImageGrid.fft(self.kspace.shape[-2:], spacing_mm=self.spacing_mm)


def read_bruker(folder: str | Path) -> BrukerScan:
    """Read the raw data of a two-dimensional Cartesian Bruker ParaVision scan.

    Parameters
    ----------
    folder : str or pathlib.Path
        The experiment's folder with ``fid``, ``acqp`` and ``method``; ``pdata/1/reco`` is read too
        where it is there.

    Returns
    -------
    BrukerScan
        k-space sorted into ``(coil, frame, y, x)``, with geometry and all parameters.

    Raises
    ------
    FileNotFoundError
        If the folder or one of the three files is missing.
    ValueError
        If a parameter is missing, the fid has not the length its parameters promise, it holds nothing
        but zeros or a value that is not finite, or the scan is of a kind this reader does not know:
        not two-dimensional, undersampled, partial echo or partial Fourier.

    Notes
    -----
    Order of the fid: repetition, group of phase steps, object, step within the group
    (``ACQ_phase_factor``), receiver, readout. Read against ParaVision 5.1 data.

    Examples
    --------
    >>> from imgtech.io.raw import read_bruker
    >>> from imgtech.recon.mri import cartesian
    >>> scan = read_bruker("study/7")  # doctest: +SKIP
    >>> images = cartesian(scan.kspace, spacing_mm=scan.spacing_mm, combine="rss")  # doctest: +SKIP
    """
    base = Path(folder)
    if not base.is_dir():
        raise FileNotFoundError(f"{base}: no such folder")
    for name in ("fid", "acqp", "method"):
        if not (base / name).is_file():
            raise FileNotFoundError(f"{base}: no ParaVision scan, there is no file named {name}")
    acqp, method = read_jcampdx(base / "acqp"), read_jcampdx(base / "method")
    reco_file = base / "pdata" / "1" / "reco"
    reco = read_jcampdx(reco_file) if reco_file.is_file() else MappingProxyType({})
    ny, nx = _matrix(base, acqp, method)
    steps = np.asarray(_get(base / "method", method, "PVM_EncSteps1")).ravel()
    if sorted(steps + ny // 2) != list(range(ny)):
        raise ValueError(f"{base / 'method'}: PVM_EncSteps1 must name each of {ny} lines once")
    receivers = method.get("PVM_EncActReceivers", ("On",))
    n_coils = sum(word == "On" for word in receivers)
    order = tuple(int(i) for i in np.atleast_1d(_get(base / "acqp", acqp, "ACQ_obj_order")))
    raw = _readouts(base, acqp, n_coils, nx, ny, len(order))
    kspace = np.empty((n_coils, raw.shape[0], len(order), ny, nx), dtype=raw.dtype)
    lines = steps + ny // 2
    for acquired, target in enumerate(order):
        kspace[:, :, target, lines] = np.moveaxis(raw[:, :, acquired], 2, 0)
    kspace = kspace.reshape(n_coils, -1, ny, nx)
    kspace.setflags(write=False)
    fov_x, fov_y = (float(v) for v in _get(base / "method", method, "PVM_Fov"))
    over_x, over_y = (float(v) for v in method.get("PVM_AntiAlias", (1.0, 1.0)))
    return BrukerScan(
        folder=str(base),
        kspace=kspace,
        spacing_mm=(fov_y * over_y / ny, fov_x * over_x / nx),
        fov_mm=(fov_y, fov_x),
        slice_order=order,
        slice_thickness_mm=float(_get(base / "method", method, "PVM_SliceThick")),
        method=method,
        acqp=acqp,
        reco=reco,
    )


def read_2dseq(folder: str | Path, reconstruction: int = 1) -> Array:
    """Read the images that ParaVision itself reconstructed, ``pdata/N/2dseq``, as stored.

    Parameters
    ----------
    folder : str or pathlib.Path
        The experiment's folder.
    reconstruction : int, optional
        The number N of the reconstruction.

    Returns
    -------
    numpy.ndarray
        Stored pixels ``(frame, row, column)``, read-only, in the vendor's word type.

    Raises
    ------
    FileNotFoundError
        If ``2dseq`` or ``reco`` is missing.
    ValueError
        If a parameter is missing, the images are not two-dimensional, differ in shape, or the file
        does not hold a whole number of them.

    Examples
    --------
    >>> from imgtech.io.raw import read_2dseq
    >>> read_2dseq("study/7").dtype  # doctest: +SKIP
    dtype('int16')
    """
    base = Path(folder) / "pdata" / str(count("reconstruction", reconstruction))
    file, reco_file = base / "2dseq", base / "reco"
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such image file")
    reco = read_jcampdx(reco_file)
    size = [int(n) for n in _get(reco_file, reco, "RECO_size")]
    if len(size) != 2:
        raise ValueError(f"{reco_file}: RECO_size must have 2 entries, got {size}")
    transposed = {bool(t) for t in np.atleast_1d(reco.get("RECO_transposition", 0))}
    if len(transposed) > 1 and size[0] != size[1]:
        raise ValueError(f"{reco_file}: frames of {size} are partly transposed and differ in shape")
    shape = (size[0], size[1]) if transposed == {True} else (size[1], size[0])
    words = np.dtype(
        _BYTE_ORDERS[_known(reco_file, reco, "RECO_byte_order", _BYTE_ORDERS)]
        + _IMAGE_WORDS[_known(reco_file, reco, "RECO_wordtype", _IMAGE_WORDS)]
    )
    frame_bytes = shape[0] * shape[1] * words.itemsize
    found = file.stat().st_size
    if found == 0 or found % frame_bytes:
        raise ValueError(f"{file}: must hold whole images of {frame_bytes} bytes, got {found} bytes")
    images = np.fromfile(file, words).reshape(-1, *shape)
    images.setflags(write=False)
    return images


def _matrix(base: Path, acqp: Mapping[str, Any], method: Mapping[str, Any]) -> tuple[int, int]:
    """Lines and complex samples of a readout; refuses what is not a full 2-D Cartesian scan."""
    if _get(base / "acqp", acqp, "ACQ_dim") != 2:
        raise ValueError(f"{base / 'acqp'}: ACQ_dim must be 2, got {acqp['ACQ_dim']}")
    matrix = [int(n) for n in _get(base / "method", method, "PVM_EncMatrix")]
    size = [int(n) for n in _get(base / "acqp", acqp, "ACQ_size")]
    if size != [2 * matrix[0], matrix[1]]:
        raise ValueError(
            f"{base / 'acqp'}: ACQ_size must be twice the read size and the phase size of "
            f"PVM_EncMatrix {matrix}, got {size}"
        )
    return matrix[1], matrix[0]


def _readouts(
    base: Path, acqp: Mapping[str, Any], n_coils: int, nx: int, ny: int, n_objects: int
) -> ComplexArray:
    """The fid as ``(repetition, line, object, coil, x)``, lines in the order of acquisition."""
    file, source = base / "fid", base / "acqp"
    group = int(_get(source, acqp, "ACQ_phase_factor"))
    if _get(source, acqp, "NI") != n_objects or ny % group:
        raise ValueError(
            f"{source}: NI must be the length of ACQ_obj_order, {n_objects}, and ACQ_phase_factor divide "
            f"{ny}, got {acqp['NI']} and {group}"
        )
    words = np.dtype(
        _BYTE_ORDERS[_known(source, acqp, "BYTORDA", _BYTE_ORDERS)]
        + _RAW_WORDS[_known(source, acqp, "GO_raw_data_format", _RAW_WORDS)]
    )
    used = 2 * nx * n_coils
    length = used
    if _get(source, acqp, "GO_block_size") == "Standard_KBlock_Format":
        block = _BLOCK_BYTES // words.itemsize
        length = -(-used // block) * block
    repetitions = int(_get(source, acqp, "NR"))
    expected = repetitions * ny * n_objects * length * words.itemsize
    found = file.stat().st_size
    if found != expected:
        raise ValueError(
            f"{file}: must hold {expected} bytes ({repetitions} repetitions, {ny} lines, "
            f"{n_objects} objects, {length} words of {words.itemsize} bytes a readout), got {found}"
        )
    values: npt.NDArray[Any] = np.fromfile(file, words).reshape(-1, length)[:, :used]
    if not np.isfinite(values).all() or not values.any():
        raise ValueError(f"{file}: must hold finite samples that are not all zero")
    values = values.astype(np.float64 if words.str[1:] == "i4" else np.float32)
    samples = values[:, 0::2] + 1j * values[:, 1::2]
    blocks = samples.reshape(repetitions, ny // group, n_objects, group, n_coils, nx)
    return np.swapaxes(blocks, 2, 3).reshape(repetitions, ny, n_objects, n_coils, nx)


def _get(file: Path, parameters: Mapping[str, Any], name: str) -> Any:
    if name not in parameters:
        raise ValueError(f"{file}: parameter {name} is missing")
    return parameters[name]


def _known(file: Path, parameters: Mapping[str, Any], name: str, choices: Mapping[str, str]) -> str:
    word = _get(file, parameters, name)
    if word not in choices:
        raise ValueError(f"{file}: {name} must be one of {', '.join(choices)}, got {word!r}")
    return str(word)

"""Bruker ParaVision's own reconstruction, followed step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import fft as scipy_fft

from imgtech._core.validate import Array, ComplexArray

if TYPE_CHECKING:
    from imgtech.io.raw import BrukerScan

_NEEDED = {  # what this reconstruction does not do must be switched off in the reco file
    "RECO_mode": ("FT_MODE",),
    "RECO_inp_order": ("NO_REORDERING",),
    "RECO_regrid_mode": ("NO_REGRID",),
    "RECO_bc_mode": ("NO_BC",),
    "RECO_wdw_mode": ("NO_WDW",),
    "RECO_ft_mode": ("COMPLEX_FT", "COMPLEX_FFT"),
    "RECO_pc_mode": ("NO_PC",),
    "RECO_ppc_mode": ("NO_PPC",),
    "RECO_image_type": ("MAGNITUDE_IMAGE",),
    "RECO_wordtype": ("_16BIT_SGN_INT",),
    "RECO_dc_elim": ("No",),
}
_QOPTS = ("NO_QOPTS", "COMPLEX_CONJUGATE", "QUAD_NEGATION", "CONJ_AND_QNEG")


def paravision_images(scan: BrukerScan) -> npt.NDArray[np.int16]:
    r"""Reconstruct a ParaVision scan as the vendor does, down to the stored 16-bit integers.

    The parameters of the ``reco`` file say how; with j the object of a frame, in this order:
    quadrature options (conjugate, negate every second sample), zero filling to ``RECO_ft_size``,
    unnormalised Fourier transform, cyclic shift towards the end by ``RECO_rotate[:, j]`` of the
    length, cut of ``RECO_size`` pixels from ``RECO_offset[:, j]``, magnitude, and the map to integers

    .. math:: \lfloor (\min(\max(m, \text{map\_min}_j), \text{map\_max}_j) - \text{map\_offset}_j)
              \cdot \text{map\_slope}_j \rfloor ,

    then exchange of read and phase where ``RECO_transposition[j]`` is 1.

    Parameters
    ----------
    scan : BrukerScan
        From :func:`imgtech.io.raw.read_bruker`, with its ``reco`` parameters.

    Returns
    -------
    numpy.ndarray
        int16 pixels ``(frame, row, column)`` as in ``pdata/1/2dseq``.

    Raises
    ------
    ValueError
        If a ``reco`` parameter is missing or asks for a step that is not followed here (windows, phase
        correction, regridding, ...), or there is more than one coil.

    Notes
    -----
    The vendor's single precision and ours differ in the last bit before rounding down, so a pixel in
    some thousands is one unit apart.

    Examples
    --------
    >>> from imgtech.io.raw import read_2dseq, read_bruker
    >>> from imgtech.recon.mri import paravision_images
    >>> ours = paravision_images(read_bruker("study/7"))  # doctest: +SKIP
    >>> float((ours == read_2dseq("study/7")).mean())  # doctest: +SKIP
    0.9997
    """
    reco = scan.reco
    _refuse_other_steps(scan)
    ft_size, size = _numbers(reco, "RECO_ft_size", (2,)), _numbers(reco, "RECO_size", (2,))
    per_axis = (2, scan.n_objects)
    rotate, offset = _numbers(reco, "RECO_rotate", per_axis), _numbers(reco, "RECO_offset", per_axis)
    if (ft_size < scan.kspace.shape[:-3:-1]).any() or (offset + size[:, None] > ft_size[:, None]).any():
        raise ValueError(f"RECO_ft_size must hold k-space and the cut of RECO_size, got {ft_size.tolist()}")
    per_object = (scan.n_objects,)
    transposed = _numbers(reco, "RECO_transposition", per_object)
    low, high = _numbers(reco, "RECO_map_min", per_object), _numbers(reco, "RECO_map_max", per_object)
    zero, slope = _numbers(reco, "RECO_map_offset", per_object), _numbers(reco, "RECO_map_slope", per_object)
    if not set(transposed.tolist()) <= {0, 1}:
        raise ValueError(f"RECO_transposition must be 0 or 1, got {transposed.tolist()}")
    frames = []
    for number, kspace in enumerate(scan.kspace[0]):
        j = number % scan.n_objects
        image = _transformed(kspace, reco["RECO_qopts"], ft_size[::-1])
        shift = np.rint(rotate[::-1, j] * ft_size[::-1]).astype(int)
        image = np.roll(image, tuple(shift), axis=(0, 1))
        (x, y), (nx, ny) = offset[:, j].astype(int), size.astype(int)
        magnitude = np.abs(image[y : y + ny, x : x + nx])
        stored = np.floor((np.clip(magnitude, low[j], high[j]) - zero[j]) * slope[j])
        frames.append(stored.T if transposed[j] else stored)
    if len({frame.shape for frame in frames}) > 1:
        raise ValueError(f"RECO_transposition must leave frames of one shape, got {transposed.tolist()}")
    return np.stack(frames).astype(np.int16)


def _refuse_other_steps(scan: BrukerScan) -> None:
    if not scan.reco:
        raise ValueError(f"{scan.folder}: the vendor's parameters pdata/1/reco are missing")
    if scan.n_coils != 1:
        raise ValueError(f"kspace must have 1 coil, got {scan.n_coils}")
    for name, allowed in _NEEDED.items():
        words = scan.reco.get(name, allowed[0])
        for word in words if isinstance(words, tuple) else (words,):
            if word not in allowed:
                raise ValueError(f"{name} must be {' or '.join(allowed)}, got {word}")
    qopts = scan.reco.get("RECO_qopts", ())
    if len(qopts) != 2 or any(word not in _QOPTS for word in qopts):
        raise ValueError(f"RECO_qopts must be two of {', '.join(_QOPTS)}, got {qopts}")


def _transformed(kspace: ComplexArray, qopts: tuple[str, str], sizes: Array) -> ComplexArray:
    data = kspace
    for axis, option in zip((1, 0), qopts, strict=True):
        if option in ("COMPLEX_CONJUGATE", "CONJ_AND_QNEG"):
            data = np.conj(data)
        if option in ("QUAD_NEGATION", "CONJ_AND_QNEG"):
            sign = (-1.0) ** np.arange(data.shape[axis])
            data = data * (sign if axis == 1 else sign[:, None])
    return np.asarray(scipy_fft.fft2(data, s=tuple(int(n) for n in sizes)))


def _numbers(reco: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    if name not in reco:
        raise ValueError(f"{name} is missing in the reco file")
    values = np.asarray(reco[name], dtype=np.float64)
    if values.size != np.prod(shape):
        raise ValueError(f"{name} must have shape {shape}, got {values.shape}")
    return values.reshape(shape)

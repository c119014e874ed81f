"""GRAPPA: fill lines of k-space that were left out, from their neighbours in all coils."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy.linalg import solve

from imgtech._core.validate import ComplexArray, complex_image, count, not_negative

BLOCK = 1 << 22
"""Complex numbers in one block of windows: 32 MB in single precision."""


def grappa(
    kspace: npt.ArrayLike,
    mask: npt.ArrayLike,
    calibration: npt.ArrayLike | None = None,
    *,
    kernel_size: tuple[int, int] = (4, 5),
    regularization: float = 1e-4,
) -> ComplexArray:
    r"""Fill the lines that a regular undersampling along y left out.

    A sample that was not acquired is a weighted sum of the acquired ones around it in all coils. The
    weights are those that predict the calibration data best, for every place between two acquired lines
    and every coil, from one system of equations:

    .. math:: (A^H A + \lambda\, \overline{\operatorname{diag}(A^H A)})\, w = A^H b.

    Acquired samples, embedded calibration lines among them, are returned as they are. Samples beyond
    the edge of k-space count as zero.

    Parameters
    ----------
    kspace : array_like
        Full raster ``(coil, y, x)``; what it holds in lines that were not acquired is ignored.
    mask : array_like of bool
        Shape ``(y,)``: the lines that were acquired. Every R-th, from any first line, and any further
        lines; R is the widest gap. Lines more than R - 1 outside the first and the last acquired line
        (partial Fourier) stay zero.
    calibration : array_like, optional
        Fully sampled data of the same coils and the same spacing in k-space, ``(coil, y, x)`` of any
        size; by default the longest run of acquired lines.
    kernel_size : tuple of int, optional
        Acquired lines along y, and samples along x, that a weighted sum reaches over.
    regularization : float, optional
        The factor :math:`\lambda`, relative to the mean of the diagonal: independent of the data's scale.

    Returns
    -------
    numpy.ndarray
        k-space of the same shape; complex128 for double precision input, else complex64.

    Raises
    ------
    ValueError
        If a sample is not finite, the acquired lines or the calibration are all zero, the pattern is not
        regular, or the calibration is missing, too small for the kernel or of another number of coils.

    References
    ----------
    M. A. Griswold et al., Generalized autocalibrating partially parallel acquisitions (GRAPPA),
    Magnetic Resonance in Medicine 47 (2002) 1202-1210, doi:10.1002/mrm.10171.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri import grappa
    >>> full = np.exp(0.3j * np.arange(32))[:, None] * np.ones((2, 32, 12))      # the spectrum of a point
    >>> mask = np.arange(32) % 2 == 1
    >>> mask[10:22] = True
    >>> filled = grappa(np.where(mask[:, None], full, 0), mask, kernel_size=(2, 3), regularization=1e-9)
    >>> bool(np.allclose(filled[:, 2:-2, 2:-2], full[:, 2:-2, 2:-2], atol=1e-6))
    True
    """
    array = complex_image("kspace", kspace, 3)
    acquired = _checked_mask(mask, array.shape[1])
    size = count("kernel_size", kernel_size[0]), count("kernel_size", kernel_size[1])
    weight = not_negative("regularization", regularization)
    out = np.where(acquired[:, None], array, 0).astype(array.dtype)
    if not out.any():
        raise ValueError("kspace must not be all zero on the acquired lines")
    first, step = _regular_pattern(acquired)
    if step == 1:
        return out
    source = out[:, _longest_run(acquired)] if calibration is None else _checked(calibration, len(array))
    weights = _weights(source, size, step, weight)
    filled = _apply(out[:, first::step], weights.astype(array.dtype), size, step)
    lines = first - step + np.arange(filled.shape[1])
    last = int(np.flatnonzero(acquired)[-1])
    begin = int(np.flatnonzero(acquired)[0])
    wanted = (lines >= max(0, begin - step + 1)) & (lines < min(array.shape[1], last + step))
    wanted[wanted] &= ~acquired[lines[wanted]]
    out[:, lines[wanted]] = filled[:, wanted]
    return out


def _checked_mask(mask: npt.ArrayLike, n_lines: int) -> npt.NDArray[np.bool_]:
    array = np.asarray(mask)
    if array.dtype != np.bool_ or array.shape != (n_lines,):
        raise ValueError(
            f"mask must be boolean with shape ({n_lines},), got {array.dtype} with shape {array.shape}"
        )
    if np.count_nonzero(array) < 2:
        raise ValueError(f"mask must have at least 2 acquired lines, got {np.count_nonzero(array)}")
    return array


def _checked(calibration: npt.ArrayLike, n_coils: int) -> ComplexArray:
    array = complex_image("calibration", calibration, 3)
    if len(array) != n_coils:
        raise ValueError(f"calibration must have {n_coils} coils like kspace, got {len(array)}")
    return array


def _regular_pattern(acquired: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """First line below R, and R, of the regular pattern inside ``acquired``."""
    lines = np.flatnonzero(acquired)
    step = int(np.diff(lines).max())
    for first in range(step):
        regular = np.arange(first, len(acquired), step)
        inner = regular[(regular >= lines[0]) & (regular <= lines[-1])]
        if len(inner) and acquired[inner].all():
            return first, step
    raise ValueError(
        f"mask must hold every R-th line; its widest gap is {step}, but not every {step}th is there"
    )


def _longest_run(acquired: npt.NDArray[np.bool_]) -> slice:
    edges = np.diff(np.concatenate([[0], acquired.astype(np.int8), [0]]))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    longest = int(np.argmax(stops - starts))
    return slice(int(starts[longest]), int(stops[longest]))


def _weights(
    calibration: ComplexArray, size: tuple[int, int], step: int, weight: float
) -> npt.NDArray[np.complex128]:
    """Weights, shape (coil * kernel, coil * (R - 1)), from the normal equations of all windows."""
    ny, nx = calibration.shape[1:]
    rows = (size[0] - 1) * step + 1
    reach = max(rows, ((size[0] + 1) // 2) * step)
    if ny < reach or nx < size[1]:
        raise ValueError(
            f"calibration must have at least {reach} lines of {size[1]} samples for kernel_size {size} and "
            f"acceleration {step}, got {ny} lines of {nx}"
        )
    if not calibration.any():
        raise ValueError("calibration must not be all zero")
    windows = sliding_window_view(calibration.astype(np.complex128), (reach, size[1]), axis=(1, 2))
    n_windows = windows.shape[1] * windows.shape[2]
    sources = windows[..., :rows:step, :].transpose(1, 2, 0, 3, 4).reshape(n_windows, -1)
    base = ((size[0] - 1) // 2) * step
    inner = windows[..., base + 1 : base + step, size[1] // 2]
    targets = inner.transpose(1, 2, 0, 3).reshape(n_windows, -1)
    gram = sources.conj().T @ sources
    gram[np.diag_indices(len(gram))] += weight * np.trace(gram).real / len(gram)
    try:
        return np.asarray(solve(gram, sources.conj().T @ targets, assume_a="pos"))
    except np.linalg.LinAlgError as error:
        raise ValueError("calibration does not determine the weights; set regularization above 0") from error


def _apply(lines: ComplexArray, weights: ComplexArray, size: tuple[int, int], step: int) -> ComplexArray:
    """Lines from one step before the first to one step after the last; regular places are zero."""
    n_coils, n_lines, nx = lines.shape
    before, left = (size[0] - 1) // 2 + 1, size[1] // 2
    padded = np.pad(lines, ((0, 0), (before, size[0] - before), (left, size[1] - 1 - left)))
    windows = sliding_window_view(padded, size, axis=(1, 2))
    n_gaps = n_lines + 1
    out = np.zeros((n_coils, n_gaps, step, nx), dtype=lines.dtype)
    block = max(1, BLOCK // (nx * len(weights)))
    for start in range(0, n_gaps, block):
        part = windows[:, start : min(start + block, n_gaps)].transpose(1, 2, 0, 3, 4)
        values = part.reshape(-1, len(weights)) @ weights
        shaped = values.reshape(part.shape[0], nx, n_coils, step - 1)
        out[:, start : start + part.shape[0], 1:] = shaped.transpose(2, 0, 3, 1)
    return out.reshape(n_coils, n_gaps * step, nx)

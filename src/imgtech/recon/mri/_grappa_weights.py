"""The weights of GRAPPA from calibration data: normal equations, summed without repeating products."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve

from imgtech._core.validate import ComplexArray
from imgtech.recon.mri._windows import lines_of, window_products


def places_of(steps: tuple[int, int]) -> list[tuple[int, int]]:
    """The places of a cell of the pattern that were not acquired."""
    return [(y, x) for y in range(steps[0]) for x in range(steps[1]) if (y, x) != (0, 0)]


def sources_left(size: int, step: int) -> int:
    """Sources left of the cell; in the middle of the kernel where every column was acquired."""
    return size // 2 if step == 1 else (size - 1) // 2


def weights_of(
    calibration: ComplexArray, size: tuple[int, int], steps: tuple[int, int], weight: float
) -> npt.NDArray[np.complex128]:
    """Weights, shape (coil * kernel, coil * places), from the normal equations of all windows."""
    ny, nx = calibration.shape[1:]
    base = ((size[0] - 1) // 2) * steps[0], sources_left(size[1], steps[1]) * steps[1]
    span = (size[0] - 1) * steps[0] + 1, (size[1] - 1) * steps[1] + 1
    reach = max(span[0], base[0] + steps[0]), max(span[1], base[1] + steps[1])
    if ny < reach[0] or nx < reach[1]:
        raise ValueError(
            f"calibration must have at least {reach[0]} lines of {reach[1]} samples for kernel_size {size} "
            f"and acceleration {steps}, got {ny} lines of {nx}"
        )
    if not calibration.any():
        raise ValueError("calibration must not be all zero")
    samples = calibration.astype(np.complex128)
    gram, right = _normal_equations(samples, size, steps, base, (ny - reach[0] + 1, nx - reach[1] + 1))
    gram[np.diag_indices(len(gram))] += weight * np.trace(gram).real / len(gram)
    try:
        return np.asarray(solve(gram, right, assume_a="pos", lower=False, overwrite_a=True))
    except np.linalg.LinAlgError as error:
        raise ValueError("calibration does not determine the weights; set regularization above 0") from error


def _normal_equations(
    samples: npt.NDArray[np.complex128],
    size: tuple[int, int],
    steps: tuple[int, int],
    base: tuple[int, int],
    n_windows: tuple[int, int],
) -> tuple[npt.NDArray[np.complex128], npt.NDArray[np.complex128]]:
    """Sums of products of all pairs of sources, and of sources and targets."""
    (n_y, n_x), width, (_, step) = n_windows, size[1], steps
    lines = lines_of(samples, size[0], steps[0], n_y)
    gram = window_products(lines, width, step, n_x)
    n_lines, flat = len(lines), lines.reshape(len(lines), -1)
    inside = flat.shape[1] - (width - 1) * step
    places = [samples[:, base[0] + y : base[0] + y + n_y, base[1] + x :] for y, x in places_of(steps)]
    targets = np.zeros((len(samples), len(places), *lines.shape[1:]), np.complex128)
    for number, place in enumerate(places):
        targets[:, number, :, :n_x] = place[..., :n_x].conj()
    wanted = targets.reshape(-1, flat.shape[1])[:, :inside]
    right = np.empty((n_lines, width, len(wanted)), np.complex128)
    for i in range(width):
        right[:, i] = flat[:, i * step : i * step + inside] @ wanted.T
    return gram, right.conj().reshape(n_lines * width, -1)

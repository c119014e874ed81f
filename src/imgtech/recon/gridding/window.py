"""The Kaiser-Bessel window that carries samples onto a fine grid, and what it does to the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy  # scipy.special is loaded at first use

Floats = npt.NDArray[np.float64]


def shape_parameter(width: int, oversampling: float) -> float:
    """Kaiser-Bessel parameter of a window of ``width`` bins (Beatty et al. 2005, equation 5)."""
    share = width / oversampling * (oversampling - 0.5)
    return float(np.pi * np.sqrt(share**2 - 0.8))


def kaiser_bessel(distance: npt.NDArray[np.floating[Any]], width: int, oversampling: float) -> Floats:
    """The window, 1 in the middle, at distances in bins of at most half the width."""
    beta = shape_parameter(width, oversampling)
    root = np.sqrt(np.maximum(0.0, 1 - (2 * distance / width) ** 2))
    return np.asarray(scipy.special.i0e(beta * root) * np.exp(beta * (root - 1)) / scipy.special.i0e(beta))


def correction(n: int, n_fine: int, width: int, oversampling: float) -> Floats:
    """One over the Fourier transform of the window, at the ``n`` pixels of an axis, the middle at n // 2."""
    beta = shape_parameter(width, oversampling)
    x = (np.arange(n) - n // 2) / n_fine
    root = np.sqrt(beta**2 - (np.pi * width * x) ** 2)
    transform = width * np.exp(root - beta) * -np.expm1(-2 * root) / (2 * root * scipy.special.i0e(beta))
    return np.asarray(1 / transform)

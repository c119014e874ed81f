"""Fits of profiles by functions of rising order, and the transfer functions they give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from imgtech.qc.metrics._kernels import orthonormal_columns
from imgtech.qc.metrics._noise import autocorrelation

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_PENALTY = 3.0
_APART = 1e-3
_NOISE_WINDOW = 4
_LEAST_POWER = 0.05


@dataclass(frozen=True, kw_only=True)
class Expansion:
    """A least-squares fit whose columns are ordered, first those that carry no transfer function.

    Parameters
    ----------
    triangle : numpy.ndarray
        Upper triangle R of the design's QR decomposition.
    amplitudes : numpy.ndarray
        Coefficients of the columns made orthonormal one after the other: each has the variance of one
        pixel, whatever columns follow.
    """

    triangle: Floats
    amplitudes: Floats

    @classmethod
    def fit(cls, design: Floats, values: Floats) -> Expansion:
        """Fit the columns of ``design`` to ``values``, as many as the pixels can tell apart."""
        basis = np.array(design.T, dtype=np.float64, order="C")
        triangle, found = np.zeros((len(basis), len(basis))), np.empty(1, dtype=np.int64)
        orthonormal_columns(_APART, basis, triangle, found)
        n = int(found[0])
        return cls(triangle=triangle[:n, :n].copy(), amplitudes=np.asarray(basis[:n] @ values))

    @property
    def n_columns(self) -> int:
        """Number of columns that were told apart."""
        return len(self.amplitudes)

    def coefficients(self, n: int) -> Floats:
        """Coefficients when only the first n columns are used."""
        return np.asarray(np.linalg.solve(self.triangle[:n, :n], self.amplitudes[:n]), dtype=np.float64)

    def chosen(self, sizes: Sequence[int], noise: float) -> int:
        """Index of the number of columns beyond which the fit improves by no more than noise can."""
        gain = np.cumsum(self.amplitudes**2) / noise
        scores = [_PENALTY * n - gain[n - 1] for n in sizes]
        return int(np.argmin(scores))

    def transfer(self, n: int, terms: npt.NDArray[np.complexfloating]) -> tuple[Floats, Floats]:
        """Transfer function of the first n columns, and its change by each amplitude.

        ``terms`` are the spectra of the columns, shape ``(frequencies, columns)``, frequency 0 first.
        """
        inverse = np.linalg.inv(self.triangle[:n, :n])
        spectrum = terms[:, :n] @ (inverse @ self.amplitudes[:n])
        total = spectrum[0].real
        ratio = spectrum / total
        values = np.abs(ratio)
        change = (terms[:, :n] - ratio[:, None] * terms[0, :n]) / total
        gradient = (np.conj(ratio)[:, None] * change).real / np.maximum(values, 1e-12)[:, None]
        return values, gradient @ inverse

    def spread(self, design: Floats, rest: Floats, seen: Bools) -> Floats:
        """Square root of the covariance of the amplitudes of the first columns, by the noise left over.

        Parameters
        ----------
        design : numpy.ndarray
            The columns that are used, at the pixels that are ``seen``.
        rest : numpy.ndarray
            What they leave of the image, shape ``(ny, nx)``, 0 where nothing is seen.
        seen : numpy.ndarray
            Pixels that were fitted, shape ``(ny, nx)``.
        """
        n = design.shape[1]
        noise = float(np.vdot(rest, rest)) / max(len(design) - n, 1)
        noise = max(noise, 1e-24 * float(np.vdot(self.amplitudes, self.amplitudes)) / len(design))
        correlation, _ = autocorrelation([rest], [seen.astype(np.float64)], _NOISE_WINDOW)
        columns = np.zeros((n, *seen.shape))
        columns[:, seen] = (design @ np.linalg.inv(self.triangle[:n, :n])).T
        shape = [fft.next_fast_len(m + _NOISE_WINDOW, real=True) for m in seen.shape]
        kernel = np.zeros(shape)
        reach = np.arange(-_NOISE_WINDOW, _NOISE_WINDOW + 1)
        kernel[np.ix_(reach % shape[0], reach % shape[1])] = correlation
        power = fft.rfft2(kernel).real
        smooth = fft.irfft2(fft.rfft2(columns, s=shape) * power, s=shape)[:, : seen.shape[0], : seen.shape[1]]
        together = columns.reshape(n, -1) @ smooth.reshape(n, -1).T
        sizes, axes = np.linalg.eigh((together + together.T) / 2)
        return np.asarray(axes * np.sqrt(noise * np.maximum(sizes, _LEAST_POWER)))


def hermite(v: Floats, n: int) -> list[Floats]:
    """Orthonormal Hermite functions of order 0 to n."""
    found = [np.exp(-v * v / 2) / math.pi**0.25]
    found.append(math.sqrt(2) * v * found[0])
    for k in range(1, n):
        found.append(math.sqrt(2 / (k + 1)) * v * found[k] - math.sqrt(k / (k + 1)) * found[k - 1])
    return found[: n + 1]


def laguerre(v: Floats, n: int) -> list[Floats]:
    r"""Laguerre-Gauss functions :math:`L_k(v^2) e^{-v^2 / 2}` of order 0 to n.

    In the plane the function of order k at r / s has the transform
    :math:`2 \pi s^2 (-1)^k L_k(q^2) e^{-q^2 / 2}` with :math:`q = 2 \pi f s`.
    """
    square = v * v
    found = [np.exp(-square / 2)]
    found.append((1 - square) * found[0])
    for k in range(1, n):
        found.append(((2 * k + 1 - square) * found[k] - k * found[k - 1]) / (k + 1))
    return found[: n + 1]


def highest_power(rest: Floats, seen: Bools) -> float:
    """Highest noise power relative to white noise of the same variance; at least 1."""
    correlation, share = autocorrelation([rest], [seen.astype(np.float64)], _NOISE_WINDOW)
    lags = np.arange(-_NOISE_WINDOW, _NOISE_WINDOW + 1)
    waves = np.cos(2 * math.pi * np.multiply.outer(np.linspace(0, 0.5, 6), lags))
    return max(float((waves @ (share * correlation) @ waves.T).max()), 1.0)

"""What a NUFFT prepares once: kernel width, fine grid, sorted points and their weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.fft import next_fast_len

from imgtech.geometry import ImageGrid, Trajectory
from imgtech.recon.gridding._kernels import TILE, window_weights
from imgtech.recon.gridding.window import correction, kaiser_bessel

OVERSAMPLING = 2.0
_DIGITS_AT_5, _DIGITS_PER_BIN = 4.15, 0.97  # measured: white images and samples, direct double sums


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """Points sorted into tiles, as the kernels take them, and the correction of the image."""

    fine_shape: tuple[int, int]
    starts: npt.NDArray[np.int64]
    corners: npt.NDArray[np.int32]
    order: npt.NDArray[np.int64]
    phases: npt.NDArray[np.floating[Any]]
    weights: npt.NDArray[np.floating[Any]]
    correction: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]

    @property
    def width(self) -> int:
        """Number of bins that a point touches along an axis."""
        return int(self.weights.shape[-1])

    @property
    def points(self) -> tuple[Any, ...]:
        """The arguments that both kernels share."""
        return self.starts, self.corners, self.order, self.phases, self.weights, (0,) * self.width


def kernel_width(tolerance: float) -> int:
    """Fewest bins with which the error stays below ``tolerance``."""
    digits = -np.log10(tolerance)
    return max(2, int(np.ceil(5 + (digits - _DIGITS_AT_5) / _DIGITS_PER_BIN)))


def make_plan(trajectory: Trajectory, grid: ImageGrid, tolerance: float) -> Plan:
    """Sort the points of ``trajectory`` into tiles and store their weights."""
    width = kernel_width(tolerance)
    number = np.float32 if tolerance >= 1e-6 else np.float64
    positions = trajectory.positions_per_mm.reshape(-1, 2)
    fine_shape = (_fine_size(grid.shape[0]), _fine_size(grid.shape[1]))
    bins = positions * np.array(grid.spacing_mm) * np.array(fine_shape)
    first = np.ceil(bins - width / 2)
    weights = _weights((first - bins).ravel(), width).reshape(*bins.shape, width)
    start = np.mod(first, fine_shape).astype(np.int64)
    tile = start[:, 0] // TILE * (fine_shape[1] // TILE) + start[:, 1] // TILE
    order = np.argsort(tile, kind="stable")
    n_tiles = fine_shape[0] * fine_shape[1] // TILE**2
    origin = np.array([c[n // 2] for c, n in zip(grid.coordinates_mm, grid.shape, strict=True)])
    turn = -2 * np.pi * (positions @ origin)
    phases = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    return Plan(
        fine_shape=fine_shape,
        starts=np.searchsorted(tile[order], np.arange(n_tiles + 1)),
        corners=np.ascontiguousarray((start % TILE)[order], dtype=np.int32),
        order=order,
        phases=phases[order].astype(number),
        weights=weights[order].astype(number),
        correction=(
            correction(grid.shape[0], fine_shape[0], width, OVERSAMPLING) * grid.spacing_mm[0],
            correction(grid.shape[1], fine_shape[1], width, OVERSAMPLING) * grid.spacing_mm[1],
        ),
    )


def _fine_size(n: int) -> int:
    """A size that an FFT likes, at least twice ``n``, with an even number of tiles."""
    return 2 * TILE * int(next_fast_len(int(np.ceil(OVERSAMPLING * n / (2 * TILE)))))


def _weights(offset: npt.NDArray[np.float64], width: int) -> npt.NDArray[np.float64]:
    """The window at every tap of points whose first tap lies ``offset`` bins away, -width/2 to 1 more.

    At one tap the window is an entire function of the offset; a polynomial of this degree follows it to
    rounding.
    """
    degree = 2 * width + 6
    nodes = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    taps = kaiser_bessel((nodes[:, None] + 1 - width) / 2 + np.arange(width), width, OVERSAMPLING)
    fits = np.zeros((degree + 1, width))  # highest power first
    for tap, values in enumerate(taps.T):
        fit = np.polynomial.Chebyshev.fit(nodes, values, degree, domain=[-1, 1])
        powers = fit.convert(kind=np.polynomial.Polynomial).coef
        fits[degree + 1 - len(powers) :, tap] = powers[::-1]
    out = np.empty((len(offset), width))
    window_weights.sized(out.size * degree)(2 * offset + width - 1, fits, out)
    return out

"""What a NUFFT prepares once: kernel width, fine grid, sorted points and their weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from imgtech.geometry import ImageGrid, Trajectory
from imgtech.recon.gridding._kernels import TILE
from imgtech.recon.gridding._kernels_plan import find_tiles, place_points, sort_tiles
from imgtech.recon.gridding.window import correction, kaiser_bessel

OVERSAMPLING = 2.0
_BOX = 8, 8, 16  # bins of a tile in space, which fits into the nearest cache
_DIGITS_AT_5, _DIGITS_PER_BIN = 4.15, 0.97  # measured: white images and samples, direct double sums


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """Points sorted into tiles, as the kernels take them, and the correction of the image."""

    fine_shape: tuple[int, ...]
    tile_shape: tuple[int, ...]
    starts: npt.NDArray[np.int64]
    corners: npt.NDArray[np.int32]
    order: npt.NDArray[np.int64]
    phases: npt.NDArray[np.floating[Any]]
    weights: npt.NDArray[np.floating[Any]]
    correction: tuple[npt.NDArray[np.float64], ...]

    @property
    def width(self) -> int:
        """Number of bins that a point touches along an axis."""
        return int(self.weights.shape[-1])

    @property
    def n_updates(self) -> int:
        """Real numbers that all points touch."""
        return 2 * len(self.order) * self.width ** len(self.fine_shape)

    @property
    def points(self) -> tuple[Any, ...]:
        """The arguments that both kernels share."""
        return self.starts, self.corners, self.order, self.phases, self.weights, (0,) * self.width

    @property
    def flat_points(self) -> tuple[Any, ...]:
        """The same with the weights in one row, as the kernels for many coils take them."""
        return (*self.points[:4], self.weights.reshape(-1), (0,) * self.width)


def kernel_width(tolerance: float) -> int:
    """Fewest bins with which the error stays below ``tolerance``."""
    digits = -np.log10(tolerance)
    return max(2, int(np.ceil(5 + (digits - _DIGITS_AT_5) / _DIGITS_PER_BIN)))


def make_plan(trajectory: Trajectory, grid: ImageGrid, tolerance: float) -> Plan:
    """Sort the points of ``trajectory`` into tiles and store their weights."""
    width = kernel_width(tolerance)
    number = np.float32 if tolerance >= 1e-6 else np.float64
    n_axes = trajectory.ndim
    positions = trajectory.positions_per_mm.reshape(-1, n_axes)
    n_points = len(positions)
    fine_shape = tuple(fine_size(n) for n in grid.shape)
    tile_shape = (TILE, TILE) if n_axes == 2 else (_BOX if width <= _BOX[0] else (TILE,) * 3)
    bins = positions * (np.array(grid.spacing_mm) * np.array(fine_shape))
    tiles = np.empty(n_points, np.int64)
    find_tiles.sized(8 * n_axes * n_points)(bins, width, fine_shape, tile_shape, tiles)
    starts = np.empty(int(np.prod(fine_shape)) // int(np.prod(tile_shape)) + 1, np.int64)
    order = np.empty(n_points, np.int64)
    sort_tiles(tiles, starts, order)
    origin = np.array([c[n // 2] for c, n in zip(grid.coordinates_mm, grid.shape, strict=True)])
    corners = np.empty((n_points, n_axes), np.int32)
    phases, weights = np.empty((n_points, 2), number), np.empty((n_points, n_axes, width), number)
    fits = _window_fits(width, tolerance)
    place_points.sized(2 * weights.size * len(fits))(
        bins, positions @ origin, order, width, fine_shape, tile_shape, fits, corners, phases, weights
    )
    return Plan(
        fine_shape=fine_shape,
        tile_shape=tile_shape,
        starts=starts,
        corners=corners,
        order=order,
        phases=phases,
        weights=weights,
        correction=tuple(
            correction(n, fine, width, OVERSAMPLING) * spacing
            for n, fine, spacing in zip(grid.shape, fine_shape, grid.spacing_mm, strict=True)
        ),
    )


def fine_size(n: int) -> int:
    """A size that an FFT likes, at least twice ``n``, with an even number of tiles."""
    return 2 * TILE * int(scipy.fft.next_fast_len(int(np.ceil(OVERSAMPLING * n / (2 * TILE)))))


@lru_cache(maxsize=32)
def _window_fits(width: int, tolerance: float) -> npt.NDArray[np.float64]:
    """Polynomials, one a tap, of twice the distance from the first tap to the point plus ``width`` - 1.

    At one tap the window is an entire function of that distance, -1 to 1. The lowest degree is taken that
    follows it a thousand times closer than ``tolerance``, or to rounding. Shape (power, tap), the
    highest power first.
    """
    checks = np.linspace(-1, 1, 64)
    exact = kaiser_bessel((checks[:, None] + 1 - width) / 2 + np.arange(width), width, OVERSAMPLING)
    for degree in range(width, 2 * width + 7):
        nodes = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
        taps = kaiser_bessel((nodes[:, None] + 1 - width) / 2 + np.arange(width), width, OVERSAMPLING)
        series = np.polynomial.chebyshev.chebfit(nodes, taps, degree)
        fits = np.zeros((degree + 1, width))
        for tap, terms in enumerate(series.T):
            powers = np.polynomial.chebyshev.cheb2poly(terms)
            fits[degree + 1 - len(powers) :, tap] = powers[::-1]
        found = np.vander(checks, degree + 1) @ fits
        if np.abs(found - exact).max() < max(1e-3 * tolerance, 1e-14):
            break
    return fits

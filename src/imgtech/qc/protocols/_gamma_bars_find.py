"""Find squares of parallel bars in a gamma camera image by their peaks in spectra of tiles."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from imgtech.geometry import ImageGrid

Floats = npt.NDArray[np.float64]

_TILE_MM = 60.0
_STEP_MM = 15.0
_WIDEST_MM = 8.0
_CLEAR = 25.0
_NOISE = 12.0
_PURE = 0.75
_FEWEST_TILES = 4
_SURE_SHARE = 0.1
_MOST = 4
_LINE = 8.0
_WILD = 2.0


@dataclass(frozen=True, kw_only=True)
class BarSquare:
    """A square of parallel bars.

    Parameters
    ----------
    width_mm, width_uncertainty_mm : float
        Width of a bar and of a gap, half a period.
    normal_rad, normal_uncertainty_rad : float
        Direction across the bars, from x towards y, 0 to pi.
    corners_mm : tuple of (float, float)
        ``(y, x)`` of the corners of a region well inside.
    """

    width_mm: float
    width_uncertainty_mm: float
    normal_rad: float
    normal_uncertainty_rad: float
    corners_mm: tuple[tuple[float, float], ...]

    @property
    def center_mm(self) -> tuple[float, float]:
        """Middle of the region."""
        y, x = np.mean(self.corners_mm, axis=0)
        return float(y), float(x)

    def region(self, grid: ImageGrid) -> Floats:
        """Pixels inside as weights."""
        y, x = grid.coordinates_mm
        cy, cx = self.center_mm
        c, s = math.cos(self.normal_rad), math.sin(self.normal_rad)
        across = (x - cx) * c + (y[:, None] - cy) * s
        along = (y[:, None] - cy) * c - (x - cx) * s
        dy, dx = np.asarray(self.corners_mm[0]) - self.center_mm
        half = abs(dx * c + dy * s), abs(dy * c - dx * s)
        return ((np.abs(across) <= half[0]) & (np.abs(along) <= half[1])).astype(np.float64)


def find_bar_squares(counts: Floats, grid: ImageGrid) -> list[BarSquare]:
    """Up to four squares of bars, widest first."""
    places, peaks, heights = _tile_peaks(counts, grid)
    taken = np.zeros(len(peaks), dtype=bool)
    found: list[tuple[float, BarSquare]] = []
    while True:
        free = np.flatnonzero(~taken & (heights > _CLEAR))
        if free.size < _FEWEST_TILES:
            break
        best = free[int(np.argmax(heights[free]))]
        near = free[np.hypot(*(peaks[free] - peaks[best]).T) < 1.2 / _TILE_MM]
        near = near[np.abs(places[near] - places[best]).max(axis=1) < 250.0]
        taken[near] = True
        pure = near[np.sqrt(heights[near]) > _PURE * math.sqrt(heights[best])]
        if pure.size >= _FEWEST_TILES:
            square = _square(counts, grid, places[pure], peaks[best])
            if square is not None:
                found.append((float(len(pure)), square))
    found.sort(key=lambda pair: -pair[0])
    return sorted((square for _, square in found[:_MOST]), key=lambda q: -q.width_mm)


def _tile_peaks(counts: Floats, grid: ImageGrid) -> tuple[Floats, Floats, Floats]:
    """Middle of every tile, frequency ``(y, x)`` of its highest peak, and its height over counting noise."""
    d = grid.spacing_mm
    if min(grid.fov_mm) < _TILE_MM:
        high, wide = grid.fov_mm
        raise ValueError(
            f"the image must measure at least {_TILE_MM:g} mm each way, got {high:g} x {wide:g} mm"
        )
    size = [max(round(_TILE_MM / step), 16) for step in d]
    hop = [max(round(_STEP_MM / step), 1) for step in d]
    window = np.outer(*(np.hanning(n + 2)[1:-1] for n in size))
    shape = [fft.next_fast_len(round(1.5 * n), real=True) for n in size]
    fy, fx = fft.fftfreq(shape[0], d[0])[:, None], fft.rfftfreq(shape[1], d[1])
    f = np.hypot(fy, fx)
    seen = f > 1 / (2 * _WIDEST_MM)
    if not seen.any():
        raise ValueError(f"pixels must be small enough for bars of {_WIDEST_MM:g} mm, got {max(d):g} mm")
    y, x = grid.coordinates_mm
    level, whole = np.percentile(counts, 90), float((window**2).sum())
    places, peaks, heights = [], [], []
    for top in range(0, counts.shape[0] - size[0] + 1, hop[0]):
        for left in range(0, counts.shape[1] - size[1] + 1, hop[1]):
            tile = counts[top : top + size[0], left : left + size[1]]
            mean = float(np.vdot(window, tile) / window.sum())
            if mean < 0.15 * level:
                continue
            power = np.abs(fft.rfft2(window * (tile - mean), s=shape)) ** 2 * seen / (mean * whole)
            wild = float(np.median(power[seen])) / math.log(2)
            power /= wild if wild > _WILD else 1.0  # scatters far more than counts do
            # edges fall with the square of f, noise reaches ten times its mean
            row, column = np.unravel_index(int(np.argmax((power - _NOISE) * f**2)), power.shape)
            places.append((y[top : top + size[0]].mean(), x[left : left + size[1]].mean()))
            peaks.append((fy[row, 0], fx[column]))
            heights.append(power[row, column])
    if not places:
        raise ValueError(f"the image must hold counts over a square of {_TILE_MM:g} mm")
    vectors = np.array(peaks)
    vectors[(vectors[:, 1] < 1e-9) & (vectors[:, 0] < 0)] *= -1
    # directions near along y are the same whichever sign the column has
    steep = np.abs(vectors[:, 1]) < 1.0 / _TILE_MM
    vectors[steep & (vectors[:, 0] < 0)] *= -1
    return np.array(places), vectors, np.array(heights)


def _square(counts: Floats, grid: ImageGrid, places: Floats, peak: Floats) -> BarSquare | None:
    """Region from the tiles that lie inside, then frequency and direction from all its pixels."""
    normal = math.atan2(peak[0], peak[1])
    c, s = math.cos(normal), math.sin(normal)
    across, along = places[:, 1] * c + places[:, 0] * s, places[:, 0] * c - places[:, 1] * s
    grow = _SURE_SHARE * _TILE_MM
    spans = [(float(a.min()) - grow, float(a.max()) + grow) for a in (across, along)]
    if min(high - low for low, high in spans) < 20.0:
        return None
    y, x = grid.coordinates_mm
    middle = [(low + high) / 2 for low, high in spans]
    half = [(high - low) / 2 for low, high in spans]
    u = x * c + y[:, None] * s - middle[0]
    v = y[:, None] * c - x * s - middle[1]
    w = (
        np.cos(np.pi / 2 * np.clip(u / half[0], -1, 1)) ** 2
        * np.cos(np.pi / 2 * np.clip(v / half[1], -1, 1)) ** 2
    )
    rows, columns = (np.flatnonzero((w > 0).any(axis=a)) for a in (1, 0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    w, u, v, values, y_in, x_in = w[box], u[box], v[box], counts[box], y[box[0]], x[box[1]]
    mean = float(np.vdot(w, values) / w.sum())
    weighted = w * (values - mean)

    ky, kx, strength = refined_wave(weighted, y_in, x_in, (float(peak[0]), float(peak[1])), 0.15 / max(half))
    f, turn = math.hypot(ky, kx), math.atan2(ky, kx) - normal
    turn = (turn + math.pi / 2) % math.pi - math.pi / 2
    if abs(turn) > 0.2 or not 0.8 < f / math.hypot(*peak) < 1.25:
        return None
    beside = [
        _power(weighted, y_in, x_in, (ky * (1 + a / half[0] / f), kx * (1 + a / half[0] / f)))
        for a in (-2.0, -1.5, 1.5, 2.0)
    ]
    if strength < _LINE * max(beside):  # an edge has a broad spectrum, bars a line
        return None
    errors = []
    for at in (u, v):
        curve = float(np.vdot(w, at**2) / w.sum())
        errors.append(math.sqrt(mean * float(np.vdot(w**2, at**2)) / 2 / strength) / (2 * math.pi * curve))
    corners = []
    for a, b in ((-1, -1), (-1, 1), (1, 1), (1, -1)):
        p, q = middle[0] + a * half[0], middle[1] + b * half[1]
        corners.append((p * s + q * c, p * c - q * s))
    return BarSquare(
        width_mm=1 / (2 * f),
        width_uncertainty_mm=errors[0] / (2 * f * f),
        normal_rad=(normal + turn) % math.pi,
        normal_uncertainty_rad=errors[1] / f,
        corners_mm=tuple(corners),
    )


def refined_wave(
    values: Floats, y: Floats, x: Floats, start: tuple[float, float], step: float
) -> tuple[float, float, float]:
    """Frequency ``(y, x)`` at which the spectrum of the values peaks, and the power there."""
    ky, kx = start
    steps = np.arange(-2, 3)
    for _ in range(9):
        rows = np.exp(-2j * np.pi * np.outer(ky + step * steps, y))
        columns = np.exp(-2j * np.pi * np.outer(x, kx + step * steps))
        half = rows.real @ values + 1j * (rows.imag @ values)
        power = np.abs(half @ columns) ** 2
        top = np.unravel_index(int(np.argmax(power)), power.shape)
        at = [min(max(int(t), 1), 3) for t in top]
        around = power[at[0] - 1 : at[0] + 2, at[1] - 1 : at[1] + 2]
        ky += step * (at[0] - 2 + _vertex(around[:, 1]))
        kx += step * (at[1] - 2 + _vertex(around[1]))
        if all(1 <= int(t) <= 3 for t in top):
            step /= 3
    return ky, kx, float(power.max())


def _power(values: Floats, y: Floats, x: Floats, at: tuple[float, float]) -> float:
    """Power of the spectrum of the values at one frequency ``(y, x)``."""
    wave = np.outer(np.exp(-2j * np.pi * at[0] * y), np.exp(-2j * np.pi * at[1] * x))
    return float(np.abs(np.sum(values * wave)) ** 2)


def _vertex(three: Floats) -> float:
    """Place of the maximum of the parabola through three values, in steps from the middle one."""
    bend = float(three[0] - 2 * three[1] + three[2])
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (three[0] - three[2]) / bend, -1, 1))

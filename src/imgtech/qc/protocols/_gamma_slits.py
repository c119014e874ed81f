"""Two pairs of parallel slits: width of the line spread and distance, by fits to profiles across them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize

from imgtech.geometry import ImageGrid

Floats = npt.NDArray[np.float64]

_BAND = 0.32
_REACH_MM = 25.0
_BIN = 0.25
_TRY_RAD = 0.01
_FWHM = math.sqrt(8 * math.log(2))
_FWTM = math.sqrt(8 * math.log(10))


@dataclass(frozen=True, kw_only=True)
class SlitPair:
    """Two slits seen along their normal.

    Parameters
    ----------
    fwhm_mm, fwhm_uncertainty_mm : float
        Full width at half height of the Gaussian that fits, pixel and slit included.
    separation_mm, separation_uncertainty_mm : float
        Distance of the slits.
    normal_rad : float
        Direction across them.
    center_mm : (float, float)
        ``(y, x)`` of the middle of the cross.
    half_band_mm : float
        Half of the length of the slits that was used.
    """

    fwhm_mm: float
    fwhm_uncertainty_mm: float
    separation_mm: float
    separation_uncertainty_mm: float
    normal_rad: float
    center_mm: tuple[float, float]
    half_band_mm: float

    @property
    def fwtm_over_fwhm(self) -> float:
        """Full width at a tenth over that at half height, of a Gaussian."""
        return _FWTM / _FWHM


def find_slits(counts: Floats, grid: ImageGrid, separation_mm: float) -> tuple[SlitPair, SlitPair]:
    """Pairs of slits whose normal is nearest to x and to y.

    The direction is the one in which profiles across the image are most peaked; it is refined by the fit of
    the two halves of every slit.
    """
    y, x = grid.coordinates_mm
    bright = counts > 0.35 * np.percentile(counts, 99.8)
    rows, columns = np.nonzero(bright)
    if rows.size < 20:
        raise ValueError("this is not an image of four slits: no bright lines stand out of the dark")
    weights, py, px = counts[rows, columns], y[rows], x[columns]
    step = 0.7 * max(grid.spacing_mm)

    def peaked(angle: float) -> float:
        total = 0.0
        for turn in (angle, angle + math.pi / 2):
            place = px * math.cos(turn) + py * math.sin(turn)
            bins = np.bincount(np.floor((place - place.min()) / step).astype(int), weights)
            total += float((bins**2).sum())
        return total

    angles = np.deg2rad(np.arange(-45.0, 45.0, 0.5))
    coarse = angles[int(np.argmax([peaked(a) for a in angles]))]
    fine = coarse + np.deg2rad(np.arange(-0.6, 0.61, 0.05))
    angle = float(fine[int(np.argmax([peaked(a) for a in fine]))])
    for _ in range(3):
        center = (
            _middle(counts, grid, angle, separation_mm),
            _middle(counts, grid, angle + math.pi / 2, separation_mm),
        )
        angle += _tilt(counts, grid, angle, center, separation_mm)
    angle += _sharpest(counts, grid, angle, center, separation_mm)
    return (
        _pair(counts, grid, angle, 0.0, center, separation_mm),
        _pair(counts, grid, angle, math.pi / 2, center, separation_mm),
    )


def _middle(counts: Floats, grid: ImageGrid, normal: float, separation: float) -> float:
    """Place half way between the two slits along their normal."""
    y, x = grid.coordinates_mm
    place = x * math.cos(normal) + y[:, None] * math.sin(normal)
    step = max(grid.spacing_mm)
    first = float(place.min())
    index = np.floor((place - first) / step).astype(int)
    n = np.bincount(index.ravel())
    profile = np.bincount(index.ravel(), counts.ravel()) / np.maximum(n, 1)
    lag = round(separation / step)
    profile = np.where(n > 0.3 * n.max(), profile - np.median(profile), 0.0)
    if lag < 1:
        raise ValueError(f"separation_mm must be at least a pixel of {step:g} mm, got {separation:g}")
    if len(profile) <= lag:
        raise ValueError(f"the image must be larger than the separation of {separation:g} mm")
    smooth = np.convolve(profile, [0.25, 0.5, 0.25], "same")
    both = np.minimum(smooth[:-lag], smooth[lag:])
    return first + (int(np.argmax(both)) + lag / 2 + 0.5) * step


def _frame(grid: ImageGrid, angle: float, turn: float, center: tuple[float, float]) -> tuple[Floats, Floats]:
    """Coordinates across and along the slits of a pair, from the middle of the cross."""
    y, x = grid.coordinates_mm
    c, s = math.cos(angle), math.sin(angle)
    u, v = x * c + y[:, None] * s - center[0], y[:, None] * c - x * s - center[1]
    return (u, v) if turn == 0.0 else (v, -u)


def _tilt(
    counts: Floats, grid: ImageGrid, angle: float, center: tuple[float, float], separation: float
) -> float:
    """Rotation that is left, from the places of the two halves of every slit."""
    tilts = []
    for turn in (0.0, math.pi / 2):
        across, along = _frame(grid, angle, turn, center)
        for side in (-0.5, 0.5):
            places = []
            for low, high in ((-_BAND, 0.0), (0.0, _BAND)):
                chosen = (along > low * separation) & (along < high * separation)
                chosen &= np.abs(across - side * separation) < 8.0
                w = counts[chosen] - np.percentile(counts[chosen], 20)
                w = np.maximum(w - 0.2 * w.max(), 0.0)
                places.append(float(np.vdot(w, across[chosen]) / max(w.sum(), 1e-9)))
            tilts.append(-(places[1] - places[0]) / (_BAND * separation))
    return float(np.median(tilts))


def _sharpest(
    counts: Floats, grid: ImageGrid, angle: float, center: tuple[float, float], separation: float
) -> float:
    """Rotation that is left: a tilt adds its square, times that of the band, to the square of the width."""
    squares = []
    for away in (-_TRY_RAD, 0.0, _TRY_RAD):
        pairs = [_pair(counts, grid, angle + away, turn, center, separation) for turn in (0.0, math.pi / 2)]
        squares.append(sum(pair.fwhm_mm**2 for pair in pairs))
    bend = squares[0] - 2 * squares[1] + squares[2]
    return 0.0 if bend <= 0 else float(np.clip(0.5 * (squares[0] - squares[2]) / bend, -1, 1)) * _TRY_RAD


def _pair(
    counts: Floats, grid: ImageGrid, angle: float, turn: float, center: tuple[float, float], separation: float
) -> SlitPair:
    """Two Gaussians, averaged over the bins of a profile, on a floor each; Poisson weights."""
    across, along = _frame(grid, angle, turn, center)
    band = np.abs(along) < _BAND * separation
    step = _BIN * min(grid.spacing_mm)
    edges = np.arange(-separation / 2 - _REACH_MM, separation / 2 + _REACH_MM, step)
    index = np.digitize(across[band], edges) - 1
    inside = (index >= 0) & (index < len(edges) - 1)
    n = np.bincount(index[inside], minlength=len(edges) - 1).astype(np.float64)
    total = np.bincount(index[inside], counts[band][inside], minlength=len(edges) - 1)
    mean_place = np.bincount(index[inside], across[band][inside], minlength=len(edges) - 1) / np.maximum(n, 1)
    used = (n > 0) & (np.abs(np.abs(mean_place) - separation / 2) < _REACH_MM)
    at, profile, pixels = mean_place[used], total[used] / n[used], n[used]

    def model(p: Floats) -> Floats:
        first, apart, sigma, one, two, floor = p
        value = np.full(at.shape, floor)
        for height, place in ((one, first), (two, first + apart)):
            value = value + height * np.exp(-((at - place) ** 2) / (2 * sigma**2))
        return value

    guess_sigma = 1.6
    top = float(profile.max())
    start = np.array([-separation / 2, separation, guess_sigma, top, top, float(np.percentile(profile, 10))])
    spread = np.sqrt(np.maximum(profile, 0.3) / pixels)

    def fitted(start: Floats, spread: Floats) -> optimize.OptimizeResult:
        return optimize.least_squares(
            lambda p: (model(p) - profile) / spread, start, x_scale=np.abs(start) + 0.1
        )

    fit = fitted(start, spread)
    for _ in range(2):
        fit = fitted(fit.x, np.sqrt(np.maximum(model(fit.x), 0.02) / pixels))
    start = fit.x
    covariance = np.linalg.inv(fit.jac.T @ fit.jac)
    misfit = max(1.0, float((fit.fun**2).sum()) / max(len(at) - 6, 1))
    errors = np.sqrt(np.diag(covariance) * misfit)
    if not abs(start[1] - separation) < 0.2 * separation or start[3] < 5 * errors[3]:
        raise ValueError(f"no pair of slits about {separation:g} mm apart was found")
    c, s = math.cos(angle), math.sin(angle)
    return SlitPair(
        fwhm_mm=_FWHM * math.sqrt(max(float(start[2]) ** 2 - step**2 / 12, 1e-6)),
        fwhm_uncertainty_mm=_FWHM * float(errors[2]),
        separation_mm=float(start[1]),
        separation_uncertainty_mm=float(errors[1]),
        normal_rad=angle + turn,
        center_mm=(center[0] * s + center[1] * c, center[0] * c - center[1] * s),
        half_band_mm=_BAND * separation,
    )

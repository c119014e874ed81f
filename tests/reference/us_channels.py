"""Channel data of the ultrasound twin at drawn poses, beamformed, with what the protocol should find.

A probe of half a wavelength pitch, so that no grating lobes of the wires reach the targets; pixels are
divided by the root of the sum of squared weights of the elements, so that noise is as strong everywhere at
one depth. The expected power of every region follows from the response to one point at its middle.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from scipy.signal import fftconvolve, hilbert

from imgtech.geometry import ImageGrid, LinearArray, PlaneWaves
from imgtech.io import series_from_grid
from imgtech.phantoms import GaussianPulse, Scatterers
from imgtech.phantoms.twins import Placement, UsTwin
from imgtech.qc.metrics.ultrasound import point_target
from imgtech.recon.ultrasound import aperture_weights, delay_and_sum
from reference.us_twins import RATIO, UsScan, moments, rayleigh_contrast, us_placement

SOUND_M_S = 1500.0
PROBE = LinearArray(n_elements=208, pitch_mm=0.3)
WAVES = PlaneWaves.from_degrees([-6, -3, 0, 3, 6], sampling_hz=12e6, start_s=4e-6)
PULSE = GaussianPulse(center_hz=2.5e6, fractional_bandwidth=0.6)
GRID = ImageGrid(shape=(690, 225), spacing_mm=(0.1, 0.23), center_mm=(39.5, 0.0))
N_SAMPLES = 1240
F_NUMBER = 1.5
DENSITY_PER_MM2 = 20.0
SLOPE_DB_PER_MM = 0.5
REGION_MM = ((3.0, 76.0), (-31.0, 31.0))


def recorded(points: Scatterers) -> np.ndarray:
    """Analytic channel data of points, in closed form, without noise."""
    rf = points.echoes(PROBE, WAVES, pulse=PULSE, n_samples=N_SAMPLES, sound_speed_m_s=SOUND_M_S)
    return hilbert(rf, axis=-1).astype(np.complex64)


def weights(grid: ImageGrid) -> np.ndarray:
    """Weights of the elements, ``(y, x, element)``."""
    y, x = grid.coordinates_mm
    return aperture_weights(
        x[:, None] - PROBE.elements_mm, y[:, None, None], f_number=F_NUMBER, window="hann"
    )


@cache
def _norm(grid: ImageGrid) -> np.ndarray:
    return np.sqrt((weights(grid) ** 2).sum(axis=-1))


def beamformed(analytic: np.ndarray, grid: ImageGrid = GRID, assumed_m_s: float = SOUND_M_S) -> np.ndarray:
    """Envelope of analytic channel data, pixels divided by the root of their sum of squared weights."""
    image = delay_and_sum(
        analytic, PROBE, WAVES, grid, f_number=F_NUMBER, window="hann", sound_speed_m_s=assumed_m_s
    )
    return np.abs(image) / _norm(grid)


def rise(depth_mm: np.ndarray) -> np.ndarray:
    """Power of the noise of a depth against that of depth 0, as a depth gain makes it."""
    return 10 ** (SLOPE_DB_PER_MM * np.asarray(depth_mm) / 10)


def noise(rng: np.random.Generator, power: float) -> np.ndarray:
    """Analytic noise of the channels: white, of this power at depth 0, behind the depth gain."""
    t = WAVES.start_s[:, None] + np.arange(N_SAMPLES) / WAVES.sampling_hz
    level = np.sqrt(power * rise(0.5e3 * SOUND_M_S * t)).astype(np.float32)
    white = rng.standard_normal((WAVES.n_transmits, PROBE.n_elements, N_SAMPLES), dtype=np.float32)
    return np.asarray(level[:, None] * hilbert(white, axis=-1), dtype=np.complex64)


@cache
def noise_profile() -> np.ndarray:
    """Expected power of every row for noise of power 1 at depth 0.

    Analytic noise has twice the power; halfway between samples, whose analytic noise does not correlate in
    its real part, linear interpolation takes (1 - f)^2 + f^2 of it, 2/3 in the mean.
    """
    sparse = ImageGrid(shape=(GRID.shape[0], 9), spacing_mm=(0.1, 5.6), center_mm=GRID.center_mm)
    y, x = sparse.coordinates_mm
    square = weights(sparse) ** 2
    total = 0.0
    for angle in WAVES.angles_rad:
        there = y[:, None] * math.cos(angle) + x * math.sin(angle)
        back = np.hypot(y[:, None, None], x[:, None] - PROBE.elements_mm)
        total = total + (square * rise((there[..., None] + back) / 2)).sum(-1) / square.sum(-1)
    return 4 / 3 * total.mean(axis=1)


@cache
def response(y_mm: float, x_mm: float, reach_mm: tuple[float, float] = (9.0, 14.0)) -> np.ndarray:
    """Squared envelope of one point, on pixels of the grid around it."""
    half = [round(r / s) for r, s in zip(reach_mm, GRID.spacing_mm, strict=True)]
    near = ImageGrid(
        shape=(2 * half[0] + 1, 2 * half[1] + 1), spacing_mm=GRID.spacing_mm, center_mm=(y_mm, x_mm)
    )
    return beamformed(recorded(Scatterers([[y_mm, x_mm]], [1.0])), near) ** 2


AREA_MM2 = math.prod(GRID.spacing_mm)


@cache
def tissue_power(depth_mm: float, x_mm: float = 1.7) -> float:
    """Expected power of plain tissue at a place."""
    return DENSITY_PER_MM2 * AREA_MM2 * float(response(depth_mm, x_mm).sum())


def noise_power(noise_depth_mm: float) -> float:
    """Power at depth 0 of channel noise that equals plain tissue at a depth, in the middle."""
    return tissue_power(noise_depth_mm) / float(
        np.interp(noise_depth_mm, GRID.coordinates_mm[0], noise_profile())
    )


@cache
def penetration_mm(noise_depth_mm: float) -> float:
    """Where the tissue falls to ``RATIO**2 - 1`` of the noise, in the mean of the picture's width.

    To the sides the probe ends before the aperture does: there the tissue is darker.
    """
    y, x = GRID.coordinates_mm
    places, depths = (
        np.array([0.0, 15.0, 19.0, 22.0, 24.0, 26.0]),
        noise_depth_mm + np.array([-6.0, 0.0, 6.0]),
    )
    ratios = []
    for depth in depths:
        across = [tissue_power(float(depth), float(u)) for u in places]
        mean = float(np.interp(np.abs(x), places, across).mean())
        ratios.append(mean / (noise_power(noise_depth_mm) * float(np.interp(depth, y, noise_profile()))))
    fall = np.polynomial.Polynomial.fit(np.log(ratios), depths, 2)
    return float(fall(math.log(RATIO**2 - 1)))


def drawn_us_channels(
    rng: np.random.Generator, noise_depth_mm: float = 60.0
) -> tuple[UsScan, dict[str, float]]:
    """Two frames of channel data of the twin, each with noise of its own, beamformed with the right speed."""
    place = us_placement(rng, shift_mm=2.0)
    twin = UsTwin(axial_fwhm_mm=0.44, lateral_fwhm_mm=1.3, wire_db=24.0)
    points = twin.scatterers(REGION_MM, placement=place, density_per_mm2=DENSITY_PER_MM2, rng=rng)
    rf, power = recorded(points), noise_power(noise_depth_mm)
    one, two = (series_from_grid(beamformed(rf + noise(rng, power)), GRID, modality="US") for _ in range(2))
    return UsScan(one, two, SOUND_M_S, None, SOUND_M_S), channel_truth(twin, place, noise_depth_mm)


def channel_truth(twin: UsTwin, place: Placement, noise_depth_mm: float) -> dict[str, float]:
    """True values by item: widths are those of every wire alone."""
    truth = {
        "roll": math.degrees(place.roll_rad),
        "vertical distance error": 0.0,
        "horizontal distance error at 20 mm": 0.0,
        "horizontal distance error at 50 mm": 0.0,
        "lateral non-uniformity": 0.0,
        "shadows": 0.0,
        "depth of penetration": penetration_mm(noise_depth_mm),
    }
    drawing = twin.drawing
    wires = twin.places_mm(drawing.wires_mm, place)
    for (v, u), (y, x) in zip(drawing.wires_mm, wires, strict=True):
        if u == 0:
            near = ImageGrid(shape=(81, 81), spacing_mm=(0.1, 0.15), center_mm=(float(y), float(x)))
            alone = beamformed(recorded(Scatterers([[y, x]], [1.0])), near)
            target = point_target(
                alone, near, near_mm=(y, x), search_mm=(2.5, 4.0), level_db=20 * math.log10(0.5)
            )
            truth[f"axial width at {v:g} mm"] = target.axial_width.value
            truth[f"lateral width at {v:g} mm"] = target.lateral_width.value
    floor = noise_power(noise_depth_mm) * noise_profile()
    y, x = GRID.coordinates_mm
    distances = [
        np.hypot(y[:, None] - cy, x - cx)
        for cy, cx in twin.places_mm([t.center_mm for t in drawing.targets], place)
    ]
    plain = np.ones(GRID.shape, dtype=bool)
    for cy, cx in wires:
        plain &= ((y - cy) / 2.5)[:, None] ** 2 + ((x - cx) / 4.0) ** 2 > 1
    strength = np.ones(GRID.shape)
    for target, away in zip(drawing.targets, distances, strict=True):
        plain &= away > target.radius_mm + 1.4
        strength[away <= target.radius_mm] = target.amplitude**2
    number = {"cyst": 0, "target": 0}
    for target, away in zip(drawing.targets, distances, strict=True):
        number[target.kind] += 1
        label = f"{target.kind} {number[target.kind]}"
        label += f" ({target.contrast_db:+g} dB)" if target.kind == "target" else ""
        ((cy, cx),) = twin.places_mm([target.center_mm], place)
        spread = response(float(cy), float(cx)) * DENSITY_PER_MM2 * AREA_MM2
        # beyond the picture the tissue goes on
        less = fftconvolve(strength - 1.0, spread, mode="same")
        power = spread.sum() + less + floor[:, None]
        disk = power[away <= 0.7 * target.radius_mm]
        ring = power[(away > target.radius_mm + 1.4) & (away <= target.radius_mm + 4.0) & plain]
        truth[f"contrast {label}"] = 10 * math.log10(disk.mean() / ring.mean())
        truth[f"gCNR {label}"] = rayleigh_contrast(disk, ring)[1]
        own = (target.amplitude**2 * spread.sum() / disk.mean(), spread.sum() / ring.mean())
        truth[f"CNR {label}"] = cnr_of((disk, ring), own, DENSITY_PER_MM2 * cell_mm2(spread))
    truth["speckle SNR"] = speckle_snr_of(twin, place, floor)
    return truth


def cell_mm2(spread: np.ndarray) -> float:
    """Area (sum h^2)^2 / sum h^4 of the resolution cell."""
    return float(spread.sum() ** 2 / (spread**2).sum() * AREA_MM2)


def cnr_of(powers: tuple[np.ndarray, np.ndarray], shares: tuple[float, float], in_a_cell: float) -> float:
    """CNR of two regions, whose echoes of their own scatterers are a share q of the power.

    The mean square is the power; the square of the mean falls short of that of a Rayleigh envelope by
    q^2 / 8 of the number of scatterers in a cell. What side lobes bring comes from many and is Rayleigh.
    """
    means, squares = zip(*(moments(power) for power in powers), strict=True)
    means = [m * (1 - q**2 / (16 * in_a_cell)) for m, q in zip(means, shares, strict=True)]
    noise = math.sqrt(sum(square - m**2 for square, m in zip(squares, means, strict=True)))
    return abs(means[0] - means[1]) / noise


def speckle_snr_of(twin: UsTwin, place: Placement, floor: np.ndarray) -> float:
    """Speckle SNR of the plain rectangle, of as few scatterers as there are in a resolution cell.

    With M scatterers in the cell of area (sum h^2)^2 / sum h^4 and a share q of the power that is tissue,
    the mean square of the power exceeds 2 by q^2 / M, and the square of the mean falls short of that of a
    Rayleigh envelope by an eighth of it.
    """
    v, u, height, _ = twin.drawing.uniform_mm
    ((cy, cx),) = twin.places_mm([(v, u)], place)
    spread = response(float(cy), float(cx))
    cell = cell_mm2(spread)
    near = np.abs(GRID.coordinates_mm[0] - cy) <= height / 2
    tissue = DENSITY_PER_MM2 * AREA_MM2 * spread.sum()
    mean, square = moments(tissue + floor[near])
    share = tissue / (tissue + floor[near].mean())
    part = mean**2 / square * (1 - share**2 / (8 * DENSITY_PER_MM2 * cell))
    return math.sqrt(part / (1 - part))

"""Probes in air at drawn faults: the twin's image, and channel data beamformed one element a column."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.signal import hilbert

from imgtech.geometry import ImageGrid, LinearArray, PlaneWaves
from imgtech.io import Series, series_from_grid
from imgtech.phantoms import GaussianPulse
from imgtech.phantoms.twins import UsAirTwin
from imgtech.qc import Report
from imgtech.qc.protocols import us_in_air
from imgtech.recon.ultrasound import delay_and_sum, envelope

N = 128
GRID = ImageGrid(shape=(640, 384), spacing_mm=(0.05, 0.1), center_mm=(16.5, 0.0))
PROBE = LinearArray(n_elements=N, pitch_mm=0.3)
WAVES = PlaneWaves.from_degrees([0.0], sampling_hz=40e6, start_s=0.7e-6)
PULSE = GaussianPulse(center_hz=5e6, fractional_bandwidth=0.6)
COLUMNS = ImageGrid(shape=(760, N), spacing_mm=(0.04, 0.3), center_mm=(16.2, 0.0))
SOUND_M_S = 1540.0
N_SAMPLES = 1800


@dataclass(frozen=True)
class AirScan:
    """An image of a probe in air."""

    series: Series

    def measured(self, **more) -> Report:
        """The report of the protocol."""
        return us_in_air(self.series, n_elements=N, **more)


def drawn_gains(rng: np.random.Generator) -> np.ndarray:
    """Gains in dB: a few weak and dead elements, at times a cable or a loose side of the lens.

    None lies close to a threshold, and single faults keep clear of groups.
    """
    gains = rng.normal(0, 0.3, N)
    kind = int(rng.integers(3))
    free = np.ones(N, dtype=bool)
    if kind:
        first = 16 * int(rng.integers(8)) if kind == 1 else int(rng.choice([0, 96]))
        group = slice(first, first + (16 if kind == 1 else 32))
        gains[group] += -50.0 if kind == 1 else -6.0
        free[max(group.start - 12, 0) : group.stop + 12] = False
    places = rng.choice(np.flatnonzero(free), 6, replace=False)
    n_dead = int(rng.integers(3))
    gains[places] = np.where(np.arange(6) < n_dead, -60.0, rng.uniform(-7.5, -4.5, 6))
    return np.clip(gains, -60, None)


def drawn_air(rng: np.random.Generator, level_db: float) -> tuple[AirScan, dict[str, float]]:
    """The image of the twin, whose beam is as narrow as an element, with lines of any distance and fall."""
    gains = drawn_gains(rng)
    twin = UsAirTwin(
        level_db=level_db,
        fall_db_per_mm=float(rng.uniform(2.5, 3.2)),
        line_distance_mm=float(rng.uniform(1.1, 1.5)),
        beam_mm=0.12,
        gains_db={k: float(g) for k, g in enumerate(gains)},
    )
    series = series_from_grid(twin.image(GRID, rng=rng), GRID, modality="US")
    truth = air_truth(gains, twin.gain(GRID.coordinates_mm[1]))
    return AirScan(series), truth | {"depth of reverberations": twin.reach_mm(GRID)}


def recorded(
    rng: np.random.Generator, gains_db: np.ndarray, level_db: float, fall_db_per_mm: float, distance_mm: float
) -> np.ndarray:
    """Channel data: each element hears the pulse between its front and itself again and again, in noise."""
    t = WAVES.start_s[0] + np.arange(N_SAMPLES) / WAVES.sampling_hz
    line = np.zeros(N_SAMPLES)
    for depth in np.arange(distance_mm, 60.0, distance_mm):
        height = 10 ** ((level_db - fall_db_per_mm * depth) / 20)
        line += height * PULSE.waveform(t - 2e-3 * depth / SOUND_M_S)
    gains = 10 ** (np.asarray(gains_db) / 20)
    return (gains[:, None] * line + rng.standard_normal((N, N_SAMPLES)))[None]


def beamformed(rf: np.ndarray, grid: ImageGrid = COLUMNS, f_number: float = 200.0) -> np.ndarray:
    """Envelope; the aperture of the f-number holds the element of the column alone."""
    image = delay_and_sum(
        hilbert(rf, axis=-1).astype(np.complex64), PROBE, WAVES, grid, f_number=f_number, window="boxcar",
        sound_speed_m_s=SOUND_M_S,
    )  # fmt: skip
    return envelope(image)


def drawn_air_channels(rng: np.random.Generator, level_db: float) -> tuple[AirScan, dict[str, float]]:
    """Channel data beamformed with one element a column."""
    gains, fall = drawn_gains(rng), float(rng.uniform(2.5, 3.2))
    rf = recorded(rng, gains, level_db, fall, float(rng.uniform(1.1, 1.5)))
    truth = air_truth(gains, 10 ** (gains / 20))
    # linear interpolation leaves 1 - (1 - cos) / 3 of the power of a carrier that turns so far in a sample,
    # and 2/3 of the noise, of which analytic data hold twice that of the channels
    turn = 2 * math.pi * PULSE.center_hz / WAVES.sampling_hz
    kept = (1 - (1 - math.cos(turn)) / 3) / (4 / 3)
    mean = float((10 ** (gains / 10)).mean()) * kept
    truth["depth of reverberations"] = (level_db + 10 * math.log10(mean)) / fall
    return AirScan(series_from_grid(beamformed(rf), COLUMNS, modality="US")), truth


def air_truth(gains_db: np.ndarray, columns: np.ndarray) -> dict[str, float]:
    """True values by item, from the gains of elements and of the columns of the picture."""
    power = columns**2
    edges = np.rint(np.linspace(0, power.size, 6)).astype(int)
    parts = [power[a:b] for a, b in pairwise(edges)]
    truth = {
        f"level of segment {k + 1}": 10 * math.log10(p.mean() / power.mean()) for k, p in enumerate(parts)
    }
    truth["dead elements"] = float((gains_db < -9).sum())
    truth["weak elements"] = float((gains_db < -3).sum())
    if gains_db.min() > -20:  # below, noise decides how dark a column is
        truth["non-uniformity"] = float(np.std(20 * np.log10(columns), ddof=1))
    return truth

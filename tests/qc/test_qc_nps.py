"""Noise power spectra of noise whose spectrum is known in closed form."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import pytest
from scipy import integrate

from imgtech.qc.metrics import NPS, noise_power_spectrum

SPACING = (0.6, 0.45)


def coloured(
    rng: np.random.Generator, shape: tuple[int, ...], power: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray:
    """Periodic noise with the spectrum ``power(fy, fx)``: white noise filtered in the Fourier domain."""
    fy = np.fft.fftfreq(shape[-2], SPACING[0])[:, None]
    fx = np.fft.fftfreq(shape[-1], SPACING[1])
    gain = np.sqrt(power(fy, fx) / math.prod(SPACING))
    return np.fft.ifft2(np.fft.fft2(rng.standard_normal(shape)) * gain).real


def cut(field: np.ndarray, ny: int, nx: int) -> np.ndarray:
    """Regions ``(n, ny, nx)`` side by side out of one image."""
    rows, columns = field.shape[0] // ny, field.shape[1] // nx
    blocks = field[: rows * ny, : columns * nx].reshape(rows, ny, columns, nx)
    return blocks.transpose(0, 2, 1, 3).reshape(-1, ny, nx)


def ramp(fy: np.ndarray, fx: np.ndarray) -> np.ndarray:
    """A ramp with a Gaussian window, which peaks at f = 1 / (2 pi s), here 0.4 per mm."""
    f = np.hypot(fy, fx)
    return 7 * f * np.exp(-((f / 0.4) ** 2) / 2)


def low_pass(fy: np.ndarray, fx: np.ndarray) -> np.ndarray:
    """White noise blurred by Gaussians of 0.5 mm along y and 0.3 mm along x."""
    return 3 * np.exp(-((2 * np.pi) ** 2) * ((0.5 * fy) ** 2 + (0.3 * fx) ** 2))


def total(nps: NPS) -> float:
    value = nps.variance().value
    assert value is not None
    return value


@pytest.mark.parametrize(("ny", "nx"), [(64, 81), (75, 128)])
@pytest.mark.parametrize("power", [ramp, low_pass], ids=["ramp", "low pass"])
def test_sum_of_the_spectrum_is_the_variance_of_periodic_noise(rng, power, ny: int, nx: int) -> None:
    regions = 50 + coloured(rng, (100, ny, nx), power)
    squares = ((regions - 50) ** 2).mean()
    assert total(noise_power_spectrum(regions, SPACING)) == pytest.approx(squares, rel=1e-3)


@pytest.mark.parametrize("detrend", ["mean", "plane", "quadratic"])
@pytest.mark.parametrize("power", [ramp, low_pass], ids=["ramp", "low pass"])
def test_sum_of_the_detrended_spectrum_is_the_variance(rng, power, detrend: str) -> None:
    """The trend of every region takes noise with it, which the correction gives back."""
    field = coloured(rng, (1280, 1408), power)
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    trend = {"mean": 0 * x, "plane": 9 * x - 4 * y, "quadratic": 5 * x**2 - 6 * x * y + 3 * y**2 + x}
    nps = noise_power_spectrum(cut(field, 64, 64) + 100 + trend[detrend], SPACING, detrend=detrend)
    assert total(nps) == pytest.approx(field.var(), rel=0.01)


@pytest.mark.parametrize("detrend", ["mean", "plane", "quadratic"])
def test_white_noise_has_the_power_of_variance_times_pixel_area_at_every_frequency(rng, detrend) -> None:
    nps = noise_power_spectrum(4 * rng.standard_normal((600, 20, 27)), SPACING, detrend=detrend)
    truth = 16 * math.prod(SPACING)
    # a cell of 600 regions scatters by 4 %; those next to frequency 0 by up to twice that
    assert np.abs(nps.values / truth - 1).max() < 0.25
    pull = (nps.radial_values - truth) / nps.radial_uncertainties
    assert np.abs(pull).max() < 4
    assert np.sqrt(np.mean(pull**2)) < 1.6


def test_spectrum_lies_along_the_axes_it_belongs_to(rng) -> None:
    """Low-pass noise with different blurs along y and x, cell by cell against its closed form."""
    field = coloured(rng, (1440, 1680), low_pass)
    nps = noise_power_spectrum(cut(field, 48, 56), SPACING)
    truth = low_pass(nps.frequencies_y_per_mm[:, None], nps.frequencies_x_per_mm)
    strong = truth > 0.3
    ratio = nps.values[strong] / truth[strong]
    # 900 regions: 3.3 % a cell
    assert np.sqrt(np.mean((ratio - 1) ** 2)) < 0.04
    assert ratio.mean() == pytest.approx(1, rel=0.005)
    assert nps.frequencies_y_per_mm[24] == 0
    assert nps.frequencies_x_per_mm[28] == 0
    assert nps.frequencies_y_per_mm[0] == pytest.approx(-0.5 / SPACING[0])


def test_radial_average_and_its_frequencies_are_those_of_ramp_noise(rng) -> None:
    field = coloured(rng, (1280, 1408), ramp)
    nps = noise_power_spectrum(cut(field, 64, 64), SPACING)
    truth = float(ramp(np.array(0.4), np.array(0.0)))
    peak, mean, there = nps.peak_frequency(), nps.mean_frequency(), nps.at(0.4)
    assert there.value == pytest.approx(truth, abs=3 * there.uncertainty)
    assert there.uncertainty < 0.02 * truth
    assert nps.values[32, 32] < 0.05 * truth
    assert peak.value == pytest.approx(0.4, abs=3 * peak.uncertainty)
    assert peak.uncertainty < 0.01
    end = nps.radial_frequencies_per_mm[-1]
    moment, area = (
        integrate.quad(lambda f, k=k: f**k * float(ramp(np.array(f), np.array(0.0))), 0, end)[0]
        for k in (1, 0)
    )
    assert mean.value == pytest.approx(moment / area, abs=3 * mean.uncertainty)
    assert mean.uncertainty < 0.01 * moment / area


def test_drift_at_the_lowest_frequencies_does_not_hide_the_peak(rng) -> None:
    """Ramp noise, highest at 0.4 per mm, under a hump at 0 that is higher."""

    def drifting(fy: np.ndarray, fx: np.ndarray) -> np.ndarray:
        return ramp(fy, fx) + 5.0 * np.exp(-((np.hypot(fy, fx) / 0.06) ** 2))

    nps = noise_power_spectrum(cut(coloured(rng, (1280, 1408), drifting), 64, 64), SPACING)
    assert nps.radial_values[:3].max() > 1.2 * nps.at(0.4).value
    peak = nps.peak_frequency()
    assert peak.value == pytest.approx(0.4, abs=3 * peak.uncertainty)
    assert peak.uncertainty < 0.02


def test_one_wave_has_its_peak_at_its_frequency_and_its_variance() -> None:
    """3 cos(2 pi (5 y / 40 + 9 x / 54)) has the variance 4.5, in two opposite cells."""
    y, x = np.mgrid[:40, :54]
    nps = noise_power_spectrum(3 * np.cos(2 * np.pi * (5 * y / 40 + 9 * x / 54)) + 2, SPACING)
    cells = np.argwhere(nps.values > 0.5 * nps.values.max())
    assert cells.tolist() == [[15, 18], [25, 36]]
    assert total(nps) == pytest.approx(4.5, rel=1e-3)
    assert nps.frequencies_y_per_mm[25] == pytest.approx(5 / 40 / SPACING[0])
    assert nps.frequencies_x_per_mm[36] == pytest.approx(9 / 54 / SPACING[1])


def test_normalised_spectrum_of_a_counting_detector_is_one_over_the_fluence(rng) -> None:
    """Poisson counts of q per mm2 have NNPS = 1 / q."""
    q = 4000.0
    counts = rng.poisson(q * math.prod(SPACING), (32, 64, 60)).astype(np.float64)
    nnps = noise_power_spectrum(counts, SPACING, detrend="plane").normalised()
    assert nnps.mean == 1
    m = nnps.at(0.5)
    assert m.value == pytest.approx(1 / q, abs=3 * m.uncertainty)
    assert total(nnps) == pytest.approx(1 / (q * math.prod(SPACING)), rel=0.02)


def test_uncertainty_is_the_scatter_seen(rng) -> None:
    found = []
    for _ in range(60):
        nps = noise_power_spectrum(coloured(rng, (5, 40, 44), low_pass), SPACING)
        found.append([(m.value, m.uncertainty) for m in (nps.variance(), nps.at(0.3), nps.mean_frequency())])
    values, spreads = np.moveaxis(np.array(found), -1, 0)
    # the standard deviation of 60 values is known to 9 %
    assert values.std(axis=0, ddof=1) == pytest.approx(spreads.mean(axis=0), rel=0.3)


def test_64_regions_of_128_squared_take_less_than_a_tenth_of_a_second(rng) -> None:
    regions = rng.standard_normal((64, 128, 128))
    spent = []
    for _ in range(5):
        start = time.perf_counter()
        noise_power_spectrum(regions, SPACING, detrend="quadratic")
        spent.append(time.perf_counter() - start)
    assert min(spent) < 0.1


def test_values_are_frozen_and_equal_by_content(rng) -> None:
    regions = rng.standard_normal((3, 20, 24))
    kept = regions.copy()
    first = noise_power_spectrum(regions, SPACING)
    assert np.array_equal(regions, kept)
    assert first == noise_power_spectrum(regions, SPACING)
    assert not first.values.flags.writeable


def test_what_cannot_be_measured_is_refused_with_the_reason(rng) -> None:
    regions = rng.standard_normal((3, 20, 24))
    nps = noise_power_spectrum(regions - regions.mean(), SPACING)
    with pytest.raises(ValueError, match="detrend must be one of"):
        noise_power_spectrum(regions, SPACING, detrend="cubic")
    with pytest.raises(ValueError, match="spacing_mm must be positive"):
        noise_power_spectrum(regions, (0.5, 0.0))
    with pytest.raises(ValueError, match="at least 8 rows"):
        noise_power_spectrum(regions[:, :7], SPACING)
    with pytest.raises(ValueError, match="must hold noise"):
        noise_power_spectrum(np.zeros((2, 20, 20)), SPACING)
    with pytest.raises(ValueError, match="frequency_per_mm must lie between"):
        nps.at(5.0)
    with pytest.raises(ValueError, match="mean must be positive"):
        noise_power_spectrum(regions - regions.mean() - 1, SPACING).normalised()
    falling = noise_power_spectrum(coloured(rng, (64, 64, 64), low_pass), SPACING)
    with pytest.raises(ValueError, match="peak"):
        falling.peak_frequency()
    regions[1, 2, 3] = np.nan
    with pytest.raises(ValueError, match="regions must be finite"):
        noise_power_spectrum(regions, SPACING)

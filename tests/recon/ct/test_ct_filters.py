"""Ramp and windows against their formulas."""

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, ParallelBeam
from imgtech.phantoms import uniform_disk
from imgtech.recon.ct import WINDOWS, butterworth, fbp, ramp_response, window_response
from reference.ct_loops import ramp_at


@pytest.mark.parametrize("n", [64, 75])
def test_the_ramp_is_the_transform_of_the_sampled_band_limited_kernel(n):
    offsets = (np.arange(n) + n // 2) % n - n // 2
    expected = 0.7 * np.fft.rfft(ramp_at(0.7 * offsets, 0.7))
    assert np.allclose(ramp_response(n, 0.7), expected, atol=1e-12)


def test_the_ramp_is_the_frequency_away_from_zero():
    frequency = np.fft.rfftfreq(4096, 0.7)
    assert np.allclose(ramp_response(4096, 0.7)[8:], frequency[8:], rtol=2e-3)


def test_the_ramp_passes_little_at_frequency_zero():
    assert 0 < ramp_response(4096, 0.7)[0] < 2e-4 / 0.7


@pytest.mark.parametrize(
    ("window", "formula"),
    [
        ("ram-lak", lambda u: 1.0 + 0.0 * u),
        ("shepp-logan", lambda u: np.sin(np.pi * u / 2) / (np.pi * u / 2)),
        ("cosine", lambda u: np.cos(np.pi * u / 2)),
        ("hann", lambda u: 0.5 * (1 + np.cos(np.pi * u))),
        ("hamming", lambda u: 0.54 + 0.46 * np.cos(np.pi * u)),
        (butterworth(order=3, cutoff=0.4), lambda u: (1 + (u / 0.4) ** 6) ** -0.5),
        (lambda u: 1 - u**2, lambda u: 1 - u**2),
    ],
)
def test_windows_follow_their_formula_below_the_cutoff_and_vanish_above(window, formula):
    frequency = np.linspace(0.01, 1.0, 200)
    values = window_response(window, frequency, cutoff=0.8)
    below = frequency <= 0.8
    assert np.allclose(values[below], formula(frequency[below] / 0.8), atol=1e-12)
    assert np.all(values[~below] == 0)


@pytest.mark.parametrize("window", [*WINDOWS, butterworth(order=2, cutoff=0.5), lambda u: 1 - u**2])
def test_every_window_keeps_the_value_of_a_disk(window):
    beam = ParallelBeam.half_turn(n_views=160, n_channels=101, channel_spacing_mm=0.9, detector_offset_mm=0.4)
    grid = ImageGrid(shape=(21, 24), spacing_mm=(0.8, 0.7), center_mm=(-2.0, 3.0))
    disk = uniform_disk(radius_mm=35.0, value=0.02, center_mm=(-2.0, 3.0))
    image = fbp(disk.sinogram(beam), beam, grid, window=window, cutoff=0.7)
    assert image.mean() == pytest.approx(0.02, rel=1e-3)


def test_the_mean_of_the_whole_reconstruction_is_that_of_the_object():
    beam = ParallelBeam.half_turn(n_views=200, n_channels=161, channel_spacing_mm=0.5, detector_offset_mm=0.2)
    grid = ImageGrid(shape=(101, 90), spacing_mm=(0.5, 0.6), center_mm=(0.5, -1.0))
    disk = uniform_disk(radius_mm=11.0, value=2.0, center_mm=(1.0, 2.0))
    total = fbp(disk.sinogram(beam, dtype=np.float64), beam, grid).sum() * 0.5 * 0.6
    assert total == pytest.approx(2.0 * np.pi * 11.0**2, rel=2e-3)


def test_bad_windows_are_refused():
    with pytest.raises(ValueError, match="window must be one of ram-lak"):
        window_response("ramlak", [0.5])
    with pytest.raises(ValueError, match="cutoff must be at most 1"):
        window_response("hann", [0.5], cutoff=1.2)
    with pytest.raises(ValueError, match="cutoff must be positive"):
        window_response("hann", [0.5], cutoff=0.0)
    with pytest.raises(ValueError, match="finite value for each"):
        window_response(lambda u: u[:1], [0.5, 0.6])
    with pytest.raises(ValueError, match="finite value for each"):
        window_response(lambda u: u * np.nan, [0.5, 0.6])
    with pytest.raises(ValueError, match="order must be at least 1"):
        butterworth(order=0, cutoff=0.5)

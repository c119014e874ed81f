"""Noise: its mean, its spread and its repeatability."""

from __future__ import annotations

import math

import numpy as np
import pytest

from imgtech.phantoms import complex_gaussian, poisson_transmission

N = 40_000


@pytest.mark.parametrize("integral", [0.4, 3.0])
def test_counted_line_integrals_spread_like_the_photons_behind_the_object(integral, rng):
    noisy = poisson_transmission(np.full(N, integral), photons_per_channel=5e4, rng=rng)
    behind = 5e4 * math.exp(-integral)
    assert noisy.std() == pytest.approx(1 / math.sqrt(behind), rel=0.02)
    bias = 1 / (2 * behind)  # of the logarithm, to first order
    assert noisy.mean() == pytest.approx(integral + bias, abs=4 / math.sqrt(behind * N))


def test_a_channel_without_photons_reads_the_floor(rng):
    dark = np.full((2, 3), 60.0, dtype=np.float32)
    lost = poisson_transmission(dark, photons_per_channel=1e4, rng=rng)
    np.testing.assert_allclose(lost, math.log(1e4 / 0.5), rtol=1e-6)
    raised = poisson_transmission(dark, photons_per_channel=1e4, rng=rng, count_floor=2.0)
    np.testing.assert_allclose(raised, math.log(1e4 / 2.0), rtol=1e-6)
    assert lost.dtype == np.float32


def test_real_and_imaginary_noise_have_the_same_spread_and_nothing_in_common(rng):
    signal = np.full((4, N), 2.0 - 3.0j)
    noise = complex_gaussian(signal, sigma=0.7, rng=rng) - signal
    assert noise.real.std() == pytest.approx(0.7, rel=0.01)
    assert noise.imag.std() == pytest.approx(0.7, rel=0.01)
    assert abs(noise.mean()) < 0.01
    assert abs(np.corrcoef(noise.real.ravel(), noise.imag.ravel())[0, 1]) < 0.01


def test_the_same_generator_state_gives_the_same_noise_and_the_input_stays():
    kspace = np.full((3, 5), 1.0 + 1.0j, dtype=np.complex64)
    integrals = np.full((3, 5), 1.2)
    pairs = [
        [complex_gaussian(kspace, sigma=0.5, rng=np.random.default_rng(seed)) for seed in (7, 7, 8)],
        [
            poisson_transmission(integrals, photons_per_channel=99.0, rng=np.random.default_rng(seed))
            for seed in (7, 7, 8)
        ],
    ]
    for first, again, other in pairs:
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()
    assert pairs[0][0].dtype == np.complex64
    assert pairs[1][0].dtype == np.float64
    assert (kspace == 1.0 + 1.0j).all()
    assert (integrals == 1.2).all()


def test_bad_noise_is_refused_with_its_reason(rng):
    with pytest.raises(ValueError, match="photons_per_channel must be positive, got 0"):
        poisson_transmission([1.0], photons_per_channel=0, rng=rng)
    with pytest.raises(ValueError, match="count_floor must be positive, got -1"):
        poisson_transmission([1.0], photons_per_channel=5.0, rng=rng, count_floor=-1)
    with pytest.raises(ValueError, match="line_integrals must be finite"):
        poisson_transmission([1.0, np.nan], photons_per_channel=5.0, rng=rng)
    with pytest.raises(ValueError, match="sigma must not be negative, got -1"):
        complex_gaussian([1.0j], sigma=-1, rng=rng)
    with pytest.raises(ValueError, match="kspace must be finite"):
        complex_gaussian([complex(np.nan, 0)], sigma=1.0, rng=rng)

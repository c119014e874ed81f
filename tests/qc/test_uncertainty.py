"""Propagation, Monte Carlo and block bootstrap against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage, stats

from imgtech.geometry import ImageGrid
from imgtech.qc.roi import disk_region
from imgtech.qc.uncertainty import Estimate, block_bootstrap, correlated_mean, monte_carlo, propagate


def test_uncorrelated_and_fully_correlated_inputs_add_in_squares_and_in_line():
    assert propagate(7.0, [2.0, -3.0], [0.4, 0.2]).uncertainty == pytest.approx(1.0)
    together = propagate(7.0, [2.0, -3.0], [0.4, 0.2], correlation=[[1, 1], [1, 1]])
    assert together.uncertainty == pytest.approx(abs(0.8 - 0.6))
    against = propagate(7.0, [2.0, -3.0], [0.4, 0.2], correlation=[[1, -1], [-1, 1]])
    assert against.uncertainty == pytest.approx(1.4)


def test_the_resistance_example_of_the_gum_is_met():
    """GUM H.2: the correlations are printed to two digits, which leaves the uncertainty open by 0.001."""
    v, i, phi = 4.9990, 19.6610e-3, 1.04446
    u = [0.0032, 0.0095e-3, 0.00075]
    r = [[1, -0.36, 0.86], [-0.36, 1, -0.65], [0.86, -0.65, 1]]
    resistance = v / i * math.cos(phi)
    c = [resistance / v, -resistance / i, -v / i * math.sin(phi)]
    found = propagate(resistance, c, u, correlation=r)
    assert found.value == pytest.approx(127.732, abs=5e-4)
    assert found.uncertainty == pytest.approx(0.071, abs=1.5e-3)


def test_effective_degrees_of_freedom_follow_the_example_of_the_gum():
    """GUM H.1.6: 25, 9.7, 2.9 and 16.6 nm with 18, 25.6, 50 and 2 degrees of freedom give 16."""
    found = propagate(0.0, [1, 1, 1, 1], [25, 9.7, 2.9, 16.6], degrees_of_freedom=[18, 25.6, 50, 2])
    assert found.uncertainty == pytest.approx(31.7, abs=0.1)
    assert math.floor(found.degrees_of_freedom) in (16, 17)
    exact = 31.7**4 / (25**4 / 18 + 9.7**4 / 25.6 + 2.9**4 / 50 + 16.6**4 / 2)
    assert found.degrees_of_freedom == pytest.approx(exact, rel=0.01)
    assert math.isinf(propagate(1.0, [1.0], [0.2]).degrees_of_freedom)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"uncertainties": [0.1]}, "must have the shape of sensitivities"),
        ({"uncertainties": [0.1, -0.1]}, "uncertainties must not be negative, got -0.1"),
        ({"uncertainties": [0.1, math.nan]}, "uncertainties must be finite"),
        ({"correlation": [[1, 0.5], [0.4, 1]]}, "symmetric with ones"),
        ({"correlation": [[1, 2], [2, 1]]}, "negative eigenvalue"),
        ({"correlation": np.eye(3)}, "shape"),
        ({"degrees_of_freedom": [3, 0]}, "degrees_of_freedom must be positive, got 0"),
        ({"degrees_of_freedom": [3, 4], "correlation": np.eye(2)}, "must be infinite where correlation"),
    ],
)
def test_impossible_inputs_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        propagate(1.0, [1.0, 2.0], **{"uncertainties": [0.1, 0.2], **arguments})
    if "shape of" not in message:
        with pytest.raises(ValueError, match=message):
            monte_carlo(np.add, [1.0, 2.0], **{"uncertainties": [0.1, 0.2], **arguments})


def test_monte_carlo_agrees_with_propagation_where_the_model_is_linear():
    r = [[1.0, 0.6], [0.6, 1.0]]
    linear = propagate(2.0, [1.0, -2.0], [0.3, 0.2], correlation=r)
    drawn = monte_carlo(lambda a, b: a - 2 * b, [4.0, 1.0], [0.3, 0.2], correlation=r)
    assert drawn.value == pytest.approx(2.0, abs=0.003)
    assert drawn.uncertainty == pytest.approx(linear.uncertainty, rel=0.005)
    half = 1.959964 * linear.uncertainty
    assert drawn.interval == pytest.approx((2 - half, 2 + half), abs=0.01)


def test_monte_carlo_draws_student_t_for_few_degrees_of_freedom():
    drawn = monte_carlo(lambda x: x, [5.0], [0.5], degrees_of_freedom=[4], coverage=0.9)
    half = 0.5 * stats.t.ppf(0.95, 4)
    assert drawn.interval == pytest.approx((5 - half, 5 + half), abs=0.01)


def test_monte_carlo_finds_the_shortest_interval_of_a_skew_distribution():
    """The square of a normal number: the shortest interval starts at zero."""
    drawn = monte_carlo(lambda x: x**2, [0.0], [3.0])
    assert drawn.shortest[0] == pytest.approx(0, abs=1e-3)
    assert drawn.shortest[1] == pytest.approx(9 * stats.chi2.ppf(0.95, 1), rel=0.02)
    assert drawn.interval == pytest.approx(tuple(9 * stats.chi2.ppf([0.025, 0.975], 1)), rel=0.1)
    with pytest.raises(ValueError, match="finite numbers only"), np.errstate(invalid="ignore"):
        monte_carlo(np.sqrt, [0.0], [1.0])
    with pytest.raises(ValueError, match="model must return 1000 numbers"):
        monte_carlo(lambda x: 1.0, [0.0], [1.0], n_trials=1000)


def blurred(shape, sigma, seed):
    """Noise whose mean has the variance of white noise before the (wrapped) blur."""
    white = np.random.default_rng(seed).standard_normal(shape)
    return ndimage.gaussian_filter(white, sigma, mode="wrap")


@pytest.mark.parametrize("sigma", [(0.0, 0.0), (1.2, 0.5), (1.5, 4.0)])
def test_the_mean_of_correlated_pixels_is_as_uncertain_as_the_white_noise_behind_them(sigma):
    spreads = [correlated_mean(blurred((160, 210), sigma, seed)).uncertainty for seed in range(12)]
    assert np.mean(spreads) * math.sqrt(160 * 210) == pytest.approx(1.0, abs=0.06)


def test_a_region_counts_its_own_pixels_only():
    grid_of_noise = blurred((120, 140), (2.0, 1.0), 3)
    grid = ImageGrid(shape=(120, 140), spacing_mm=(0.4, 0.3), center_mm=(2.0, -5.0))
    disk = disk_region(grid, center_mm=(4.0, -7.0), radius_mm=12.0)
    found = correlated_mean(np.where(disk > 0, grid_of_noise, 1e3), disk)
    assert found.uncertainty * math.sqrt(disk.sum()) == pytest.approx(1.0, abs=0.25)
    assert abs(found.value) < 4 * found.uncertainty
    with pytest.raises(ValueError, match="at least 10 pixels"):
        correlated_mean(grid_of_noise[:3, :3])


def test_bootstrap_of_white_noise_finds_the_known_spread_of_median_and_deviation():
    series = np.random.default_rng(5).standard_normal(3000)
    median = block_bootstrap(series, np.median)
    assert median.uncertainty == pytest.approx(math.sqrt(math.pi / 2 / 3000), rel=0.2)
    deviation = block_bootstrap(series, np.std)
    assert deviation.uncertainty == pytest.approx(1 / math.sqrt(2 * 3000), rel=0.15)
    assert deviation.degrees_of_freedom > 500


@pytest.mark.parametrize(("phi", "n"), [(0.7, 2000), (0.9, 4000)])
def test_bootstrap_of_a_series_respects_its_correlation(phi, n):
    """An autoregressive series: the mean is known to sigma / ((1 - phi) sqrt(n))."""
    found = []
    for seed in range(10):
        kicks = np.random.default_rng(seed).standard_normal(n + 200)
        series = np.zeros(n + 200)
        for i in range(1, n + 200):
            series[i] = phi * series[i - 1] + kicks[i]
        found.append(block_bootstrap(series[200:], np.mean, n_resamples=200).uncertainty)
    assert np.mean(found) * (1 - phi) * math.sqrt(n) == pytest.approx(1.0, abs=0.12)


def test_bootstrap_of_an_image_respects_unequal_correlation():
    found = [
        block_bootstrap(blurred((150, 190), (0.6, 3.0), seed), np.mean, n_resamples=200).uncertainty
        for seed in range(10)
    ]
    assert np.mean(found) * math.sqrt(150 * 190) == pytest.approx(1.0, abs=0.1)


def test_bootstrap_blocks_are_checked_and_repeat():
    series = np.arange(50.0) % 7
    assert block_bootstrap(series, np.mean) == block_bootstrap(series, np.mean)
    with pytest.raises(ValueError, match=r"block_shape must fit into \(50,\), got \(60,\)"):
        block_bootstrap(series, np.mean, block_shape=(60,))
    with pytest.raises(ValueError, match="at least 8 blocks"):
        block_bootstrap(series, np.mean, block_shape=(10,))
    with pytest.raises(ValueError, match="statistic must return finite numbers"):
        block_bootstrap(series, lambda x: math.nan, block_shape=(2,))
    with pytest.raises(ValueError, match="values must be finite"):
        block_bootstrap([1.0, math.nan], np.mean)


def test_estimates_are_checked():
    with pytest.raises(ValueError, match="uncertainty must not be negative"):
        Estimate(value=1.0, uncertainty=-1.0)
    with pytest.raises(ValueError, match="degrees_of_freedom must be positive, got nan"):
        Estimate(value=1.0, uncertainty=1.0, degrees_of_freedom=math.nan)

"""Slanted-edge MTF of blurred edges in closed form, averaged over pixels, at any angle."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage, optimize

from imgtech.geometry import ImageGrid
from imgtech.phantoms import BlurredEdge
from imgtech.qc.metrics import MTF, fit_edge, slanted_edge_mtf

SPACING = (0.21, 0.19)


def blurred(degrees: float, sigma_px: float, *, reverse: bool = False) -> BlurredEdge:
    low, high = (180.0, 80.0) if reverse else (80.0, 180.0)
    return BlurredEdge(
        angle_rad=math.radians(degrees), position_mm=0.37, low=low, high=high, sigma_mm=0.2 * sigma_px
    )


def picture(edge: BlurredEdge, shape: tuple[int, int]) -> np.ndarray:
    return edge.image(ImageGrid(shape=shape, spacing_mm=SPACING), dtype=np.float64)


def true_frequency(edge: BlurredEdge, level: float) -> float:
    def excess(f: float) -> float:
        return float(edge.mtf([f], spacing_mm=SPACING)[0]) - level

    return float(optimize.brentq(excess, 1e-3, 4.0))


@pytest.mark.parametrize("sigma_px", [0.6, 0.8, 1.5])
@pytest.mark.parametrize("degrees", [2.3, -6.0, 10.0, 84.3, 97.0, 178.0, -172.0, -86.0])
def test_without_noise_the_whole_curve_is_that_of_the_closed_form(degrees: float, sigma_px: float) -> None:
    edge = blurred(degrees, sigma_px)
    m = slanted_edge_mtf(picture(edge, (121, 134)), SPACING)
    truth = edge.mtf(m.frequencies_per_mm, spacing_mm=SPACING)
    assert np.abs(m.values - truth).max() < 5e-4
    for level in (0.5, 0.1):
        assert m.at(level).value == pytest.approx(true_frequency(edge, level), rel=5e-4)


@pytest.mark.parametrize("degrees", [3.0, 95.0, -176.0, -82.0])
@pytest.mark.parametrize("reverse", [False, True])
def test_the_fitted_edge_lies_on_the_true_line_and_points_to_the_bright_side(
    degrees: float, reverse: bool
) -> None:
    edge = fit_edge(picture(blurred(degrees, 0.9, reverse=reverse), (80, 95)), SPACING)
    turn = math.pi if reverse else 0.0
    assert math.remainder(edge.normal_rad - math.radians(degrees) - turn, 2 * math.pi) == pytest.approx(
        0.0, abs=1e-5
    )
    assert edge.offset_mm == pytest.approx(-0.37 if reverse else 0.37, abs=1e-4)
    assert (edge.dark, edge.bright) == pytest.approx((80.0, 180.0), abs=0.1)


def test_spacing_scales_the_frequency_and_nothing_else() -> None:
    image = picture(blurred(4.0, 1.0), (90, 83))
    one = slanted_edge_mtf(image, SPACING).at(0.5)
    double = slanted_edge_mtf(image, (2 * SPACING[0], 2 * SPACING[1])).at(0.5)
    assert double.value == pytest.approx(one.value / 2, rel=1e-6)
    assert double.uncertainty == pytest.approx(one.uncertainty / 2, rel=1e-3)


@pytest.mark.parametrize("sigma_px", [0.6, 1.0, 1.5])
def test_at_a_contrast_of_twenty_times_the_noise_mtf50_is_right_within_one_percent(
    rng: np.random.Generator, sigma_px: float
) -> None:
    """The edge of the detector standard is 100 mm long: about 1000 rows."""
    errors = []
    for degrees in (2.0, -3.5, 5.7, 10.0):
        edge = blurred(degrees, sigma_px)
        clean = picture(edge, (1000, 230))
        m = slanted_edge_mtf(clean + 5 * rng.standard_normal(clean.shape), SPACING).at(0.5)
        assert m.value is not None
        errors.append(m.value / true_frequency(edge, 0.5) - 1)
    assert abs(np.mean(errors)) < 0.005
    assert np.max(np.abs(errors)) < 0.01


def least_scatter(sigma_px: float, shape: tuple[int, int], noise: float) -> float:
    """Cramer-Rao bound of the relative error of MTF50 when the blur is known to be Gaussian."""
    at = {"angle_rad": 0.09, "position_mm": 0.37, "low": 80.0, "high": 180.0, "sigma_mm": 0.2 * sigma_px}
    slopes = []
    for name, step in {
        "angle_rad": 1e-5,
        "position_mm": 1e-4,
        "low": 1.0,
        "high": 1.0,
        "sigma_mm": 1e-4,
    }.items():
        up, down = (picture(BlurredEdge(**(at | {name: at[name] + s})), shape) for s in (step, -step))
        slopes.append(((up - down) / (2 * step)).ravel())
    spread = noise * math.sqrt(np.linalg.inv(np.array(slopes) @ np.array(slopes).T)[4, 4])
    up, down = (
        true_frequency(BlurredEdge(**(at | {"sigma_mm": at["sigma_mm"] + s})), 0.5) for s in (1e-4, -1e-4)
    )
    return abs(up - down) / 2e-4 * spread / true_frequency(BlurredEdge(**at), 0.5)


@pytest.mark.parametrize("sigma_px", [0.6, 1.0, 1.5])
def test_in_every_quadrant_and_polarity_the_mean_is_right_and_the_scatter_near_the_least_possible(
    rng: np.random.Generator, sigma_px: float
) -> None:
    """At 20 times the noise: MTF50 within 0.5 % and MTF10 within 1.5 % in the mean over edges of 256 rows."""
    shape, noise, errors = (256, 250), 5.0, []
    for i in range(32):
        degrees = 90 * (i % 4) + rng.uniform(2, 10) * rng.choice((-1, 1))
        edge = blurred(degrees, sigma_px, reverse=i % 8 < 4)
        m = slanted_edge_mtf(picture(edge, shape) + noise * rng.standard_normal(shape), SPACING)
        errors.append([m.at(level).value / true_frequency(edge, level) - 1 for level in (0.5, 0.1)])
    mean, scatter = np.mean(errors, axis=0), np.std(errors, axis=0, ddof=1)
    # two standard errors of the mean of 32 edges are left open
    assert np.all(np.abs(mean) < (0.005, 0.015) + 2 * scatter / math.sqrt(32))
    assert scatter[0] < 1.35 * least_scatter(sigma_px, shape, noise)


def test_the_uncertainty_is_the_scatter_of_repeated_measurements(rng: np.random.Generator) -> None:
    edge = blurred(4.0, 0.8)
    clean = picture(edge, (128, 90))
    found = []
    for _ in range(60):
        m = slanted_edge_mtf(clean + 5 * rng.standard_normal(clean.shape), SPACING).at(0.5)
        found.append((m.value, m.uncertainty))
    values, spreads = np.array(found).T
    # the scatter of 60 values is known to 9 %
    assert spreads.mean() == pytest.approx(values.std(ddof=1), rel=0.27)


def test_the_uncertainty_follows_the_correlation_of_the_noise(rng: np.random.Generator) -> None:
    edge, blur = blurred(4.0, 1.4), 0.7
    clean = picture(edge, (128, 90))
    white = rng.standard_normal(clean.shape)
    smooth = ndimage.gaussian_filter(white, blur, mode="wrap") * math.sqrt(4 * math.pi) * blur
    plain = slanted_edge_mtf(clean + 3 * white, SPACING, n_terms=4).at(0.5)
    correlated = slanted_edge_mtf(clean + 3 * smooth, SPACING, n_terms=4).at(0.5)
    # noise power at MTF50 (0.12 per pixel) relative to white noise of the same variance
    power = 4 * math.pi * blur**2 * math.exp(-((2 * math.pi * blur * 0.12) ** 2))
    assert correlated.uncertainty / plain.uncertainty == pytest.approx(math.sqrt(power), rel=0.3)


def test_a_line_spread_that_is_no_gaussian_is_described_too() -> None:
    """Two Gaussians of different width: MTF is the mean of theirs."""
    narrow, wide = blurred(5.0, 0.7), blurred(5.0, 2.0)
    m = slanted_edge_mtf((picture(narrow, (150, 140)) + picture(wide, (150, 140))) / 2, SPACING)
    curves = [e.mtf(m.frequencies_per_mm, spacing_mm=SPACING) for e in (narrow, wide)]
    assert dict(m.details)["terms"] > 4
    assert np.abs(m.values - np.mean(curves, axis=0)).max() < 0.01


def test_a_lopsided_line_spread_is_described_too() -> None:
    """Two Gaussians side by side: their transfer functions add with a phase."""
    shape, angle, shift = (150, 140), math.radians(5.0), 0.6
    parts = [
        BlurredEdge(angle_rad=angle, position_mm=0.1, sigma_mm=0.16),
        BlurredEdge(angle_rad=angle, position_mm=0.1 + shift, sigma_mm=0.35),
    ]
    m = slanted_edge_mtf(0.7 * picture(parts[0], shape) + 0.3 * picture(parts[1], shape), SPACING)
    first, second = (part.mtf(m.frequencies_per_mm, spacing_mm=SPACING) for part in parts)
    truth = np.abs(0.7 * first + 0.3 * second * np.exp(-2j * np.pi * m.frequencies_per_mm * shift))
    assert np.abs(m.values - truth).max() < 2e-3


def test_distances_are_those_of_the_pixel_centres_from_the_line() -> None:
    shape = (41, 52)
    edge = fit_edge(picture(blurred(7.0, 0.9), shape), SPACING)
    y, x = np.meshgrid(*ImageGrid(shape=shape, spacing_mm=SPACING).coordinates_mm, indexing="ij")
    truth = x * math.cos(math.radians(7.0)) + y * math.sin(math.radians(7.0)) - 0.37
    assert np.abs(edge.distances_mm(shape, SPACING) - truth).max() < 2e-4


def test_a_profile_with_a_step_of_its_own_is_refused() -> None:
    image = picture(blurred(5.0, 0.7), (150, 140))
    image += 20 * (fit_edge(image, SPACING).distances_mm((150, 140), SPACING) > 1.1)
    with pytest.raises(ValueError, match="of the step is left over"):
        slanted_edge_mtf(image, SPACING)


def test_single_bad_pixels_do_not_move_the_edge(rng: np.random.Generator) -> None:
    image = picture(blurred(4.0, 0.8), (100, 90)) + rng.standard_normal((100, 90))
    clean = fit_edge(image, SPACING)
    spoiled = image.copy()
    spoiled[rng.integers(0, 100, 12), rng.integers(38, 52, 12)] = 600.0
    moved = fit_edge(spoiled, SPACING)
    assert moved.normal_rad == pytest.approx(clean.normal_rad, abs=2e-3)
    assert moved.offset_mm == pytest.approx(clean.offset_mm, abs=0.02)


def test_the_measurement_is_named_by_its_level() -> None:
    m = slanted_edge_mtf(picture(blurred(4.0, 1.0), (60, 70)), SPACING)
    assert (m.at(0.5).name, m.at(0.5).unit, m.at(0.1).name) == ("MTF50", "1/mm", "MTF10")
    assert m.at(0.5).details["edge tilt (deg)"] == pytest.approx(4.0, abs=0.01)
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        m.at(1.0)
    short = slanted_edge_mtf(picture(blurred(4.0, 1.0), (60, 70)), SPACING, max_frequency_per_mm=0.3)
    with pytest.raises(ValueError, match=r"level must be reached up to 0\.3 per mm"):
        short.at(0.5)


def test_a_curve_must_be_a_curve() -> None:
    good = slanted_edge_mtf(picture(blurred(4.0, 1.0), (60, 70)), SPACING)
    rest = {"algorithm": "test-1", "definition": good.definition}
    with pytest.raises(ValueError, match="frequencies_per_mm must rise from 0"):
        MTF(frequencies_per_mm=[0.1, 0.2], values=[1, 0.5], modes=[[0], [0]], **rest)
    with pytest.raises(ValueError, match="same length"):
        MTF(frequencies_per_mm=[0.0, 0.2], values=[1], modes=[[0], [0]], **rest)


def test_what_is_no_slanted_edge_is_refused(rng: np.random.Generator) -> None:
    flat = rng.standard_normal((60, 70))
    with pytest.raises(ValueError, match="image must hold"):
        slanted_edge_mtf(flat, SPACING)
    with pytest.raises(ValueError, match="tilted against rows and columns"):
        slanted_edge_mtf(picture(blurred(0.0, 1.0), (60, 70)), SPACING)
    bar = picture(blurred(4.0, 1.0), (60, 70)) - np.roll(picture(blurred(4.0, 1.0), (60, 70)), 12, axis=1)
    with pytest.raises(ValueError, match="image must hold"):
        slanted_edge_mtf(bar, SPACING)
    with pytest.raises(ValueError, match="at least 16 by 16"):
        slanted_edge_mtf(np.ones((8, 40)), SPACING)
    with pytest.raises(ValueError, match="spacing_mm must be positive"):
        slanted_edge_mtf(flat, (0.2, -0.2))
    with pytest.raises(ValueError, match="n_terms must be even"):
        slanted_edge_mtf(flat, SPACING, n_terms=3)
    flat[2, 3] = np.nan
    with pytest.raises(ValueError, match="image must be finite"):
        slanted_edge_mtf(flat, SPACING)

"""Scatter, metal, dose and the Hounsfield scale: each against what was put in."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from imgtech.geometry import FanBeam, ImageGrid, ParallelBeam
from imgtech.phantoms import contrast_rods, poisson_transmission, uniform_disk
from imgtech.recon.ct import fbp
from imgtech.recon.ct.corrections import (
    HounsfieldScale,
    apply_hounsfield_scale,
    lower_dose,
    measure_hounsfield_scale,
    reduce_metal,
    subtract_kernel_scatter,
    subtract_uniform_scatter,
    to_line_integrals,
)

BEAM = ParallelBeam.half_turn(n_views=180, n_channels=201, channel_spacing_mm=1.1, detector_offset_mm=0.4)
GRID = ImageGrid(shape=(201, 210), spacing_mm=(1.0, 1.0), center_mm=(1.0, -2.0))
Y, X = np.meshgrid(*GRID.coordinates_mm, indexing="ij")
WATER = 0.02
BODY = uniform_disk(radius_mm=80.0, value=WATER, center_mm=(3.0, -4.0))
LINES = BODY.sinogram(BEAM, dtype=np.float64)


def test_uniform_scatter_is_taken_off():
    primary = np.exp(-LINES)
    darkest = primary.min(axis=1, keepdims=True)
    fraction = 0.3
    scattered = primary + fraction / (1 - fraction) * darkest  # the darkest part holds 30 % scatter
    found = subtract_uniform_scatter(scattered, fraction=fraction)
    np.testing.assert_allclose(found, primary, rtol=2e-3)
    cupped = fbp(to_line_integrals(scattered), BEAM, GRID)
    flat = fbp(to_line_integrals(found), BEAM, GRID)
    middle = np.hypot(Y - 3, X + 4) < 10
    assert cupped[middle].mean() < 0.9 * WATER
    assert flat[middle].mean() == pytest.approx(WATER, rel=2e-3)


def test_kernel_scatter_is_undone_and_an_uncorrected_stack_stays_what_it_is():
    primary = np.exp(-LINES)
    spread = gaussian_filter1d(primary, 12.0, axis=1, mode="nearest", truncate=6.0)
    found = subtract_kernel_scatter(primary + 0.25 * spread, amplitude=0.25, width_channels=12.0)
    np.testing.assert_allclose(found, primary, atol=1e-4)
    stack = np.stack([primary, primary[::-1]]).astype(np.float32)
    same = subtract_kernel_scatter(stack, amplitude=0.0, width_channels=12.0)
    np.testing.assert_array_equal(same, stack)
    assert subtract_kernel_scatter(stack, amplitude=0.1, width_channels=3.0).dtype == np.float32


@pytest.mark.parametrize("method", ["linear", "normalized"])
def test_metal_in_water_leaves_no_streaks(method):
    pins = [((-30.0, -20.0), 3.0), ((25.0, 20.0), 4.0)]
    scan = LINES.copy()
    for place, radius in pins:
        scan += uniform_disk(radius_mm=radius, value=0.5, center_mm=place).sinogram(BEAM, dtype=np.float64)
    scan = np.minimum(scan, 5.0)  # photon starvation
    found = reduce_metal(scan, BEAM, GRID, metal_above_per_mm=0.2, water_per_mm=WATER, method=method)
    assert np.hypot(Y - pins[0][0][0], X - pins[0][0][1])[found.metal].min() < 3
    np.testing.assert_array_equal(found.sinogram[~found.trace], scan[~found.trace])
    body = (np.hypot(Y - 3, X + 4) < 74) & ~found.metal
    for place, radius in pins:
        body &= np.hypot(Y - place[0], X - place[1]) > radius + 4
    before = fbp(scan, BEAM, GRID, window="hann")[body].std()
    after = fbp(found.sinogram, BEAM, GRID, window="hann")[body].std()
    assert before > 8e-4
    assert after < (0.25 if method == "linear" else 0.1) * before


def test_normalized_reduction_keeps_bone_that_straight_lines_lose():
    rods = contrast_rods(
        radius_mm=80.0,
        rod_radii_mm=[9.0] * 4,
        rod_contrasts=[0.03] * 4,
        ring_radius_mm=40.0,
        value=WATER,
        start_rad=0.4,
        center_mm=(3.0, -4.0),
    )
    clean = rods.sinogram(BEAM, dtype=np.float64)
    pin = uniform_disk(radius_mm=4.0, value=0.5, center_mm=(3.0, -4.0)).sinogram(BEAM, dtype=np.float64)
    truth = fbp(clean, BEAM, GRID, window="hann")
    body = (np.hypot(Y - 3, X + 4) < 74) & (np.hypot(Y - 3, X + 4) > 8)

    def error(method):
        scan = reduce_metal(
            clean + pin, BEAM, GRID, metal_above_per_mm=0.2, water_per_mm=WATER, method=method
        ).sinogram
        return np.sqrt(np.mean((fbp(scan, BEAM, GRID, window="hann") - truth)[body] ** 2))

    assert error("normalized") < 0.5 * error("linear")


def test_metal_of_a_fan_is_found_where_it_is():
    fan = FanBeam.full_turn(
        source_axis_mm=400.0, source_detector_mm=600.0, n_views=360, n_channels=201, channel_spacing_mm=1.6
    )
    pin = uniform_disk(radius_mm=4.0, value=0.5, center_mm=(-20.0, 33.0))
    scan = BODY.sinogram(fan, dtype=np.float64) + pin.sinogram(fan, dtype=np.float64)
    found = reduce_metal(scan, fan, GRID, metal_above_per_mm=0.2, water_per_mm=WATER)
    assert Y[found.metal].mean() == pytest.approx(-20.0, abs=0.3)
    assert X[found.metal].mean() == pytest.approx(33.0, abs=0.3)
    assert (pin.sinogram(fan)[~found.trace] < 0.4).all()
    assert np.abs(found.sinogram - BODY.sinogram(fan)).max() < 0.1


def test_lower_dose_has_the_noise_of_a_scan_at_that_dose(rng):
    photons, electronic = 2e4, 12.0
    lines = np.broadcast_to(np.array([0.5, 2.0, 4.0]), (20000, 3))
    full = poisson_transmission(lines, photons_per_channel=photons, rng=rng)
    added = electronic * np.exp(lines) / photons * rng.standard_normal(lines.shape)
    low = lower_dose(
        full + added,
        photons_per_channel=photons,
        dose_fraction=0.2,
        electronic_noise_photons=electronic,
        rng=rng,
    )
    variance = np.exp(lines[0]) / (0.2 * photons) + (electronic * np.exp(lines[0]) / (0.2 * photons)) ** 2
    np.testing.assert_allclose(low.var(axis=0), variance, rtol=0.04)
    np.testing.assert_allclose(low.mean(axis=0), lines[0], atol=0.01)


def test_lower_dose_is_repeatable_and_knows_a_bow_tie():
    bow_tie = np.where(np.arange(201) < 100, 1e3, 1e6)
    one = lower_dose(LINES, photons_per_channel=bow_tie, dose_fraction=0.5, rng=np.random.default_rng(5))
    two = lower_dose(LINES, photons_per_channel=bow_tie, dose_fraction=0.5, rng=np.random.default_rng(5))
    np.testing.assert_array_equal(one, two)
    assert (one - LINES)[:, :100].std() > 10 * (one - LINES)[:, 100:].std()
    whole = lower_dose(LINES, photons_per_channel=1e3, dose_fraction=1.0, rng=np.random.default_rng(5))
    np.testing.assert_array_equal(whole, LINES)


def test_hounsfield_scale_puts_measured_air_and_water_where_they_belong(rng):
    image = np.where(np.hypot(Y - 3, X + 4) < 80, 0.0212, 0.0007) + 1e-4 * rng.standard_normal(Y.shape)
    image[np.hypot(Y - 30, X + 4) < 10] = 0.0212 + 0.5 * (0.0212 - 0.0007)
    water, air = np.hypot(Y + 20, X + 4) < 25, np.hypot(Y - 3, X + 4) > 90
    scale = measure_hounsfield_scale(image, air=air, water=water)
    hounsfield = apply_hounsfield_scale(image, scale)
    assert hounsfield[air].mean() == pytest.approx(-1000, abs=1e-6)
    assert hounsfield[water].mean() == pytest.approx(0, abs=1e-6)
    assert hounsfield[np.hypot(Y - 30, X + 4) < 8].mean() == pytest.approx(500, abs=1)
    assert scale.water_uncertainty_per_mm == pytest.approx(1e-4 / np.sqrt(water.sum()), rel=0.1)


SCALE = HounsfieldScale(
    air_per_mm=0.0, water_per_mm=0.02, air_uncertainty_per_mm=0.0, water_uncertainty_per_mm=0.0
)
IMAGE, ON = np.eye(4), np.eye(4) > 0
SOME = {"metal_above_per_mm": 0.2, "water_per_mm": 0.02}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: subtract_uniform_scatter(LINES * np.nan, fraction=0.1), "transmission must be finite"),
        (lambda: subtract_uniform_scatter(LINES, fraction=1.0), "fraction must be below 1"),
        (lambda: subtract_uniform_scatter(LINES, fraction=-0.1), "fraction must not be negative"),
        (
            lambda: subtract_kernel_scatter(LINES, amplitude=1.2, width_channels=2.0),
            "amplitude must be below 1",
        ),
        (lambda: subtract_kernel_scatter(LINES, amplitude=0.2, width_channels=0.0), "width_channels must be"),
        (lambda: reduce_metal(LINES, BEAM, GRID, **SOME), "must be reached in the image"),
        (lambda: reduce_metal(LINES, BEAM, GRID, **(SOME | {"metal_above_per_mm": 0.01})), "above water"),
        (lambda: reduce_metal(LINES[:, 1:], BEAM, GRID, **SOME), "sinogram must end with shape"),
        (lambda: reduce_metal(LINES, BEAM, GRID, method="magic", **SOME), "method must be one of"),
        (lambda: dose(dose_fraction=1.5), "dose_fraction must be at most 1"),
        (lambda: dose(photons_per_channel=0.0), "photons_per_channel must be positive"),
        (lambda: dose(photons_per_channel=np.ones(7)), "photons_per_channel must fit"),
        (lambda: dose(electronic_noise_photons=-1.0), "electronic_noise_photons must not be negative"),
        (lambda: measure_hounsfield_scale(IMAGE, air=ON[:2], water=ON), "air must have the shape"),
        (lambda: measure_hounsfield_scale(IMAGE, air=~ON, water=0 * ON), "water must hold at least 2"),
        (lambda: measure_hounsfield_scale(IMAGE, air=ON, water=~ON), "water must attenuate more than air"),
        (lambda: apply_hounsfield_scale(np.full((4, 4), np.inf), SCALE), "image_per_mm must be finite"),
    ],
)
def test_bad_input_is_refused_by_name(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def dose(**change):
    given = {"photons_per_channel": 1e4, "dose_fraction": 0.5, "rng": np.random.default_rng(1)}
    return lower_dose(LINES, **(given | change))

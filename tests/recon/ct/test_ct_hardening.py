"""Polychromatic scans in closed form: what the corrections leave of cupping and dark bands."""

import numpy as np
import pytest

from imgtech.geometry import FanBeam, ImageGrid, ParallelBeam
from imgtech.phantoms import uniform_disk
from imgtech.recon.ct import fbp
from imgtech.recon.ct.corrections import (
    Spectrum,
    correct_bone,
    correct_water,
    fit_uniform_object,
    fit_water_polynomial,
    linearize,
)

# shares and attenuation (1/mm) of water and bone at 40, 60, 80 and 100 keV, rounded; reference: 60 keV
TUBE = Spectrum(
    weights=[1.0, 3.0, 3.0, 1.0],
    water_per_mm=[0.0268, 0.0206, 0.0184, 0.0171],
    bone_per_mm=[0.1278, 0.0604, 0.0428, 0.0356],
    reference_water_per_mm=0.0206,
    reference_bone_per_mm=0.0604,
)
PARALLEL = ParallelBeam.half_turn(n_views=240, n_channels=221, channel_spacing_mm=0.9, detector_offset_mm=0.3)
FAN = FanBeam.full_turn(
    source_axis_mm=400.0, source_detector_mm=700.0, n_views=480, n_channels=241, channel_spacing_mm=1.5
)
GRID = ImageGrid(shape=(231, 240), spacing_mm=(0.85, 0.85), center_mm=(1.0, -2.0))
Y, X = np.meshgrid(*GRID.coordinates_mm, indexing="ij")


def lengths(beam, radius_mm, center_mm=(0.0, 0.0)):
    return uniform_disk(radius_mm=radius_mm, value=1.0, center_mm=center_mm).sinogram(beam, dtype=np.float64)


def at(image, radius_mm, center_mm):
    return float(image[np.hypot(Y - center_mm[0], X - center_mm[1]) < radius_mm].mean())


def test_polychromatic_line_integrals_are_the_sum_over_the_energies():
    water, bone = np.array([[0.0, 120.0]]), np.array([[0.0, 7.0]])
    expected = [0.0, 0.0]
    for share, mu_w, mu_b in zip((1, 3, 3, 1), TUBE.water_per_mm, TUBE.bone_per_mm, strict=True):
        for i in range(2):
            expected[i] += share / 8 * np.exp(-mu_w * water[0, i] - mu_b * bone[0, i])
    np.testing.assert_allclose(TUBE.line_integrals(water, bone)[0], -np.log(expected), rtol=1e-13)


def test_water_correction_gives_the_reference_attenuation_for_every_thickness():
    thickness = np.linspace(0.0, 400.0, 81)[None]
    found = correct_water(TUBE.line_integrals(thickness), TUBE)
    np.testing.assert_allclose(found, 0.0206 * thickness, rtol=1e-6, atol=1e-9)
    air = np.array([[-0.01, 0.01]])
    np.testing.assert_allclose(correct_water(air, TUBE)[0, 0], -correct_water(air, TUBE)[0, 1], rtol=1e-2)


def test_polynomial_fits_known_thicknesses():
    thickness = np.linspace(0.0, 350.0, 40)
    p = TUBE.line_integrals(thickness)
    fit = fit_water_polynomial(p, thickness, attenuation_per_mm=0.0206, degree=5)
    np.testing.assert_allclose(linearize(p[None], fit.coefficients)[0], 0.0206 * thickness, atol=1e-3)
    rms = np.sqrt(np.mean((linearize(p[None], fit.coefficients)[0] - 0.0206 * thickness) ** 2))
    assert fit.rms_residual == pytest.approx(rms, rel=1e-6)
    line = fit_water_polynomial(p, thickness, attenuation_per_mm=0.0206, degree=1)
    assert line.rms_residual > 20 * fit.rms_residual
    single = linearize(p[None].astype(np.float32), fit.coefficients)
    assert single.dtype == np.float32


@pytest.mark.parametrize("beam", [PARALLEL, FAN], ids=["parallel", "fan"])
def test_cupping_of_a_uniform_object_with_a_hole_goes(beam):
    body, hole = (4.0, -6.0), (30.0, 15.0)
    p = TUBE.line_integrals(lengths(beam, 80.0, body) - lengths(beam, 12.0, hole))
    fit = fit_uniform_object(p, beam, GRID, attenuation_per_mm=0.02)
    raw = fbp(p, beam, GRID, window="hann")
    image = fbp(linearize(p, fit.coefficients), beam, GRID, window="hann")
    depth = 80.0 - np.hypot(Y - body[0], X - body[1])
    clear = np.hypot(Y - hole[0], X - hole[1]) > 16.0

    def cupping(picture):
        rim = picture[(depth > 3) & (depth < 10) & clear].mean()
        return (rim - picture[(depth > 55) & clear].mean()) / rim

    assert cupping(raw) > 0.015
    assert abs(cupping(image)) < 0.05 * cupping(raw)
    assert image[(depth > 5) & clear].mean() == pytest.approx(0.02, rel=2e-3)
    assert abs(at(image, 8.0, hole)) < 2e-4
    assert fit.attenuation_per_mm == 0.02
    kept = fit_uniform_object(p, beam, GRID)
    assert kept.attenuation_per_mm == pytest.approx(raw[depth > 2].mean(), rel=0.02)


@pytest.mark.parametrize("beam", [PARALLEL, FAN], ids=["parallel", "fan"])
def test_the_dark_band_between_two_bones_goes_and_both_materials_get_their_value(beam):
    body, bones, radius = (2.0, -3.0), ((-5.0, -45.0), (5.0, 40.0)), 14.0
    bone = sum(lengths(beam, radius, place) for place in bones)
    water = lengths(beam, 85.0, body) - bone
    p = TUBE.line_integrals(water, bone)
    ideal = fbp(0.0206 * water + 0.0604 * bone, beam, GRID, window="hann")
    one = fbp(correct_water(p, TUBE), beam, GRID, window="hann")
    two = fbp(correct_bone(p, beam, GRID, TUBE, bone_above_per_mm=0.035), beam, GRID, window="hann")
    between = (0.0, -3.0)
    assert at(one, 12.0, between) < 0.985 * at(ideal, 12.0, between)  # more than 15 HU too dark
    assert at(two, 12.0, between) == pytest.approx(0.0206, rel=2e-3)
    for place in bones:
        assert at(two, 10.0, place) == pytest.approx(0.0604, rel=5e-3)
    away = (np.hypot(Y - body[0], X - body[1]) < 75) & (abs(two - ideal) < 1)
    for place in bones:
        away &= np.hypot(Y - place[0], X - place[1]) > radius + 4
    assert np.sqrt(np.mean((two - ideal)[away] ** 2)) < 0.2 * np.sqrt(np.mean((one - ideal)[away] ** 2))


SINOGRAM = TUBE.line_integrals(lengths(PARALLEL, 60.0))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: linearize(SINOGRAM * np.nan, [1.0]), "sinogram must be finite"),
        (lambda: linearize(SINOGRAM, []), "coefficients must not be empty"),
        (lambda: fit_water_polynomial([1, 2], [1, 2, 3], attenuation_per_mm=0.02), "must have the 2 values"),
        (lambda: fit_water_polynomial([1, 2], [1, 2], attenuation_per_mm=0.02), "degree must be at most"),
        (lambda: fit_water_polynomial([1] * 9, [1] * 9, attenuation_per_mm=0), "must be positive, got 0"),
        (lambda: fit_uniform_object(0 * SINOGRAM, PARALLEL, GRID), "sinogram must hold an object"),
        (lambda: fit_uniform_object(SINOGRAM[1:], PARALLEL, GRID), "sinogram must end with shape"),
        (
            lambda: correct_bone(SINOGRAM, PARALLEL, GRID, TUBE, bone_above_per_mm=0.02),
            "must lie above water",
        ),
        (
            lambda: correct_bone(SINOGRAM, PARALLEL, GRID, TUBE, bone_above_per_mm=0.04, n_passes=0),
            "n_passes",
        ),
        (lambda: correct_water(np.full_like(SINOGRAM, np.inf), TUBE), "sinogram must be finite"),
    ],
)
def test_bad_input_is_refused_by_name(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights": [1.0, -1.0]}, "weights must not be negative"),
        ({"weights": [0.0, 0.0]}, "not all zero"),
        ({"bone_per_mm": [0.1]}, "bone_per_mm must hold 2 values, got 1"),
        ({"water_per_mm": [0.02, 0.0]}, "water_per_mm must be positive"),
        ({"reference_bone_per_mm": -1.0}, "reference_bone_per_mm must be positive"),
    ],
)
def test_bad_spectra_are_refused_by_name(change, words):
    given = {
        "weights": [1.0, 1.0],
        "water_per_mm": [0.03, 0.02],
        "bone_per_mm": [0.1, 0.05],
        "reference_water_per_mm": 0.02,
        "reference_bone_per_mm": 0.05,
    }
    with pytest.raises(ValueError, match=words):
        Spectrum(**(given | change))

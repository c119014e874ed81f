"""Sets of ESPIRiT maps where an object folds over itself, and the threshold found from noise."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, Trajectory
from imgtech.phantoms import CoilSensitivities, complex_gaussian, uniform_disk
from imgtech.recon.mri import (
    espirit_map_sets,
    espirit_maps,
    kspace_to_image,
    projection_residual,
    roemer_combine,
    root_sum_of_squares,
)
from imgtech.recon.mri._espirit_parts import noise_threshold, window_gram
from reference.parallel_imaging import espirit_pixel

COILS = CoilSensitivities.ring(n_coils=6, radius_mm=110.0, start_rad=0.3)
DISK = uniform_disk(radius_mm=63.0, value=2.0, center_mm=(4.0, -13.0))
ACS = (22, 25)


def contents():
    """A disk with small ones in it, of any phase: what folds over must not look like smooth maps."""
    rng = np.random.default_rng(11)
    radii, angles = 57 * np.sqrt(rng.uniform(size=50)), rng.uniform(0, 2 * np.pi, size=50)
    small = [
        uniform_disk(radius_mm=s, value=1.0, center_mm=(4 + r * np.sin(a), -13 + r * np.cos(a)))
        for r, a, s in zip(radii, angles, rng.uniform(2, 6, size=50), strict=True)
    ]
    values = 3 * np.exp(2j * np.pi * rng.uniform(size=50))
    return [(1.0, DISK), *zip(values, small, strict=True)]


CONTENTS = contents()


def disk_data(shape, spacing, acs=ACS):
    """k-space, its centre, positions (y, x) of the pixels."""
    trajectory = Trajectory.cartesian(shape, spacing_mm=spacing)
    kspace = sum(value * disk.kspace(trajectory, COILS) for value, disk in CONTENTS)
    y, x = shape[0] // 2 - acs[0] // 2, shape[1] // 2 - acs[1] // 2
    positions = np.meshgrid(*ImageGrid.fft(shape, spacing_mm=spacing).coordinates_mm, indexing="ij")
    return kspace, kspace[:, y : y + acs[0], x : x + acs[1]], positions


def true_maps(shape, spacing, shift_mm):
    """Sensitivities at the pixels moved along y."""
    turns = np.exp(2j * np.pi * COILS.frequencies_per_mm[:, 0] * shift_mm)
    moved = CoilSensitivities(
        coefficients=COILS.coefficients * turns, frequencies_per_mm=COILS.frequencies_per_mm
    )
    return moved.maps(ImageGrid.fft(shape, spacing_mm=spacing)).astype(np.complex128)


def outside_span(vectors, maps):
    """Norm of what two orthonormal sets do not explain, relative, at each pixel."""
    parts = np.einsum("scp,cp->sp", maps.conj(), vectors)
    left = vectors - np.einsum("scp,sp->cp", maps, parts)
    return np.linalg.norm(left, axis=0) / np.linalg.norm(vectors, axis=0)


SMALL, SPACING = (36, 61), (2.5, 2.9)  # 90 mm along y, the disk is 126 mm high


def test_two_sets_span_both_sensitivities_where_the_object_folds_over_itself():
    _, calibration, (y, x) = disk_data(SMALL, SPACING)
    sets = espirit_map_sets(calibration, SMALL, crop=0.0)
    checked = 0
    for shift in (-90.0, 90.0):
        here, there = (np.hypot(y + s - 4, x + 13) < 58 for s in (0, shift))
        both = here & there
        checked += both.sum()
        for s in (0.0, shift):
            truth = true_maps(SMALL, SPACING, s)[:, both]
            assert np.median(outside_span(truth, sets.maps[:, :, both])) < 0.01
            assert np.median(outside_span(truth, sets.maps[:1, :, both])) > 0.2
        assert sets.eigenvalues[1][both].min() > 0.98
    assert checked == 180
    alone = (np.hypot(y - 4, x + 13) < 55) & (np.abs(y) < 12)  # far from any copy
    assert np.median(sets.eigenvalues[1][alone]) < 0.35


def test_aliased_coil_images_are_explained_by_two_sets_not_by_one():
    kspace, calibration, (y, x) = disk_data(SMALL, SPACING)
    images = kspace_to_image(kspace).astype(np.complex128)
    sets = espirit_map_sets(calibration, SMALL, crop=0.0)
    folded = np.zeros(SMALL, bool)
    for shift in (-90.0, 90.0):
        folded |= (np.hypot(y - 4, x + 13) < 58) & (np.hypot(y + shift - 4, x + 13) < 58)
    two = np.median(outside_span(images[:, folded], sets.maps[:, :, folded]))
    one = np.median(outside_span(images[:, folded], sets.maps[:1, :, folded]))
    assert two < 0.02
    assert one > 10 * two
    combined = [roemer_combine(images, maps) for maps in sets.maps]
    np.testing.assert_allclose(
        np.median(root_sum_of_squares(combined)[folded] / root_sum_of_squares(images)[folded]), 1, atol=0.001
    )


def test_second_set_is_cropped_away_where_nothing_folds():
    shape = (90, 61)
    _, calibration, (y, x) = disk_data(shape, (2.3, 2.9))
    sets = espirit_map_sets(calibration, shape)
    length = np.linalg.norm(sets.maps, axis=1)
    assert set(np.unique(length.round(5))) == {0.0, 1.0}
    inside = np.hypot(y - 4, x + 13) < 55
    assert length[0][inside].mean() > 0.99
    assert length[1][inside].mean() < 0.02


def test_automatic_crop_keeps_the_second_set_where_the_object_folds_over_itself():
    _, calibration, (y, x) = disk_data(SMALL, SPACING)
    kept = np.linalg.norm(espirit_map_sets(calibration, SMALL).maps[1], axis=0) > 0
    times = sum((np.hypot(y + shift - 4, x + 13) < 60).astype(int) for shift in (-90.0, 0.0, 90.0))
    near = sum((np.hypot(y + shift - 4, x + 13) < 72).astype(int) for shift in (-90.0, 0.0, 90.0))
    assert kept[times > 1].mean() > 0.97
    assert kept[near < 2].mean() < 0.01


def test_first_set_is_the_one_of_a_loop_over_pixels_and_of_the_fast_maps():
    shape = (30, 37)
    calibration = disk_data(shape, (6.4, 5.9), acs=(14, 17))[1].astype(np.complex128)
    sets = espirit_map_sets(calibration, shape, n_sets=3, kernel_size=5, threshold=0.05, crop=0.0)
    fast = espirit_maps(calibration, shape, kernel_size=5, threshold=0.05, crop=0.0)
    for y in range(0, 30, 4):
        for x in range(0, 37, 4):
            vector, value = espirit_pixel(calibration, shape, (y, x), 5, 0.05)
            assert sets.eigenvalues[0, y, x] == pytest.approx(value, abs=1e-9)
            if value > 0.95:
                assert abs(np.vdot(vector, sets.maps[0, :, y, x])) == pytest.approx(1, abs=1e-8)
                np.testing.assert_allclose(fast[:, y, x], sets.maps[0, :, y, x], atol=2e-2)
    basis = np.einsum("scyx,tcyx->styx", sets.maps.conj(), sets.maps)
    np.testing.assert_allclose(basis, np.eye(3)[:, :, None, None] + np.zeros(shape), atol=1e-10)
    assert (np.diff(sets.eigenvalues, axis=0) <= 0).all()


@pytest.mark.parametrize("part", [0.002, 0.02])
def test_threshold_from_noise_is_the_largest_singular_value_of_that_noise(part, rng):
    calibration = disk_data((90, 121), (2.3, 1.8))[1].astype(np.complex128)
    noise = complex_gaussian(np.zeros(calibration.shape), sigma=part * np.abs(calibration).max(), rng=rng)
    gram = window_gram(calibration + noise, 6)
    largest = np.sqrt(np.linalg.eigvalsh(window_gram(noise, 6))[-1] / np.linalg.eigvalsh(gram)[-1])
    assert noise_threshold(gram, calibration.shape, 6) == pytest.approx(largest, rel=0.2)


def test_threshold_from_noise_beats_one_that_takes_noise_for_signal(rng):
    shape = (90, 121)
    _, calibration, (y, x) = disk_data(shape, (2.3, 1.8))
    noisy = complex_gaussian(calibration, sigma=0.02 * np.abs(calibration).max(), rng=rng)
    inside = np.hypot(y - 4, x + 13) < 58
    truth = true_maps(shape, (2.3, 1.8), 0.0) * inside
    found, fixed = (espirit_maps(noisy, shape, threshold=part, crop=0.0) * inside for part in ("noise", 0.02))
    assert projection_residual(truth, found) < 0.5 * projection_residual(truth, fixed)
    exact = espirit_maps(calibration, shape, threshold="noise", crop=0.0) * inside
    assert projection_residual(truth, exact) < 0.01


def test_a_measured_brain_within_its_field_has_one_set_and_little_noise(data):
    """The threshold found, 0.006, explains its own images slightly better than 0.02 does."""
    inner = np.load(data("mri_raw/brain_8ch_undersampled.npy"))[:, 103:127, 78:102]
    sets = espirit_map_sets(inner, (64, 48))
    kept = (np.linalg.norm(sets.maps, axis=1) > 0).mean(axis=(1, 2))
    assert 0.6 < kept[0] < 0.85
    assert kept[1] < 0.005
    part = noise_threshold(window_gram(inner / np.abs(inner).max(), 6), inner.shape, 6)
    assert 0.003 < part < 0.012


NOISE = np.random.default_rng(3).normal(size=(2, 8, 9))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: espirit_map_sets(NOISE, (20, 20), n_sets=3), "n_sets must be at most the 2 coils"),
        (lambda: espirit_map_sets(NOISE, (20, 20), n_sets=0), "n_sets must be at least 1"),
        (lambda: espirit_map_sets(NOISE * 0, (20, 20)), "calibration must not be all zero"),
        (lambda: espirit_map_sets(NOISE, (20, 8)), "shape must be two sizes"),
        (lambda: espirit_map_sets(NOISE, (20, 20), threshold=-0.1), "threshold must be"),
        (
            lambda: espirit_map_sets(NOISE, (20, 20), threshold="auto"),
            "threshold must be a number or 'noise'",
        ),
        (lambda: espirit_map_sets(NOISE, (20, 20), crop=-0.1), "crop must lie between"),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

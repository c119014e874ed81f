"""Gradient delays of simulated scans are found again."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, Trajectory
from imgtech.phantoms import CoilSensitivities, Ellipse, Phantom, complex_gaussian, shepp_logan
from imgtech.recon.mri import GradientDelays, cg_sense, gradient_delays, radial_density

COILS = CoilSensitivities.ring(n_coils=4, radius_mm=120.0, start_rad=0.2)
SPOKES = Trajectory.radial(20, 128, spacing_mm=1.3, golden=True)
STEP = 1 / (128 * 1.3)
HEAD = shepp_logan(radius_mm=55.0)


def delayed(shifts, trajectory=SPOKES):
    return GradientDelays(np.asarray(shifts, dtype=float), np.zeros((2, 2))).corrected(trajectory)


def test_the_correction_moves_every_spoke_by_the_matrix_times_its_direction():
    moved = delayed([[0.1, 0.02], [0.02, -0.3]]).positions_per_mm - SPOKES.positions_per_mm
    for j in range(20):
        angle = j * np.pi / ((1 + np.sqrt(5)) / 2)
        sine, cosine = np.sin(angle), np.cos(angle)
        expected = [0.1 * sine + 0.02 * cosine, 0.02 * sine - 0.3 * cosine]
        np.testing.assert_allclose(moved[j], np.broadcast_to(expected, (128, 2)), atol=1e-12)


@pytest.mark.parametrize(
    ("shifts", "spokes"),
    [
        ([[1.0, 0.0], [0.0, -1.0]], SPOKES),
        ([[0.4, 0.3], [0.3, -0.7]], SPOKES),
        ([[-2.1, -0.2], [-0.2, 0.6]], Trajectory.radial(15, 101, spacing_mm=1.6, golden=True)),
        ([[0.0, 0.0], [0.0, 0.0]], Trajectory.radial(9, 128, spacing_mm=1.3)),
    ],
)
def test_delays_without_noise_are_found_to_a_thousandth_of_a_sample(shifts, spokes):
    step = float(np.linalg.norm(np.diff(spokes.positions_per_mm[0], axis=0)[0]))
    kspace = HEAD.kspace(delayed(np.array(shifts) * step, spokes), COILS)
    found = gradient_delays(kspace, spokes)
    np.testing.assert_allclose(found.shifts_per_mm / step, shifts, atol=1e-3)


def test_one_coil_and_an_object_off_centre():
    disk = Phantom(shapes=(Ellipse(center_mm=(14.0, -9.0), semi_axes_mm=(38.0, 25.0), value=2.0),))
    shifts = np.array([[0.5, -0.2], [-0.2, 0.9]])
    found = gradient_delays(disk.kspace(delayed(shifts * STEP)), SPOKES)
    np.testing.assert_allclose(found.shifts_per_mm / STEP, shifts, atol=1e-3)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_one_sample_at_a_ratio_of_20_is_found_to_a_hundredth_with_an_honest_uncertainty(sign, rng):
    shifts = np.array([[sign, 0.35], [0.35, -sign]])
    clean = HEAD.kspace(delayed(shifts * STEP), COILS)
    sigma = float(np.abs(clean[..., 59:69]).mean()) / 20
    errors, stated = [], []
    for _ in range(6):
        found = gradient_delays(complex_gaussian(clean, sigma=sigma, rng=rng), SPOKES)
        errors.append(found.shifts_per_mm / STEP - shifts)
        stated.append(found.standard_uncertainty_per_mm / STEP)
    assert np.abs(errors).max() < 0.01
    assert 0.4 < np.sqrt(np.mean(np.square(errors))) / np.mean(stated) < 1.6


def test_the_corrected_trajectory_gives_the_image_back():
    grid = ImageGrid.fft((96, 96), spacing_mm=(1.6, 1.6))
    spokes = Trajectory.radial(160, 128, spacing_mm=1.3)
    kspace = HEAD.kspace(delayed(np.array([[0.9, 0.1], [0.1, -0.8]]) * STEP, spokes))
    found = gradient_delays(kspace, spokes)
    density = radial_density(spokes)
    maps = np.ones((1, 96, 96))

    def image(data, trajectory):
        return cg_sense(data[None], trajectory, maps, grid, density=density, n_iter=15).image

    truth = image(HEAD.kspace(spokes), spokes)
    wrong, right = image(kspace, spokes), image(kspace, found.corrected(spokes))
    scale = np.linalg.norm(truth)
    assert np.linalg.norm(np.abs(wrong) - np.abs(truth)) > 0.1 * scale
    assert np.linalg.norm(np.abs(right) - np.abs(truth)) < 0.03 * scale


K = np.ones((2, 20, 128), complex)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gradient_delays(K * 0, SPOKES), "kspace must not be all zero"),
        (lambda: gradient_delays(K * np.nan, SPOKES), "kspace must be finite"),
        (lambda: gradient_delays(K[:, 1:], SPOKES), "kspace must end with shape"),
        (lambda: gradient_delays(K, SPOKES, largest_samples=0.0), "largest_samples must be positive"),
        (
            lambda: gradient_delays(K[:, :2], Trajectory.radial(2, 128, spacing_mm=1.3)),
            "trajectory must have steeply crossing spokes",
        ),
        (
            lambda: gradient_delays(K[:, :8, :9], Trajectory.cartesian((8, 9), spacing_mm=(1.0, 1.0))),
            "trajectory must have straight even spokes",
        ),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

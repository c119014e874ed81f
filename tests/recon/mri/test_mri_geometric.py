"""Geometric coil compression against coils of known form and the compression with one matrix."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, Trajectory
from imgtech.phantoms import CoilSensitivities, complex_gaussian, uniform_disk
from imgtech.recon.mri import (
    compress_coils,
    compress_coils_geometric,
    espirit_maps,
    image_to_kspace,
    kspace_to_image,
    projection_residual,
)

SHAPE, SPACING = (44, 57), (4.1, 3.3)
TRAJECTORY = Trajectory.cartesian(SHAPE, spacing_mm=SPACING)
DISK = uniform_disk(radius_mm=62.0, value=2.0, center_mm=(9.0, -13.0))
COILS = CoilSensitivities.ring(n_coils=8, radius_mm=100.0, start_rad=0.3)
KSPACE = DISK.kspace(TRAJECTORY, COILS).astype(np.complex128)


def restored(result, axis):
    """Data of all coils from the virtual ones: the adjoint of the compression."""
    hybrid = np.moveaxis(kspace_to_image(result.kspace, axes=(axis,)), axis, 0)
    back = np.einsum("xvc,xv...->xc...", result.matrices.conj(), hybrid)
    return image_to_kspace(np.moveaxis(back, 0, axis), axes=(axis,))


@pytest.mark.parametrize("axis", [1, 2])
def test_one_virtual_coil_is_exact_for_coils_that_change_along_the_readout_only(axis):
    """At one place of the readout all coils see the same, times a number."""
    along = np.zeros((3, 2))
    along[:, axis - 1] = [-0.0021, 0.0, 0.0034]
    mix = np.random.default_rng(5).normal(size=(2, 5, 3))
    coils = CoilSensitivities(coefficients=mix[0] + 1j * mix[1], frequencies_per_mm=along)
    grid = ImageGrid.fft(SHAPE, spacing_mm=SPACING)
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    kspace = image_to_kspace(coils.maps(grid).astype(np.complex128) * (np.hypot(y - 9, x + 13) < 62))
    result = compress_coils_geometric(kspace, 1, axis=axis)
    assert result.energy == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(restored(result, axis), kspace, atol=1e-6 * np.abs(kspace).max())
    assert compress_coils(kspace, 1).energy < 0.9


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("n_virtual", [2, 3, 4])
def test_residual_is_lower_than_that_of_one_matrix_for_all(axis, n_virtual):
    result = compress_coils_geometric(KSPACE, n_virtual, axis=axis)
    plain = compress_coils(KSPACE, n_virtual)
    lost = np.linalg.norm(restored(result, axis) - KSPACE) ** 2 / np.linalg.norm(KSPACE) ** 2
    lost_plain = np.linalg.norm(np.tensordot(plain.matrix.conj().T, plain.kspace, axes=1) - KSPACE) ** 2
    assert lost < 0.5 * lost_plain / np.linalg.norm(KSPACE) ** 2
    assert lost == pytest.approx(1 - result.energy, abs=1e-10)


def test_matrices_are_those_of_a_loop_over_positions_up_to_a_unitary():
    result = compress_coils_geometric(KSPACE, 3, width=3)
    hybrid = kspace_to_image(KSPACE, axes=(2,))
    for x in range(SHAPE[1]):
        near = hybrid[:, :, max(x - 1, 0) : x + 2].reshape(8, -1)
        rows = np.linalg.svd(near)[0][:, :3].conj().T
        found = result.matrices[x]
        np.testing.assert_allclose(found @ found.conj().T, np.eye(3), atol=1e-12)
        overlap = np.linalg.svd(found @ rows.conj().T, compute_uv=False)
        assert overlap.min() > 0.999
        np.testing.assert_allclose(
            kspace_to_image(result.kspace, axes=(2,))[:, :, x], found @ hybrid[:, :, x], atol=1e-9
        )


def test_neighbouring_matrices_lie_next_to_each_other():
    """No other unitary brings a neighbour nearer: their product is Hermitian and positive."""
    matrices = compress_coils_geometric(KSPACE, 3).matrices
    strongest = np.linalg.norm(kspace_to_image(KSPACE, axes=(2,)), axis=(0, 1)).argmax()
    for x in range(1, SHAPE[1]):
        a, b = (matrices[x], matrices[x - 1]) if x > strongest else (matrices[x - 1], matrices[x])
        product = a @ b.conj().T
        np.testing.assert_allclose(product, product.conj().T, atol=1e-10)
        assert np.linalg.eigvalsh(product).min() > -1e-10
    inside = np.arange(18, 32)  # well within the disk
    assert np.linalg.norm(matrices[inside] - matrices[inside - 1], axis=(1, 2)).max() < 0.15


def test_white_noise_stays_white(rng):
    noise = complex_gaussian(np.zeros((8, 60, 57)), sigma=1.0, rng=rng)
    padded = np.concatenate([KSPACE, np.zeros((8, 16, 57))], axis=1)
    change = compress_coils_geometric(padded + noise, 3, calibration=KSPACE).kspace
    change = change - compress_coils_geometric(padded, 3, calibration=KSPACE).kspace
    covariance = np.cov(change.reshape(3, -1))
    np.testing.assert_allclose(covariance, 2 * np.eye(3), atol=0.15)  # 4.4 standard errors of 3420 samples


def test_virtual_coils_from_the_centre_have_smooth_maps():
    """The maps found in virtual k-space are the matrices times the known maps."""
    inner = (slice(None), slice(10, 34), slice(None))
    result = compress_coils_geometric(KSPACE.astype(np.complex64), 4, calibration=KSPACE[inner], width=3)
    assert result.kspace.dtype == np.complex64
    maps = espirit_maps(result.kspace[:, 10:34, 16:41], SHAPE, crop=0.0)
    grid = ImageGrid.fft(SHAPE, spacing_mm=SPACING)
    truth = np.einsum("xvc,cyx->vyx", result.matrices, COILS.maps(grid))
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    inside = np.hypot(y - 9, x + 13) < 50
    assert projection_residual(truth * inside, maps * inside) < 0.03


def test_positions_without_signal_take_the_matrix_beside_them():
    images = np.zeros((3, 6, 9), complex)
    images[:, :, 4:6] = np.array([[1, 2], [2j, 1], [0.5, -1]])[:, None] * np.ones((6, 1))
    matrices = compress_coils_geometric(image_to_kspace(images), 1).matrices
    np.testing.assert_allclose(matrices[:4], np.broadcast_to(matrices[4], (4, 1, 3)), atol=1e-12)
    np.testing.assert_allclose(matrices[6:], np.broadcast_to(matrices[5], (3, 1, 3)), atol=1e-12)
    assert np.abs(np.vdot(matrices[4], matrices[5])) < 0.9


def test_two_virtual_coils_of_a_measured_brain_lose_less_than_one_matrix_for_all(data):
    """Eight coils, 24 complete lines: 13 % of the energy is lost with one matrix, 1.6 or 3.8 % by GCC."""
    centre = np.zeros((8, 230, 180), np.complex64)
    inner = (slice(None), slice(103, 127), slice(78, 102))
    taper = np.hanning(26)[1:-1]
    centre[inner] = np.load(data("mri_raw/brain_8ch_undersampled.npy"))[inner] * np.outer(taper, taper)
    lost = 1 - compress_coils(centre, 2).energy
    for axis, limit in ((1, 0.02), (2, 0.045)):
        assert 1 - compress_coils_geometric(centre, 2, axis=axis).energy < limit < 0.4 * lost


ONES = np.ones((3, 8, 9))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: compress_coils_geometric(ONES * np.nan, 1), "kspace must be finite"),
        (lambda: compress_coils_geometric(ONES * 0, 1), "kspace must not be all zero"),
        (lambda: compress_coils_geometric(ONES[0], 1), "kspace must have"),
        (lambda: compress_coils_geometric(ONES, 4), "n_virtual must be at most the 3 coils"),
        (lambda: compress_coils_geometric(ONES, 0), "n_virtual must be at least 1"),
        (lambda: compress_coils_geometric(ONES, 1, axis=0), "axis must be one of the 2 axes"),
        (lambda: compress_coils_geometric(ONES, 1, axis=-3), "axis must be one of the 2 axes"),
        (lambda: compress_coils_geometric(ONES, 1, axis=1.5), "axis must be a whole number"),
        (lambda: compress_coils_geometric(ONES, 1, width=2), "width must be odd"),
        (lambda: compress_coils_geometric(ONES, 1, width=11), "width must be odd and at most"),
        (
            lambda: compress_coils_geometric(ONES, 1, calibration=ONES[:2]),
            "calibration must have 3 coils and 9",
        ),
        (lambda: compress_coils_geometric(ONES, 1, calibration=ONES[..., :8]), "calibration must have 3"),
        (lambda: compress_coils_geometric(ONES, 1, calibration=ONES * 0), "calibration must not be all zero"),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

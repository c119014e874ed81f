"""Noise covariance, whitening, coil compression and combination."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, Trajectory
from imgtech.phantoms import CoilSensitivities, complex_gaussian, uniform_disk
from imgtech.recon.mri import (
    compress_coils,
    image_to_kspace,
    kspace_to_image,
    noise_covariance,
    prewhiten,
    roemer_combine,
)

MIX = np.array([[2.0, 0, 0], [0.3 + 0.5j, 1.1, 0], [-0.2j, 0.4 - 0.3j, 0.7]])
COILS = CoilSensitivities.ring(n_coils=6, radius_mm=110.0, start_rad=0.3)


def test_covariance_of_mixed_noise_is_known(rng):
    white = complex_gaussian(np.zeros((3, 200, 300)), sigma=1.5, rng=rng)
    covariance = noise_covariance(np.tensordot(MIX, white, axes=1))
    # relative standard error of an element: 1 / sqrt(60000) = 0.4 %
    np.testing.assert_allclose(covariance, 2 * 1.5**2 * MIX @ MIX.conj().T, atol=0.03 * 18)
    np.testing.assert_array_equal(covariance, covariance.conj().T)
    assert abs(covariance[1, 0] - 4.5 * 2 * (0.3 + 0.5j)) < 0.1


def test_whitened_noise_has_the_unit_matrix_as_covariance(rng):
    noise = np.tensordot(MIX, complex_gaussian(np.zeros((3, 50, 61)), sigma=0.2, rng=rng), axes=1)
    white = prewhiten(noise, noise_covariance(noise))
    np.testing.assert_allclose(noise_covariance(white), np.eye(3), atol=1e-12)


def test_whitening_keeps_single_precision():
    assert prewhiten(np.ones((3, 5), np.complex64), MIX @ MIX.conj().T).dtype == np.complex64


def test_compressed_coils_keep_everything_when_the_data_have_few_independent_coils(rng):
    few = complex_gaussian(np.zeros((2, 9, 7)), sigma=1.0, rng=rng)
    mix = rng.normal(size=(5, 2)) + 1j * rng.normal(size=(5, 2))
    data = np.tensordot(mix, few, axes=1)
    result = compress_coils(data, 2)
    assert result.energy == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(np.tensordot(result.matrix.conj().T, result.kspace, axes=1), data, atol=1e-12)
    np.testing.assert_allclose(result.matrix @ result.matrix.conj().T, np.eye(2), atol=1e-12)


def test_compressed_coils_are_the_singular_vectors_in_order(rng):
    data = complex_gaussian(np.zeros((4, 8, 11)), sigma=1.0, rng=rng) * np.array([1, 7, 2, 4])[:, None, None]
    result = compress_coils(data.astype(np.complex64), 3, calibration=data)
    sizes = np.linalg.svd(data.reshape(4, -1), compute_uv=False)
    np.testing.assert_allclose(np.linalg.norm(result.kspace.reshape(3, -1), axis=1), sizes[:3], rtol=1e-5)
    assert result.energy == pytest.approx((sizes[:3] ** 2).sum() / (sizes**2).sum())
    assert result.kspace.dtype == np.complex64


def test_combination_with_the_maps_gives_the_object_itself(rng):
    grid = ImageGrid.fft((40, 33), spacing_mm=(2.5, 3.0))
    maps = COILS.maps(grid).astype(np.complex128)
    obj = rng.normal(size=(40, 33)) + 1j * rng.normal(size=(40, 33))
    covariance = np.diag([1.0, 2, 3, 4, 5, 6]) + 0.3
    for psi in (None, covariance):
        np.testing.assert_allclose(roemer_combine(maps * obj, maps, noise_covariance=psi), obj, atol=1e-9)


def test_combination_weighs_a_noisy_coil_down():
    maps = np.array([1.0, 1.0])
    combined = roemer_combine([[1.0], [0.0]], maps[:, None], noise_covariance=np.diag([1.0, 3.0]))
    assert combined[0] == pytest.approx(0.75)


def test_combination_is_zero_where_no_coil_sees_anything():
    assert roemer_combine([[4.0, 2.0]], [[0.0, 2.0]]).tolist() == [0, 1]


def test_closed_form_kspace_of_a_disk_combines_to_its_value():
    grid = ImageGrid.fft((96, 80), spacing_mm=(2.0, 2.5))
    disk = uniform_disk(radius_mm=61.0, value=3.0, center_mm=(7.0, -11.0))
    kspace = disk.kspace(Trajectory.cartesian((96, 80), spacing_mm=(2.0, 2.5)), COILS)
    image = roemer_combine(kspace_to_image(kspace), COILS.maps(grid)) / np.float32(np.sqrt(96 * 80) * 5.0)
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    inner = np.hypot(y - 7, x + 11) < 45
    assert np.median(image[inner].real) == pytest.approx(3.0, rel=0.005)
    assert image.dtype == np.complex64


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: noise_covariance(np.ones((5, 3))), "noise must have at least 5 samples"),
        (lambda: noise_covariance([[1.0, np.nan]]), "noise must be finite"),
        (lambda: prewhiten(np.ones((2, 4)), np.eye(3)), "covariance must end with shape"),
        (lambda: prewhiten(np.ones((2, 4)), [[1, 2], [0, 1]]), "covariance must be Hermitian"),
        (lambda: prewhiten(np.ones((2, 4)), [[1, 2], [2, 1]]), "covariance must be positive definite"),
        (lambda: compress_coils(np.ones((2, 4)), 3), "n_virtual must be at most the 2 coils"),
        (lambda: compress_coils(np.zeros((2, 4)), 1), "kspace must not be all zero"),
        (lambda: compress_coils(np.ones((2, 4)), 1, calibration=np.ones((3, 4))), "calibration must have 2"),
        (lambda: roemer_combine(np.ones((2, 4)), np.ones((3, 4))), "maps must have shape"),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_image_space_and_kspace_whitening_agree(rng):
    data = complex_gaussian(np.zeros((3, 12, 9)), sigma=1.0, rng=rng)
    psi = MIX @ MIX.conj().T
    np.testing.assert_allclose(
        image_to_kspace(prewhiten(data, psi)), prewhiten(image_to_kspace(data), psi), atol=1e-12
    )

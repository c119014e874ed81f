"""ESPIRiT maps against known coils, a loop over pixels, and a measured brain."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, Trajectory
from imgtech.phantoms import CoilSensitivities, complex_gaussian, uniform_disk
from imgtech.recon.mri import espirit_maps, kspace_to_image, projection_residual
from reference.parallel_imaging import espirit_pixel

COILS = CoilSensitivities.ring(n_coils=6, radius_mm=110.0, start_rad=0.3)
DISK = uniform_disk(radius_mm=63.0, value=2.0, center_mm=(9.0, -13.0))


def disk_data(shape, spacing, acs=(22, 25)):
    kspace = DISK.kspace(Trajectory.cartesian(shape, spacing_mm=spacing), COILS)
    y, x = shape[0] // 2 - acs[0] // 2, shape[1] // 2 - acs[1] // 2
    grid = ImageGrid.fft(shape, spacing_mm=spacing)
    yy, xx = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    return kspace, kspace[:, y : y + acs[0], x : x + acs[1]], COILS.maps(grid), np.hypot(yy - 9, xx + 13)


@pytest.mark.parametrize(("shape", "spacing"), [((90, 121), (2.3, 1.8)), ((151, 100), (1.4, 2.1))])
def test_maps_are_the_known_sensitivities_up_to_a_factor_at_each_pixel(shape, spacing):
    _, calibration, truth, distance = disk_data(shape, spacing)
    maps = espirit_maps(calibration, shape, crop=0.0)
    inside = distance < 60
    assert projection_residual(truth * inside, maps * inside) < 0.004
    assert projection_residual(truth * inside, maps.conj() * inside) > 0.3
    assert maps.dtype == np.complex64


def test_known_sensitivities_pass_through_the_projection_to_single_precision():
    truth = COILS.maps(ImageGrid.fft((20, 31), spacing_mm=(7.0, 5.0)))
    assert projection_residual(truth * 3j, truth) < 1e-6


def test_maps_explain_the_coil_images_of_the_whole_kspace():
    kspace, calibration, _, distance = disk_data((90, 121), (2.3, 1.8))
    maps = espirit_maps(calibration, (90, 121))
    assert projection_residual(kspace_to_image(kspace) * (distance < 60), maps) < 0.005


def test_automatic_crop_keeps_the_object_and_leaves_the_background():
    _, calibration, _, distance = disk_data((120, 161), (2.3, 1.8))
    kept = np.abs(espirit_maps(calibration, (120, 161))).sum(axis=0) > 0
    assert kept[distance < 58].mean() > 0.99
    assert kept[distance > 85].mean() < 0.05


@pytest.mark.parametrize("shape", [(30, 37), (43, 28)])
def test_maps_are_those_of_a_loop_over_pixels(shape, rng):
    calibration = disk_data(shape, (6.4, 5.9), acs=(14, 17))[1].astype(np.complex128)
    noise = complex_gaussian(np.zeros(calibration.shape), sigma=0.005 * np.abs(calibration).max(), rng=rng)
    maps = espirit_maps(calibration + noise, shape, kernel_size=5, threshold=0.05, crop=0.0)
    pixels = [(y, x) for y in range(0, shape[0], 3) for x in range(0, shape[1], 3)]
    checked = 0
    for y, x in pixels:
        vector, value = espirit_pixel(calibration + noise, shape, (y, x), 5, 0.05)
        assert value < 1 + 1e-9
        if value > 0.95:
            assert abs(np.vdot(vector, maps[:, y, x])) == pytest.approx(1.0, abs=1e-4)
            checked += 1
    assert checked > len(pixels) / 8


def test_maps_have_unit_length_and_the_phase_of_the_leading_virtual_coil():
    calibration = disk_data((64, 51), (3.3, 3.9))[1]
    maps = espirit_maps(calibration, (64, 51))
    length = np.sqrt((np.abs(maps) ** 2).sum(axis=0))
    assert set(np.unique(length.round(5))) == {0.0, 1.0}
    leading = np.linalg.svd(calibration.reshape(6, -1), full_matrices=False)[0][:, 0]
    virtual = np.tensordot(leading.conj(), maps, axes=1)
    virtual = virtual[length > 0] / (virtual[length > 0][0] / np.abs(virtual[length > 0][0]))
    np.testing.assert_allclose(virtual.imag, 0, atol=1e-4)
    assert (virtual.real > -1e-4).all()


def test_the_scale_of_the_calibration_changes_nothing():
    calibration = disk_data((64, 51), (3.3, 3.9))[1]
    one = espirit_maps(calibration, (64, 51), crop=0.8)
    large = espirit_maps(calibration * np.float32(1e6), (64, 51), crop=0.8)
    np.testing.assert_allclose(large, one, atol=1e-5)


def test_maps_of_a_measured_brain_explain_its_coil_images(data):
    """Eight coils; the 24 by 24 samples about the centre are complete.

    The images are those of a 24 by 24 window; 0.0276 was found. A flipped sign of the kernels' transform
    gives 0.93 with a mask that looks right.
    """
    kspace = np.load(data("mri_raw/brain_8ch_undersampled.npy"))
    inner = (slice(None), slice(103, 127), slice(78, 102))
    maps = espirit_maps(kspace[inner], (230, 180))
    taper = np.hanning(26)[1:-1]
    centre = np.zeros_like(kspace)
    centre[inner] = kspace[inner] * np.outer(taper, taper).astype(np.float32)
    images = kspace_to_image(centre)
    assert projection_residual(images, maps) < 0.03
    energy = (np.abs(images) ** 2).sum(axis=0)
    kept = np.abs(maps).sum(axis=0) > 0
    assert energy[kept].sum() / energy.sum() > 0.99
    assert 0.5 < kept.mean() < 0.8


ACS = np.random.default_rng(3).normal(size=(2, 8, 9))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: espirit_maps(ACS * 0, (20, 20)), "calibration must not be all zero"),
        (lambda: espirit_maps(ACS * np.nan, (20, 20)), "calibration must be finite"),
        (lambda: espirit_maps(ACS[:1], (20, 20)), "at least 2 coils"),
        (lambda: espirit_maps(ACS, (20, 8)), "shape must be two sizes of at least"),
        (lambda: espirit_maps(ACS, (20, 20), kernel_size=9), "calibration must hold windows of 9"),
        (lambda: espirit_maps(ACS[:, :0], (20, 20)), "calibration must not be empty"),
        (lambda: espirit_maps(ACS, (20, 20), threshold=1.0), "threshold must be below 1"),
        (lambda: espirit_maps(ACS, (20, 20), crop=1.5), "crop must lie between 0 and 1"),
        (lambda: projection_residual(ACS, ACS[:1]), "maps must have shape"),
        (lambda: projection_residual(ACS * 0, ACS), "images must not be all zero"),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""The centred orthonormal transform, against its definition and its laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgtech.geometry import ImageGrid, Trajectory
from imgtech.recon.mri import image_to_kspace, kspace_to_image
from reference.naive_dft import centred_dft

SIZES = [(6, 4), (5, 4), (4, 7), (5, 3), (1, 6)]


def random_image(shape, seed=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


@pytest.mark.parametrize("shape", SIZES)
def test_both_directions_equal_the_naive_sums(shape):
    image = random_image(shape)
    np.testing.assert_allclose(image_to_kspace(image), centred_dft(image, -1), atol=1e-13)
    np.testing.assert_allclose(kspace_to_image(image), centred_dft(image, +1), atol=1e-13)


@given(ny=st.integers(1, 24), nx=st.integers(1, 24), coils=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_transform_is_unitary(ny, nx, coils, seed):
    image, other = random_image((coils, ny, nx), seed), random_image((coils, ny, nx), seed + 1)
    kspace = image_to_kspace(image)
    np.testing.assert_allclose(kspace_to_image(kspace), image, atol=1e-12)
    np.testing.assert_allclose(np.vdot(kspace, kspace), np.vdot(image, image), rtol=1e-12)
    np.testing.assert_allclose(np.vdot(other, kspace), np.vdot(kspace_to_image(other), image), rtol=1e-10)


@pytest.mark.parametrize("shape", [(8, 6), (9, 5), (7, 10)])
def test_object_shifted_by_pixels_turns_the_phase_as_the_trajectory_says(shape):
    spacing, (dy, dx) = (0.7, 1.9), (2, -1)
    image = random_image(shape)
    k = Trajectory.cartesian(shape, spacing_mm=spacing).positions_per_mm
    ramp = np.exp(-2j * np.pi * (k @ np.array([dy * spacing[0], dx * spacing[1]])))
    shifted = np.roll(image, (dy, dx), axis=(0, 1))
    np.testing.assert_allclose(image_to_kspace(shifted), image_to_kspace(image) * ramp, atol=1e-12)


@pytest.mark.parametrize("shape", [(6, 9), (7, 4)])
def test_plane_wave_lands_in_the_sample_of_its_frequency(shape):
    spacing = (1.3, 0.4)
    trajectory = Trajectory.cartesian(shape, spacing_mm=spacing)
    y, x = ImageGrid.fft(shape, spacing_mm=spacing).coordinates_mm
    ky, kx = trajectory.positions_per_mm[4, 1]
    wave = np.exp(2j * np.pi * (ky * y[:, None] + kx * x[None, :]))
    expected = np.zeros(shape)
    expected[4, 1] = np.sqrt(shape[0] * shape[1])
    np.testing.assert_allclose(image_to_kspace(wave), expected, atol=1e-12)


def test_axes_are_those_asked_for():
    image = random_image((3, 4, 5, 2))
    got = image_to_kspace(image, axes=(1, -2))
    for i in range(3):
        for j in range(2):
            np.testing.assert_allclose(got[i, :, :, j], centred_dft(image[i, :, :, j], -1), atol=1e-13)


def test_one_axis_and_three_axes():
    image = random_image((3, 4, 5))
    step = image_to_kspace(image_to_kspace(image, axes=(0,)), axes=(1, 2))
    np.testing.assert_allclose(image_to_kspace(image, axes=(0, 1, 2)), step, atol=1e-13)


@pytest.mark.parametrize("transform", [image_to_kspace, kspace_to_image])
def test_precision_is_kept_and_the_input_not_changed(transform):
    single = random_image((6, 5)).astype(np.complex64)
    copy = single.copy()
    assert transform(single).dtype == np.complex64
    assert transform(single.real).dtype == np.complex64
    assert transform(copy.astype(np.complex128)).dtype == np.complex128
    np.testing.assert_array_equal(single, copy)


def test_threads_do_not_change_the_result():
    image = random_image((3, 16, 15))
    np.testing.assert_array_equal(image_to_kspace(image, workers=2), image_to_kspace(image))


@pytest.mark.parametrize(
    ("axes", "words"), [((), "at least one"), ((0, 2), "lie within"), ((1, -1), "twice"), ((-3,), "within")]
)
def test_bad_axes_are_refused(axes, words):
    with pytest.raises(ValueError, match=words):
        image_to_kspace(np.ones((3, 4)), axes=axes)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_sample_that_is_not_finite_is_named(bad):
    image = np.ones((3, 4))
    image[2, 1] = bad
    with pytest.raises(ValueError, match=r"kspace must be finite, got .* at index \(2, 1\)"):
        kspace_to_image(image)

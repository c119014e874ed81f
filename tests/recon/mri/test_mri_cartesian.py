"""Cartesian reconstruction against closed forms: values, positions, windows, oversampling."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erf

from imgtech.geometry import ImageGrid, Trajectory
from imgtech.phantoms import CoilSensitivities, Phantom, shepp_logan, uniform_disk
from imgtech.recon.mri import cartesian, kspace_to_image, kspace_window, root_sum_of_squares

CENTER_MM, SIGMA_MM, PEAK = np.array([3.1, -4.7]), np.array([2.4, 3.3]), 5.0


def gaussian_kspace(shape, spacing):
    """The Fourier integral of an off-centre Gaussian with the value 5 at its peak."""
    k = Trajectory.cartesian(shape, spacing_mm=spacing).positions_per_mm
    size = PEAK * 2 * np.pi * SIGMA_MM.prod()
    decay = np.exp(-2 * np.pi**2 * ((k * SIGMA_MM) ** 2).sum(-1))
    return size * decay * np.exp(-2j * np.pi * (k @ CENTER_MM))


def gaussian_image(shape, spacing):
    y, x = ImageGrid.fft(shape, spacing_mm=spacing).coordinates_mm
    part = [np.exp(-(((r - c) / s) ** 2) / 2) for r, c, s in zip((y, x), CENTER_MM, SIGMA_MM, strict=True)]
    return PEAK * part[0][:, None] * part[1][None, :]


@pytest.mark.parametrize("shape", [(40, 64), (41, 64), (40, 63), (45, 57)])
def test_closed_form_kspace_gives_the_values_of_the_object_at_their_place(shape):
    spacing = (1.1, 0.8)
    image = cartesian(gaussian_kspace(shape, spacing), spacing_mm=spacing)
    np.testing.assert_allclose(image, gaussian_image(shape, spacing), atol=2e-5)


@pytest.mark.parametrize("shape", [(40, 64), (41, 63)])
@pytest.mark.parametrize("filled", [(80, 128), (81, 127), (60, 129)])
def test_zero_filling_changes_neither_values_nor_places(shape, filled):
    spacing = (1.1, 0.8)
    finer = tuple(d * n / m for d, n, m in zip(spacing, shape, filled, strict=True))
    image = cartesian(gaussian_kspace(shape, spacing), spacing_mm=spacing, zero_fill=filled)
    np.testing.assert_allclose(image, gaussian_image(filled, finer), atol=2e-5)


@pytest.mark.parametrize(
    ("shape", "crop"), [((48, 128), (48, 64)), ((45, 129), (44, 65)), ((60, 120), (45, 61))]
)
def test_oversampling_removal_keeps_the_centre_pixel_in_the_centre(shape, crop):
    spacing = (1.1, 0.8)
    image = cartesian(gaussian_kspace(shape, spacing), spacing_mm=spacing, crop=crop)
    np.testing.assert_allclose(image, gaussian_image(crop, spacing), atol=2e-5)


def test_rectangle_with_window_has_its_value_inside_and_its_edge_in_place():
    shape, spacing, width, center = (96, 128), (0.9, 0.6), (31.0, 23.0), (-6.3, 9.2)
    k = Trajectory.cartesian(shape, spacing_mm=spacing).positions_per_mm
    size = np.sinc(k[..., 0] * width[0]) * np.sinc(k[..., 1] * width[1]) * width[0] * width[1]
    kspace = 2.5 * size * np.exp(-2j * np.pi * (k @ np.array(center)))
    image = cartesian(kspace, spacing_mm=spacing, window="hann").real
    y, x = ImageGrid.fft(shape, spacing_mm=spacing).coordinates_mm
    inside = np.abs(x - center[1]) < width[1] / 2 - 4
    row = int(np.argmin(np.abs(y - center[0])))
    np.testing.assert_allclose(image[row, inside], 2.5, rtol=5e-3)
    np.testing.assert_allclose(image.sum() * spacing[0] * spacing[1], 2.5 * width[0] * width[1], rtol=1e-9)
    left = np.interp(1.25, image[row, x < center[1]], x[x < center[1]])
    assert left == pytest.approx(center[1] - width[1] / 2, abs=0.03)


def test_gaussian_window_blurs_by_the_width_of_its_transform():
    shape, spacing, blur_mm = (48, 64), (1.1, 0.8), 1.7
    edge = {n: 1 / (2 * d) for n, d in zip(shape, spacing, strict=True)}

    def window(u):
        return np.exp(-2 * (np.pi * blur_mm * u * edge[u.size]) ** 2)

    image = cartesian(gaussian_kspace(shape, spacing), spacing_mm=spacing, window=window).real
    wide = np.sqrt(SIGMA_MM**2 + blur_mm**2)
    y, x = ImageGrid.fft(shape, spacing_mm=spacing).coordinates_mm
    part = [np.exp(-(((r - c) / s) ** 2) / 2) for r, c, s in zip((y, x), CENTER_MM, wide, strict=True)]
    expected = PEAK * (SIGMA_MM / wide).prod() * part[0][:, None] * part[1][None, :]
    np.testing.assert_allclose(image, expected, atol=2e-5)


def test_windows_lower_the_overshoot_of_an_edge():
    n, spacing = 256, 0.5
    k = Trajectory.cartesian((1, n), spacing_mm=(1.0, spacing)).positions_per_mm[..., 1]
    kspace = np.sinc(k * 40.0) * 40.0
    overshoot = {
        name: cartesian(kspace, spacing_mm=(1.0, spacing), window=name, zero_fill=(1, 4 * n)).real.max() - 1
        for name in ("none", "hann", "hamming", "tukey", "fermi")
    }
    gibbs = 0.0895  # overshoot of a truncated Fourier sum beside a unit step, (2/pi) Si(pi) - 1 over 2
    assert overshoot["none"] == pytest.approx(gibbs, abs=0.004)
    assert overshoot["hann"] < 0.008
    assert overshoot["hann"] < overshoot["hamming"] + 0.01
    assert max(overshoot[name] for name in ("hamming", "tukey", "fermi")) < overshoot["none"]


@pytest.mark.parametrize("n", [7, 8, 33, 64])
@pytest.mark.parametrize("name", ["none", "hann", "hamming", "tukey", "fermi"])
def test_windows_are_one_at_the_centre_sample_and_symmetric_about_it(n, name):
    weights = kspace_window(n, name)
    assert weights[n // 2] == 1.0
    assert weights.max() == 1.0
    upper, lower = weights[n // 2 + 1 :], weights[: n // 2][::-1]
    np.testing.assert_allclose(upper, lower[: upper.size], atol=1e-15)


def test_windows_have_their_closed_form_half_way():
    half = {name: kspace_window(16, name)[12] for name in ("none", "hann", "hamming", "tukey", "fermi")}
    expected = {"none": 1.0, "hann": 0.5, "hamming": 0.54, "tukey": 1.0}
    assert {k: v for k, v in half.items() if k != "fermi"} == pytest.approx(expected)
    assert half["fermi"] == pytest.approx((1 + np.exp(-18)) / (1 + np.exp(-8)))
    assert kspace_window(16, "hann")[0] == pytest.approx(0.0)
    assert kspace_window(16, "hamming")[0] == pytest.approx(0.08)
    assert kspace_window(16, "tukey")[[2, 0]] == pytest.approx([0.5, 0.0])
    assert kspace_window(200, "fermi")[190] == pytest.approx(0.5, abs=1e-6)


def test_coils_are_combined_to_the_root_of_the_sum_of_squares():
    shape, spacing = (24, 31), (1.4, 1.1)
    gains = np.array([1.0, 0.5j, -2.0])
    kspace = gains[:, None, None] * gaussian_kspace(shape, spacing)
    coils = cartesian(kspace, spacing_mm=spacing)
    combined = cartesian(kspace, spacing_mm=spacing, combine="rss")
    assert coils.shape == (3, *shape)
    assert combined.dtype == np.float64
    np.testing.assert_allclose(combined, np.sqrt(5.25) * np.abs(coils[0]), rtol=1e-12)
    np.testing.assert_allclose(root_sum_of_squares(np.moveaxis(coils, 0, -1), axis=-1), combined, rtol=1e-12)


def test_volume_is_the_product_of_its_axes():
    shape, spacing = (9, 12, 15), (2.0, 1.1, 0.7)
    k = Trajectory.cartesian(shape, spacing_mm=spacing).positions_per_mm
    center = np.array([2.0, -1.1, 2.1])  # a point on the grid, one pixel or more off the centre
    image = cartesian(np.exp(-2j * np.pi * (k @ center)), spacing_mm=spacing, n_axes=3)
    expected = np.zeros(shape)
    expected[5, 5, 10] = 1 / np.prod(spacing)
    np.testing.assert_allclose(image, expected, atol=1e-12)


def test_without_a_spacing_the_transform_is_orthonormal():
    kspace = gaussian_kspace((20, 33), (1.1, 0.8))
    np.testing.assert_allclose(cartesian(kspace), kspace_to_image(kspace), atol=1e-12)
    filled = cartesian(kspace, zero_fill=(40, 50))
    np.testing.assert_allclose(np.vdot(filled, filled), np.vdot(kspace, kspace), rtol=1e-12)


def test_single_precision_stays_single_and_the_input_is_not_changed():
    kspace = gaussian_kspace((20, 33), (1.1, 0.8)).astype(np.complex64)
    copy = kspace.copy()
    out = cartesian(kspace, spacing_mm=(1.1, 0.8), window="hamming", zero_fill=(30, 40), crop=(25, 20))
    assert out.dtype == np.complex64
    assert cartesian(kspace[None], combine="rss").dtype == np.float32
    np.testing.assert_array_equal(kspace, copy)


def test_kspace_of_zeros_gives_an_image_of_zeros():
    image = cartesian(np.zeros((2, 6, 5), np.complex64), spacing_mm=(1.5, 2.0), combine="rss")
    np.testing.assert_array_equal(image, np.zeros((6, 5), np.float32))


def test_noise_of_a_unitary_reconstruction_keeps_its_level(rng):
    noise = rng.normal(size=(64, 80)) + 1j * rng.normal(size=(64, 80))
    assert np.std(cartesian(noise).real) == pytest.approx(1.0, rel=0.05)
    within_one_sigma = erf(1 / np.sqrt(2))
    assert np.mean(np.abs(cartesian(noise).real) < 1) == pytest.approx(within_one_sigma, abs=0.03)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"zero_fill": (3, 8)}, "zero_fill must be at least"),
        ({"zero_fill": (8,)}, "zero_fill must have 2 sizes"),
        ({"crop": (5, 5)}, "crop must be at most"),
        ({"spacing_mm": (1.0, -1.0)}, "spacing_mm must be positive"),
        ({"spacing_mm": (1.0,)}, "spacing_mm must have 2 values"),
        ({"window": "hanning"}, "window must be one of none, hann"),
        ({"window": lambda u: u[:2]}, "window must return 4 finite weights"),
        ({"combine": "sum"}, "combine must be one of"),
        ({"combine": "rss"}, "must have a coil axis"),
        ({"n_axes": 4}, "n_axes must be 2 or 3"),
    ],
)
def test_bad_argument_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        cartesian(np.ones((4, 5)), **arguments)


def test_sample_that_is_not_finite_is_named():
    kspace = np.ones((2, 4, 5), complex)
    kspace[1, 0, 3] = np.nan
    with pytest.raises(ValueError, match=r"kspace must be finite, got .*nan.* at index \(1, 0, 3\)"):
        cartesian(kspace)
    with pytest.raises(ValueError, match="images must be finite"):
        root_sum_of_squares(kspace)
    with pytest.raises(ValueError, match="axis must lie within"):
        root_sum_of_squares(np.ones((2, 2)), axis=2)


@pytest.mark.parametrize("shape", [(96, 128), (97, 125)])
def test_disk_has_its_value_and_its_centre(shape):
    grid = ImageGrid.fft(shape, spacing_mm=(1.3, 1.1))
    disk = uniform_disk(radius_mm=31.0, value=1.7, center_mm=(-9.4, 12.3))
    kspace = disk.kspace(Trajectory.of_grid(grid), dtype=np.complex128)
    image = cartesian(kspace, spacing_mm=grid.spacing_mm, window="hann").real
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    inside = np.hypot(y + 9.4, x - 12.3) < 31.0 - 6
    assert image[inside].mean() == pytest.approx(1.7, rel=1e-3)
    np.testing.assert_allclose(image[inside], 1.7, rtol=0.01)
    centroid = [(image * r).sum() / image.sum() for r in (y, x)]
    assert centroid == pytest.approx([-9.4, 12.3], abs=0.01)


def test_shepp_logan_is_its_band_limited_self():
    grid = ImageGrid.fft((128, 160), spacing_mm=(1.8, 1.4))
    head = shepp_logan(radius_mm=100.0, contrast="modified", attenuation_per_mm=1.0, center_mm=(4.2, -3.1))
    kspace = head.kspace(Trajectory.of_grid(grid))
    image = cartesian(kspace, spacing_mm=grid.spacing_mm, window="hamming")
    truth = head.image(grid)
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    brain = np.hypot(y - 4.2 - 46, x + 3.1) < 7  # where all is 0.2
    assert image.dtype == np.complex64
    assert np.corrcoef(np.abs(image).ravel(), truth.ravel())[0, 1] > 0.98
    assert np.abs(image[brain]).mean() == pytest.approx(0.2, rel=5e-3)


def test_coil_images_are_the_object_times_the_sensitivities():
    grid = ImageGrid.fft((61, 72), spacing_mm=(2.1, 1.8))
    blob = Phantom(shapes=uniform_disk(radius_mm=30.0, value=2.0, center_mm=(6.0, -8.0)).shapes)
    coils = CoilSensitivities.ring(n_coils=5, radius_mm=90.0, start_rad=0.3)
    kspace = blob.kspace(Trajectory.of_grid(grid), coils, dtype=np.complex128)
    images = cartesian(kspace, spacing_mm=grid.spacing_mm, window="hann")
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    inside = np.hypot(y - 6.0, x + 8.0) < 30.0 - 9
    maps = coils.maps(grid)
    np.testing.assert_allclose(images[:, inside], 2.0 * maps[:, inside], atol=0.02)
    combined = cartesian(kspace, spacing_mm=grid.spacing_mm, window="hann", combine="rss")
    expected = 2.0 * np.sqrt((np.abs(maps) ** 2).sum(0))
    np.testing.assert_allclose(combined[inside], expected[inside], atol=0.03)

"""Shapes of the plane: value, line integral, spectrum and pixels belong to one object."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgtech.geometry import ImageGrid, ParallelBeam, Trajectory
from imgtech.phantoms import Ellipse, Gaussian, Phantom, Polygon, Rectangle, Shape2D
from phantoms.placements import shapes, sharp_shapes

FEW = settings(max_examples=40, deadline=None)
GRID = ImageGrid(shape=(53, 46), spacing_mm=(0.6, 0.8), center_mm=(0.7, -1.1))  # holds every drawn shape
ANGLES = st.floats(-7.0, 7.0)


def supersampled(shape: Shape2D, grid: ImageGrid, n: int) -> np.ndarray:
    """Mean of n x n point values in every pixel."""
    (ny, nx), (dy, dx) = grid.shape, grid.spacing_mm
    fine = ImageGrid(shape=(ny * n, nx * n), spacing_mm=(dy / n, dx / n), center_mm=grid.center_mm)
    y, x = fine.coordinates_mm
    return shape.at(y[:, None], x).reshape(ny, n, nx, n).mean(axis=(1, 3))


@FEW
@given(shape=sharp_shapes())
def test_pixels_are_the_mean_of_many_samples(shape):
    image = Phantom(shapes=(shape,)).image(GRID, dtype=np.float64)
    # where a straight edge runs along a row of samples the sampling itself is wrong by 1 / 32
    error = np.abs(image - supersampled(shape, GRID, 16)) / abs(shape.value)
    assert error.max() < 3 / 32
    assert math.sqrt((error**2).mean()) < 0.005


@FEW
@given(shape=shapes())
def test_a_coarse_pixel_is_the_exact_mean_of_its_fine_pixels(shape):
    coarse = Phantom(shapes=(shape,)).image(GRID, dtype=np.float64)
    fine_grid = ImageGrid(shape=(53 * 3, 46 * 5), spacing_mm=(0.6 / 3, 0.8 / 5), center_mm=GRID.center_mm)
    fine = Phantom(shapes=(shape,)).image(fine_grid, dtype=np.float64)
    np.testing.assert_allclose(coarse, fine.reshape(53, 3, 46, 5).mean(axis=(1, 3)), atol=1e-11)


@FEW
@given(shape=shapes(), angle=ANGLES)
def test_image_sinogram_and_kspace_hold_the_same_mass(shape, angle):
    phantom = Phantom(shapes=(shape,))
    beam = ParallelBeam(angles_rad=[angle], n_channels=61, channel_spacing_mm=0.71, detector_offset_mm=0.4)
    mass = phantom.kspace(Trajectory(positions_per_mm=[[0.0, 0.0]]), dtype=np.complex128)[0]
    assert mass.imag == 0
    pixels = phantom.image(GRID, dtype=np.float64).sum() * 0.6 * 0.8
    assert pixels == pytest.approx(mass.real, rel=1e-9)
    channels = phantom.sinogram(beam, dtype=np.float64).sum() * 0.71
    assert channels == pytest.approx(mass.real, rel=1e-9)


@FEW
@given(shape=shapes(), angle=ANGLES, frequency=st.floats(-0.6, 0.6))
def test_transform_of_a_projection_is_a_line_through_kspace(shape, angle, frequency):
    beam = ParallelBeam(angles_rad=[angle], n_channels=4001, channel_spacing_mm=0.01, detector_offset_mm=-0.3)
    projection = Phantom(shapes=(shape,)).sinogram(beam, dtype=np.float64)[0]
    wave = np.exp(-2j * np.pi * frequency * beam.channels_mm)
    slice_value = (projection * wave).sum() * 0.01 / np.sinc(frequency * 0.01)
    k = frequency * math.sin(angle), frequency * math.cos(angle)
    assert abs(slice_value - shape.spectrum(*k)) < 2e-4 * abs(shape.spectrum(0.0, 0.0))


@FEW
@given(shape=shapes(), angle=ANGLES, position=st.floats(-8.0, 8.0))
def test_line_integral_is_the_sum_of_values_along_the_line(shape, angle, position):
    step = 1e-3
    t = np.arange(-20.0, 20.0, step) + 0.37 * step
    y = position * math.sin(angle) + t * math.cos(angle)
    x = position * math.cos(angle) - t * math.sin(angle)
    assert shape.at(y, x).sum() * step == pytest.approx(
        float(shape.line_integral(angle, position)), abs=2 * step * abs(shape.value) + 1e-9
    )


@FEW
@given(shape=shapes(), angle=ANGLES)
def test_half_plane_integral_grows_by_the_line_integral(shape, angle):
    s, half = np.linspace(-9.0, 9.0, 41), 1e-5
    slope = (shape.half_plane_integral(angle, s + half) - shape.half_plane_integral(angle, s - half)) / 2e-5
    smooth = np.abs(shape.line_integral(angle, s + half) - shape.line_integral(angle, s - half)) < 1e-3
    assert smooth.sum() > 20
    np.testing.assert_allclose(slope[smooth], shape.line_integral(angle, s)[smooth], atol=1e-3)


@FEW
@given(shape=shapes())
def test_spectrum_is_the_sum_of_the_pixels_with_their_phases(shape):
    grid = ImageGrid(shape=(424, 368), spacing_mm=(0.075, 0.1), center_mm=GRID.center_mm)
    y, x = grid.coordinates_mm
    ky, kx = 0.11, -0.07
    wave = np.exp(-2j * np.pi * (ky * y[:, None] + kx * x)) / (np.sinc(ky * 0.075) * np.sinc(kx * 0.1))
    total = (Phantom(shapes=(shape,)).image(grid, dtype=np.float64) * wave).sum() * 0.075 * 0.1
    assert abs(total - shape.spectrum(ky, kx)) < 1e-3 * abs(shape.spectrum(0.0, 0.0))


@FEW
@given(shape=shapes(), shift=st.tuples(st.floats(-3.0, 3.0), st.floats(-3.0, 3.0)))
def test_a_shift_is_a_phase_in_kspace(shape, shift):
    moved = replace(shape, center_mm=(shape.center_mm[0] + shift[0], shape.center_mm[1] + shift[1]))
    ky, kx = np.array([0.0, 0.2, -0.31]), np.array([0.13, -0.4, 0.0])
    phase = np.exp(-2j * np.pi * (ky * shift[0] + kx * shift[1]))
    np.testing.assert_allclose(moved.spectrum(ky, kx), shape.spectrum(ky, kx) * phase, atol=1e-9)


@FEW
@given(shape=shapes(), n=st.sampled_from([44, 45]))
def test_turning_by_90_degrees_from_x_to_y_turns_the_pixels(shape, n):
    grid = ImageGrid.square(n, fov_mm=32.0)
    y, x = shape.center_mm
    turned = replace(shape, center_mm=(x, -y), angle_rad=shape.angle_rad + math.pi / 2)
    before = Phantom(shapes=(shape,)).image(grid, dtype=np.float64)
    after = Phantom(shapes=(turned,)).image(grid, dtype=np.float64)
    np.testing.assert_allclose(after, before[::-1].T, atol=1e-10)


def test_a_rotation_turns_x_towards_y():
    bar = Rectangle(size_mm=(1.0, 10.0), center_mm=(2.0, 1.0), angle_rad=math.radians(30))
    along = 4.0 * math.sin(math.radians(30)), 4.0 * math.cos(math.radians(30))
    assert bar.at(2.0 + along[0], 1.0 + along[1]) == 1.0
    assert bar.at(2.0 - along[0], 1.0 + along[1]) == 0.0


def test_an_angle_of_zero_looks_along_y_and_measures_x():
    ellipse = Ellipse(value=3.0, center_mm=(7.0, -2.0), semi_axes_mm=(2.0, 1.0))
    assert ellipse.line_integral(0.0, -2.0) == pytest.approx(3.0 * 4.0)
    assert ellipse.line_integral(math.pi / 2, 7.0) == pytest.approx(3.0 * 2.0)
    assert ellipse.line_integral(0.0, 7.0) == 0.0


def test_polygon_and_rectangle_agree_on_everything():
    place = {"value": 1.3, "center_mm": (1.0, -2.0), "angle_rad": 0.3}
    rectangle = Rectangle(size_mm=(2.0, 5.0), **place)
    polygon = Polygon(corners_mm=((-1, -2.5), (1, -2.5), (1, 2.5), (-1, 2.5)), **place)
    k = np.concatenate([-np.logspace(-14, 1, 40), [0.0], np.logspace(-14, 1, 40)])
    np.testing.assert_allclose(
        polygon.spectrum(0.6 * k, 0.8 * k), rectangle.spectrum(0.6 * k, 0.8 * k), rtol=1e-13, atol=1e-13
    )
    s = np.linspace(-6.0, 6.0, 101)
    np.testing.assert_allclose(polygon.line_integral(1.1, s), rectangle.line_integral(1.1, s), atol=1e-13)


def test_the_centroid_survives_near_the_centre_of_kspace():
    """The phase per k is the centroid; a polygon formula that cancels would lose it here."""
    triangle = Polygon(corners_mm=((0.0, 0.0), (0.0, 6.0), (3.0, 0.0)), center_mm=(10.0, -20.0))
    for k in (1e-3, 1e-7, 1e-11):
        assert -np.angle(triangle.spectrum(k, 0.0)) / (2 * np.pi * k) == pytest.approx(11.0, rel=1e-5)
        assert -np.angle(triangle.spectrum(0.0, k)) / (2 * np.pi * k) == pytest.approx(-18.0, rel=1e-5)


@pytest.mark.parametrize(
    "shape",
    [
        Ellipse(semi_axes_mm=(2.0, 3.0)),
        Gaussian(sigma_mm=(2.0, 3.0)),
        Rectangle(size_mm=(2.0, 3.0)),
        Polygon(corners_mm=((0.0, 0.0), (0.0, 6.0), (3.0, 0.0))),
    ],
)
@pytest.mark.parametrize("k", [5e-324, 3e-320, 1e-200, 1e-99, 1e-17, 1e-9])
def test_the_centre_of_kspace_is_reached_without_a_jump(shape, k):
    mass = shape.spectrum(0.0, 0.0)
    for ky, kx in ((k, 0.0), (0.0, -k), (0.6 * k, 0.8 * k)):
        np.testing.assert_allclose(shape.spectrum(ky, kx).real, mass.real, rtol=1e-12)


def test_known_spectra():
    assert Ellipse(semi_axes_mm=(2.0, 3.0)).spectrum(0.0, 0.0) == pytest.approx(6 * math.pi)
    first_zero = 3.8317059702075125 / (2 * math.pi)  # of J1
    assert abs(Ellipse(semi_axes_mm=(2.0, 3.0)).spectrum(first_zero / 2.0, 0.0)) < 1e-14
    assert abs(Ellipse(semi_axes_mm=(2.0, 3.0)).spectrum(0.0, first_zero / 3.0)) < 1e-14
    bell = Gaussian(sigma_mm=(2.0, 0.5), value=1.7)
    assert bell.spectrum(0.1, 0.3) == pytest.approx(
        1.7 * 2 * math.pi * 2.0 * 0.5 * math.exp(-2 * math.pi**2 * ((2.0 * 0.1) ** 2 + (0.5 * 0.3) ** 2))
    )
    assert abs(Rectangle(size_mm=(4.0, 7.0)).spectrum(0.25, 0.01)) < 1e-14


def test_a_gaussian_smaller_than_a_pixel_keeps_its_mass():
    grid = ImageGrid(shape=(5, 4), spacing_mm=(3.0, 2.0), center_mm=(1.0, 0.5))
    bell = Gaussian(sigma_mm=(0.11, 0.07), center_mm=(1.2, -0.4), angle_rad=0.5)
    image = Phantom(shapes=(bell,)).image(grid, dtype=np.float64)
    assert image[2, 1] * 6.0 == pytest.approx(2 * math.pi * 0.11 * 0.07, rel=1e-10)


@pytest.mark.parametrize("offset", [0.0, 3e-39, -1e-17, 5.5e-17, 1e-9])
def test_a_pixel_corner_may_fall_on_the_middle_of_a_disk(offset):
    grid = ImageGrid(shape=(8, 6), spacing_mm=(0.7, 0.8))
    disk = Phantom(shapes=(Ellipse(value=2.0, semi_axes_mm=(1.0, 0.9), center_mm=(-offset, offset)),))
    quarter = disk.image(grid, dtype=np.float64)[4:, 3:]
    assert quarter.sum() * 0.7 * 0.8 == pytest.approx(2.0 * math.pi * 0.9 / 4, rel=1e-8)
    assert quarter[0, 0] < 2.0


def test_an_upright_gaussian_pixel_is_a_product_of_error_functions():
    grid = ImageGrid(shape=(4, 5), spacing_mm=(1.5, 0.9), center_mm=(0.3, -0.2))
    bell = Gaussian(sigma_mm=(1.1, 0.6), center_mm=(0.4, 0.1), value=2.0)

    def mean(positions, spacing, center, sigma):
        edges = [(p + s * spacing / 2 - center) / sigma / math.sqrt(2) for p in positions for s in (-1, 1)]
        steps = np.array([math.erf(b) - math.erf(a) for a, b in zip(edges[::2], edges[1::2], strict=True)])
        return steps * sigma * math.sqrt(math.pi / 2) / spacing

    y, x = grid.coordinates_mm
    expected = 2.0 * np.outer(mean(y, 1.5, 0.4, 1.1), mean(x, 0.9, 0.1, 0.6))
    np.testing.assert_allclose(Phantom(shapes=(bell,)).image(grid, dtype=np.float64), expected, atol=1e-13)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ellipse(semi_axes_mm=(0.0, 1.0)), "semi_axes_mm must be positive, got 0.0"),
        (lambda: Ellipse(semi_axes_mm=(1.0, float("nan"))), "semi_axes_mm must be finite"),
        (lambda: Ellipse(semi_axes_mm=(1.0, 2.0, 3.0)), "semi_axes_mm must be a pair"),
        (lambda: Ellipse(semi_axes_mm=3.0), "semi_axes_mm must be a pair"),
        (lambda: Rectangle(size_mm=(1.0, -2.0)), "size_mm must be positive, got -2.0"),
        (lambda: Rectangle(size_mm=(1.0, 2.0), value=float("inf")), "value must be finite, got inf"),
        (lambda: Gaussian(sigma_mm=(1.0, 1.0), angle_rad=float("nan")), "angle_rad must be finite"),
        (lambda: Gaussian(sigma_mm=(1.0, 1.0), center_mm=(0.0, float("nan"))), "center_mm must be finite"),
        (lambda: Polygon(corners_mm=((0, 0), (1, 1))), "3 or more"),
        (lambda: Polygon(corners_mm=((0, 0), (0, 2), (2, 2), (0.5, 0.5))), "convex"),
        (lambda: Polygon(corners_mm=((0, 0), (0, 1), (0, 2), (2, 2))), "convex"),
        (lambda: Polygon(corners_mm=_pentagram()), "convex"),
        (lambda: Ellipse(semi_axes_mm=(1.0, 2.0)).at(float("nan"), 0.0), "y_mm and x_mm must be finite"),
        (lambda: Ellipse(semi_axes_mm=(1.0, 2.0)).line_integral(0.0, float("inf")), "must be finite"),
        (lambda: Ellipse(semi_axes_mm=(1.0, 2.0)).spectrum(float("nan"), 0.0), "must be finite"),
    ],
)
def test_a_bad_shape_is_refused_with_its_reason(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def _pentagram():
    return tuple((math.sin(0.8 * math.pi * i), math.cos(0.8 * math.pi * i)) for i in range(5))

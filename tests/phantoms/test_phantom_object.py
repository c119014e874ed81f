"""The phantom as a whole: what a beam, a trajectory, coils and a grid get from it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, ParallelBeam, Trajectory
from imgtech.phantoms import CoilSensitivities, Ellipse, Ellipsoid, Gaussian, Phantom, Rectangle

DISK = Ellipse(value=0.5, center_mm=(7.0, -3.0), semi_axes_mm=(2.0, 2.0))
OBJECT = Phantom(
    shapes=(
        DISK,
        Rectangle(value=-0.2, size_mm=(4.0, 9.0), center_mm=(1.0, 2.0), angle_rad=0.7),
        Gaussian(value=1.1, sigma_mm=(1.0, 2.0), center_mm=(-4.0, 3.0), angle_rad=-0.4),
    )
)


def test_a_pixel_value_stands_where_the_grid_says():
    grid = ImageGrid(shape=(6, 5), spacing_mm=(0.5, 2.0), center_mm=(7.25, -3.0))
    dot = Phantom(shapes=(Rectangle(value=4.0, size_mm=(0.5, 2.0), center_mm=(8.0, -5.0)),))
    expected = np.zeros((6, 5), dtype=np.float32)
    expected[4, 1] = 4.0  # y = 7.25 + (4 - 2.5) * 0.5, x = -3 + (1 - 2) * 2
    np.testing.assert_allclose(dot.image(grid), expected, atol=1e-6)


def test_an_object_partly_or_wholly_outside_the_grid_is_cut_off():
    whole = ImageGrid(shape=(24, 31), spacing_mm=(1.1, 0.9), center_mm=(2.0, -1.0))
    part = ImageGrid(shape=(10, 12), spacing_mm=(1.1, 0.9), center_mm=(2.0 - 7 * 1.1, -1.0 + 9.5 * 0.9))
    away = ImageGrid(shape=(4, 5), spacing_mm=(1.1, 0.9), center_mm=(90.0, 0.0))
    np.testing.assert_allclose(OBJECT.image(part), OBJECT.image(whole)[:10, 19:], atol=1e-7)
    assert not OBJECT.image(away).any()


def test_a_channel_reads_the_mean_over_its_width():
    beam = ParallelBeam(
        angles_rad=[0.3, -1.2, 2.9],
        n_channels=14,
        channel_spacing_mm=1.3,
        detector_offset_mm=0.45,
        channel_width_mm=0.8,
    )
    n = 2000
    fine = (np.arange(n) + 0.5) / n * 0.8 - 0.4
    expected = sum(
        shape.line_integral(beam.angles_rad[:, None, None], beam.channels_mm[:, None] + fine).mean(axis=-1)
        for shape in OBJECT.shapes
    )
    np.testing.assert_allclose(OBJECT.sinogram(beam, dtype=np.float64), expected, atol=2e-4)


def test_touching_channels_read_the_same_as_channels_of_that_width():
    common = {"angles_rad": [0.2, 1.9], "n_channels": 21, "detector_offset_mm": -0.2}
    touching = ParallelBeam(channel_spacing_mm=0.7, **common)
    nearly = ParallelBeam(channel_spacing_mm=0.7, channel_width_mm=0.7 * (1 + 1e-12), **common)
    np.testing.assert_allclose(
        OBJECT.sinogram(touching, dtype=np.float64), OBJECT.sinogram(nearly, dtype=np.float64), atol=1e-10
    )


def test_an_off_centre_disk_falls_on_the_channels_of_its_position():
    disk = Phantom(shapes=(DISK,))
    beam = ParallelBeam.from_degrees(
        [0, 90, 180, 30], n_channels=41, channel_spacing_mm=0.5, detector_offset_mm=0.3
    )
    sinogram = disk.sinogram(beam, dtype=np.float64)
    centroid = (sinogram * beam.channels_mm).sum(axis=1) / sinogram.sum(axis=1)
    at_30 = -3.0 * math.cos(math.pi / 6) + 7.0 * math.sin(math.pi / 6)
    np.testing.assert_allclose(centroid, [-3.0, 7.0, 3.0, at_30], atol=0.01)


def test_kspace_takes_ky_first():
    trajectory = Trajectory(positions_per_mm=[[0.01, 0.0], [0.0, 0.01]])
    phase = np.angle(Phantom(shapes=(DISK,)).kspace(trajectory, dtype=np.complex128)) / (2 * np.pi)
    np.testing.assert_allclose(phase, [-0.07, 0.03], atol=1e-12)


def test_cartesian_kspace_becomes_the_image_on_the_fft_grid():
    shape, spacing = (60, 50), (0.8, 0.9)
    bell = Phantom(shapes=(Gaussian(sigma_mm=(1.5, 2.0), center_mm=(3.0, -4.0), value=2.0, angle_rad=0.2),))
    kspace = bell.kspace(Trajectory.cartesian(shape, spacing_mm=spacing), dtype=np.complex128)
    field = shape[0] * shape[1] * spacing[0] * spacing[1]
    image = np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(kspace))) * shape[0] * shape[1] / field
    y, x = ImageGrid.fft(shape, spacing_mm=spacing).coordinates_mm
    np.testing.assert_allclose(image, bell.shapes[0].at(y[:, None], x), atol=1e-4)


def test_two_phantoms_add():
    other = Phantom(shapes=(DISK,))
    grid = ImageGrid(shape=(20, 24), spacing_mm=(1.0, 0.8), center_mm=(1.0, 0.0))
    both = (OBJECT + other).image(grid, dtype=np.float64)
    apart = OBJECT.image(grid, dtype=np.float64) + other.image(grid, dtype=np.float64)
    np.testing.assert_allclose(both, apart, atol=1e-14)


def test_single_precision_by_default_and_double_on_request():
    grid, trajectory = ImageGrid.square(5, fov_mm=20.0), Trajectory.cartesian((4, 3), spacing_mm=(2.0, 2.5))
    beam = ParallelBeam.half_turn(n_views=3, n_channels=7, channel_spacing_mm=1.5)
    coils = CoilSensitivities.ring(n_coils=3, radius_mm=30.0)
    assert OBJECT.image(grid).dtype == OBJECT.sinogram(beam).dtype == np.float32
    assert OBJECT.kspace(trajectory).dtype == OBJECT.kspace(trajectory, coils).dtype == np.complex64
    assert OBJECT.image(grid, dtype=np.float64).dtype == np.float64
    assert OBJECT.sinogram(beam, dtype="float64").dtype == np.float64
    assert OBJECT.kspace(trajectory, coils, dtype=np.complex128).shape == (3, 4, 3)


def test_coil_signals_are_the_transform_of_map_times_object():
    grid = ImageGrid(shape=(90, 84), spacing_mm=(0.5, 0.6), center_mm=(0.3, -0.4))
    bells = Phantom(
        shapes=(
            Gaussian(value=1.1, sigma_mm=(1.0, 2.0), center_mm=(-4.0, 3.0), angle_rad=-0.4),
            Gaussian(value=-0.6, sigma_mm=(2.0, 1.2), center_mm=(5.0, -2.0)),
        )
    )
    coils = CoilSensitivities.ring(n_coils=5, radius_mm=25.0, start_rad=0.3)
    trajectory = Trajectory.cartesian((7, 6), spacing_mm=(2.0, 2.3))
    y, x = grid.coordinates_mm
    weighted = coils.maps(grid) * sum(bell.at(y[:, None], x) for bell in bells.shapes)
    k = trajectory.positions_per_mm
    waves_y = np.exp(-2j * np.pi * k[:, 0, 0][:, None] * y)
    waves_x = np.exp(-2j * np.pi * k[0, :, 1][:, None] * x)
    expected = np.einsum("ky,cyx,lx->ckl", waves_y, weighted, waves_x) * 0.5 * 0.6
    signal = bells.kspace(trajectory, coils, dtype=np.complex128)
    np.testing.assert_allclose(signal, expected, atol=1e-6 * np.abs(signal).max())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Phantom(shapes=()), "at least one shape"),
        (lambda: Phantom(shapes=(3.0,)), "shapes must hold shapes, got 3.0"),
        (lambda: Phantom(shapes=(DISK, Ellipsoid(semi_axes_mm=(1.0, 2.0, 3.0)))), "must all have 2 axes"),
        (
            lambda: OBJECT.image(ImageGrid(shape=(2, 3, 4), spacing_mm=(1.0, 1.0, 1.0))),
            "grid must have 2 axes like the object, got 3",
        ),
        (
            lambda: OBJECT.kspace(Trajectory.cartesian((2, 3, 4), spacing_mm=(1.0, 1.0, 1.0))),
            "trajectory must have 2 axes like the object, got 3",
        ),
        (
            lambda: OBJECT.kspace(
                Trajectory.cartesian((2, 3), spacing_mm=(1.0, 1.0)),
                CoilSensitivities.ring(n_coils=2, radius_mm=9.0, ndim=3),
            ),
            "coils must have 2 axes like the object, got 3",
        ),
        (
            lambda: Phantom(shapes=(Ellipsoid(semi_axes_mm=(1.0, 2.0, 3.0)),)).sinogram(
                ParallelBeam.half_turn(n_views=2, n_channels=3, channel_spacing_mm=1.0)
            ),
            "beam must have 3 axes like the object, got 2",
        ),
        (lambda: OBJECT.ray_integrals((0.0, 0.0, 0.0), (1.0, 0.0, 0.0)), "ray must have 2 axes"),
        (
            lambda: OBJECT.image(ImageGrid.square(3, fov_mm=3.0), dtype=np.int16),
            "dtype must be float32 or float64, got int16",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(make, message):
    with pytest.raises(ValueError, match=message):
        make()

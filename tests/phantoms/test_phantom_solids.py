"""Solids: lines through them, their spectra and their voxels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgtech.geometry import ImageGrid, Trajectory
from imgtech.phantoms import CoilSensitivities, Cylinder, Ellipse, Ellipsoid, Phantom, Shape3D

FEW = settings(max_examples=25, deadline=None)
SIZE = st.floats(1.0, 4.0)
PLACE = {
    "value": st.sampled_from([-1.5, 2.0]),
    "center_mm": st.tuples(*[st.floats(-2.0, 2.0)] * 3),
    "angle_rad": st.floats(-math.pi, math.pi),
}
SOLIDS = st.one_of(
    st.builds(Ellipsoid, semi_axes_mm=st.tuples(SIZE, SIZE, SIZE), **PLACE),
    st.builds(Cylinder, length_mm=SIZE, semi_axes_mm=st.tuples(SIZE, SIZE), **PLACE),
)
VECTOR = st.tuples(*[st.floats(-1.0, 1.0)] * 3).filter(lambda v: math.hypot(*v) > 0.1)


def _oblique(direction: tuple[float, float, float]) -> bool:
    return 0.3 < abs(direction[0]) / math.hypot(*direction) < 0.9


GRID = ImageGrid(shape=(19, 24, 21), spacing_mm=(0.9, 0.7, 0.8), center_mm=(0.2, -0.3, 0.1))
BALL = Ellipsoid(value=2.0, semi_axes_mm=(3.0, 3.0, 3.0), center_mm=(1.0, -2.0, 4.0))
ROD = Cylinder(value=0.5, length_mm=8.0, semi_axes_mm=(1.0, 3.0), center_mm=(2.0, 5.0, -1.0), angle_rad=0.4)


@FEW
@given(solid=SOLIDS, origin=VECTOR, direction=VECTOR)
def test_ray_integral_is_the_sum_of_values_along_the_ray(solid, origin, direction):
    step = 2e-3
    t = np.arange(-12.0, 12.0, step) + 0.41 * step
    unit = np.array(direction) / math.hypot(*direction)
    points = np.array(origin)[:, None] + unit[:, None] * t
    expected = solid.at(*points).sum() * step
    found = Phantom(shapes=(solid,)).ray_integrals(origin, direction)
    assert found == pytest.approx(expected, abs=2 * step * abs(solid.value))


@FEW  # along or across the faces of a cylinder the sum below would converge slowly
@given(
    solid=SOLIDS,
    direction=VECTOR.filter(_oblique),
    k_along=st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3)),
)
def test_transform_of_a_projection_is_a_plane_through_kspace(solid, direction, k_along):
    _, _, basis = np.linalg.svd(np.array([direction]))
    u, v = basis[1], basis[2]
    steps = (np.arange(160) - 79.3) * 0.1
    origins = steps[:, None, None] * u + steps[:, None] * v
    projection = solid.line_integral(origins, np.array(direction) * 3.7)
    wave = np.exp(-2j * np.pi * (k_along[0] * steps[:, None] + k_along[1] * steps))
    expected = (projection * wave).sum() * 0.1**2
    k = k_along[0] * u + k_along[1] * v
    assert abs(solid.spectrum(*k) - expected) < 0.01 * abs(solid.spectrum(0.0, 0.0, 0.0))


@FEW
@given(solid=SOLIDS)
def test_voxels_hold_the_volume(solid):
    total = Phantom(shapes=(solid,)).image(GRID, dtype=np.float64).sum() * 0.9 * 0.7 * 0.8
    assert total == pytest.approx(float(solid.spectrum(0.0, 0.0, 0.0).real), rel=1e-10)


@pytest.mark.parametrize("solid", [BALL, ROD, Ellipsoid(semi_axes_mm=(2.5, 4.0, 3.1), angle_rad=0.3)])
def test_voxels_are_the_mean_of_many_samples(solid):
    grid = ImageGrid(shape=(14, 17, 16), spacing_mm=(1.0, 0.9, 0.8), center_mm=solid.center_mm)
    n = 12
    axes = [
        np.add.outer(c, ((np.arange(n) + 0.5) / n - 0.5) * d).ravel()
        for c, d in zip(grid.coordinates_mm, grid.spacing_mm, strict=True)
    ]
    samples = solid.at(axes[0][:, None, None], axes[1][:, None], axes[2])
    expected = samples.reshape(14, n, 17, n, 16, n).mean(axis=(1, 3, 5))
    error = np.abs(Phantom(shapes=(solid,)).image(grid, dtype=np.float64) - expected) / solid.value
    assert error.max() < 0.09  # 1 / n where a face runs along a plane of voxels
    assert math.sqrt((error**2).mean()) < 0.006


def test_the_stated_error_of_ellipsoid_voxels_holds():
    """Thin slabs of a fine grid against the same voxels in one go."""
    solid = Ellipsoid(semi_axes_mm=(5.0, 6.0, 4.0), center_mm=(0.3, -0.2, 0.4), angle_rad=0.5)
    grid = ImageGrid(shape=(14, 17, 13), spacing_mm=(1.0, 0.9, 0.8), center_mm=(0.1, 0.0, 0.2))
    fine = ImageGrid(shape=(14 * 60, 17, 13), spacing_mm=(1.0 / 60, 0.9, 0.8), center_mm=(0.1, 0.0, 0.2))
    phantom = Phantom(shapes=(solid,))
    truth = phantom.image(fine, dtype=np.float64).reshape(14, 60, 17, 13).mean(axis=1)
    error = np.abs(phantom.image(grid, dtype=np.float64) - truth)
    height = np.abs(grid.coordinates_mm[0] - 0.3)
    steep = height < 3.0
    assert error[steep].max() < 0.002
    assert error.max() < 0.02


def test_rays_through_and_beside_the_solids():
    rays = Phantom(shapes=(BALL, ROD))
    origins = [(1.0, -2.0, 0.0), (0.0, 5.0, -1.0), (0.0, 30.0, 0.0), (9.0, 5.0, -1.0)]
    directions = [(0.0, 0.0, -5.0), (2.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)]
    np.testing.assert_allclose(rays.ray_integrals(origins, directions), [12.0, 4.0, 0.0, 0.0], atol=1e-12)


@pytest.mark.parametrize("tilt", [0.0, 5e-324, -3e-310, 1e-120, 1e-30, -1e-14])
def test_a_ray_along_an_axis_may_be_off_by_a_hair(tilt):
    assert ROD.line_integral((3.0, 5.0, 0.0), (1.0, tilt, tilt)) == pytest.approx(0.5 * 8.0)
    assert ROD.line_integral((3.0, 5.0, 9.0), (1.0, tilt, tilt)) == 0.0
    across = ROD.line_integral((3.0, 5.0, -1.0), (tilt, math.sin(0.4), math.cos(0.4)))
    assert across == pytest.approx(0.5 * 6.0)
    assert ROD.line_integral((7.0, 5.0, -1.0), (tilt, math.sin(0.4), math.cos(0.4))) == 0.0


def test_a_solid_turns_about_z_from_x_towards_y():
    turned = ROD.line_integral((2.0, 5.0, -1.0), (0.0, math.sin(0.4), math.cos(0.4)))
    assert turned == pytest.approx(0.5 * 6.0)


def test_volumes_are_known():
    assert BALL.spectrum(0.0, 0.0, 0.0) == pytest.approx(2.0 * 4 / 3 * math.pi * 27)
    assert ROD.spectrum(0.0, 0.0, 0.0) == pytest.approx(0.5 * 8 * math.pi * 3)
    assert BALL.spectrum(1e-9, 0.0, 0.0) == pytest.approx(2.0 * 4 / 3 * math.pi * 27, rel=1e-7)


def test_a_solid_shift_is_a_phase_in_the_order_z_y_x():
    trajectory = Trajectory(positions_per_mm=[[0.01, 0.0, 0.0], [0.0, 0.01, 0.0], [0.0, 0.0, 0.01]])
    phase = np.angle(Phantom(shapes=(BALL,)).kspace(trajectory, dtype=np.complex128)) / (2 * np.pi)
    np.testing.assert_allclose(phase, [-0.01, 0.02, -0.04], atol=1e-12)


def test_a_cut_through_a_long_cylinder_is_an_ellipse():
    flat = Ellipse(value=0.5, semi_axes_mm=(1.0, 3.0), center_mm=(5.0, -1.0), angle_rad=0.4)
    spacing, center = (0.3, 0.5), (5.2, -0.8)
    volume = Phantom(shapes=(ROD,)).image(
        ImageGrid(shape=(3, 12, 15), spacing_mm=(2.0, *spacing), center_mm=(4.5, *center))
    )
    plane = Phantom(shapes=(flat,)).image(ImageGrid(shape=(12, 15), spacing_mm=spacing, center_mm=center))
    np.testing.assert_allclose(volume[1], plane, atol=1e-6)
    np.testing.assert_allclose(volume[2], plane * 0.25, atol=1e-6)  # the rod ends at z = 6


def test_coils_that_do_not_change_along_z_serve_a_solid():
    coils = CoilSensitivities.ring(n_coils=3, radius_mm=12.0, start_rad=0.2, ndim=3)
    maps = coils.maps(GRID)
    np.testing.assert_allclose(maps, np.broadcast_to(maps[:, :1], maps.shape), atol=1e-6)
    centre = Trajectory(positions_per_mm=[[0.0, 0.0, 0.0], [0.02, -0.01, 0.03]])
    z, y, x = GRID.coordinates_mm
    solid = Phantom(shapes=(Ellipsoid(semi_axes_mm=(4.0, 5.0, 3.0), center_mm=(0.5, -0.4, 0.7)),))
    weighted = maps * solid.image(GRID)
    wave = np.exp(-2j * np.pi * (0.02 * z[:, None, None] - 0.01 * y[:, None] + 0.03 * x))
    expected = np.stack([weighted.sum(axis=(1, 2, 3)), (weighted * wave).sum(axis=(1, 2, 3))], axis=1)
    found = solid.kspace(centre, coils)
    np.testing.assert_allclose(found, expected * 0.9 * 0.7 * 0.8, atol=0.005 * np.abs(found).max())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ellipsoid(semi_axes_mm=(1.0, 2.0)), "semi_axes_mm must hold three numbers"),
        (lambda: Ellipsoid(semi_axes_mm=(1.0, 2.0, -3.0)), "semi_axes_mm must be positive, got -3.0"),
        (
            lambda: Ellipsoid(semi_axes_mm=(1, 2, 3), center_mm=(0.0, float("nan"), 0.0)),
            "center_mm must be finite",
        ),
        (lambda: Cylinder(length_mm=0.0, semi_axes_mm=(1.0, 1.0)), "length_mm must be positive, got 0.0"),
        (lambda: Cylinder(length_mm=1.0, semi_axes_mm=(1.0, float("nan"))), "semi_axes_mm must be finite"),
        (lambda: Shape3D(), "abstract"),
        (lambda: BALL.line_integral((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)), "directions must not be zero"),
        (lambda: BALL.line_integral((0.0, 0.0), (0.0, 1.0)), "last axis of length 3"),
        (lambda: BALL.line_integral((0.0, 0.0, float("nan")), (0.0, 1.0, 0.0)), "must be finite"),
        (lambda: BALL.at(0.0, 0.0, float("nan")), "must be finite"),
        (lambda: BALL.spectrum(0.0, 0.0, float("inf")), "must be finite"),
    ],
)
def test_a_bad_solid_is_refused_with_its_reason(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()

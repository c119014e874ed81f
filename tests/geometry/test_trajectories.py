"""Spirals, stacks, balls of spokes and echo-planar lines: every promise of their docstrings."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import Trajectory, echo_planar, kooshball, spiral, stacked, trapezoid_positions

LIMITS = {"dwell_s": 4e-6, "max_gradient_mt_per_m": 28.0, "max_slew_t_per_m_s": 110.0}
PROTON_PER_MM_S = 42577.478518  # cycles/(mm s) in 1 T/m


def polar(k):
    """Radius and growing angle of the samples of one interleaf."""
    angle = np.unwrap(np.arctan2(k[1:, 0], k[1:, 1]))
    return np.hypot(k[:, 0], k[:, 1]), np.append(2 * angle[0] - angle[1], angle)


def gradients(k, dwell_s):
    """Mean gradient between samples in T/m, and slew rate in T/(m s)."""
    g = np.diff(k, axis=0) / (PROTON_PER_MM_S * dwell_s)
    return np.linalg.norm(g, axis=-1), np.linalg.norm(np.diff(g, axis=0), axis=-1) / dwell_s


@pytest.mark.parametrize(("n", "fov", "edge"), [(1, 180.0, None), (7, 240.0, None), (6, 260.0, 110.0)])
def test_a_spiral_keeps_to_its_limits_and_uses_them(n, fov, edge):
    k = spiral(n, fov_mm=fov, spacing_mm=1.9, edge_fov_mm=edge, **LIMITS).positions_per_mm[0]
    strength, slew = gradients(k, 4e-6)
    assert strength.max() <= 28e-3 * (1 + 1e-3)
    assert slew.max() <= 110 * 1.01
    assert np.median(np.maximum(strength / 28e-3, np.append(slew, 0) / 110)) > 0.97
    assert strength[0] == pytest.approx(110 * 4e-6 / 2, rel=0.01)  # from rest, at the full slew rate
    assert np.linalg.norm(k[-1]) == pytest.approx(0.5 / 1.9, rel=0.01)
    assert np.linalg.norm(k, axis=-1).max() <= 0.5 / 1.9


@pytest.mark.parametrize(("fov", "edge"), [(220.0, 220.0), (260.0, 110.0)])
def test_turns_lie_as_far_apart_as_the_field_of_view_asks(fov, edge):
    n, k_max = 5, 0.5 / 1.9
    shots = spiral(n, fov_mm=fov, spacing_mm=1.9, edge_fov_mm=edge, **LIMITS)
    radius, angle = polar(shots.positions_per_mm[0])
    late = radius > 0.02
    gap = np.gradient(radius, angle)[late] * 2 * np.pi / n
    np.testing.assert_allclose(gap, 1 / (fov + (edge - fov) * radius[late] / k_max), rtol=2e-3)


def test_interleaves_are_turned_by_even_parts_of_a_turn_in_the_sense_of_spokes():
    shots = spiral(5, fov_mm=200.0, spacing_mm=2.1, **LIMITS)
    whole = shots.positions_per_mm @ np.array([1j, 1.0])
    expected = whole[0] * np.exp(2j * np.pi * np.arange(5) / 5)[:, None]
    np.testing.assert_allclose(whole, expected, atol=1e-12)
    assert (shots.positions_per_mm[:, 0] == 0).all()
    assert np.angle(whole[0, 21] / whole[0, 20]) > 0


def test_samples_along_the_path_stay_as_dense_as_the_field_of_view():
    shots = spiral(
        9, fov_mm=250.0, spacing_mm=1.7, dwell_s=2e-5, max_gradient_mt_per_m=45.0, max_slew_t_per_m_s=180.0
    )
    steps = np.linalg.norm(np.diff(shots.positions_per_mm[0], axis=0), axis=-1)
    assert steps.max() == pytest.approx(1 / 250.0, rel=1e-3)


def test_another_nucleus_needs_more_time():
    proton = spiral(4, fov_mm=200.0, spacing_mm=3.0, **LIMITS)
    sodium = spiral(4, fov_mm=200.0, spacing_mm=3.0, gamma_hz_per_t=11.262e6, **LIMITS)
    # limited by slew: the time grows with the root; by strength: in proportion
    assert 42.577 / 11.262 > sodium.shape[1] / proton.shape[1] > np.sqrt(42.577 / 11.262)


@pytest.mark.parametrize(("order", "degrees"), [(1, 111.24611797), (2, 68.75388203), (7, 23.62814256)])
def test_golden_angles_of_every_order(order, degrees):
    k = Trajectory.radial(4, 5, spacing_mm=1.3, golden=order).positions_per_mm[:, -1]
    angles = np.rad2deg(np.unwrap(np.arctan2(k[:, 0], k[:, 1])))
    np.testing.assert_allclose(np.diff(angles), degrees, atol=1e-7)


@pytest.mark.parametrize("n", [4, 5])
def test_a_stack_repeats_its_plane_and_turns_it(n):
    plane = Trajectory.radial(3, 6, spacing_mm=1.3)
    k = stacked(plane, n, spacing_mm=2.5, rotation_rad=0.3).positions_per_mm
    assert k.shape == (n, 3, 6, 3)
    for p in range(n):
        np.testing.assert_allclose(k[p, ..., 0], (p - n // 2) / (n * 2.5))
        found = k[p, ..., 1:] @ np.array([1j, 1.0])
        flat = plane.positions_per_mm @ np.array([1j, 1.0])
        np.testing.assert_allclose(found, flat * np.exp(0.3j * p), atol=1e-14)


@pytest.mark.parametrize("golden", [False, True])
@pytest.mark.parametrize("n", [6, 7])
def test_spokes_of_a_ball_are_even_and_point_everywhere(golden, n):
    k = kooshball(610, n, spacing_mm=1.3, golden=golden).positions_per_mm
    assert k.shape == (610, n, 3)
    radii = (np.arange(n) - n // 2) / (n * 1.3)
    directions = k[:, 0] / radii[0]
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(k, radii[:, None] * directions[:, None], atol=1e-15)
    # a uniform distribution of axes: the second moments are a third of one, the fourth ones 1/5 and 1/15
    np.testing.assert_allclose(directions.T @ directions / 610, np.eye(3) / 3, atol=0.01)
    squares = directions**2
    np.testing.assert_allclose(
        squares.T @ squares / 610, np.full((3, 3), 1 / 15) + np.eye(3) * 2 / 15, atol=0.01
    )


def test_golden_spokes_of_a_ball_begin_alike_however_many_there_are():
    few, many = (kooshball(m, 5, spacing_mm=2.0, golden=True).positions_per_mm for m in (4, 9))
    np.testing.assert_array_equal(few, many[:4])
    third = many[3, -1] / np.linalg.norm(many[3, -1])
    assert third[0] == pytest.approx(3 * 0.4655712 % 1, abs=1e-6)
    assert np.arctan2(third[1], third[2]) % (2 * np.pi) == pytest.approx(
        2 * np.pi * (3 * 0.6823278 % 1), abs=1e-5
    )


def test_echo_planar_lines_are_those_of_the_raster_in_the_order_of_time():
    raster = Trajectory.cartesian((6, 5), spacing_mm=(2.5, 3.1)).positions_per_mm
    k = echo_planar((6, 5), spacing_mm=(2.5, 3.1), n_shots=2).positions_per_mm
    assert k.shape == (2, 3, 5, 2)
    for shot, line, q in [(0, 0, 0), (0, 1, 2), (0, 2, 4), (1, 0, 1), (1, 1, 3), (1, 2, 5)]:
        np.testing.assert_allclose(k[shot, line], raster[q, ::-1] if line == 1 else raster[q])


def test_a_backward_readout_takes_the_same_ramp_positions_the_other_way():
    kx = trapezoid_positions(
        8, ramp_up_s=2e-4, flat_s=3e-4, ramp_down_s=2e-4, first_s=6e-5, dwell_s=8e-5, span_per_mm=0.4
    )
    k = echo_planar((3, 8), spacing_mm=(2.0, 2.5), readout_per_mm=kx).positions_per_mm[0]
    np.testing.assert_array_equal(k[..., 1], [kx, kx[::-1], kx])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: spiral(0, fov_mm=200.0, spacing_mm=2.0, **LIMITS),
            "n_interleaves must be at least 1, got 0",
        ),
        (lambda: spiral(2, fov_mm=-1.0, spacing_mm=2.0, **LIMITS), "fov_mm must be positive, got -1.0"),
        (lambda: spiral(2, fov_mm=9.0, spacing_mm=0.0, **LIMITS), "spacing_mm must be positive"),
        (
            lambda: spiral(2, fov_mm=1.5, spacing_mm=2.0, **(LIMITS | {"dwell_s": 1.0})),
            "dwell_s must be shorter than the readout",
        ),
        (
            lambda: spiral(2, fov_mm=200.0, spacing_mm=2.0, **(LIMITS | {"max_slew_t_per_m_s": 0.0})),
            "max_slew_t_per_m_s must be positive",
        ),
        (
            lambda: spiral(2, fov_mm=200.0, spacing_mm=2.0, edge_fov_mm=np.nan, **LIMITS),
            "edge_fov_mm must be",
        ),
        (lambda: Trajectory.radial(3, 5, spacing_mm=1.0, golden=-1), "golden must be at least 0, got -1"),
        (
            lambda: Trajectory.radial(3, 5, spacing_mm=1.0, golden=1.5),
            "golden must be a whole number, got 1.5",
        ),
        (
            lambda: stacked(kooshball(3, 4, spacing_mm=1.0), 4, spacing_mm=1.0),
            "plane must have 2 axes, got 3",
        ),
        (lambda: stacked(Trajectory.radial(3, 4, spacing_mm=1.0), 0, spacing_mm=1.0), "n_partitions must be"),
        (lambda: kooshball(3, 0, spacing_mm=1.0), "n_samples must be at least 1"),
        (
            lambda: echo_planar((5, 4), spacing_mm=(1.0, 1.0), n_shots=2),
            "n_shots must divide the 5 lines, got 2",
        ),
        (
            lambda: echo_planar((5, 4), spacing_mm=(1.0, 1.0), readout_per_mm=[0.1]),
            "must hold 4 positions, got 1",
        ),
        (lambda: stacked([[0.1, 0.2]], 4, spacing_mm=1.0), "plane must be of kind Trajectory, got"),
        (
            lambda: Trajectory.radial(3, 5, spacing_mm=1.0, golden="tiny"),
            "golden must be a whole number, got 'tiny'",
        ),
        (lambda: kooshball(3, 4, spacing_mm=np.nan), "spacing_mm must be finite, got nan"),
        (lambda: echo_planar(5, spacing_mm=(1.0, 1.0)), "shape must have 2 axes, got 5"),
        (lambda: echo_planar((5, 4, 3), spacing_mm=(1.0, 1.0)), r"shape must have 2 axes, got \(5, 4, 3\)"),
        (lambda: echo_planar((5, 4), spacing_mm=(1.0, -1.0)), "spacing_mm must be positive, got -1.0"),
    ],
)
def test_wrong_numbers_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""The phantom is found where it is, however it is turned, shifted or mirrored."""

from __future__ import annotations

import math

import numpy as np
import pytest

from imgtech.geometry import ImageGrid
from imgtech.phantoms.twins import acr_mri_drawing
from imgtech.qc.locate import find_disk
from imgtech.qc.metrics import diameter, disk_rim
from imgtech.qc.pose import Box, Pose, Ring, match_pose
from imgtech.qc.protocols._acr_mri_drawing import slice_1
from reference.acr_twin import Twin

GRID = ImageGrid(shape=(240, 231), spacing_mm=(1.04, 1.07))


def _twin(**changes: object) -> Twin:
    settings: dict[str, object] = {
        "shape": GRID.shape,
        "spacing_mm": GRID.spacing_mm,
        "center_mm": (6.3, -4.8),
        "sigma": 8.0,
    }
    return Twin(**{**settings, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("degrees", [0.0, 7.0, 90.0, 137.3, -91.4, 179.9])
@pytest.mark.parametrize("mirrored", [False, True])
def test_pose_is_found_at_any_angle_and_in_a_mirror(
    degrees: float, mirrored: bool, rng: np.random.Generator
) -> None:
    twin = _twin(angle_rad=math.radians(degrees), mirrored=mirrored)
    image = twin.slice(1, rng)
    rim = find_disk(image, GRID, radius_mm=(85.0, 105.0))
    pose = match_pose(image, GRID, rim, slice_1(acr_mri_drawing("large")))
    turn = np.angle(np.exp(1j * (pose.angle_rad - twin.angle_rad)))
    assert abs(math.degrees(turn)) <= 0.5
    assert pose.mirrored == mirrored
    assert pose.score > 0.85
    assert pose.score - pose.runner_up > 0.05


def test_centre_and_radius_are_found_to_a_thirtieth_of_a_pixel(rng: np.random.Generator) -> None:
    for center in ((6.3, -4.8), (-11.25, 9.6), (0.4, 0.1)):
        rim = find_disk(_twin(center_mm=center).slice(7, rng), GRID, radius_mm=(85.0, 105.0))
        np.testing.assert_allclose(rim.center_mm, center, atol=0.035)
        assert rim.radius_mm == pytest.approx(95.0, abs=0.035)


def test_a_bubble_and_the_notch_do_not_move_the_circle(rng: np.random.Generator) -> None:
    rim = find_disk(_twin(bubble=True).slice(7, rng), GRID, radius_mm=(85.0, 105.0))
    np.testing.assert_allclose(rim.center_mm, (6.3, -4.8), atol=0.1)
    assert rim.radius_mm == pytest.approx(95.0, abs=0.1)
    up = np.abs(np.angle(np.exp(1j * (rim.angle_rad + np.pi / 2)))) < math.radians(8)
    assert not rim.sound[up].any()


def test_diameters_of_an_ellipse_follow_its_axes(rng: np.random.Generator) -> None:
    twin = _twin(diameter_mm=189.0, ellipticity_mm=0.8, sigma=3.0)
    rim = find_disk(twin.slice(5, rng), GRID, radius_mm=(85.0, 105.0))
    across, down = diameter(rim, 0.0), diameter(rim, np.pi / 2)
    assert across.value == pytest.approx(190.6, abs=2 * across.uncertainty)
    assert down.value == pytest.approx(189.0, abs=2 * down.uncertainty)
    assert max(across.uncertainty, down.uncertainty) < 0.1


def test_diameter_scales_with_the_pixel_spacing(rng: np.random.Generator) -> None:
    image = _twin().slice(5, rng)
    wide = ImageGrid(shape=GRID.shape, spacing_mm=(1.04 * 1.02, 1.07 * 1.02))
    first, second = (disk_rim(image, g, center_mm=(6.0, -5.0), radius_mm=95.0) for g in (GRID, wide))
    assert second.radius_mm / first.radius_mm == pytest.approx(1.02, abs=2e-4)


def test_a_hidden_edge_is_said_and_costs_certainty(rng: np.random.Generator) -> None:
    rim = find_disk(_twin(bubble=True).slice(5, rng), GRID, radius_mm=(85.0, 105.0))
    down, across = diameter(rim, np.pi / 2), diameter(rim, 0.0)
    assert "270 degrees" in str(down.details["hidden edge"])
    assert "hidden edge" not in across.details
    assert down.uncertainty > across.uncertainty
    assert down.value == pytest.approx(190.0, abs=3 * down.uncertainty)


def test_noise_a_wrong_size_and_an_empty_image_are_refused(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="no disk of 170 to 210 mm"):
        find_disk(rng.random(GRID.shape), GRID, radius_mm=(85.0, 105.0))
    with pytest.raises(ValueError, match="disk"):
        find_disk(_twin(diameter_mm=150.0).slice(5, rng), GRID, radius_mm=(85.0, 105.0))
    with pytest.raises(ValueError, match="no disk"):
        find_disk(np.zeros(GRID.shape), GRID, radius_mm=(85.0, 105.0))
    with pytest.raises(ValueError, match="rays meet an edge"):
        disk_rim(np.ones(GRID.shape), GRID, center_mm=(0.0, 0.0), radius_mm=60.0)


def test_pose_puts_points_where_its_formula_says() -> None:
    pose = Pose(center_mm=(5.0, -2.0), angle_rad=np.pi / 2, mirrored=False, score=1.0, runner_up=0.0)
    np.testing.assert_allclose(pose.to_image_mm(0.0, 10.0), (15.0, -2.0), atol=1e-12)
    np.testing.assert_allclose(pose.to_image_mm(10.0, 0.0), (5.0, -12.0), atol=1e-12)
    mirror = Pose(center_mm=(5.0, -2.0), angle_rad=0.0, mirrored=True, score=1.0, runner_up=0.0)
    np.testing.assert_allclose(mirror.to_image_mm(3.0, 10.0), (8.0, -12.0), atol=1e-12)
    for p in (pose, mirror):
        y, x = p.to_image_mm(4.0 * math.sin(0.6), 4.0 * math.cos(0.6))
        direction = math.atan2(y - 5.0, x + 2.0)
        assert math.cos(direction - p.direction_rad(0.6)) == pytest.approx(1.0)


def test_shapes_of_a_drawing_hold_their_points() -> None:
    box = Box(center_mm=(3.0, -1.0), size_mm=(2.0, 6.0))
    ring = Ring(center_mm=(3.0, -1.0), inner_mm=1.0, outer_mm=2.0)
    y, x = np.array([3.9, 4.1, 3.0, 3.0]), np.array([-1.0, -1.0, 1.9, 2.1])
    assert box.holds(y, x).tolist() == [True, False, True, False]
    assert ring.holds(np.array([3.0, 4.5, 5.1]), np.array([-1.0, -1.0, -1.0])).tolist() == [
        False,
        True,
        False,
    ]

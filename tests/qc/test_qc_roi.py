"""Area-weighted regions against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import ImageGrid
from imgtech.qc.roi import disk_region, ellipse_region, rectangle_region, region_mean

GRID = ImageGrid(shape=(61, 70), spacing_mm=(0.5, 0.4), center_mm=(3.0, -2.0))
CENTER = (3.7, -1.2)


def moments(weights: np.ndarray) -> tuple[float, float, float, float, float, float]:
    y, x = np.meshgrid(*GRID.coordinates_mm, indexing="ij")
    total = weights.sum()
    cy, cx = (weights * y).sum() / total, (weights * x).sum() / total
    dy, dx = y - cy, x - cx
    second = [float((weights * a).sum() / total) for a in (dy * dy, dx * dx, dy * dx)]
    return total * 0.5 * 0.4, cy, cx, second[0], second[1], second[2]


@pytest.mark.parametrize("angle", [0.0, 0.3, 1.2, np.pi / 2, 2.5, -0.4])
def test_an_ellipse_has_the_area_centre_and_moments_of_the_closed_form(angle: float) -> None:
    b, a = 2.6, 7.9
    area, cy, cx, yy, xx, yx = moments(
        ellipse_region(GRID, center_mm=CENTER, semi_axes_mm=(b, a), angle_rad=angle)
    )
    c, s = np.cos(angle), np.sin(angle)
    assert area == pytest.approx(np.pi * a * b, rel=3e-4)
    # a share counts at the middle of its pixel, up to d^2 / 8 from where it is, at both ends of the shape
    assert (cy, cx) == pytest.approx(CENTER, abs=0.006)
    assert yx == pytest.approx((a**2 - b**2) / 4 * s * c, abs=0.02)
    # a pixel as wide as 0.5 mm adds up to 0.5**2 / 12 to the second moment of its centres
    assert yy == pytest.approx((a**2 * s**2 + b**2 * c**2) / 4, abs=0.03)
    assert xx == pytest.approx((a**2 * c**2 + b**2 * s**2) / 4, abs=0.03)


@pytest.mark.parametrize("angle", [0.0, 0.3, 1.2, np.pi / 2, 2.5, -0.4])
def test_a_rectangle_has_the_area_centre_and_moments_of_the_closed_form(angle: float) -> None:
    h, w = 5.1, 11.3
    area, cy, cx, yy, xx, yx = moments(
        rectangle_region(GRID, center_mm=CENTER, size_mm=(h, w), angle_rad=angle)
    )
    c, s = np.cos(angle), np.sin(angle)
    assert area == pytest.approx(h * w, rel=3e-4)
    # a share counts at the middle of its pixel, up to d^2 / 8 from where it is, at both ends of the shape
    assert (cy, cx) == pytest.approx(CENTER, abs=0.006)
    assert yx == pytest.approx((w**2 - h**2) / 12 * s * c, abs=0.02)
    assert yy == pytest.approx((w**2 * s**2 + h**2 * c**2) / 12, abs=0.03)
    assert xx == pytest.approx((w**2 * c**2 + h**2 * s**2) / 12, abs=0.03)


def test_every_pixel_of_a_disk_holds_its_share_of_area() -> None:
    weights = disk_region(GRID, center_mm=CENTER, radius_mm=6.3)
    y, x = np.meshgrid(*GRID.coordinates_mm, indexing="ij")
    fine = (np.arange(60) + 0.5) / 60 - 0.5
    share = np.zeros(GRID.shape)
    for oy in fine * 0.5:
        for ox in fine * 0.4:
            share += np.hypot(y + oy - CENTER[0], x + ox - CENTER[1]) <= 6.3
    assert np.abs(weights - share / 3600).max() < 0.01


def test_a_disk_moved_by_one_pixel_is_the_same_disk_one_pixel_on() -> None:
    first = disk_region(GRID, center_mm=(3.0, -2.0), radius_mm=4.2)
    moved = disk_region(GRID, center_mm=(3.5, -2.4), radius_mm=4.2)
    assert np.allclose(np.roll(first, (1, -1), axis=(0, 1)), moved, atol=1e-12)


def test_a_region_reaching_beyond_the_edge_is_refused_with_the_axis() -> None:
    with pytest.raises(ValueError, match=r"inside the image, which reaches from -12.25 to 18.25 mm along y"):
        disk_region(GRID, center_mm=(15.0, -2.0), radius_mm=4.0)
    with pytest.raises(ValueError, match="along x"):
        ellipse_region(GRID, center_mm=(3.0, 10.0), semi_axes_mm=(2.0, 4.0))
    with pytest.raises(ValueError, match="along x"):
        rectangle_region(GRID, center_mm=(3.0, -15.0), size_mm=(2.0, 3.0))


def test_a_region_may_touch_the_edge_of_the_image() -> None:
    weights = rectangle_region(GRID, center_mm=(3.0, -2.0), size_mm=(30.5, 28.0))
    assert weights.min() == pytest.approx(1.0, abs=1e-12)


def test_numbers_that_make_no_region_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="radius_mm must be positive"):
        disk_region(GRID, center_mm=CENTER, radius_mm=0.0)
    with pytest.raises(ValueError, match="center_mm must be finite"):
        disk_region(GRID, center_mm=(np.nan, 0.0), radius_mm=1.0)
    with pytest.raises(ValueError, match="semi_axes_mm must be positive"):
        ellipse_region(GRID, center_mm=CENTER, semi_axes_mm=(1.0, -1.0))
    with pytest.raises(ValueError, match="angle_rad must be finite"):
        rectangle_region(GRID, center_mm=CENTER, size_mm=(1.0, 1.0), angle_rad=np.inf)
    with pytest.raises(ValueError, match="grid must have 2 axes"):
        disk_region(ImageGrid(shape=(3, 4, 5), spacing_mm=(1.0, 1.0, 1.0)), center_mm=CENTER, radius_mm=1.0)


def test_the_mean_of_a_plane_in_a_disk_is_its_value_at_the_centre() -> None:
    y, x = np.meshgrid(*GRID.coordinates_mm, indexing="ij")
    weights = disk_region(GRID, center_mm=CENTER, radius_mm=5.3)
    plane = 40 + 1.7 * y - 0.8 * x
    assert region_mean(plane, weights) == pytest.approx(40 + 1.7 * 3.7 + 0.8 * 1.2, abs=2e-3)


def test_the_mean_says_what_is_wrong_with_a_region() -> None:
    image = np.ones((4, 5))
    with pytest.raises(ValueError, match="region must have the shape"):
        region_mean(image, np.ones((5, 4)))
    with pytest.raises(ValueError, match="region must not be empty"):
        region_mean(image, np.zeros((4, 5)))
    with pytest.raises(ValueError, match="region must lie between 0 and 1"):
        region_mean(image, np.full((4, 5), 1.5))
    image[2, 3] = np.nan
    with pytest.raises(ValueError, match=r"image must be finite, got nan at index \(2, 3\)"):
        region_mean(image, np.ones((4, 5)))

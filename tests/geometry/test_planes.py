"""Planes of slices in the patient, and the series they make."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, SlicePlane
from imgtech.io import read_series, series_from_planes, write_series


def turned(angle: float, height: float, shift=(0.0, 0.0)) -> SlicePlane:
    c, s = np.cos(angle), np.sin(angle)
    row, column = np.array([c, s, 0.0]), np.array([0.0, 0.0, -1.0])
    normal = np.cross(row, column)
    center = np.array([4.0, -9.0, 2.0]) + height * normal + shift[0] * row + shift[1] * column
    return SlicePlane(center_mm=center, row=row, column=column)


def test_a_quaternion_turns_the_axes():
    """A turn of 30 degrees about z, then the same about an oblique axis by Rodrigues' formula."""
    for axis, angle in (((0, 0, 1), np.pi / 6), ((0.6, -0.64, 0.48), 1.1)):
        a = np.array(axis, float)
        cross = np.array([[0, -a[2], a[1]], [a[2], 0, -a[0]], [-a[1], a[0], 0]])
        matrix = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
        q = 2.5 * np.array([np.cos(angle / 2), *(np.sin(angle / 2) * a)])
        plane = SlicePlane.from_quaternion(q, (1.0, 2.0, 3.0))
        np.testing.assert_allclose(plane.column, matrix[:, 0], atol=1e-12)
        np.testing.assert_allclose(plane.row, matrix[:, 1], atol=1e-12)
        np.testing.assert_allclose(plane.normal, -matrix[:, 2], atol=1e-12)
        np.testing.assert_array_equal(plane.center_mm, [1.0, 2.0, 3.0])


def test_every_pixel_of_an_oblique_dicom_series_is_where_its_plane_says(tmp_path):
    grid = ImageGrid.fft((5, 6), spacing_mm=(2.0, 1.5))
    planes = [turned(0.4, h) for h in (7.0, -3.0, 2.0)]
    pixels = np.arange(90.0).reshape(3, 5, 6)
    series = series_from_planes(pixels, grid, planes, slice_thickness_mm=4.0)
    write_series(series, tmp_path / "dicom", step=1.0)
    back = read_series(tmp_path / "dicom")
    np.testing.assert_allclose(np.diff(back.positions_mm), [5.0, 5.0], atol=1e-4)
    order = [1, 2, 0]
    np.testing.assert_array_equal(back.pixels, pixels[order])
    row, column = np.array(back.orientation[:3]), np.array(back.orientation[3:])
    for k, number in enumerate(order):
        along = back.positions_mm[k] - back.positions_mm[0]
        for j, i in ((0, 0), (4, 5), (2, 1)):
            by_file = back.origin_mm + along * np.cross(row, column) + 2.0 * j * column + 1.5 * i * row
            wanted = planes[number].position_mm((j - 2) * 2.0, (i - 3) * 1.5)
            np.testing.assert_allclose(by_file, wanted, atol=2e-4)


@pytest.mark.parametrize(
    ("planes", "message"),
    [
        ([turned(0.4, 0.0)], "each of 2 slices .* got 1"),
        ([turned(0.4, 0.0), turned(0.5, 3.0)], "planes must be parallel"),
        ([turned(0.4, 0.0), None], "planes must be of kind SlicePlane, got None"),
        (turned(0.4, 0.0), "planes must be of kind Sequence"),
        ([turned(0.4, 1.0), turned(0.4, 1.0)], "at different places"),
        ([turned(0.4, 1.0), turned(0.4, 4.0, (0.0, 0.6))], "0.6 mm beside"),
    ],
)
def test_planes_that_make_no_stack_are_refused(planes, message):
    grid = ImageGrid.fft((5, 6), spacing_mm=(2.0, 1.5))
    with pytest.raises(ValueError, match=message):
        series_from_planes(np.ones((2, 5, 6)), grid, planes)


def test_a_stack_needs_a_grid_and_a_positive_thickness():
    grid, planes = ImageGrid.fft((5, 6), spacing_mm=(2.0, 1.5)), [turned(0.4, 0.0), turned(0.4, 3.0)]
    with pytest.raises(ValueError, match="grid must be of kind ImageGrid"):
        series_from_planes(np.ones((2, 5, 6)), grid.shape, planes)
    with pytest.raises(ValueError, match=r"slice_thickness_mm must be positive, got -3\.0"):
        series_from_planes(np.ones((2, 5, 6)), grid, planes, slice_thickness_mm=-3.0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"row": (1.0, 0.1, 0.0)}, "unit vectors at right angles"),
        ({"column": (2.0, 0.0, 0.0)}, "unit vectors at right angles"),
        ({"center_mm": (1.0, 2.0)}, "center_mm must have 3 numbers"),
        ({"center_mm": (1.0, 2.0, np.nan)}, "center_mm must be finite"),
    ],
)
def test_a_plane_that_is_none_is_refused(changed, message):
    fields = {"center_mm": (1.0, 2.0, 3.0), "row": (1.0, 0.0, 0.0), "column": (0.0, 1.0, 0.0)}
    with pytest.raises(ValueError, match=message):
        SlicePlane(**(fields | changed))
    with pytest.raises(ValueError, match="four numbers that are not all zero"):
        SlicePlane.from_quaternion([0.0] * 4, (0, 0, 0))
    with pytest.raises(ValueError, match="center_mm must hold numbers, got 'middle'"):
        SlicePlane.from_quaternion([1.0, 0.0, 0.0, 0.0], "middle")
    with pytest.raises(ValueError, match="x_mm must be finite, got nan"):
        SlicePlane(**fields).position_mm(1.5, np.nan)

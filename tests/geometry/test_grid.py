"""Positions of grid samples, literally as the docstrings promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgtech.geometry import ImageGrid, sample_positions


@given(n=st.integers(1, 400), spacing=st.floats(0.01, 5), center=st.floats(-90, 90), data=st.data())
def test_sample_i_sits_at_center_plus_i_minus_half_n_minus_one_spacings(n, spacing, center, data):
    i = data.draw(st.integers(0, n - 1))
    positions = sample_positions(n, spacing, center)
    assert positions.shape == (n,)
    assert positions[i] == pytest.approx(center + (i - (n - 1) / 2) * spacing, abs=1e-9)
    assert positions.mean() == pytest.approx(center, abs=1e-8)


def test_axes_are_slowest_first_and_grow_with_the_index():
    grid = ImageGrid(shape=(2, 3, 4), spacing_mm=(5.0, 0.7, 0.3), center_mm=(1.0, -2.0, 10.0))
    z, y, x = grid.coordinates_mm
    np.testing.assert_allclose(z, [-1.5, 3.5])
    np.testing.assert_allclose(y, [-2.7, -2.0, -1.3])
    np.testing.assert_allclose(x, [9.55, 9.85, 10.15, 10.45])
    assert grid.fov_mm == pytest.approx((10.0, 2.1, 1.2))


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_fft_grid_has_sample_n_half_at_the_origin(n):
    y, x = ImageGrid.fft((n, n + 1), spacing_mm=(0.7, 1.3)).coordinates_mm
    assert y[n // 2] == pytest.approx(0.0, abs=1e-12)
    assert x[(n + 1) // 2] == pytest.approx(0.0, abs=1e-12)


def test_square_grid_fills_its_field_of_view_around_the_origin():
    grid = ImageGrid.square(5, fov_mm=12.5)
    np.testing.assert_allclose(grid.coordinates_mm[0], [-5, -2.5, 0, 2.5, 5])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": (4, 0), "spacing_mm": (1, 1)}, "shape must be at least 1, got 0"),
        ({"shape": (4,), "spacing_mm": (1,)}, "shape must have 2 or 3 axes"),
        ({"shape": (4, 4), "spacing_mm": (1,)}, "must have the same length"),
        ({"shape": (4, 4.5), "spacing_mm": (1, 1)}, "shape must be a whole number, got 4.5"),
        ({"shape": (4, 4), "spacing_mm": (1, -0.5)}, "spacing_mm must be positive, got -0.5"),
        ({"shape": (4, 4), "spacing_mm": (1, float("nan"))}, "spacing_mm must be finite, got nan"),
        (
            {"shape": (4, 4), "spacing_mm": (1, 1), "center_mm": (0, float("inf"))},
            "center_mm must be finite, got inf",
        ),
    ],
)
def test_impossible_grids_are_refused_with_rule_and_value(arguments, message):
    with pytest.raises(ValueError, match=message):
        ImageGrid(**arguments)

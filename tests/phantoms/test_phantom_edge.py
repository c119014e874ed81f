"""The blurred edge: its pixels, and the modulation transfer function that belongs to them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from imgtech.geometry import ImageGrid
from imgtech.phantoms import BlurredEdge, slanted_edge

GRID = ImageGrid(shape=(19, 24), spacing_mm=(0.7, 0.5), center_mm=(1.0, -0.8))


@settings(max_examples=40, deadline=None)
@given(
    angle=st.one_of(st.floats(-4.0, 4.0), st.sampled_from([0.0, math.pi / 2, 1e-9, 1e-6, 1e-4])),
    position=st.floats(-3.0, 3.0),
    sigma=st.floats(0.2, 2.0),
)
def test_blurred_pixels_are_the_mean_of_the_profile(angle, position, sigma):
    edge = BlurredEdge(angle_rad=angle, position_mm=position, low=-2.0, high=5.0, sigma_mm=sigma)
    nodes, weights = np.polynomial.legendre.leggauss(12)
    y, x = GRID.coordinates_mm
    points_y = (y[:, None] + nodes * 0.35)[:, None, :, None]
    points_x = (x[:, None] + nodes * 0.25)[None, :, None, :]
    distance = points_x * math.cos(angle) + points_y * math.sin(angle) - position
    expected = -2.0 + 7.0 * np.einsum("yxab,a,b->yx", ndtr(distance / sigma), weights / 2, weights / 2)
    np.testing.assert_allclose(edge.image(GRID, dtype=np.float64), expected, atol=7e-6)


@settings(max_examples=40, deadline=None)
@given(
    angle=st.one_of(st.floats(-4.0, 4.0), st.sampled_from([0.0, math.pi / 2, 1e-9, 1e-6, 1e-4])),
    position=st.floats(-3.0, 3.0),
)
def test_a_sharp_edge_is_the_side_of_a_large_rectangle(angle, position):
    sharp = BlurredEdge(angle_rad=angle, position_mm=position, high=1.5).image(GRID, dtype=np.float64)
    sheet = slanted_edge(angle_rad=angle, position_mm=position, value=1.5)
    np.testing.assert_allclose(sharp, sheet.image(GRID, dtype=np.float64), atol=2e-6)


@pytest.mark.parametrize(("angle_deg", "sigma"), [(5.0, 0.45), (-62.0, 0.3), (0.0, 0.6), (84.0, 0.0)])
def test_the_mtf_is_the_transform_of_the_pixel_profile(angle_deg, sigma):
    """One pixel swept across the edge traces the profile; its slope transforms to the MTF."""
    pixel = ImageGrid(shape=(1, 1), spacing_mm=(0.7, 0.5), center_mm=(2.0, -1.5))
    angle = math.radians(angle_deg)
    here = -1.5 * math.cos(angle) + 2.0 * math.sin(angle)
    distances = (np.arange(1201) - 600.0) * 0.01
    profile = np.array(
        [
            BlurredEdge(angle_rad=angle, position_mm=here - d, low=3.0, high=7.0, sigma_mm=sigma).image(
                pixel, dtype=np.float64
            )[0, 0]
            for d in distances
        ]
    )
    slopes, middles = np.diff(profile) / 4.0, distances[:-1] + 0.005
    edge = BlurredEdge(angle_rad=angle, sigma_mm=sigma)
    for f in (0.0, 0.3, 0.8, 1.3):
        swept = abs((slopes * np.exp(-2j * np.pi * f * middles)).sum()) / np.sinc(0.01 * f)
        assert edge.mtf(f, spacing_mm=(0.7, 0.5)) == pytest.approx(swept, abs=2e-6)


def test_the_edge_rises_along_its_normal():
    edge = BlurredEdge(angle_rad=math.radians(60), low=1.0, high=9.0, position_mm=0.4, sigma_mm=0.2)
    image = edge.image(ImageGrid(shape=(12, 11), spacing_mm=(1.0, 0.9), center_mm=(0.1, 0.0)))
    assert image[0, 5] == pytest.approx(1.0)
    assert image[-1, 5] == pytest.approx(9.0)
    assert image[0, 0] == pytest.approx(1.0)
    assert image[5, -1] > image[5, 0]
    assert image.dtype == np.float32


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BlurredEdge(angle_rad=float("nan")), "angle_rad must be finite"),
        (lambda: BlurredEdge(angle_rad=0.1, sigma_mm=-1.0), "sigma_mm must not be negative, got -1.0"),
        (lambda: BlurredEdge(angle_rad=0.1, high=float("inf")), "high must be finite, got inf"),
        (
            lambda: BlurredEdge(angle_rad=0.1).image(ImageGrid(shape=(2, 2, 2), spacing_mm=(1, 1, 1))),
            "grid must have 2 axes, got 3",
        ),
        (lambda: BlurredEdge(angle_rad=0.1).image(GRID, dtype=np.int32), "dtype must be float32 or float64"),
        (lambda: BlurredEdge(angle_rad=0.1).mtf(0.5, spacing_mm=(0.0, 1.0)), "spacing_mm must be positive"),
        (lambda: BlurredEdge(angle_rad=0.1).mtf(float("nan"), spacing_mm=(1.0, 1.0)), "must be finite"),
    ],
)
def test_a_bad_edge_is_refused_with_its_reason(make, message):
    with pytest.raises(ValueError, match=message):
        make()

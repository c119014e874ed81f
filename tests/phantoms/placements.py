"""Shapes drawn by hypothesis: off-centre, rotated, of unequal sizes."""

from __future__ import annotations

import math

from hypothesis import strategies as st

from imgtech.phantoms import Ellipse, Gaussian, Polygon, Rectangle, Shape2D

SIZE = st.floats(0.8, 6.0)
PAIR = st.tuples(SIZE, SIZE)
PLACE = {
    "value": st.sampled_from([-1.5, 0.7, 2.0]),
    "center_mm": st.tuples(st.floats(-5.0, 5.0), st.floats(-5.0, 5.0)),
    "angle_rad": st.floats(-math.pi, math.pi),
}


@st.composite
def polygons(draw: st.DrawFn) -> Polygon:
    """Corners on an ellipse at increasing angles: always convex, clockwise or not."""
    n = draw(st.integers(3, 6))
    radius_y, radius_x = draw(PAIR)
    steps = draw(st.lists(st.floats(0.5, 1.0), min_size=n, max_size=n))
    turned = [2 * math.pi * sum(steps[: i + 1]) / sum(steps) for i in range(n)]
    corners = [(radius_y * math.sin(a) + 0.4, radius_x * math.cos(a) - 0.7) for a in turned]
    place = {name: draw(strategy) for name, strategy in PLACE.items()}
    return Polygon(corners_mm=tuple(corners[:: draw(st.sampled_from([1, -1]))]), **place)


def shapes() -> st.SearchStrategy[Shape2D]:
    return st.one_of(
        st.builds(Ellipse, semi_axes_mm=PAIR, **PLACE),
        st.builds(Rectangle, size_mm=PAIR, **PLACE),
        st.builds(Gaussian, sigma_mm=st.tuples(st.floats(0.5, 1.1), st.floats(0.5, 1.1)), **PLACE),
        polygons(),
    )


def sharp_shapes() -> st.SearchStrategy[Shape2D]:
    return shapes().filter(lambda shape: not isinstance(shape, Gaussian))

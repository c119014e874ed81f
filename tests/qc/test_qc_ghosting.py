"""Percent signal ghosting of images with a known ghost."""

from __future__ import annotations

import math

import numpy as np
import pytest

from imgtech.geometry import ImageGrid
from imgtech.qc.metrics import percent_signal_ghosting
from imgtech.qc.roi import disk_region, ellipse_region, region_mean

GRID = ImageGrid(shape=(250, 256), spacing_mm=(1.0, 0.98), center_mm=(2.0, -3.0))
CENTER, RADIUS = (4.1, -5.2), 95.0
PHANTOM = 300 * disk_region(GRID, center_mm=CENTER, radius_mm=RADIUS)
Y, X = np.meshgrid(*GRID.coordinates_mm, indexing="ij")
AIR = np.hypot(Y - CENTER[0], X - CENTER[1]) > RADIUS + 1.5


def side(name: str) -> np.ndarray:
    """The quarter of the air that lies on one side of the phantom."""
    dy, dx = Y - CENTER[0], X - CENTER[1]
    choices = {
        "top": -dy > abs(dx), "bottom": dy > abs(dx), "left": -dx > abs(dy), "right": dx > abs(dy),
    }  # fmt: skip
    return choices[name] & AIR


@pytest.mark.parametrize(
    ("ghosts", "signed"),
    [
        ({"top": 9.0, "bottom": 6.0}, 2.5),
        ({"left": 12.0, "right": 3.0}, -2.5),
        ({"top": 6.0, "bottom": 6.0, "left": 6.0, "right": 6.0}, 0.0),
        ({"top": 3.0}, 0.5),
        ({"right": 3.0}, -0.5),
    ],
)
def test_ghosts_of_known_height_give_the_formula(ghosts: dict[str, float], signed: float) -> None:
    image = PHANTOM.copy()
    for name, height in ghosts.items():
        image[side(name)] += height
    m = percent_signal_ghosting(image, GRID, center_mm=CENTER, radius_mm=RADIUS)
    assert m.details["signed (%)"] == pytest.approx(signed, abs=1e-6)
    assert m.value == pytest.approx(abs(signed), abs=1e-6)
    for name in ("top", "bottom", "left", "right"):
        assert m.details[f"{name} mean"] == pytest.approx(ghosts.get(name, 0.0), abs=1e-6)


def test_every_ellipse_is_ten_square_centimetres_four_to_one_in_the_middle_of_the_air() -> None:
    d = percent_signal_ghosting(PHANTOM, GRID, center_mm=CENTER, radius_mm=RADIUS).details
    edges = {
        "top": (0, 2.0 - 125), "bottom": (0, 2.0 + 125), "left": (1, -3 - 125.44), "right": (1, -3 + 125.44),
    }  # fmt: skip
    for name, (axis, edge) in edges.items():
        place = (d[f"{name} y (mm)"], d[f"{name} x (mm)"])
        semi = (d[f"{name} semi-axis y (mm)"], d[f"{name} semi-axis x (mm)"])
        assert math.pi * semi[0] * semi[1] == pytest.approx(1000.0)
        assert semi[1 - axis] / semi[axis] == pytest.approx(4.0)
        surface = CENTER[axis] + math.copysign(RADIUS, edge - CENTER[axis])
        assert place[axis] == pytest.approx((edge + surface) / 2)
        assert place[1 - axis] == pytest.approx(CENTER[1 - axis])


def test_no_ellipse_touches_the_phantom_even_where_the_air_is_narrow() -> None:
    grid = ImageGrid(shape=(224, 232), spacing_mm=(1.0, 1.0), center_mm=(-4.0, 6.0))
    center = (-2.0, 4.0)
    image = 300 * disk_region(grid, center_mm=center, radius_mm=RADIUS)
    m = percent_signal_ghosting(image, grid, center_mm=center, radius_mm=RADIUS)
    for name in ("top", "bottom", "left", "right"):
        assert m.details[f"{name} mean"] == 0.0
    assert m.details["bottom semi-axis y (mm)"] == pytest.approx(
        (106 - 97 + 4 - 2 - 95 + 95 - 4 + 1) / 2, abs=3
    )
    region = ellipse_region(
        grid,
        center_mm=(m.details["bottom y (mm)"], m.details["bottom x (mm)"]),
        semi_axes_mm=(m.details["bottom semi-axis y (mm)"], m.details["bottom semi-axis x (mm)"]),
    )
    assert region_mean(image, region) == 0.0


def test_the_uncertainty_is_the_scatter_of_repeated_measurements(rng: np.random.Generator) -> None:
    found = []
    for _ in range(25):
        noise = 8 * (rng.standard_normal(GRID.shape) + 1j * rng.standard_normal(GRID.shape))
        image = np.abs(PHANTOM + 15 * side("top") + noise)
        m = percent_signal_ghosting(image, GRID, center_mm=CENTER, radius_mm=RADIUS)
        found.append((m.details["signed (%)"], m.uncertainty))
    values, spreads = np.array(found).T
    assert spreads.mean() == pytest.approx(values.std(ddof=1), rel=0.4)


def test_ghosting_refuses_what_it_cannot_measure() -> None:
    with pytest.raises(
        ValueError, match=r"the air at the bottom must hold an ellipse of 500 mm2, got 9.0 mm"
    ):
        percent_signal_ghosting(PHANTOM, GRID, center_mm=(23.0, -5.2), radius_mm=RADIUS)
    with pytest.raises(ValueError, match="the air at the left"):
        percent_signal_ghosting(PHANTOM, GRID, center_mm=(4.1, -32.0), radius_mm=RADIUS)
    with pytest.raises(ValueError, match="large_area_mm2 must fit into the phantom"):
        percent_signal_ghosting(PHANTOM, GRID, center_mm=CENTER, radius_mm=70.0)
    with pytest.raises(ValueError, match="positive in the phantom"):
        percent_signal_ghosting(0 * PHANTOM, GRID, center_mm=CENTER, radius_mm=RADIUS)
    with pytest.raises(ValueError, match="image must end with shape"):
        percent_signal_ghosting(PHANTOM.T, GRID, center_mm=CENTER, radius_mm=RADIUS)
    with pytest.raises(ValueError, match="radius_mm must be positive"):
        percent_signal_ghosting(PHANTOM, GRID, center_mm=CENTER, radius_mm=-1.0)

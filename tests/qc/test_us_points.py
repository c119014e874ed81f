"""Point targets and distances of ultrasound images, on Gaussian echoes with closed-form widths."""

from __future__ import annotations

import math

import numpy as np
import pytest

from imgtech.geometry import ImageGrid
from imgtech.phantoms import speckle_field
from imgtech.qc.metrics.ultrasound import distance_error, point_target

GRID = ImageGrid(shape=(131, 100), spacing_mm=(0.06, 0.11), center_mm=(30.0, -2.0))


def echo(place, fwhm, grid=GRID):
    y, x = grid.coordinates_mm[0][:, None] - place[0], grid.coordinates_mm[1] - place[1]
    return np.exp(-4 * math.log(2) * ((y / fwhm[0]) ** 2 + (x / fwhm[1]) ** 2))


@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.031, -0.052), (-0.017, 0.047)])
@pytest.mark.parametrize("fwhm", [(0.3, 0.7), (0.55, 1.6)])
def test_position_and_widths_of_a_clean_echo_are_exact(offset, fwhm):
    place = (30.12 + offset[0], -1.34 + offset[1])
    target = point_target(
        5 * echo(place, fwhm), GRID, near_mm=(30.3, -1.6), search_mm=(2.0, 3.4), level_db=-6.0206
    )
    assert target.axial_position.value == pytest.approx(place[0], abs=2e-4)
    assert target.lateral_position.value == pytest.approx(place[1], abs=4e-4)
    assert target.axial_width.value == pytest.approx(fwhm[0], rel=2e-3)
    assert target.lateral_width.value == pytest.approx(fwhm[1], rel=2e-3)
    assert target.peak == pytest.approx(5, rel=2e-3)


def test_the_width_at_another_level_follows_the_gaussian():
    target = point_target(
        echo((29.9, -2.2), (0.5, 1.2)), GRID, near_mm=(29.9, -2.2), search_mm=(2.0, 3.4), level_db=-20.0
    )
    assert target.axial_width.value == pytest.approx(0.5 * math.sqrt(math.log(10) / math.log(2)), rel=2e-3)
    assert target.axial_width.name == "axial width at -20 dB"
    assert target.axial_width.unit == "mm"


def test_the_uncertainty_grows_with_the_background():
    point = echo((30.1, -1.9), (0.4, 0.9))
    field = speckle_field(GRID, fwhm_mm=(0.4, 0.9), rng=np.random.default_rng(3))
    found = [
        point_target(np.abs(point + a * field), GRID, near_mm=(30.0, -2.0), search_mm=(2.5, 4.0))
        for a in (0.01, 0.03)
    ]
    ratio = found[1].lateral_width.uncertainty / found[0].lateral_width.uncertainty
    assert ratio == pytest.approx(3, rel=0.1)
    assert found[0].background == pytest.approx(0.01, rel=0.3)
    assert found[0].axial_width.details["background (dB)"] == pytest.approx(-40, abs=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"level_db": 0.0}, "level_db must be below 0"),
        ({"near_mm": (33.0, -2.0)}, "must stay between 26.10 and 33.90 mm along y"),
        ({"near_mm": (27.5, -2.0), "search_mm": (0.8, 3.0)}, "on the edge of the window"),
        ({"search_mm": (0.22, 3.0)}, "no fall by 50%"),
        ({"search_mm": (-1.0, 3.0)}, "search_mm must be positive"),
        ({"search_mm": (0.45, 1.0)}, "leave 50 pixels of background"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments, message):
    image = echo((30.0, -2.0), (0.5, 1.1)) + 1e-3
    with pytest.raises(ValueError, match=message):
        point_target(image, GRID, **{"near_mm": (30.0, -2.0), "search_mm": (2.0, 3.0), **arguments})


def test_bad_envelopes_are_refused():
    image = echo((30.0, -2.0), (0.5, 1.1))
    settings = {"near_mm": (30.0, -2.0), "search_mm": (2.0, 3.0)}
    with pytest.raises(ValueError, match="envelope must not be negative"):
        point_target(image - 0.5, GRID, **settings)
    with pytest.raises(ValueError, match="envelope must be finite"):
        point_target(np.where(image > 0.9, np.nan, image), GRID, **settings)
    with pytest.raises(ValueError, match=r"shape \(131, 100\) of the grid"):
        point_target(image.T, GRID, **settings)
    with pytest.raises(ValueError, match="3 pixels or more in the axial width"):
        point_target(echo((30.0, -2.0), (0.12, 1.1)), GRID, **settings)


def found_at(places, grid):
    image = sum(echo(p, (0.5, 0.9), grid) for p in places) + 1e-5
    return [point_target(image, grid, near_mm=p, search_mm=(3.0, 3.5)) for p in places]


def test_distances_along_the_beam_know_the_speeds_of_sound():
    grid = ImageGrid(shape=(420, 90), spacing_mm=(0.09, 0.11), center_mm=(31.0, -2.0))
    targets = found_at([(20.0 + 10 * 1.01 * i, -2.2) for i in range(3)], grid)
    plain = distance_error(targets, [5.0, 15.0, 25.0], axis="axial")
    assert plain.value == pytest.approx(1.0, abs=1e-3)
    assert plain.unit == "%"
    aware = distance_error(
        targets, [0.0, 10.0, 20.0], axis="axial", scanner_speed_m_s=1540, phantom_speed_m_s=1480
    )
    assert aware.value == pytest.approx(100 * (1.01 * 1480 / 1540 - 1), abs=1e-3)
    assert aware.details["speed of the phantom (m/s)"] == 1480


def test_distances_across_the_beam_do_not():
    grid = ImageGrid(shape=(110, 330), spacing_mm=(0.09, 0.11), center_mm=(31.0, -2.0))
    targets = found_at([(30.8, -13.0 + 7 * 0.98 * i) for i in range(4)], grid)
    found = distance_error(targets, np.arange(4) * 7.0, axis="lateral", phantom_speed_m_s=1480)
    assert found.value == pytest.approx(-2.0, abs=1e-3)


def test_one_wire_out_of_line_widens_the_uncertainty():
    grid = ImageGrid(shape=(520, 90), spacing_mm=(0.09, 0.11), center_mm=(31.0, -2.0))
    places = [(12.0, -2.2), (22.0, -2.2), (32.3, -2.2), (42.0, -2.2)]
    found = distance_error(found_at(places, grid), [0, 10, 20, 30], axis="axial")
    assert found.degrees_of_freedom == 2
    # least squares: residual variance over the sum of squared distances from the middle
    line = np.polyfit([0, 10, 20, 30], [p[0] for p in places], 1)
    rest = np.array([p[0] for p in places]) - np.polyval(line, [0, 10, 20, 30])
    assert found.uncertainty == pytest.approx(100 * math.sqrt(rest @ rest / 2 / 500), rel=0.02)
    assert found.details["largest deviation (mm)"] == pytest.approx(np.abs(rest).max(), rel=0.02)


def test_impossible_distances_are_refused():
    grid = ImageGrid(shape=(420, 90), spacing_mm=(0.09, 0.11), center_mm=(31.0, -2.0))
    targets = found_at([(20.0, -2.2), (30.0, -2.2)], grid)
    with pytest.raises(ValueError, match="axis must be one of axial, lateral, got 'depth'"):
        distance_error(targets, [0, 10], axis="depth")
    with pytest.raises(ValueError, match="true_mm must have one position for each"):
        distance_error(targets, [0, 10, 20], axis="axial")
    with pytest.raises(ValueError, match="true_mm must differ"):
        distance_error(targets, [10, 10], axis="axial")
    with pytest.raises(ValueError, match="phantom_speed_m_s must be positive"):
        distance_error(targets, [0, 10], axis="axial", phantom_speed_m_s=0)

"""What the CT protocols are made of: rods, axis, bars, without noise against the closed form."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from imgtech.geometry import ImageGrid
from imgtech.phantoms.twins import Placement, acr_ct, acr_ct_drawing, catphan, water_phantom
from imgtech.qc.locate_ct import find_axis
from imgtech.qc.metrics import bar_modulation
from imgtech.qc.protocols import acr_ct as measure_acr
from imgtech.qc.protocols import catphan as measure_catphan
from imgtech.qc.protocols import ct_water
from imgtech.qc.protocols._catphan_scan import find_catphan
from imgtech.qc.protocols._ct_rods import fit_rigid
from imgtech.qc.protocols._ct_scan import pose_at
from reference.ct_twins import Scan

TILTED = Placement(
    center_mm=(6.3, -8.1), z_mm=2.2, roll_rad=0.83, tilt=(0.014, -0.011), mirrored=True, reversed=True
)


@pytest.mark.parametrize(("model", "reach"), [("504", (-18.0, 36.0)), ("604", (-24.0, 44.0))])
def test_the_blurred_edge_of_a_rod_is_taken_off_its_ct_number(model: str, reach: tuple[float, float]) -> None:
    """Of a step of 1100 HU the edge takes 0.8 HU; tilt and sampling of the region count, 0.3 HU of it."""
    twin = catphan(model)
    report = measure_catphan(
        Scan(placement=TILTED, noise_hu=0.0, reach_mm=reach).series(twin, np.random.default_rng(1)),
        model=model,
    )
    for m in report.measurements:
        name = m.name.removeprefix("CT number ")
        if name in twin.facts:
            assert m.value == pytest.approx(twin.facts[name], abs=0.06), name
    assert report["CT number Teflon"].details["added for the blurred edge (HU)"] > 0.4
    assert report["roll"].value == pytest.approx(math.degrees(TILTED.roll_rad), abs=1e-3)


def test_rods_count_by_how_well_they_are_seen(rng: np.random.Generator) -> None:
    """Two sharp points among faint ones: the angle is theirs, and its interval holds the truth."""
    turns = np.deg2rad([0.0, 50.0, 100.0, 180.0, 240.0, 290.0])
    drawn = [(58.0 * math.sin(t), 58.0 * math.cos(t)) for t in turns]
    noise = np.array([0.003, 0.05, 0.06, 0.04, 0.003, 0.05])
    angle, shift = 0.7, np.array([4.0, -9.0])
    own = np.array([(-u + 1j * v) * np.exp(1j * angle) for v, u in drawn])
    clean = np.stack([own.imag, own.real], axis=1) + shift
    away, said = [], []
    for _ in range(200):
        found = clean + noise[:, None] * rng.standard_normal((6, 2))
        fit = fit_rigid(drawn, [tuple(f) for f in found], mirrored=True, noise_mm=noise, noise_freedom=60.0)
        away.append(fit.angle_rad - angle)
        said.append(fit.angle_uncertainty_rad)
    assert np.std(away) < 2 * 0.003 * math.sqrt(2) / 100.0
    assert np.std(away) == pytest.approx(np.median(said), rel=0.3)
    assert 0.9 <= np.mean(np.abs(away) <= 2.0 * np.array(said)) <= 0.99


def test_the_scatter_from_slice_to_slice_tells_how_well_rods_are_seen() -> None:
    """Noise explains what is left of the rods of a twin: its degrees of freedom are those of the roll."""
    scan = Scan(placement=TILTED, noise_hu=15.0, reach_mm=(-24.0, 44.0), increment_mm=4.0, thickness_mm=4.0)
    roll = measure_catphan(scan.series(catphan("604"), np.random.default_rng(3)), model="604")["roll"]
    assert roll.degrees_of_freedom > 30
    assert roll.uncertainty < 0.005
    assert abs(roll.value - math.degrees(TILTED.roll_rad)) < 0.01


@pytest.mark.parametrize("z_mm", [0.4, 1.6])
def test_a_tilted_phantom_is_placed_where_its_rods_were_seen(z_mm: float) -> None:
    """The slices of the rods need not lie evenly about the middle of the module."""
    place = dataclasses.replace(TILTED, z_mm=z_mm)
    scan = Scan(placement=place, noise_hu=0.0, reach_mm=(-24.0, 44.0))
    found = find_catphan(scan.series(catphan("604"), np.random.default_rng(3)), "604")
    for position in (-20.0, 0.0, 20.0):
        there = pose_at(place, position).center_mm
        assert pose_at(found.placement, position).center_mm == pytest.approx(there, abs=0.004)


def test_an_object_off_its_drawing_costs_certainty(rng: np.random.Generator) -> None:
    """Rods misplaced by 0.09 mm count alike, however well each is seen."""
    turns = np.deg2rad([0.0, 45.0, 90.0, 150.0, 200.0, 270.0, 310.0])
    drawn = [(58.0 * math.sin(t), 58.0 * math.cos(t)) for t in turns]
    noise = np.array([0.003, 0.05, 0.06, 0.04, 0.003, 0.05, 0.02])
    away, said = [], []
    for _ in range(200):
        places = [(v + 0.09 * rng.standard_normal(), u + 0.09 * rng.standard_normal()) for v, u in drawn]
        fit = fit_rigid(drawn, places, mirrored=False, noise_mm=noise, noise_freedom=60.0)
        away.append(fit.angle_rad)
        said.append(fit.angle_uncertainty_rad)
    assert np.std(away) == pytest.approx(0.09 / 58.0 / math.sqrt(7), rel=0.25)
    assert np.sqrt(np.mean(np.square(said))) == pytest.approx(np.std(away), rel=0.2)


@pytest.mark.parametrize(("center", "limit_deg"), [((4.2, -7.7), 0.0004), ((13.6, -16.9), 0.008)])
def test_the_tilt_of_a_phantom_with_a_dense_wall_is_that_of_its_axis(
    center: tuple[float, float], limit_deg: float
) -> None:
    """A dense wall does not pull at the centroid; near the edge of the image the rim is used."""
    place = Placement(center_mm=center, tilt=(0.013, -0.009))
    scan = Scan(placement=place, noise_hu=0.0, reach_mm=(-28.0, 28.0))
    series = scan.series(water_phantom(radius_mm=105.0), np.random.default_rng(1))
    axis = find_axis(series, radius_mm=(60.0, 180.0))
    for slope, true, spread in zip(axis.slope, place.tilt, axis.slope_uncertainties, strict=True):
        away = math.degrees(math.atan(slope) - math.atan(true))
        assert abs(away) < limit_deg
        assert abs(away) < 2.5 * math.degrees(spread)
    assert axis.at(0.0) == pytest.approx(center, abs=0.01)


def test_each_slope_of_the_axis_has_its_own_uncertainty() -> None:
    """What shakes the phantom up and down says nothing about left and right."""
    scan = Scan(noise_hu=0.0, reach_mm=(-24.0, 24.0), increment_mm=4.0)
    shaken = []
    for k, z in enumerate(scan.positions_mm):
        place = Placement(center_mm=(3.0 + 0.2 * (-1) ** k, -5.0))
        shaken.append(
            water_phantom().slices(scan.grid, [z], thickness_mm=2.5, sigma_mm=0.7, placement=place)[0]
        )
    still = scan.series(water_phantom(), np.random.default_rng(1))
    series = type(still)(
        pixels=np.stack(shaken), spacing_mm=still.spacing_mm, positions_mm=still.positions_mm,
        slice_thickness_mm=2.5, modality="CT",
    )  # fmt: skip
    up, left = find_axis(series, radius_mm=(60.0, 180.0)).slope_uncertainties
    assert up > 10 * left


@pytest.mark.parametrize("roll_deg", [0.0, 31.0])
def test_bars_that_the_blur_hides_have_no_modulation(roll_deg: float) -> None:
    """The edge of a pattern once read as 0.003; bars along the pixels may lie on every second one."""
    place = Placement(
        center_mm=(5.1, -3.3), roll_rad=math.radians(roll_deg), tilt=(0.008, -0.012), mirrored=True
    )
    scan = Scan(placement=place, noise_hu=0.0, reach_mm=(-14.0, 144.0), increment_mm=3.0)
    report = measure_acr(scan.series(acr_ct(), np.random.default_rng(1)))
    for group in acr_ct_drawing().bars:
        m = report[f"MTF {group.per_cm} lp/cm bars"]
        true = math.exp(-2 * (math.pi * 0.7 * group.per_cm / 10) ** 2)
        assert abs(m.value - true) <= max(2 * m.uncertainty, 3e-4), (group.per_cm, m.value, true)
        if group.per_cm >= 7 and roll_deg:
            assert m.value == pytest.approx(true, abs=3e-4)
        assert m.details["factor for the tilt"] >= 1.0
    eight = report["MTF 8 lp/cm bars"].details["relative uncertainty by the phase of the bars"]
    assert (eight > 0.1) == (roll_deg == 0.0)


@pytest.mark.parametrize("roll_deg", [45.0, -45.0])
def test_the_phase_of_bars_counts_along_their_own_direction(roll_deg: float) -> None:
    """Period of 2f, 0.833 mm, against pixels of 0.84 mm down and 0.97 mm across: only down they lock."""
    place = Placement(center_mm=(5.1, -3.3), roll_rad=math.radians(roll_deg))
    grid = ImageGrid(shape=(300, 260), spacing_mm=(0.84, 0.97))
    scan = Scan(placement=place, noise_hu=0.0, reach_mm=(-14.0, 144.0), increment_mm=6.0, grid=grid)
    m = measure_acr(scan.series(acr_ct(), np.random.default_rng(1)))["MTF 6 lp/cm bars"]
    group = next(g for g in acr_ct_drawing().bars if g.per_cm == 6)
    pose = pose_at(place, 0.0)
    (ay, _), (by, _) = (
        pose.to_image_mm(s * math.sin(group.angle_rad), s * math.cos(group.angle_rad)) for s in (0.0, 1.0)
    )
    locks = m.details["relative uncertainty by the phase of the bars"] > 0.3
    assert locks == (abs(by - ay) > 0.9)


@pytest.mark.parametrize("amplitude", [0.0, 1.5])
def test_the_interval_of_a_hidden_modulation_holds_it(rng: np.random.Generator, amplitude: float) -> None:
    """Bars under the noise: the root of a difference of variances, near its end at 0."""
    y, x = np.mgrid[0:40, 0:46]
    bars, plain = 1.0 * (x < 20), 1.0 * (x >= 24)
    wave = amplitude * np.sqrt(2) * np.sin(2 * np.pi * x / 5.0) * (x < 20)
    held = []
    for _ in range(150):
        m = bar_modulation(wave + 8.0 * rng.standard_normal(y.shape), bars, plain)
        held.append(abs(m.value - amplitude) <= 2 * m.uncertainty)
    assert np.mean(held) >= 0.91


def test_a_soft_image_has_no_bars_where_the_edge_of_a_pattern_is_seen() -> None:
    """A blur of 1.5 mm brings the edge of the pattern into the disk: once read as 0.01 of modulation."""
    place = Placement(center_mm=(5.1, -3.3), roll_rad=0.4)
    scan = Scan(placement=place, noise_hu=0.0, reach_mm=(-14.0, 144.0), increment_mm=4.0, sigma_mm=1.5)
    report = measure_acr(scan.series(acr_ct(), np.random.default_rng(1)))
    for group in acr_ct_drawing().bars:
        m = report[f"MTF {group.per_cm} lp/cm bars"]
        true = math.exp(-2 * (math.pi * 1.5 * group.per_cm / 10) ** 2)
        assert abs(m.value - true) <= 2 * m.uncertainty, (group.per_cm, m.value, true)
        assert m.value < 0.005
        assert 0.006 < m.details["edge of the pattern, taken off in squares"] < 0.013


def _axis_of(scan: Scan, change=None) -> tuple[float, ...]:
    series = scan.series(acr_ct(), np.random.default_rng(1))
    if change is not None:
        y, x = series.grid.coordinates_mm
        series = dataclasses.replace(series, pixels=change(series.pixels.copy(), y[:, None], x))
    axis = find_axis(series, radius_mm=(90.0, 110.0))
    return (*axis.at(0.0), *(math.degrees(math.atan(s)) for s in axis.slope))


def test_a_wide_field_a_round_one_and_metal_beside_the_phantom_leave_the_axis_where_it_is() -> None:
    place = Placement(center_mm=(4.1, -6.2), tilt=(0.012, -0.008))
    true = (*place.center_mm, *(math.degrees(math.atan(t)) for t in place.tilt))
    scan = Scan(placement=place, noise_hu=0.0, reach_mm=(-19.0, 60.0), increment_mm=6.0)

    def padded(pixels, y, x):
        pixels[:, np.hypot(y, x) > 125.0] = -3024.0
        return pixels

    def rail(pixels, y, x):
        pixels[:, (np.abs(y - 3.0) < 2.0) & (np.abs(x - 96.0) < 2.0)] = 3071.0
        return pixels

    wide = dataclasses.replace(scan, grid=ImageGrid(shape=(300, 290), spacing_mm=(1.66, 1.71)), sigma_mm=1.1)
    aside = dataclasses.replace(
        wide, placement=dataclasses.replace(place, center_mm=(4.1, 93.8)), sigma_mm=1.1
    )
    for found, limit in (
        (_axis_of(scan, padded), 0.002),
        (_axis_of(scan, rail), 0.02),
        (_axis_of(wide), 0.004),
    ):
        assert found == pytest.approx(true, abs=limit)
    assert _axis_of(aside) == pytest.approx((4.1, 93.8, *true[2:]), abs=0.004)


def test_images_without_the_rescale_intercept_are_said() -> None:
    scan = Scan(noise_hu=4.0, reach_mm=(-16.0, 36.0), increment_mm=4.0)
    series = scan.series(catphan("504"), np.random.default_rng(1))
    shifted = dataclasses.replace(series, pixels=series.pixels + 1024.0)
    note = "rescale intercept missing"
    assert any(note in n for n in measure_catphan(shifted).notes)
    assert not any(note in n for n in measure_catphan(series).notes)
    water = Scan(noise_hu=4.0, reach_mm=(-24.0, 24.0)).series(water_phantom(), np.random.default_rng(1))
    shifted = dataclasses.replace(water, pixels=water.pixels + 1024.0)
    assert any(note in n for n in ct_water(shifted).notes)
    assert not any(note in n for n in ct_water(water).notes)


def test_the_grid_is_not_square() -> None:
    grid = Scan().grid
    assert isinstance(grid, ImageGrid)
    assert grid.spacing_mm[0] != grid.spacing_mm[1]

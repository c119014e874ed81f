"""The ACR CT protocol and the water protocol on digital phantoms with known truth."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from imgtech.geometry import ImageGrid
from imgtech.phantoms.twins import Placement, acr_ct, catphan, water_phantom, with_ring
from imgtech.qc import Limit, Source, Verdict, list_protocols
from imgtech.qc.limits import confirm_limits, with_limits
from imgtech.qc.protocols import acr_ct as measure
from imgtech.qc.protocols import ct_water
from reference.ct_twins import Scan, acr_ct_truth, drawn_scan, uniform_truth

POSE = Placement(
    center_mm=(-4.2, 6.7), z_mm=13.1, roll_rad=-2.2, tilt=(0.004, -0.006), mirrored=True, reversed=True
)
REACH = (-25.0, 145.0)


def _deviations(report, truth) -> dict[str, float]:
    """Distance from the truth in half widths of the 95 % interval."""
    out = {}
    for name, value in truth.items():
        m = report[name]
        assert m.error is None, (name, m.error)
        low, high = m.interval(0.95)
        away = m.value - value
        away = (away + 180) % 360 - 180 if name == "roll" else away
        out[name] = away / max((high - low) / 2, 1e-9)
    return out


@pytest.fixture(scope="module")
def posed():
    scan, twin = Scan(placement=POSE, noise_hu=4.0, reach_mm=REACH), acr_ct()
    return scan, twin, scan.series(twin, np.random.default_rng(21))


def test_every_item_of_the_acr_phantom_is_right_at_an_odd_pose(posed) -> None:
    scan, twin, series = posed
    report = measure(series)
    away = _deviations(report, acr_ct_truth(scan, twin))
    assert len(away) == 30
    assert np.mean([abs(a) <= 1 for a in away.values()]) >= 0.88, away
    assert max(abs(a) for a in away.values()) < 2.0, away
    assert report["CT number bone"].verdict is report["CNR"].verdict is Verdict.UNRATED
    confirmed = confirm_limits(report, "A. P.")
    assert confirmed["CT number bone"].verdict is Verdict.PASS
    assert confirmed["CNR"].verdict in (Verdict.PASS, Verdict.WARN)
    assert report.passed
    assert confirmed.passed
    assert [p.title.split(",")[0] for p in report.pictures] == [f"module {i}" for i in (1, 2, 3, 4)]


def test_a_scan_may_begin_in_the_middle_of_module_1() -> None:
    twin = acr_ct()
    for backwards in (False, True):
        p = dataclasses.replace(POSE, reversed=backwards, tilt=(0.0, 0.0))
        scan = Scan(placement=p, noise_hu=4.0, reach_mm=(-1.0, 121.0), thickness_mm=5.0, increment_mm=5.0)
        report = measure(scan.series(twin, np.random.default_rng(3)))
        assert report["CT number centre"].value == pytest.approx(2.0, abs=0.6)
        assert report["CNR"].value == pytest.approx(1.5, abs=0.5)
        assert report["MTF 4 lp/cm bars"].value == pytest.approx(0.213, abs=0.01)
        assert report["distance of the beads"].value == pytest.approx(100.0, abs=0.3)


def test_faults_of_the_acr_phantom_fail_the_item_they_belong_to() -> None:
    cases = {
        "CT number bone": acr_ct(hu={"bone": 985.0}),
        "CT number water": acr_ct(hu={"water": 9.5}),
        "CNR": acr_ct(low_contrast_hu=1.0),
    }
    for name, twin in cases.items():
        scan = Scan(placement=POSE, noise_hu=4.0, reach_mm=REACH, thickness_mm=5.0, increment_mm=5.0)
        report = confirm_limits(measure(scan.series(twin, np.random.default_rng(4))), "A. P.")
        assert [m.name for m in report.measurements if m.verdict is Verdict.FAIL] == [name]


def test_a_ring_is_found_and_named_with_its_radius() -> None:
    """Off the axis of the scanner, so that the ring is none of the phantom; a site's baseline fails it."""
    site = Source(document="site baseline", edition="2026-11-26")
    limits = {"ring artefact": Limit(upper=0.4, source=site)}
    scan = Scan(placement=POSE, noise_hu=4.0, reach_mm=REACH, thickness_mm=5.0, increment_mm=5.0)
    series = scan.series(acr_ct(), np.random.default_rng(4))
    pixels = with_ring(series.pixels, series.grid, radius_mm=43.0, width_mm=0.8, height_hu=6.0)
    before = with_limits(measure(series), limits)
    after = with_limits(measure(dataclasses.replace(series, pixels=pixels)), limits)
    assert [m.name for m in before.measurements if m.verdict is Verdict.FAIL] == []
    assert [m.name for m in after.measurements if m.verdict is Verdict.FAIL] == ["ring artefact"]
    ring = after["ring artefact"]
    assert ring.details["largest at radius (mm)"] == pytest.approx(43.0, abs=0.9)
    assert 3.0 < ring.details["largest"] < 6.5
    assert ring.unit == "HU"


def test_a_tilted_table_is_found_and_named() -> None:
    tilt = (math.tan(math.radians(-1.5)), math.tan(math.radians(0.8)))
    scan = Scan(placement=dataclasses.replace(POSE, tilt=tilt), noise_hu=4.0, reach_mm=REACH)
    report = measure(scan.series(acr_ct(), np.random.default_rng(5)))
    assert report["tilt up-down"].value == pytest.approx(-1.5, abs=0.05)
    assert report["tilt left-right"].value == pytest.approx(0.8, abs=0.05)
    assert [m.name for m in report.measurements if m.verdict is Verdict.FAIL] == []


def test_a_phantom_far_from_the_axis_has_no_ring_artefact() -> None:
    """No annulus of the module lies around the axis of the scanner."""
    grid = ImageGrid(shape=(420, 410), spacing_mm=(0.84, 0.88))
    place = Placement(center_mm=(3.0, 72.0), roll_rad=0.3)
    scan = Scan(placement=place, noise_hu=4.0, reach_mm=REACH, thickness_mm=5.0, increment_mm=5.0, grid=grid)
    report = measure(scan.series(acr_ct(), np.random.default_rng(6)))
    assert "must lie around the middle of the image" in report["ring artefact"].error
    assert report["noise"].error is None


def test_a_good_acr_phantom_passes_whatever_its_rotation() -> None:
    twin = acr_ct()
    for degrees in range(0, 360, 51):
        p = Placement(roll_rad=math.radians(degrees), center_mm=(7.0, -5.0))
        scan = Scan(placement=p, noise_hu=3.0, reach_mm=REACH, thickness_mm=5.0, increment_mm=5.0)
        report = confirm_limits(measure(scan.series(twin, np.random.default_rng(degrees))), "A. P.")
        assert report.passed, degrees
        rated = {m.name for m in report.measurements if m.limit is not None}
        assert len(rated) == 10
        assert all(report[name].verdict is Verdict.PASS for name in rated), degrees


def test_limits_of_ct_numbers_need_their_voltage(posed) -> None:
    _, _, series = posed
    low = dataclasses.replace(series, tags=dataclasses.replace(series.tags, tube_voltage_kv=80.0))
    report = measure(low)
    assert report["CT number bone"].limit is None
    assert report["top minus centre"].limit is not None
    assert any("120 to 130 kV" in note for note in report.notes)


def test_missing_modules_of_the_acr_phantom_are_named(posed) -> None:
    _, _, series = posed
    near = np.abs(series.positions_mm - POSE.z_mm) < 24.0
    few = dataclasses.replace(series, pixels=series.pixels[near], positions_mm=series.positions_mm[near])
    report = measure(few)
    assert report["CT number air"].value == pytest.approx(-1000.0, abs=1.5)
    assert "direction of the slices is not known" in report["noise"].error
    assert not report.passed


def test_other_phantoms_are_refused_with_a_sentence(posed) -> None:
    _, _, series = posed
    with pytest.raises(ValueError, match="modality 'MR'"):
        measure(dataclasses.replace(series, modality="MR"))
    with pytest.raises(ValueError, match="edition must be one of"):
        measure(series, edition="1999")
    scan = Scan(noise_hu=5.0, thickness_mm=5.0, increment_mm=5.0)
    with pytest.raises(ValueError, match="not a CT series of the ACR CT phantom"):
        measure(scan.series(catphan("504"), np.random.default_rng(1)))
    with pytest.raises(ValueError, match="not a uniform water phantom"):
        ct_water(scan.series(catphan("504"), np.random.default_rng(1)))
    with pytest.raises(ValueError, match="modality 'MR'"):
        ct_water(dataclasses.replace(series, modality="MR"))
    with pytest.raises(ValueError, match="not a CT series of a water phantom"):
        ct_water(dataclasses.replace(series, pixels=np.full(series.pixels.shape, -1000.0)))


@pytest.mark.parametrize(("radius", "table"), [(100.0, False), (80.0, True)])
def test_water_of_any_size_on_a_table(radius: float, table: bool) -> None:
    p = Placement(center_mm=(5.0, -8.0), tilt=(0.008, 0.0))
    scan = Scan(placement=p, noise_hu=6.0, reach_mm=(-40.0, 40.0))
    twin = water_phantom(radius_mm=radius, water_hu=1.5)
    series = scan.series(twin, np.random.default_rng(8))
    if table:
        y = series.grid.coordinates_mm[0]
        rows = (y > 84.0) & (y < 92.0)
        pixels = series.pixels.copy()
        pixels[:, rows] = np.maximum(pixels[:, rows], 60.0)
        series = dataclasses.replace(series, pixels=pixels)
    report = ct_water(series)
    assert [m.name for m in report.measurements if m.error] == []
    highest = report["NPS mean frequency"].details["highest frequency (1/mm)"]
    truth = uniform_truth(scan, 1.5, highest_per_mm=highest)
    away = _deviations(report, truth)
    tolerated = {"tilt up-down", "tilt left-right"} if table else set()
    assert max(abs(a) for n, a in away.items() if n not in tolerated) < 2.2, away
    assert report.verdict is Verdict.UNRATED


def test_cupping_shows_in_the_uniformity() -> None:
    scan = Scan(noise_hu=5.0, reach_mm=(-20.0, 20.0))
    series = scan.series(water_phantom(), np.random.default_rng(2))
    y, x = series.grid.coordinates_mm
    bowl = 20.0 * (y[:, None] ** 2 + x**2) / 100.0**2
    report = ct_water(dataclasses.replace(series, pixels=series.pixels + bowl))
    expected = 20.0 * (68.0**2 + 5.0**2 - 5.0**2) / 100.0**2
    for side in ("top", "right", "bottom", "left"):
        assert report[f"{side} minus centre"].value == pytest.approx(expected, abs=0.6)


def test_the_protocols_are_listed() -> None:
    listed = list_protocols()
    assert listed["acr-ct"] == ("2017",)
    assert listed["ct-water"] == ("acr-2017", "iec-2019")
    assert set(listed) >= {"catphan-504", "catphan-600", "catphan-604"}


@pytest.mark.slow
@pytest.mark.parametrize("noise_hu", [6.0, 20.0])
@pytest.mark.parametrize("which", ["acr", "water"])
def test_intervals_hold_the_truth_at_drawn_poses(which: str, noise_hu: float) -> None:
    """50 poses: in all 90 to 98 % of the 95 % intervals hold the truth, and no item fails."""
    rng = np.random.default_rng([9, int(noise_hu)])
    twin = acr_ct() if which == "acr" else water_phantom()
    inside: dict[str, list[bool]] = {}
    for _ in range(50):
        scan = drawn_scan(rng, noise_hu=noise_hu, reach_mm=REACH if which == "acr" else (-40.0, 40.0))
        series = scan.series(twin, rng)
        if which == "acr":
            away = _deviations(measure(series), acr_ct_truth(scan, twin))
        else:
            report = ct_water(series)
            highest = report["NPS mean frequency"].details["highest frequency (1/mm)"]
            away = _deviations(report, uniform_truth(scan, 0.0, highest_per_mm=highest))
        for name, a in away.items():
            inside.setdefault(name, []).append(abs(a) <= 1)
    every = np.mean([np.mean(v) for v in inside.values()])
    assert 0.90 <= every <= 0.98, every
    assert min(np.mean(v) for v in inside.values()) >= 0.75, {k: np.mean(v) for k, v in inside.items()}


def test_the_grid_of_the_twin_is_not_square() -> None:
    """Guards the tests above: neutral values would hide a transposed axis."""
    grid = Scan().grid
    assert isinstance(grid, ImageGrid)
    assert grid.shape[0] != grid.shape[1]
    assert grid.spacing_mm[0] != grid.spacing_mm[1]

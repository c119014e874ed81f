"""The CatPhan protocol on digital phantoms with known truth."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from imgtech.geometry import ImageGrid
from imgtech.io import Series
from imgtech.phantoms.twins import Placement, catphan, with_ring
from imgtech.qc import Verdict
from imgtech.qc.limits import read_baselines, with_limits
from imgtech.qc.protocols import catphan as measure
from reference.ct_twins import Scan, catphan_truth, drawn_scan

POSE = Placement(
    center_mm=(5.2, -7.7), z_mm=3.1, roll_rad=2.31, tilt=(0.012, -0.009), mirrored=True, reversed=True
)
ROUNDING = {"roll": 360.0}


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
    scan = Scan(placement=POSE, noise_hu=9.0)
    twin = catphan("504")
    return scan, twin, scan.series(twin, np.random.default_rng(11))


def test_every_item_is_right_at_an_odd_pose(posed) -> None:
    scan, twin, series = posed
    report = measure(series)
    away = _deviations(report, catphan_truth(scan, twin))
    assert len(away) == 35
    assert np.mean([abs(a) <= 1 for a in away.values()]) >= 0.88, away
    assert max(abs(a) for a in away.values()) < 2.0, away
    assert "the images show the phantom mirrored" in report.notes
    assert "the slices run from the far end of the phantom" in report.notes
    assert report.verdict is Verdict.UNRATED
    assert [p.title.split(",")[0] for p in report.pictures] == [
        "CTP404", "CTP528 line pairs", "CTP486", "CTP515",
    ]  # fmt: skip


def test_the_direction_of_the_slices_is_found_for_all_four_ways_round() -> None:
    twin = catphan("504")
    for mirrored in (False, True):
        for backwards in (False, True):
            p = dataclasses.replace(POSE, mirrored=mirrored, reversed=backwards, roll_rad=-0.4)
            scan = Scan(placement=p, noise_hu=5.0, increment_mm=5.0, thickness_mm=5.0)
            report = measure(scan.series(twin, np.random.default_rng(2)))
            assert ("the images show the phantom mirrored" in report.notes) is mirrored
            assert ("the slices run from the far end of the phantom" in report.notes) is backwards
            assert report["CT number centre"].value == pytest.approx(10.0, abs=1.0)
            assert report["CT number Teflon"].value == pytest.approx(1000.0, abs=3.0)
            assert report["slice thickness"].value == pytest.approx(5.0, abs=0.15)


@pytest.mark.parametrize("model", ["600", "604"])
def test_the_other_models_run_on_the_same_engine(model: str) -> None:
    twin = catphan(model)
    reach = (-190.0, 30.0) if model == "600" else (-105.0, 65.0)
    scan = Scan(placement=POSE, noise_hu=6.0, reach_mm=reach, thickness_mm=5.0, increment_mm=5.0)
    series = scan.series(twin, np.random.default_rng(4))
    report = measure(series, model=model)
    assert [m.name for m in report.measurements if m.error] == []
    for name, value in twin.facts.items():
        if f"CT number {name}" in {m.name for m in report.measurements}:
            assert report[f"CT number {name}"].value == pytest.approx(value, abs=3.0)
    turn = (report["roll"].value - math.degrees(POSE.roll_rad) + 180) % 360 - 180
    assert abs(turn) < 0.1
    assert any("no drawing of ramps" in note for note in report.notes)
    with pytest.raises(ValueError, match=f"use the protocol catphan-{model}"):
        measure(series, model="504")


def test_a_good_phantom_passes_its_baselines_whatever_its_rotation(tmp_path) -> None:
    file = tmp_path / "site.toml"
    lines = ['who = "A. P."', "when = 2026-11-24"]
    for name, value, tolerance in (
        ("CT number Teflon", 1000.0, 10.0),
        ("CT number LDPE", -104.0, 5.0),
        ("slice thickness", 2.5, 0.5),
        ("line top", 50.0, 0.5),
        ("noise", 8.0, 0.8),
        ("top minus centre", 0.0, 4.0),
    ):
        lines += [f'[limits."{name}"]', f"baseline = {value}", f"tolerance = {tolerance}"]
    file.write_text("\n".join(lines))
    limits, twin = read_baselines(file), catphan("504")
    for degrees in (0.0, 3.0, 45.0, 90.0, 133.0, 180.0, 271.0):
        scan = Scan(placement=Placement(roll_rad=math.radians(degrees), center_mm=(4.0, -9.0)), noise_hu=8.0)
        report = with_limits(measure(scan.series(twin, np.random.default_rng(5))), limits)
        assert report.passed, (degrees, [(m.name, m.value) for m in report.measurements if m.limit])
    faults = {
        "CT number Teflon": (catphan("504", hu={"Teflon": 970.0}), {}),
        "slice thickness": (twin, {"thickness_mm": 4.5, "labelled_thickness_mm": 2.5}),
        "noise": (twin, {"noise_hu": 12.0}),
    }
    for name, (wrong, changes) in faults.items():
        scan = Scan(placement=POSE, **{"noise_hu": 8.0, **changes})
        report = with_limits(measure(scan.series(wrong, np.random.default_rng(6))), limits)
        assert [m.name for m in report.measurements if m.verdict is Verdict.FAIL] == [name]
        assert not report.passed


def test_planted_faults_show_in_the_item_they_belong_to(posed) -> None:
    scan, twin, series = posed
    wide = dataclasses.replace(series, spacing_mm=tuple(1.01 * d for d in series.spacing_mm))
    report = measure(wide)
    for side in ("top", "left", "bottom", "right"):
        assert report[f"line {side}"].value == pytest.approx(50.5, abs=0.05)
    stretched = dataclasses.replace(scan, labelled_increment_mm=2.25)
    report = measure(stretched.series(twin, np.random.default_rng(3)))
    assert report["slice increment"].value == pytest.approx(2.5, abs=0.05)
    assert report["slice increment"].details["nominal (mm)"] == pytest.approx(2.25)
    tilted = Scan(placement=Placement(tilt=(0.0, math.tan(math.radians(2.0))), roll_rad=1.0), noise_hu=9.0)
    report = measure(tilted.series(twin, np.random.default_rng(3)))
    assert report["tilt left-right"].value == pytest.approx(2.0, abs=0.02)
    assert report["tilt up-down"].value == pytest.approx(0.0, abs=0.02)
    ringed = dataclasses.replace(
        series,
        pixels=with_ring(series.pixels, series.grid, radius_mm=53.0, width_mm=3.0, height_hu=15.0),
    )
    before, after = measure(series), measure(ringed)
    thin = with_ring(series.pixels, series.grid, radius_mm=40.0, width_mm=0.8, height_hu=8.0)
    ring = measure(dataclasses.replace(series, pixels=thin))["ring artefact"]
    assert ring.details["largest at radius (mm)"] == pytest.approx(40.0, abs=0.9)
    assert ring.interval(0.95)[0] > 0.6 > before["ring artefact"].interval(0.95)[1]
    sides = [f"{s} minus centre" for s in ("top", "right", "bottom", "left")]
    assert max(after[s].value - before[s].value for s in sides) > 3.0
    assert after["CT number centre"].value == pytest.approx(before["CT number centre"].value, abs=0.01)


def test_a_table_below_a_clipped_side_and_offset_numbers_change_nothing(posed) -> None:
    scan, twin, series = posed
    y, x = series.grid.coordinates_mm
    table = (y[:, None] > 104.0) & (y[:, None] < 112.0) & (np.abs(x) < 110.0)
    pixels = np.where(table, np.float32(120.0), series.pixels)
    truth = catphan_truth(scan, twin)
    with_table = measure(dataclasses.replace(series, pixels=pixels))
    assert np.mean([abs(a) <= 1 for a in _deviations(with_table, truth).values()]) >= 0.85
    cut = 62  # columns: the outer 30 mm of the phantom on one side leave the image
    clipped = dataclasses.replace(series, pixels=series.pixels[:, :, cut:])
    report = measure(clipped)
    for name in ("CT number Teflon", "CT number LDPE", "slice thickness", "line top"):
        assert report[name].value == pytest.approx(truth[name], abs=3 if "CT" in name else 0.1)
    shifted = measure(dataclasses.replace(series, pixels=series.pixels + 1024))
    assert shifted["CT number Teflon"].value == pytest.approx(truth["CT number Teflon"] + 1024, abs=3)


def test_what_is_missing_is_an_error_of_its_own_items_only(posed) -> None:
    _, _, series = posed
    whole = measure(series)
    near = np.abs(series.positions_mm - POSE.z_mm) < 25.0
    few = dataclasses.replace(series, pixels=series.pixels[near], positions_mm=series.positions_mm[near])
    report = measure(few)
    lost = {m.name for m in report.measurements if m.error}
    assert lost == {
        "CT number centre", "noise", "ring artefact", "NPS peak frequency", "NPS mean frequency",
        "lowest detectable contrast 5 mm", *(f"{s} minus centre" for s in ("top", "right", "bottom", "left")),
    } | {m for m in lost if m.startswith("contrast")}  # fmt: skip
    assert "no slice lies wholly in CTP486" in report["noise"].error
    assert report["slice thickness"].value == pytest.approx(whole["slice thickness"].value, abs=0.02)
    assert report["CT number Teflon"].value == pytest.approx(whole["CT number Teflon"].value, abs=0.5)
    assert not report.passed
    one = int(np.argmin(np.abs(series.positions_mm - POSE.z_mm)))
    alone = dataclasses.replace(series, pixels=series.pixels[[one]], positions_mm=series.positions_mm[[one]])
    report = measure(alone)
    assert report["CT number Teflon"].value == pytest.approx(1000.0, abs=8.0)
    assert "the wire ramps" in report["slice increment"].error


def test_a_fault_in_one_item_is_named_and_leaves_the_others(posed, monkeypatch) -> None:
    from imgtech.qc.protocols import _catphan_items

    def broken(scan):
        return np.zeros(3)[7]

    _, _, series = posed
    monkeypatch.setattr(_catphan_items, "_thickness", broken)
    report = measure(series)
    assert "IndexError" in report["slice thickness"].error
    assert "please report it" in report["slice thickness"].error
    assert [m.name for m in report.measurements if m.error] == ["slice thickness"]


def test_other_things_are_refused_with_a_sentence(posed, rng: np.random.Generator) -> None:
    _, _, series = posed
    with pytest.raises(ValueError, match="modality 'MR'"):
        measure(dataclasses.replace(series, modality="MR"))
    with pytest.raises(ValueError, match="edition must be one of"):
        measure(series, edition="1999")
    with pytest.raises(ValueError, match="model must be one of 504, 600, 604"):
        measure(series, model="503")
    noise = dataclasses.replace(series, pixels=rng.normal(size=series.pixels.shape))
    with pytest.raises(ValueError, match="no slice shows a disk of 176 to 224 mm"):
        measure(noise)
    far = np.abs(series.positions_mm - POSE.z_mm) > 20.0
    without = dataclasses.replace(series, pixels=series.pixels[far], positions_mm=series.positions_mm[far])
    with pytest.raises(ValueError, match="sensitometry module is missing"):
        measure(without)
    small = ImageGrid(shape=(150, 150), spacing_mm=(0.9, 0.9))
    inner = Series(
        pixels=catphan("504").slices(small, [0.0, 3.0], thickness_mm=3.0, sigma_mm=0.7),
        spacing_mm=small.spacing_mm,
        positions_mm=np.array([0.0, 3.0]),
        slice_thickness_mm=3.0,
        modality="CT",
    )
    with pytest.raises(ValueError, match="not a CT series of the CatPhan 504"):
        measure(inner)


@pytest.mark.slow
@pytest.mark.parametrize("noise_hu", [6.0, 20.0])
def test_intervals_hold_the_truth_at_drawn_poses(noise_hu: float) -> None:
    """50 poses: in all 90 to 98 % of the 95 % intervals hold the truth, and no item fails."""
    rng, twin = np.random.default_rng([7, int(noise_hu)]), catphan("504")
    inside: dict[str, list[bool]] = {}
    for _ in range(50):
        scan = drawn_scan(rng, noise_hu=noise_hu)
        away = _deviations(measure(scan.series(twin, rng)), catphan_truth(scan, twin))
        for name, a in away.items():
            inside.setdefault(name, []).append(abs(a) <= 1)
    every = np.mean([np.mean(v) for v in inside.values()])
    assert 0.90 <= every <= 0.98, every
    assert min(np.mean(v) for v in inside.values()) >= 0.80, {k: np.mean(v) for k, v in inside.items()}

"""CT protocols on scans with gaps, cut scales, odd slices, other values and small fields of view."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from imgtech import qc
from imgtech.geometry import ImageGrid
from imgtech.io import Series, list_series, read_series, write_series
from imgtech.phantoms.twins import Placement, acr_ct, catphan, catphan_drawing, water_phantom
from imgtech.qc import Report, protocols
from imgtech.qc.locate_ct import find_axis, match_drawings, match_rods
from reference.ct_twins import Scan

PLACE = Placement(center_mm=(5.3, -8.9), z_mm=1.3, roll_rad=0.1, tilt=(0.004, -0.006))
GRID = ImageGrid(shape=(240, 236), spacing_mm=(1.03, 1.01))
RODS = tuple(f"contrast 1 % rod {d} mm" for d in (15, 9, 8))


@pytest.fixture(scope="module")
def scan_604() -> tuple[Series, Report]:
    """A CatPhan 604 of 3 mm slices, and its report."""
    scan = Scan(placement=PLACE, grid=GRID, reach_mm=(-102.0, 45.0), noise_hu=6.0, thickness_mm=3.0,
                increment_mm=3.0)  # fmt: skip
    series = scan.series(catphan("604"), np.random.default_rng(5))
    return series, _604(series)


def _604(series: Series) -> Report:
    return protocols.catphan(series, model="604")


def _kept(series: Series, keep: np.ndarray) -> Series:
    return dataclasses.replace(series, pixels=series.pixels[keep], positions_mm=series.positions_mm[keep])


def _agree(report: Report, other: Report, names: tuple[str, ...] = ()) -> None:
    """Values within the joint 95 % interval."""
    for m in report.measurements:
        if names and m.name not in names:
            continue
        true = other[m.name]
        assert m.error is None, (m.name, m.error)
        joint = 2.1 * math.hypot(m.uncertainty, true.uncertainty)
        assert abs(m.value - true.value) <= joint, (m.name, m.value, true.value, joint)


@pytest.mark.parametrize("gap", [(17.0, 29.0), (-32.0, -18.0)])
def test_slices_missing_at_the_end_of_the_module_of_the_rods_move_nothing(scan_604, gap) -> None:
    """Half of the gap once moved all modules: rods of 10 HU read 3.5."""
    series, report = scan_604
    z = series.positions_mm - PLACE.z_mm
    _agree(_604(_kept(series, (z < gap[0]) | (z > gap[1]))), report)


def test_a_scan_that_ends_in_the_module_of_the_rods_is_placed_by_its_other_end(scan_604) -> None:
    series, report = scan_604
    found = _604(_kept(series, series.positions_mm - PLACE.z_mm < 8.0))
    _agree(found, report, (*RODS, "CT number centre", "noise", "CT number Teflon", "CT number PMP"))
    assert any("told by the CT numbers of the modules" in note for note in found.notes)


def test_the_bodies_of_the_modules_tell_the_direction_without_bars(scan_604) -> None:
    series, report = scan_604
    z = series.positions_mm - PLACE.z_mm
    few = _kept(series, (z < 35.0) | (z > 47.0))
    for pixels, places, back in (
        (few.pixels, few.positions_mm, False),
        (few.pixels[::-1] + 70.0, -few.positions_mm[::-1], True),
    ):
        found = _604(dataclasses.replace(few, pixels=pixels, positions_mm=places))
        assert ("the slices run from the far end of the phantom" in found.notes) == back
        _agree(found, report, (*RODS, "noise"))


@pytest.mark.parametrize("value", [-1000.0, 3071.0])
def test_a_slice_of_something_else_is_left_out_and_said(scan_604, value: float) -> None:
    series, report = scan_604
    pixels = np.array(series.pixels)
    for away in (-40.0, -80.0, 2.0):
        pixels[np.argmin(np.abs(series.positions_mm - PLACE.z_mm - away))] = value
    found = _604(dataclasses.replace(series, pixels=pixels))
    _agree(found, report)
    assert any("left out" in note for note in found.notes)


def test_a_number_at_the_end_of_the_scale_is_freed_of_the_cut_or_refused(scan_604) -> None:
    series, report = scan_604
    low = _604(dataclasses.replace(series, pixels=np.maximum(series.pixels, -1003.0)))
    assert abs(low["CT number Air"].value - report["CT number Air"].value) < 0.6
    _agree(low, report, ("CT number Air", "CT number Teflon", "MTF50 Teflon rod"))
    high = _604(dataclasses.replace(series, pixels=np.minimum(series.pixels, 1001.0)))
    _agree(high, report, ("CT number Teflon", "CT number Air"))
    assert "cut off at 1001 HU" in high["MTF50 Teflon rod"].error
    cut = _604(dataclasses.replace(series, pixels=np.minimum(series.pixels, 900.0)))
    assert "end of the scale" in cut["CT number Teflon"].error
    _agree(cut, report, ("CT number Delrin", "noise", "roll"))


def test_a_field_of_view_within_the_phantom_measures_the_same(scan_604) -> None:
    """The edge of the image was once taken for an outline: roll off by a degree, tilt by two."""
    series, report = scan_604
    y, x = series.grid.coordinates_mm
    rows, columns = (np.abs(c - m) < 90.0 for c, m in zip((y, x), PLACE.center_mm, strict=True))
    found = _604(dataclasses.replace(series, pixels=series.pixels[:, rows][:, :, columns]))
    _agree(found, report, tuple(m.name for m in report.measurements if m.name != "ring artefact"))


def test_a_wrong_pixel_spacing_is_refused(scan_604) -> None:
    series, _ = scan_604
    wide = tuple(1.05 * d for d in series.spacing_mm)
    with pytest.raises(ValueError, match="the pixel spacing in the files may be wrong"):
        _604(dataclasses.replace(series, spacing_mm=wide))


def test_drawings_are_matched_together_as_alone(scan_604) -> None:
    series, _ = scan_604
    axis = find_axis(series, radius_mm=(90.0, 110.0))
    drawings = {name: (catphan_drawing(name).inserts, 90.0) for name in ("504", "604")}
    both = match_drawings(series, axis, drawings)
    for name, (rods, body) in drawings.items():
        alone = match_rods(series, axis, rods, body_hu=body)
        assert (both[name].scores == alone.scores).all()
        assert (both[name].roll_rad, both[name].mirrored) == (alone.roll_rad, alone.mirrored)


def _water(tmp_path: Path, change: Callable[[pydicom.Dataset], None]) -> Series:
    """Slices of water as files, changed."""
    scan = Scan(placement=PLACE, grid=GRID, reach_mm=(-20.0, 20.0), noise_hu=4.0, thickness_mm=4.0,
                increment_mm=4.0)  # fmt: skip
    write_series(scan.series(water_phantom(), np.random.default_rng(2)), tmp_path, step=0.5)
    for path in tmp_path.iterdir():
        ds = pydicom.dcmread(path)
        change(ds)
        ds.save_as(path)
    return read_series(tmp_path, series=list_series(tmp_path)[0])


@pytest.mark.parametrize("degrees", [0.0, 3.0, -10.0])
def test_the_tilt_of_the_gantry_counts(tmp_path: Path, degrees: float) -> None:
    """Slices that lie obliquely behind each other show no shift, yet cut the phantom at an angle."""
    a = math.radians(degrees)
    down = np.array([0.0, math.cos(a), math.sin(a)])
    normal = np.cross([1.0, 0.0, 0.0], down)

    def lean(ds: pydicom.Dataset) -> None:
        z = float(ds.ImagePositionPatient[2])
        ds.ImageOrientationPatient = [1.0, 0.0, 0.0, *down.tolist()]
        ds.ImagePositionPatient = [-119.0, -123.0 * down[1], -123.0 * down[2] + z / normal[2]]

    series = _water(tmp_path, lean)
    assert series.drift == pytest.approx((math.tan(a), 0.0), abs=1e-6)
    if abs(degrees) > 6:
        with pytest.raises(ValueError, match=r"cut the phantom at \d+\.\d degrees"):
            protocols.ct_water(series)
        return
    report = protocols.ct_water(series)
    assert any("tilted gantry" in note for note in report.notes) == (degrees != 0)
    seen = math.degrees(math.atan(PLACE.tilt[0] + math.tan(a)))
    assert report["tilt up-down"].value == pytest.approx(seen, abs=0.02)
    assert report["tilt left-right"].value == pytest.approx(math.degrees(PLACE.tilt[1]), abs=0.02)


def test_values_that_are_no_ct_numbers_are_refused_and_unspecified_ones_said(tmp_path: Path) -> None:
    for unit in ("ED", "US"):
        series = _water(tmp_path / unit, lambda ds, unit=unit: setattr(ds, "RescaleType", unit))
        if unit == "ED":
            with pytest.raises(ValueError, match="must hold CT numbers, got values that the files call 'ED'"):
                protocols.ct_water(series)
        else:
            assert any("'US', not HU" in note for note in protocols.ct_water(series).notes)


def test_an_overview_in_the_folder_of_a_water_scan_is_passed_over(tmp_path: Path) -> None:
    _water(tmp_path / "scan", lambda ds: None)
    ds = pydicom.dcmread(next((tmp_path / "scan").iterdir()))
    ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    ds.ImageOrientationPatient = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0]
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.SeriesInstanceUID, ds.SeriesNumber = generate_uid(), 2
    ds.save_as(tmp_path / "overview.dcm")
    report = qc.run(tmp_path, protocol="ct-water")
    assert any(note.startswith("of 2 stacks of images") for note in report.notes)
    assert abs(report["CT number centre"].value) < 1.0


def test_an_acr_scan_with_a_gap_beside_module_1_is_placed_by_the_other_end() -> None:
    scan = Scan(placement=PLACE, grid=GRID, reach_mm=(-25.0, 145.0), noise_hu=4.0, thickness_mm=4.0,
                increment_mm=4.0)  # fmt: skip
    series = scan.series(acr_ct(), np.random.default_rng(3))
    z = series.positions_mm - PLACE.z_mm
    whole = protocols.acr_ct(series)
    found = protocols.acr_ct(_kept(series, (z < 16.0) | (z > 30.0)))
    _agree(found, whole, ("CT number bone", "CNR", "CT number centre", "MTF 5 lp/cm bars", "roll"))

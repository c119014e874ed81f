"""The ACR MRI protocols on digital twins at odd poses: every item against its truth, and planted faults."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from imgtech import qc
from imgtech.geometry import ImageGrid, Trajectory
from imgtech.io import Series, SeriesTags, write_series
from imgtech.phantoms import CoilSensitivities
from imgtech.phantoms.twins import (
    Cylinder,
    MrTwin,
    Placement,
    RampSlot,
    Slab,
    WedgeBar,
    acr_mri,
    acr_mri_drawing,
    array_holes,
    spoke_centers,
)
from imgtech.qc import Verdict
from imgtech.qc.limits import confirm_limits, read_limit_table
from imgtech.qc.protocols import acr_mri_large, acr_mri_medium
from imgtech.qc.protocols._acr_mri_scan import find_phantom
from imgtech.qc.protocols._acr_mri_sheets import SHEETS, find_sheets, sheet_contrast, total_score
from reference.mr_twins import MrScan, acr_truth

POSE = Placement(center_mm=(7.3, -11.2), z_mm=14.0, roll_rad=2.4, mirrored=True, reversed=True)
GRID = ImageGrid(shape=(276, 283), spacing_mm=(0.97, 0.97))
SCAN = MrScan(placement=POSE, grid=GRID, sigma=4.0, off_mm=0.7, thickness_mm=5.2, ghost=0.008)
MEASURE = {"large": acr_mri_large, "medium": acr_mri_medium}


@pytest.fixture(scope="module", params=["large", "medium"])
def posed(request):
    twin = acr_mri(request.param, ellipticity_mm=0.3, tilt=0.004)
    return request.param, twin, SCAN.series(twin, np.random.default_rng(3))


def test_every_item_is_right_at_an_odd_pose(posed) -> None:
    model, twin, series = posed
    report = MEASURE[model](series)
    assert [m.name for m in report.measurements if m.error] == []
    away = {}
    for name, value in acr_truth(SCAN, twin).items():
        low, high = report[name].interval(0.95)
        away[name] = (report[name].value - value) / ((high - low) / 2)
    assert len(away) == 17
    assert np.mean([abs(a) <= 1 for a in away.values()]) >= 0.85, away
    assert max(abs(a) for a in away.values()) < 2.0, away
    assert report["resolution left to right"].value <= 1.0
    assert report["resolution up and down"].value <= 1.0
    assert 36 <= report["low-contrast score"].value <= 40
    assert report.verdict is Verdict.UNRATED
    assert confirm_limits(report, "A. P.").verdict in (Verdict.PASS, Verdict.WARN)


def test_the_series_goes_through_dicom_and_is_found_by_name(posed, tmp_path) -> None:
    model, _, series = posed
    write_series(series, tmp_path / "scan")
    report = qc.run(tmp_path / "scan", protocol=f"acr-mri-{model}")
    direct = MEASURE[model](series)
    for a, b in zip(report.measurements, direct.measurements, strict=True):
        assert a.error is None, (a.name, a.error)
        assert a.value == pytest.approx(b.value, abs=0.3 * b.uncertainty + 1e-9), a.name
    assert report.subject["series description"] == "digital twin"
    other = {"large": "medium", "medium": "large"}[model]
    with pytest.raises(ValueError, match=f"not an axial series of the ACR {other} MRI phantom"):
        qc.run(tmp_path / "scan", protocol=f"acr-mri-{other}")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "this is not an axial series"),
        (
            {"orientation": (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)},
            r"this is a localizer \(3 sagittal images\), not an axial",
        ),
        (
            {"orientation": (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)},
            r"this is a localizer \(3 coronal images\), not an axial",
        ),
        (
            {"tags": SeriesTags(series_description="3-plane scout")},
            r'localizer \(3 axial images, "3-plane scout"\)',
        ),
        (
            {"notes": ("the files call their images a localizer (ImageType)",)},
            r"localizer \(3 axial images\)",
        ),
    ],
)
def test_a_localizer_is_refused_by_name(posed, changes, sentence: str) -> None:
    model, _, series = posed
    few = Series(
        **{"spacing_mm": series.spacing_mm, "positions_mm": series.positions_mm[2:5], "modality": "MR"}
        | {"slice_thickness_mm": 5.0, "pixels": np.zeros_like(series.pixels[2:5])}
        | changes
    )
    with pytest.raises(ValueError, match=sentence):
        MEASURE[model](few)


def _large(scan: MrScan, edition: str = "2015", **changes: float) -> qc.Report:
    return acr_mri_large(scan.series(acr_mri("large", **changes), np.random.default_rng(8)), edition=edition)


@pytest.mark.parametrize(
    "degrees", [45.0, *(pytest.param(d, marks=pytest.mark.slow) for d in (0.0, 3.0, 17.0, 100.0, 222.0))]
)
def test_a_good_phantom_never_fails_for_a_rotation(degrees: float) -> None:
    turned = dataclasses.replace(POSE, roll_rad=math.radians(degrees))
    scan = MrScan(placement=turned, grid=GRID, sigma=3.0, shading=0.02)
    report = _large(scan)
    failed = [m.name for m in report.measurements if m.verdict in (Verdict.FAIL, Verdict.ERROR)]
    assert failed == []


@pytest.mark.parametrize("off_mm", [1.4, -0.9])
def test_the_sign_of_the_bars_is_that_of_the_phantom_in_all_four_flips(off_mm: float) -> None:
    """Right bar longer: positive, the slice lies towards slice 11, whichever way the pictures are shown."""
    pose = Placement(center_mm=(3.2, -6.1), z_mm=5.0, roll_rad=0.12)
    scan = MrScan(placement=pose, grid=GRID, sigma=4.0, off_mm=off_mm, roles=(1, 11))
    series = scan.series(acr_mri("large"), np.random.default_rng(5))
    image = series.pixels[0]
    # by hand: the right bar of slice 1, seen the right way up, is dark for 2 x off further in
    rows, columns = GRID.coordinates_mm
    place = pose.at(5.0, thickness_mm=1.0)
    ends = []
    for u in (-2.9, 2.9):
        along = [place.to_image(float(v), u) for v in np.arange(-75.0, -45.0, 0.5)]
        dark = [image[np.abs(rows - y).argmin(), np.abs(columns - x).argmin()] < 500 for y, x in along]
        ends.append(0.5 * sum(dark))
    assert ends[1] - ends[0] == pytest.approx(2 * off_mm, abs=1.2)
    for flipped in ((), (1,), (2,), (1, 2)):
        shown = dataclasses.replace(
            series, pixels=np.flip(series.pixels, flipped) if flipped else series.pixels
        )
        report = acr_mri_large(shown)
        for role in (1, 11):
            m = report[f"bar length difference slice {role}"]
            assert m.value == pytest.approx(2 * off_mm, abs=0.12), (flipped, role)
            assert m.details["slice displacement mm"] == pytest.approx(off_mm, abs=0.06)
            right, left = (m.details[f"{side} bar end (mm from the centre)"] for side in ("right", "left"))
            assert left - right == pytest.approx(2 * off_mm, abs=0.12)


@pytest.mark.slow
def test_planted_faults_are_found_and_named() -> None:
    good = MrScan(placement=POSE, grid=GRID, sigma=2.0, shading=0.02)
    off = _large(dataclasses.replace(good, off_mm=2.0))
    for role in (1, 11):
        m = off[f"bar length difference slice {role}"]
        assert m.value == pytest.approx(4.0, abs=2.5 * m.uncertainty)
        assert m.details["slice displacement mm"] == pytest.approx(2.0, abs=0.1)
    ghost = _large(dataclasses.replace(good, ghost=0.03))
    assert ghost["percent signal ghosting"].verdict is Verdict.FAIL
    assert ghost["ghosting without the noise floor"].value == pytest.approx(3.0, abs=0.1)
    thick = _large(dataclasses.replace(good, thickness_mm=6.2))["slice thickness"]
    assert thick.value == pytest.approx(6.2, abs=2.5 * thick.uncertainty)
    assert thick.value > thick.limit.upper
    stretched = _large(good, diameter_mm=187.0)
    named = [m.name for m in stretched.measurements if m.verdict is Verdict.FAIL]
    assert named == ["diameter slice 1 vertical", "diameter slice 1 horizontal", "diameter slice 5 vertical",
                     "diameter slice 5 horizontal", "diameter slice 5 falling diagonal",
                     "diameter slice 5 rising diagonal"]  # fmt: skip
    faint = _large(good, contrast_scale=0.1)
    assert faint["low-contrast score"].value < 20
    shaded = _large(dataclasses.replace(good, shading=0.25))
    assert [m.name for m in shaded.measurements if m.verdict is Verdict.FAIL] == [
        "percent integral uniformity"
    ]


def test_disks_of_the_next_sheets_that_shine_through_are_not_taken_for_noise(posed) -> None:
    """A slice profile lets a fifth of the next sheet through, dark, and of the last one, bright."""
    model, _, series = posed
    pair = dataclasses.replace(SCAN, ghost=0.0, sigma=0.0, roles=(9, 10))
    strong, faint = (
        pair.series(acr_mri(model, contrast_scale=c, ellipticity_mm=0.3), np.random.default_rng(3)).pixels
        for c in (1.0, 0.5)
    )
    of_10, of_9 = 2 * (strong.astype(np.float64) - faint)  # the pose is reversed
    pixels = series.pixels.astype(np.float64)
    pixels[1] += 0.2 * of_9
    pixels[2] -= 0.2 * of_10
    mixed = dataclasses.replace(series, pixels=pixels)
    without, with_them = (find_sheets(find_phantom(s, model)) for s in (series, mixed))
    for r in SHEETS:
        m, other = sheet_contrast(with_them[r]), sheet_contrast(without[r])
        assert m.value == pytest.approx(other.value, abs=other.uncertainty), r
    for r, other, share in ((9, 10, -0.2), (10, 9, 0.2)):
        seen = sheet_contrast(with_them[r]).details[f"disks of slice {other} shine through (%)"]
        assert seen == pytest.approx(share * sheet_contrast(without[other]).value, abs=0.15)
    assert abs(total_score(with_them).value - total_score(without).value) <= 1


def test_diameters_in_coarse_pixels_say_how_uncertain_they_are() -> None:
    place = Placement(center_mm=(3.3, -4.2), roll_rad=0.3)
    grid = ImageGrid(shape=(134, 139), spacing_mm=(1.95, 1.95))
    coarse = MrScan(placement=place, grid=grid, sigma=3.0, shading=0.02, roles=(1, 5))
    report = acr_mri_large(coarse.series(acr_mri("large"), np.random.default_rng(1)))
    for m in report.measurements:
        if m.name.startswith("diameter"):
            assert m.value == pytest.approx(190.0, abs=2 * m.uncertainty), m.name
            assert m.uncertainty < 0.3
            assert "coarse pixels" in m.details


def test_kspace_of_a_twin_is_that_of_its_shapes() -> None:
    grid = ImageGrid(shape=(20, 17), spacing_mm=(11.0, 12.3))
    coils = CoilSensitivities.ring(n_coils=3, radius_mm=120.0)
    twin = acr_mri("medium")
    for position, one in ((0.3, None), (-83.0, coils)):
        quick = twin.kspace(grid, position, thickness_mm=5.0, placement=POSE, coils=one)
        slow = twin.section(position, thickness_mm=5.0, placement=POSE).kspace(
            Trajectory.of_grid(grid), one, dtype=np.complex128
        )
        assert np.abs(quick - slow).max() < 1e-12 * np.abs(slow).max()


def test_ramps_and_wedges_show_thickness_and_position() -> None:
    """Integrals over the sections: a ramp holds height over slope, a bar its length."""
    ramp = RampSlot(signal=500.0, center_mm=(-2.0, 1.5), width_mm=5.0, height_mm=0.8, slope=-0.1)
    bar = WedgeBar(
        signal=-900.0, start_mm=(-90.0, 2.9), width_mm=5.7, length_mm=31.0, rise=-1.0, middle_mm=9.0
    )
    for position, thick in ((0.0, 5.0), (1.3, 4.2)):
        place = Placement().at(position, thickness_mm=thick)
        strips = list(ramp.section(place))
        assert sum(s.value * s.size_mm[0] * s.size_mm[1] for s in strips) == pytest.approx(
            500 * 0.8 / 0.1 * 5
        )
        assert np.mean([s.size_mm[1] for s in strips]) == pytest.approx(thick / 0.1)
        assert strips[0].center_mm[1] == pytest.approx(1.5 - position / 0.1)
        lit = sum(s.value * s.size_mm[0] for s in bar.section(place)) / -900.0
        assert lit == pytest.approx(31.0 - (position - 9.0))
    assert list(ramp.section(Placement().at(7.0, thickness_mm=5.0))) == []
    assert list(bar.section(Placement().at(40.0, thickness_mm=5.0))) == []


def test_drawings_hold_together() -> None:
    for model in ("large", "medium"):
        d = acr_mri_drawing(model)
        half = np.array(d.insert_size_mm) / 2
        for diameter, shared in d.arrays:
            for upper in (True, False):
                holes = np.array(array_holes(diameter, shared, upper=upper)).reshape(-1, 2)
                assert np.all(np.abs(holes - d.insert_center_mm) + diameter / 2 < half)
        corner = np.abs(d.insert_center_mm) + half
        assert np.hypot(*corner) < d.radius_mm
    first = np.degrees(
        [math.atan2(spoke_centers(r)[0][0][1], -spoke_centers(r)[0][0][0]) for r in (8, 9, 10, 11)]
    )
    assert first == pytest.approx([0.0, 9.0, 18.0, 27.0])


def test_what_cannot_be_is_refused(rng: np.random.Generator) -> None:
    water = Cylinder(signal=1.0, semi_axes_mm=(50.0, 50.0), z_mm=(0.0, 9.0))
    twin = MrTwin(name="x", solids={"w": water})
    small = ImageGrid.square(8, fov_mm=200.0)
    for wrong, sentence in (
        (lambda: MrTwin(name="x", solids={}), "at least one solid"),
        (lambda: twin.section(80.0, thickness_mm=5.0), "cuts the phantom"),
        (lambda: twin.images(small, [4.0], thickness_mm=5.0, sigma=1.0), "rng must be given"),
        (
            lambda: twin.images(
                small, [4.0], thickness_mm=5.0, sensitivity=CoilSensitivities.ring(n_coils=2, radius_mm=99.0)
            ),
            "one coil",
        ),
        (lambda: acr_mri("small"), "model must be one of large, medium"),
        (lambda: acr_mri("large", tilt=0.2), "tilt must lie between"),
        (lambda: spoke_centers(7), "role must be one of 8, 9, 10, 11"),
        (lambda: Slab(signal=1.0, center_mm=(0, 0), size_mm=(0.0, 1.0), z_mm=(0, 1)), "size_mm"),
        (
            lambda: list(
                RampSlot(signal=1.0, center_mm=(0, 0), width_mm=5.0, height_mm=3.0, slope=0.1).section(
                    Placement().at(0.0, thickness_mm=2.0)
                )
            ),
            "height_mm must be less than the thickness",
        ),
    ):
        with pytest.raises(ValueError, match=sentence):
            wrong()


def test_numbers_that_make_no_solid_are_named() -> None:
    nan = float("nan")
    at, z = (0.0, 1.0), (-1.0, 1.0)
    water = Cylinder(signal=1.0, semi_axes_mm=(50.0, 50.0), z_mm=(0.0, 9.0))
    twin, small = MrTwin(name="x", solids={"w": water}), ImageGrid.square(8, fov_mm=200.0)
    for wrong, sentence in (
        (
            lambda: Cylinder(signal=1.0, semi_axes_mm=(5.0, 5.0), z_mm=(nan, 1.0)),
            "z_mm must be finite, got nan",
        ),
        (lambda: Cylinder(signal=1.0, semi_axes_mm=(5.0, 5.0), z_mm=(1.0, -1.0)), "z_mm must end above"),
        (lambda: Cylinder(signal=1.0, semi_axes_mm=(5.0,), z_mm=z), "semi_axes_mm must be a pair"),
        (
            lambda: Slab(signal=1.0, center_mm=(nan, 0.0), size_mm=(5.0, 5.0), z_mm=z),
            "center_mm must be finite",
        ),
        (lambda: Slab(signal=1.0, center_mm=at, size_mm=(5.0, 5.0, 5.0), z_mm=z), "size_mm must be a pair"),
        (
            lambda: RampSlot(signal=1.0, center_mm=at, width_mm=5.0, height_mm=0.8, slope=0.0),
            "slope must not be zero, got 0.0",
        ),
        (
            lambda: RampSlot(signal=1.0, center_mm=at, width_mm=5.0, height_mm=0.8, slope=0.1, z_mm=nan),
            "z_mm must be finite",
        ),
        (
            lambda: WedgeBar(signal=1.0, start_mm=at, width_mm=5.0, length_mm=8.0, rise=nan),
            "rise must be finite, got nan",
        ),
        (lambda: MrTwin(name="x", solids={"a": 3}), "solids must map names to MrSolid"),
        (
            lambda: twin.images(small, [4.0], thickness_mm=5.0, ghost=nan),
            "ghost must be a finite number, got nan",
        ),
        (lambda: twin.images(small, [[4.0]], thickness_mm=5.0), "positions_mm must have 1 axes"),
        (lambda: acr_mri("large", wedge_error_mm=nan), "wedge_error_mm must be finite, got nan"),
        (lambda: acr_mri("large", ellipticity_mm=-99.0), "ellipticity_mm must leave a positive half axis"),
        (lambda: acr_mri("large", contrast_scale=50.0), "contrast_scale must leave .* got 50.0"),
        (lambda: array_holes(1.0, (nan, 0.0), upper=True), "shared_mm must be finite, got nan"),
        (
            lambda: read_limit_table("acr-mri-large-2022", field_strength_t=-1.0),
            "field_strength_t must not be negative, got -1.0",
        ),
    ):
        with pytest.raises(ValueError, match=sentence):
            wrong()

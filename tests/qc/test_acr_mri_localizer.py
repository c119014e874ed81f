"""Length of the ACR MRI phantoms on a sagittal localizer, and the right stack out of mixed folders."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from imgtech import qc
from imgtech.geometry import ImageGrid
from imgtech.io import Series, list_series, read_series, write_series
from imgtech.phantoms.twins import MrTwin, Placement, ScanPlane, acr_mri, plane_image, plane_section
from imgtech.qc import Verdict
from imgtech.qc.limits import confirm_limits
from imgtech.qc.protocols import acr_mri_large, acr_mri_medium
from reference.mr_twins import LocalizerScan, MrScan, only_large

POSE = Placement(center_mm=(7.3, -11.2), z_mm=14.0, roll_rad=0.5, mirrored=True, reversed=True)
GRID = ImageGrid(shape=(276, 283), spacing_mm=(0.97, 0.97))
SCAN = MrScan(placement=POSE, grid=GRID, sigma=6.0, roles=(1, 11))
SAGITTAL = {"row": (0.0, 1.0, 0.0), "column": (0.0, 0.0, -1.0)}


def _turned(angle: float, roll: float = 0.0, flip: float = 1.0) -> dict[str, tuple[float, ...]]:
    """Sagittal image axes, turned in their plane, the plane turned about the scanner's axis."""
    across, up = np.array([-math.sin(roll), math.cos(roll), 0.0]), np.array([0.0, 0.0, -1.0])
    row = math.cos(angle) * across + math.sin(angle) * up
    column = flip * (math.cos(angle) * up - math.sin(angle) * across)
    return {"row": tuple(row), "column": tuple(column)}


@pytest.fixture(scope="module")
def axial() -> Series:
    return SCAN.series(only_large(acr_mri("large")), np.random.default_rng(2))


def test_an_axial_plane_shows_what_the_stack_shows() -> None:
    """Polygons of cut solids against the flat shapes of a slice, which are other closed forms."""
    twin = only_large(acr_mri("large", ellipticity_mm=0.7))
    whole = {n: s for n, s in twin.solids.items() if not n.endswith("ramp") and n[:7] != "sheet 1"}
    twin = MrTwin(name="x", solids=whole)  # all of them reach through the slice
    grid = ImageGrid(shape=(70, 75), spacing_mm=(3.1, 3.3), center_mm=(4.0, -6.0))
    stack = twin.images(grid, [14.0], thickness_mm=5.0, placement=POSE)[0]
    plane = ScanPlane.of_scanner(POSE, point_mm=(0.0, 0.0, 14.0), row=(1.0, 0.0, 0.0), column=(0.0, 1.0, 0.0))
    image = plane_image(twin, grid, plane, thickness_mm=5.0, n_steps=4)
    assert np.abs(image - stack).max() < 8.0  # of 1000: wedges in 4 steps instead of 12


@pytest.mark.parametrize(("off", "lean"), [(0.0, 0.0), (31.0, 0.0), (-20.0, 0.05)])
def test_a_plane_along_the_axis_cuts_the_chord_times_the_length(off: float, lean: float) -> None:
    twin = acr_mri("large", diameter_mm=188.0, ellipticity_mm=1.0, length_mm=146.5)
    water = MrTwin(name="water", solids={"water": twin.solids["water"]})
    plane = ScanPlane(
        point_mm=(0.0, off, 43.25),
        along_y=(0.0, math.sin(lean), -math.cos(lean)),
        along_x=(1.0, 0.0, 0.0),
    )
    (shape,) = plane_section(water, plane, thickness_mm=4.0, n_steps=1).shapes
    corners = np.array(shape.corners_mm) + shape.center_mm
    assert np.ptp(corners[:, 0]) == pytest.approx(146.5 / math.cos(lean), abs=1e-6)
    along = np.linspace(-73.25, 73.25, 2001)
    chord = 2 * 94.0 * np.sqrt(1 - ((off - np.tan(lean) * along) / 95.0) ** 2)
    area = float(np.trapezoid(chord, along)) / math.cos(lean)
    assert shape.spectrum(0.0, 0.0).real == pytest.approx(1000.0 * area, rel=1e-4)


@pytest.mark.parametrize(
    ("model", "length", "changes"),
    [
        ("large", 149.3, _turned(0.0, roll=0.45)),
        ("large", 146.6, {**_turned(2.3, roll=1.2, flip=-1.0), "off_mm": 17.0, "thickness_mm": 4.0}),
        ("large", 148.9, {"grid": ImageGrid(shape=(231, 180), spacing_mm=(1.02, 1.37)), "off_mm": -9.0}),
        ("medium", 134.8, {**_turned(-0.12, roll=0.2, flip=-1.0), "shift_mm": (11.0, -13.0)}),
    ],
)
def test_the_length_is_that_of_the_twin(model: str, length: float, changes, axial: Series) -> None:
    rng = np.random.default_rng(7)
    twin = acr_mri(model, length_mm=length)
    series = axial if model == "large" else SCAN.series(only_large(twin), rng)
    localizer = LocalizerScan(sigma=15.0, **changes).series(twin, POSE, rng)
    measure = {"large": acr_mri_large, "medium": acr_mri_medium}[model]
    report = confirm_limits(measure(series, localizer=localizer), "A. P.")
    m = report["length"]
    assert m.value == pytest.approx(length, abs=2.6 * m.uncertainty)
    assert 0.004 < m.uncertainty < 0.09
    assert m.verdict is Verdict.PASS
    assert m.limit.source.confirmed_by == "A. P."
    assert report.pictures[0].title == 'localizer (image 1 of 1, "sagittal localizer")'
    lines = [o for o in report.pictures[0].outlines if o.label != "end"]
    pixels = report.pictures[0].pixels
    assert lines
    for line in lines:
        one, two = np.array(line.points)
        inward = (two - one) / np.hypot(*(two - one))
        for place, way in ((one, inward), (two, -inward)):
            inside, outside = (_near(pixels, place + step * way) for step in (3.0, -3.0))
            assert inside > 0.5 * float(np.percentile(pixels, 95)) > 2 * outside


def _near(pixels: np.ndarray, at: np.ndarray) -> float:
    y, x = (round(float(c)) for c in at)
    return float(pixels[y - 1 : y + 2, x - 1 : x + 2].max())


def test_a_wrong_scale_along_the_axis_fails_by_name(axial: Series) -> None:
    twin = acr_mri("large", length_mm=144.2)
    localizer = LocalizerScan(sigma=5.0).series(twin, POSE, np.random.default_rng(1))
    for edition, lower in (("2015", 146.0), ("2022", 145.0)):
        m = acr_mri_large(axial, localizer=localizer, edition=edition)["length"]
        assert m.limit.lower == lower
        assert m.verdict is (Verdict.FAIL if edition == "2015" else Verdict.UNRATED)


def test_a_phantom_that_leans_out_of_the_localizer_is_not_too_long() -> None:
    lean = dataclasses.replace(POSE, tilt=(0.01, 0.06))
    rng = np.random.default_rng(4)
    twin = acr_mri("large")
    series = dataclasses.replace(SCAN, placement=lean).series(only_large(twin), rng)
    localizer = LocalizerScan(sigma=4.0, **_turned(0.3)).series(twin, lean, rng)
    m = acr_mri_large(series, localizer=localizer)["length"]
    assert m.value == pytest.approx(148.0, abs=2.6 * m.uncertainty)
    assert abs(m.details["tilt out of the image (degrees)"]) == pytest.approx(math.degrees(0.06), abs=0.05)
    elsewhere = dataclasses.replace(
        localizer, tags=dataclasses.replace(localizer.tags, frame_of_reference_uid="1.2.3.5")
    )
    seen = acr_mri_large(series, localizer=elsewhere)["length"]
    assert seen.value == pytest.approx(148.0 / math.cos(0.06), abs=2.6 * seen.uncertainty)
    assert seen.details["tilt out of the image (degrees)"] == "unknown, not corrected"


def test_without_a_localizer_the_length_is_left_out_and_said_so(axial: Series) -> None:
    report = acr_mri_large(axial)
    assert "length" not in {m.name for m in report.measurements}
    assert "the length of the phantom is not measured: no sagittal localizer" in report.notes


def test_what_is_no_localizer_is_an_error_of_the_length_alone(axial: Series) -> None:
    twin, rng = acr_mri("large"), np.random.default_rng(4)
    covered = LocalizerScan(**_turned(0.0, roll=POSE.roll_rad - math.pi / 2), thickness_mm=3.0)
    upright = dataclasses.replace(POSE, mirrored=False)
    straight = LocalizerScan(n_steps=1).series(twin, POSE, rng)
    noise = rng.rayleigh(10.0, straight.pixels.shape)
    for localizer, sentence in (
        (axial, "must show the axis of the phantom, got images that it crosses at 90 degrees"),
        (dataclasses.replace(straight, modality="CT"), "must be MR, got modality 'CT'"),
        (
            dataclasses.replace(straight, pixels=noise),
            "the localizer shows no phantom|in its middle, not 138",
        ),
        (
            dataclasses.replace(straight, spacing_mm=(1.6, 1.6)),
            r"18\d mm long in its middle, not 138 to 158 mm",
        ),
        (covered.series(twin, upright, rng), "too little of the ends is free|an end that something covers"),
    ):
        report = acr_mri_large(axial, localizer=localizer)
        assert report["length"].value is None
        assert report["length"].error is not None
        assert re.search(sentence, report["length"].error), report["length"].error
        assert report["diameter slice 1 vertical"].value is not None
    both = acr_mri_large(axial, localizer=[axial, straight])
    assert both["length"].value == pytest.approx(148.0, abs=0.3)


def _put(series: Series, folder: Path, place: Path, *, uid: str | None = None, number: int = 1) -> None:
    """Write a series, into a series that is there already where its UID is given."""
    write_series(series, place)
    folder.mkdir(exist_ok=True)
    for path in sorted(place.iterdir()):
        dataset = pydicom.dcmread(path)
        dataset.SeriesNumber = number
        if uid is not None:
            dataset.SeriesInstanceUID = uid
        dataset.save_as(folder / f"{place.name}_{path.name}")


@pytest.fixture(scope="module")
def planes() -> tuple[Series, ...]:
    """Seven axial slices and a three-plane localizer with three images of each plane."""
    twin, rng = acr_mri("large"), np.random.default_rng(12)
    coarse = ImageGrid(shape=(160, 150), spacing_mm=(1.8, 1.8))
    found = [dataclasses.replace(SCAN, roles=(1, 5, 7, 8, 9, 10, 11)).series(twin, rng)]
    for axes in (_turned(0.0), {"row": (1.0, 0.0, 0.0), "column": (0.0, 0.0, -1.0)}):
        images = [
            LocalizerScan(**axes, grid=coarse, off_mm=off, n_steps=1).series(twin, POSE, rng)
            for off in (-60.0, 4.0, 70.0)
        ]
        images.sort(key=lambda s: float(s.positions_mm[0]))
        found.append(
            dataclasses.replace(
                images[0],
                pixels=np.concatenate([s.pixels for s in images]),
                positions_mm=np.concatenate([s.positions_mm for s in images]),
            )
        )
    z = (POSE.z_mm - 90.0, POSE.z_mm - 40.0, POSE.z_mm)
    few = twin.images(coarse, z, thickness_mm=8.0, placement=POSE, sigma=5.0, rng=rng)
    y, x = coarse.coordinates_mm
    found.append(
        dataclasses.replace(
            found[0], pixels=few, spacing_mm=coarse.spacing_mm, positions_mm=np.array(z),
            origin_mm=(float(x[0]), float(y[0]), z[0]),
        )
    )  # fmt: skip
    return tuple(found)


@pytest.mark.parametrize("one_series", [pytest.param(False, marks=pytest.mark.slow), True])
def test_axial_slices_are_chosen_beside_a_three_plane_localizer(
    planes, one_series: bool, tmp_path: Path
) -> None:
    uid = generate_uid()
    localizer = uid if one_series else generate_uid()
    for i, series in enumerate(planes):
        _put(
            series, tmp_path / "scan", tmp_path / str(i),
            uid=localizer if i else uid, number=5 if one_series or i == 0 else 4,
        )  # fmt: skip
    assert sorted((s.plane, s.n_images) for s in list_series(tmp_path / "scan")) == [
        ("axial", 3), ("axial", 7), ("coronal", 3), ("sagittal", 3),
    ]  # fmt: skip
    report = qc.run(tmp_path / "scan", protocol="acr-mri-large")
    assert [m.name for m in report.measurements if m.error] == []
    assert any(
        note.startswith("of 4 stacks of images, series 5 (MR, 7 images") and "axial is measured" in note
        for note in report.notes
    )
    length = report["length"]
    assert length.value == pytest.approx(148.0, abs=2.6 * length.uncertainty)
    assert "image 2 of 3" in length.details["localizer"]
    direct = acr_mri_large(planes[0])["slice thickness"]
    assert report["slice thickness"].value == pytest.approx(direct.value, abs=0.3 * direct.uncertainty)
    if one_series:
        again = qc.run(tmp_path / "scan", protocol="acr-mri-large", series="5")
        assert again["slice thickness"].value == report["slice thickness"].value


def test_a_three_plane_localizer_alone_is_refused_by_name(planes, tmp_path: Path) -> None:
    for i, series in enumerate(planes[1:]):
        _put(series, tmp_path / "scan", tmp_path / str(i))
    with pytest.raises(ValueError, match=r"this is a localizer \(3 "):
        qc.run(tmp_path / "scan", protocol="acr-mri-large")


def test_two_series_of_the_phantom_are_named_and_one_must_be_chosen(planes, tmp_path: Path) -> None:
    _put(planes[0], tmp_path / "scan", tmp_path / "a", number=3)
    late = dataclasses.replace(planes[0], tags=dataclasses.replace(planes[0].tags, echo_time_ms=80.0))
    _put(late, tmp_path / "scan", tmp_path / "b", number=4)
    _put(planes[1], tmp_path / "scan", tmp_path / "c", number=5)
    with pytest.raises(ValueError, match=r"2 stacks that show the phantom, choose one: .*TE 20.*TE 80"):
        qc.run(tmp_path / "scan", protocol="acr-mri-large")
    report = qc.run(tmp_path / "scan", protocol="acr-mri-large", echo_time_ms=80.0)
    assert report.subject["series number"] == "4"
    assert report["length"].value == pytest.approx(148.0, abs=0.3)


def test_a_localizer_from_elsewhere_is_read_and_protocols_without_use_refuse_it(
    planes, tmp_path: Path
) -> None:
    _put(planes[0], tmp_path / "scan", tmp_path / "a")
    _put(planes[1], tmp_path / "other", tmp_path / "b")
    report = qc.run(tmp_path / "scan", protocol="acr-mri-large", localizer=tmp_path / "other")
    assert report["length"].value == pytest.approx(148.0, abs=0.3)
    with pytest.raises(ValueError, match="localizer must hold a sagittal MR image"):
        qc.run(tmp_path / "scan", protocol="acr-mri-large", localizer=tmp_path / "scan")
    with pytest.raises(ValueError, match="localizer must not be given: mr-snr-nema has no use"):
        qc.run(tmp_path / "scan", protocol="mr-snr-nema", localizer=tmp_path / "other")


def test_a_stack_of_a_mixed_series_can_be_read(planes, tmp_path: Path) -> None:
    uid = generate_uid()
    for i in (0, 1):
        _put(planes[i], tmp_path / "scan", tmp_path / str(i), uid=uid, number=9)
    with pytest.raises(ValueError, match="2 stacks of images, choose one"):
        read_series(tmp_path / "scan", series="9")
    sagittal = next(s for s in list_series(tmp_path / "scan") if s.plane == "sagittal")
    series = read_series(tmp_path / "scan", series=sagittal)
    assert series.pixels.shape == planes[1].pixels.shape
    assert series.origin_mm == pytest.approx(planes[1].origin_mm, abs=1e-4)
    with pytest.raises(ValueError, match="series must be one of those in"):
        read_series(tmp_path / "1", series=sagittal)


@pytest.mark.parametrize(("name", "length"), [("PhilipsAchieva", 147.28), ("SiemensSolaFit", 147.88)])
def test_real_localizers_give_the_length(data, name: str, length: float, tmp_path: Path) -> None:
    """148 mm by the drawing; pixels above half of the signal in one column tell it to a pixel."""
    localizer = read_series(data(f"mr_acr/{name}Localizer"))
    column = localizer.pixels[0][:, 100 if name.startswith("P") else 118].astype(float)
    top = int(np.argmax(column > np.median(column[55:64]) / 2))
    bottom = len(column) - 1 - int(np.argmax(column[::-1] > np.median(column[185:196]) / 2))
    counted = (bottom - top + 1) * localizer.spacing_mm[0]
    for part in (name, f"{name}Localizer"):
        for file in data(f"mr_acr/{part}").iterdir():
            (tmp_path / f"{part}_{file.name}").write_bytes(file.read_bytes())
    report = qc.run(tmp_path, protocol="acr-mri-large", edition="2015")
    assert len(report.measurements) == 25
    m = report["length"]
    assert m.value == pytest.approx(length, abs=0.1)
    assert m.value == pytest.approx(counted, abs=1.5 * localizer.spacing_mm[0])
    assert m.verdict is Verdict.PASS
    assert abs(m.details["tilt out of the image (degrees)"]) < 1.5
    direct = acr_mri_large(read_series(data(f"mr_acr/{name}")), localizer=localizer)
    assert direct["length"].value == m.value


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_real_localizer_turned_or_transposed_keeps_its_length(data, turns: int) -> None:
    axial = read_series(data("mr_acr/PhilipsAchieva"))
    few = dataclasses.replace(axial, pixels=axial.pixels[[0, 10]], positions_mm=axial.positions_mm[[0, 10]])
    localizer = read_series(data("mr_acr/PhilipsAchievaLocalizer"))
    row, column = (np.array(v) for v in np.reshape(localizer.orientation, (2, 3)))
    for _ in range(turns):
        row, column = -column, row
    turned = dataclasses.replace(
        localizer, pixels=np.rot90(localizer.pixels, turns, axes=(2, 1)), orientation=(*row, *column)
    )
    values = [acr_mri_large(few, localizer=s)["length"].value for s in (localizer, turned)]
    assert values[1] == pytest.approx(values[0], abs=0.02)

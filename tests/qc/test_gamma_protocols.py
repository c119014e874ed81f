"""The protocols gamma-flood and gamma-bars on digital twins at any pose, and on real images."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from scipy import ndimage

from imgtech import qc
from imgtech.io import read_series, write_series
from imgtech.phantoms.twins import Placement, four_slits, gamma_counts, gamma_field, quadrant_bars
from imgtech.qc import Verdict
from imgtech.qc.limits import confirm_limits
from imgtech.qc.protocols import gamma_bars, gamma_flood
from reference.nm_twins import (
    BAR_GRID,
    FLOOD_GRID,
    drawn_bars,
    drawn_flood,
    drawn_placement,
    drawn_slits,
    one_image,
)


def _away(report, truth, period=90.0) -> dict[str, float]:
    """Distance from the truth in half widths of the 95 % interval."""
    out = {}
    for name, value in truth.items():
        m = report[name]
        assert m.error is None, (name, m.error)
        low, high = m.interval(0.95)
        off = m.value - value
        off = (off + period / 2) % period - period / 2 if name.startswith("angle of the bars") else off
        out[name] = off / ((high - low) / 2)
    return out


@pytest.mark.parametrize("seed", [1, 5])
def test_bars_and_slits_are_found_at_any_pose_and_measured_right(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for draw, counts in ((drawn_bars, 40.0), (drawn_slits, 200.0)):
        series, truth = draw(rng, counts)
        report = gamma_bars(series)
        away = _away(report, truth)
        assert len(away) == len(report.measurements)
        assert max(abs(a) for a in away.values()) < 2.2, away
        assert np.mean([abs(a) <= 1 for a in away.values()]) > 0.7, away
        assert report.verdict is Verdict.UNRATED


def test_the_slits_measure_the_pixel_size() -> None:
    """A file that says pixels 1 % too small: the slits lie 1 % too close."""
    series, _ = drawn_slits(np.random.default_rng(4), 300.0)
    wrong = dataclasses.replace(series, spacing_mm=tuple(0.99 * d for d in series.spacing_mm))
    report = gamma_bars(wrong)
    for axis in ("x", "y"):
        assert report[f"separation {axis}"].value == pytest.approx(99.0, abs=0.1)
        assert report[f"pixel size difference {axis}"].value == pytest.approx(1.01, abs=0.1)


def test_bars_that_the_camera_does_not_resolve_are_an_error_with_a_reason() -> None:
    rng = np.random.default_rng(2)
    field = gamma_field(BAR_GRID, counts=20.0, size_mm=(470.0, 540.0))
    counts = gamma_counts(
        quadrant_bars(), BAR_GRID, field, fwhm_mm=6.5, placement=drawn_placement(rng), rng=rng
    )
    report = gamma_bars(one_image(counts, BAR_GRID))
    assert report["width bars 1"].value == pytest.approx(4.23, abs=0.02)
    assert report["FWHM all bars"].value == pytest.approx(6.5, abs=0.3)
    assert "stand out of the noise" in report["MTF bars 4"].error
    assert report.verdict is Verdict.ERROR


def test_a_flood_reads_its_truth_once_noise_is_off() -> None:
    series, truth = drawn_flood(np.random.default_rng(3), 1500.0)
    report = gamma_flood(series)
    away = _away(report, truth)
    assert len(away) == 5
    assert max(abs(a) for a in away.values()) < 1.3, away
    raw, clean = (report[f"integral uniformity UFOV{s}"] for s in ("", ", noise taken off"))
    assert raw.value > clean.value
    assert confirm_limits(report, "A. P.")["counts of a pixel in the middle"].verdict is Verdict.PASS
    few = confirm_limits(gamma_flood(drawn_flood(np.random.default_rng(3), 500.0)[0]), "A. P.")
    assert few["counts of a pixel in the middle"].verdict is Verdict.FAIL


def test_a_dead_photomultiplier_is_found_where_it_is() -> None:
    rng = np.random.default_rng(8)
    field = gamma_field(FLOOD_GRID, counts=1500.0)
    y, x = FLOOD_GRID.coordinates_mm
    field *= 1 - 0.2 * np.exp(-((y[:, None] - 60) ** 2 + (x + 110) ** 2) / (2 * 18.0**2))
    report = gamma_flood(one_image(rng.poisson(field), FLOOD_GRID))
    assert report["integral uniformity UFOV"].value > 10
    note = next(n for n in report.notes if "lowest" in n)
    numbers = note.split("lowest at ")[1].replace("x = ", "").replace("y = ", "").split(" mm")[0].split(",")
    assert [float(v) for v in numbers] == pytest.approx([-110.0, 60.0], abs=14.0)


def test_a_flood_that_ran_over_is_refused() -> None:
    series, _ = drawn_flood(np.random.default_rng(3), 500.0)
    top = np.percentile(series.pixels[series.pixels > 0], 70)
    with pytest.raises(ValueError, match=r"clipped: \d+ % of the field of image 1 of 1"):
        gamma_flood(dataclasses.replace(series, pixels=np.minimum(series.pixels, top)))


def test_every_detector_of_a_series_is_measured_by_itself() -> None:
    rng = np.random.default_rng(6)
    both = [rng.poisson(gamma_field(FLOOD_GRID, counts=900.0, slope=s)) for s in ((0.0, 0.0), (0.0, 0.06))]
    series = dataclasses.replace(
        one_image(both[0], FLOOD_GRID), pixels=np.stack(both).astype(float), positions_mm=np.arange(2.0)
    )
    report = gamma_flood(series)
    flat, sloped = (report[f"integral uniformity CFOV, noise taken off, image {k}"].value for k in (1, 2))
    assert flat < 0.5
    assert sloped == pytest.approx(4.2, abs=0.8)
    assert len(report.pictures) == 2


def test_what_is_no_flood_and_no_bars_is_refused() -> None:
    series, _ = drawn_flood(np.random.default_rng(3), 300.0)
    for measure in (gamma_flood, gamma_bars):
        with pytest.raises(ValueError, match="must be nuclear medicine"):
            measure(dataclasses.replace(series, modality="CT"))
        with pytest.raises(ValueError, match="edition must be one of"):
            measure(series, edition="1066")
    with pytest.raises(ValueError, match="not an image of quadrant bars"):
        gamma_bars(series)
    with pytest.raises(ValueError, match="pattern must be one of"):
        gamma_bars(series, pattern="dots")
    with pytest.raises(ValueError, match="must hold counts"):
        gamma_bars(dataclasses.replace(series, pixels=series.pixels - 1000))
    with pytest.raises(ValueError, match="separation_mm must be at least a pixel"):
        gamma_bars(series, pattern="four-slits", separation_mm=0.1)
    with pytest.raises(ValueError, match="variance_over_mean must be positive, got -1"):
        gamma_flood(series, variance_over_mean=-1.0)
    with pytest.raises(ValueError, match="lit field"):
        gamma_flood(dataclasses.replace(series, pixels=0 * series.pixels))


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: gamma_field(BAR_GRID, counts=9.0, size_mm=3.0), r"size_mm must be a pair \(y, x\), got 3.0"),
        (lambda: gamma_field(BAR_GRID, counts=9.0, slope=(math.nan, 0)), "slope must be finite, got nan"),
        (lambda: quadrant_bars(widths_mm=(4.0, 3.0, 2.0)), r"widths_mm must hold four widths, got \(4.0"),
        (lambda: four_slits(width_mm=0.0), "width_mm must be positive, got 0.0"),
        (lambda: four_slits(leak=2.0), "leak must be below 1, got 2.0"),
        (lambda: _counts(np.ones((3, 4))), r"field must end with shape \(500, 530\), got shape \(3, 4\)"),
        (lambda: _counts(np.full(BAR_GRID.shape, -1.0)), "field must not be negative, got -1.0"),
    ],
)
def test_a_twin_names_the_argument_that_is_wrong(make, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        make()


def _counts(field: np.ndarray) -> np.ndarray:
    return gamma_counts(None, BAR_GRID, field, fwhm_mm=3.0, rng=np.random.default_rng(1))


def _two_heads(one, other, file: Path) -> Path:
    """Static frames of both detectors in one file, as a camera with two heads writes them."""
    source = write_series(one, file.parent / "head", step=1.0)[0]
    out = dcmread(source)
    counts = np.concatenate([one.pixels, other.pixels]).astype(np.uint16)
    out.NumberOfFrames, out.NumberOfDetectors, out.DetectorVector = 2, 2, [1, 2]
    out.EnergyWindowVector, out.NumberOfEnergyWindows = [1, 1], 1
    out.FrameIncrementPointer = [0x00540010, 0x00540020]
    out.RescaleSlope, out.RescaleIntercept = 1, 0
    out.PixelRepresentation, out.BitsAllocated, out.BitsStored, out.HighBit = 0, 16, 16, 15
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient"):
        if keyword in out:
            delattr(out, keyword)
    out.PixelData = counts.tobytes()
    out.save_as(file)
    return file


def test_both_heads_of_a_camera_are_measured_by_themselves(tmp_path) -> None:
    rng = np.random.default_rng(14)
    (sharp, first), (other, second) = (drawn_bars(rng, 40.0) for _ in range(2))
    report = qc.run(_two_heads(sharp, other, tmp_path / "both.dcm"), protocol="gamma-bars")
    assert len(report.pictures) == 2
    for number, (series, truth) in enumerate(((sharp, first), (other, second)), 1):
        away = _away(report, {f"{name}, image {number}": value for name, value in truth.items()})
        assert len(away) == len(report.measurements) / 2
        assert max(abs(a) for a in away.values()) < 2.5, away
        alone = gamma_bars(series)
        for m in alone.measurements:
            assert report[f"{m.name}, image {number}"].value == pytest.approx(m.value, rel=1e-6), m.name


def test_a_head_without_bars_is_an_error_of_its_own() -> None:
    rng = np.random.default_rng(15)
    bars, _ = drawn_bars(rng, 40.0)
    flood = rng.poisson(gamma_field(BAR_GRID, counts=40.0)).astype(float)
    both = dataclasses.replace(bars, pixels=np.stack([flood, bars.pixels[0]]), positions_mm=np.arange(2.0))
    report = gamma_bars(both)
    assert "no square of parallel bars" in report["pattern, image 1"].error
    assert report["FWHM all bars, image 2"].value == gamma_bars(bars)["FWHM all bars"].value
    assert not report.passed
    with pytest.raises(ValueError, match=r"image 1: this is not an image of quadrant bars.*; image 2: "):
        gamma_bars(dataclasses.replace(both, pixels=np.stack([flood, flood])))
    with pytest.raises(ValueError, match="1 to 8 images of bars, got 9"):
        gamma_bars(dataclasses.replace(bars, pixels=np.stack([flood] * 9), positions_mm=np.arange(9.0)))


def test_a_twin_goes_through_dicom(tmp_path) -> None:
    series, _ = drawn_bars(np.random.default_rng(9), 30.0)
    write_series(series, tmp_path, step=1.0)
    back = qc.run(tmp_path, protocol="gamma-bars")
    direct = gamma_bars(series)
    assert back["FWHM all bars"].value == pytest.approx(direct["FWHM all bars"].value, rel=1e-6)


def test_the_real_flood(data) -> None:
    """2.38 % and 1.728 % in the central field, printed by another program."""
    report = qc.run(data("nm/UNIFORMIDAD_1.dcm"), protocol="gamma-flood")
    assert [m.name for m in report.measurements if m.error] == []
    assert report["integral uniformity CFOV"].value == pytest.approx(2.38, abs=0.005)
    assert report["differential uniformity CFOV"].value == pytest.approx(1.728, abs=0.0005)
    assert report["variance over mean"].value == pytest.approx(1.5, abs=0.05)


def test_the_real_quadrant_bars(data) -> None:
    """Bars of 4.23, 3.18, 2.54, 2.12 mm, found without being told; printed values of another program."""
    series = read_series(data("nm/QuadrantBar.dcm"))
    report = gamma_bars(series)
    assert [m.name for m in report.measurements if m.error] == []
    printed = {
        1: (4.23, 0.64, 2.995),
        2: (3.18, 0.462, 2.962),
        3: (2.54, 0.30, 2.954),
        4: (2.12, 0.202, 2.843),
    }
    for k, (width, mtf, fwhm) in printed.items():
        assert report[f"width bars {k}"].value == pytest.approx(width, rel=0.01)
        assert report[f"MTF bars {k}"].value == pytest.approx(mtf, abs=0.012)
        assert report[f"FWHM bars {k}"].value == pytest.approx(fwhm, abs=0.05)
    assert any("1.29 times" in note for note in report.notes)
    turned = gamma_bars(dataclasses.replace(series, pixels=np.rot90(series.pixels, axes=(1, 2))))
    assert turned["FWHM all bars"].value == pytest.approx(report["FWHM all bars"].value, abs=0.05)


def test_the_twins_are_not_square() -> None:
    """Guards the tests above: neutral values would hide a transposed axis."""
    for grid in (BAR_GRID, FLOOD_GRID):
        assert grid.shape[0] != grid.shape[1]
        assert grid.spacing_mm[0] != grid.spacing_mm[1]
    assert four_slits(separation_mm=90.0).facts["separation"] == 90.0


@pytest.mark.parametrize("left", [0.0, 0.3])
def test_a_dead_photomultiplier_inside_the_field_is_no_edge(left: float) -> None:
    """Pixels below 75 % of the middle are dropped at the edge alone: a hole of 50 mm stays and fails."""
    rng = np.random.default_rng(9)
    field = gamma_field(FLOOD_GRID, counts=1500.0)
    y, x = FLOOD_GRID.coordinates_mm
    field[np.hypot(y[:, None] - 40, x + 70) < 25] *= left
    report = gamma_flood(one_image(rng.poisson(field), FLOOD_GRID))
    for label in ("UFOV", "CFOV"):
        index = report[f"integral uniformity {label}"]
        # the middle of the hole against the rest: 100 (1 - left) / (1 + left), noise on top
        assert index.value == pytest.approx(100 * (1 - left) / (1 + left), abs=3.0)
    assert not any("left out at its edge" in note for note in report.notes)


def test_a_dark_strip_at_the_edge_is_left_out_and_said() -> None:
    rng = np.random.default_rng(10)
    field = gamma_field(FLOOD_GRID, counts=1500.0)
    lit = np.flatnonzero(field.max(axis=0) > 700)
    field[:, lit[0] : lit[0] + 22] *= 0.7
    report = gamma_flood(one_image(rng.poisson(field), FLOOD_GRID))
    assert report["integral uniformity UFOV"].value < 5
    note = next(n for n in report.notes if "left out at its edge" in n)
    assert 3 < float(note.split("; ")[1].split(" %")[0]) < 12


def test_counts_that_scatter_otherwise_widen_what_has_the_noise_taken_off() -> None:
    """Scaled counts are no counts: the intervals still hold the truth, and a note says why they are wide."""
    series, truth = drawn_flood(np.random.default_rng(21), 800.0)
    report = gamma_flood(dataclasses.replace(series, pixels=0.37 * series.pixels))
    for label in ("UFOV", "CFOV"):
        m = report[f"differential uniformity {label}, noise taken off"]
        low, high = m.interval(0.95)
        assert low < truth[m.name] < high
    assert any("counts of neighbours scatter 0.37 times" in note for note in report.notes)
    assert not any("scatter" in note for note in gamma_flood(series).notes)
    bars, truth = drawn_bars(np.random.default_rng(22), 80.0)
    scaled = gamma_bars(dataclasses.replace(bars, pixels=0.6 * bars.pixels))
    for k in (1, 2, 3):
        low, high = scaled[f"MTF bars {k}"].interval(0.95)
        assert low < truth[f"MTF bars {k}"] < high


def test_a_dead_row_behind_bars_is_refused_by_its_number() -> None:
    series, _ = drawn_bars(np.random.default_rng(23), 40.0)
    pixels = series.pixels.copy()
    pixels[0, 251:253] = 0.0
    with pytest.raises(ValueError, match="series must hold no dead line, but row 251 has no counts"):
        gamma_bars(dataclasses.replace(series, pixels=pixels))
    pixels = series.pixels.copy()
    pixels[0, :, 301] = 0.0
    with pytest.raises(ValueError, match="but column 301 has no counts"):
        gamma_bars(dataclasses.replace(series, pixels=pixels))


def test_a_distorted_field_shows_where_the_slits_are_measured() -> None:
    """Lines that wave by 1.6 mm are wider; a field stretched by 2 % along x moves the slits apart there."""
    place = Placement(center_mm=(3.0, -4.0))
    field = gamma_field(BAR_GRID, counts=4000.0)
    rng = np.random.default_rng(24)
    sound = gamma_counts(four_slits(), BAR_GRID, field, fwhm_mm=3.6, placement=place, rng=rng)
    y, x = BAR_GRID.coordinates_mm
    rows, columns = np.indices(BAR_GRID.shape).astype(float)
    dy, dx = BAR_GRID.spacing_mm

    def seen(at_y: np.ndarray, at_x: np.ndarray):
        places = [rows + at_y / dy, columns + at_x / dx]
        warped = ndimage.map_coordinates(sound.astype(float), places, order=1)
        return gamma_bars(one_image(warped, BAR_GRID), pattern="four-slits")

    plain = seen(0 * rows, 0 * rows)
    waves = seen(0 * rows, 1.6 * np.sin(2 * np.pi * y / 40)[:, None] + 0 * columns)
    # the variance of the line gains half of the square of the wave
    wider = math.sqrt(plain["FWHM x"].value ** 2 + 8 * math.log(2) * 1.6**2 / 2)
    assert waves["FWHM x"].value == pytest.approx(wider, rel=0.05)
    assert waves["FWHM y"].value == pytest.approx(plain["FWHM y"].value, rel=0.03)
    stretched = seen(0 * rows, -0.02 * x + 0 * rows)
    assert stretched["separation x"].value == pytest.approx(1.02 * plain["separation x"].value, rel=1e-3)
    assert stretched["separation y"].value == pytest.approx(plain["separation y"].value, rel=1e-3)


@pytest.mark.parametrize("degrees", [0.0, 45.0, 133.0])
def test_good_bars_have_no_errors_at_a_rotation(degrees: float) -> None:
    place = Placement(roll_rad=math.radians(degrees), mirrored=degrees > 40)
    field = gamma_field(BAR_GRID, counts=150.0, size_mm=(470.0, 540.0))
    rng = np.random.default_rng(25)
    image = gamma_counts(quadrant_bars(), BAR_GRID, field, fwhm_mm=3.4, placement=place, rng=rng)
    report = gamma_bars(one_image(image, BAR_GRID))
    assert [m.name for m in report.measurements if m.error] == []
    assert report["FWHM all bars"].value == pytest.approx(3.4, abs=0.05)

"""Ultrasound protocols on frames of scanners: sectors, writing, scales and grey wedges around the picture."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from imgtech import qc
from imgtech.geometry import ImageGrid
from imgtech.io import read_series, series_from_grid, write_us_image
from imgtech.phantoms.twins import Placement, UsTwin
from imgtech.qc.protocols import us_in_air, us_multipurpose
from imgtech.qc.protocols._us_scale import cropped, us_envelopes
from reference.us_sectors import Fan, sector_levels
from reference.us_twins import grey, us_truth

TWIN = UsTwin(axial_fwhm_mm=0.55)
PLACE = Placement(center_mm=(2.3, -4.0), roll_rad=0.03)
SPACING, SIZE, CORNER = (0.16, 0.17), (440, 380), (30, 200)
GRID = ImageGrid(shape=SIZE, spacing_mm=SPACING, center_mm=(36.0, 0.0))
TOLD = {"db_per_level": 70 / 255}


def framed(levels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A frame with two lines of writing, a scale of depths and a wedge of grey levels around the picture."""
    frame = np.zeros(shape, dtype=np.uint8)
    top, left = CORNER
    frame[top : top + levels.shape[0], left : left + levels.shape[1]] = levels
    letters = np.random.default_rng(8).random((2, 40, 7, 5)) < 0.5
    for line, row in enumerate(letters):
        for k, letter in enumerate(row):
            y, x = 4 + 12 * line, 10 + 8 * k
            frame[y : y + 7, x : x + 5] = 255 * letter
    for depth in range(0, levels.shape[0], 40):
        frame[top + depth, left - 14 : left - 5] = 200
    wedge = left + levels.shape[1] + 20
    frame[40:296, wedge : wedge + 16] = np.arange(255, -1, -1)[:, None]
    return frame


def stored(frame: np.ndarray, file: Path, *, whole: bool, colours: bool) -> Path:
    """As a file whose region is the picture or the whole frame, in one sample a pixel or in three."""
    write_us_image(np.ones(SIZE), GRID, file)
    out = dcmread(file)
    out.Rows, out.Columns = frame.shape
    out.PixelData = frame.tobytes()
    if colours:
        rgb = np.repeat(frame[..., None], 3, axis=-1)
        rgb[2:20, 300:330] = 255, 140, 0  # a maker's mark
        out.SamplesPerPixel, out.PhotometricInterpretation, out.PlanarConfiguration = 3, "RGB", 0
        out.PixelData = rgb.tobytes()
    region, (top, left) = out.SequenceOfUltrasoundRegions[0], CORNER
    region.RegionLocationMinY0, region.RegionLocationMinX0 = (0, 0) if whole else (top, left)
    region.RegionLocationMaxY1 = frame.shape[0] - 1 if whole else top + SIZE[0] - 1
    region.RegionLocationMaxX1 = frame.shape[1] - 1 if whole else left + SIZE[1] - 1
    region.ReferencePixelY0, region.ReferencePixelX0 = (top, left) if whole else (0, 0)
    out.save_as(file)
    return file


@pytest.fixture(scope="module")
def levels() -> np.ndarray:
    envelope = TWIN.images(GRID, placement=PLACE, rng=np.random.default_rng(2))[0]
    return grey(envelope, 70.0, 1.05 * float(envelope.max()))


@pytest.mark.parametrize(
    ("shape", "whole", "colours"), [((480, 640), True, False), ((1080, 1920), True, True)]
)
def test_what_a_scanner_writes_around_the_picture_changes_nothing(
    levels, shape, whole, colours, tmp_path
) -> None:
    file = stored(framed(levels, shape), tmp_path / "frame.dcm", whole=whole, colours=colours)
    report = qc.run(file, protocol="us-multipurpose", settings=TOLD)
    alone = us_multipurpose(series_from_grid(levels, GRID, modality="US"), **TOLD)
    assert [m.name for m in report.measurements] == [m.name for m in alone.measurements]
    assert {m.name: m.error for m in report.measurements if m.error} == {}
    for m in alone.measurements:
        # the rim of the frame and that of the picture keep other pixels out, and strips begin elsewhere
        room = (2.0 if "uniformity" in m.name else 0.3) * (m.uncertainty or 0.0)
        assert report[m.name].value == pytest.approx(m.value, abs=max(room, 1e-6)), m.name


def test_the_picture_keeps_its_places_without_the_frame(levels) -> None:
    frame = framed(levels, (480, 640))
    whole = ImageGrid(shape=frame.shape, spacing_mm=SPACING, center_mm=(31.0, 7.3))
    envelopes = us_envelopes(series_from_grid(frame, whole, modality="US"), [], 70 / 255)
    picture = cropped(envelopes)
    assert picture.grid.shape < whole.shape
    assert picture.seen.any(axis=0).all()
    y, x = picture.grid.coordinates_mm
    rows, columns = (
        np.searchsorted(c, [v[0] - 1e-6, v[-1] + 1e-6])
        for c, v in zip(whole.coordinates_mm, (y, x), strict=True)
    )
    assert (picture.images[0] == envelopes.images[0][slice(*rows), slice(*columns)]).all()
    # half a millimetre at the rim and what the picture shares with letters aside
    corner = [c[k] for c, k in zip(whole.coordinates_mm, CORNER, strict=True)]
    assert (y[0], x[0]) == pytest.approx([c + 0.5 for c in corner], abs=0.5)
    assert picture.grid.shape == pytest.approx(
        [n - 1.0 / d for n, d in zip(SIZE, SPACING, strict=True)], abs=4
    )


def test_a_sector_is_measured_and_what_is_counted_along_columns_refused() -> None:
    fan = Fan(half_angle_rad=math.radians(25.0), depth_mm=72.0, n_beams=700, step_mm=0.05)
    levels, grid = sector_levels(TWIN, PLACE, np.random.default_rng(1), fan=fan, spacing_mm=0.12)
    assert (levels[0, 0], levels[-1, -1]) == (0, 0)
    series = series_from_grid(levels, grid, modality="US")
    report = us_multipurpose(series, repeat=series, **TOLD)
    refused = ("lateral non-uniformity", "shadows", "depth of penetration")
    off = {}
    for name, value in us_truth(TWIN, PLACE, 1540.0, grid).items():
        if name not in refused:
            low, high = report[name].interval(0.95)
            off[name] = (report[name].value - value) / ((high - low) / 2)
    assert len(off) == 35
    assert np.mean([abs(a) <= 1 for a in off.values()]) > 0.8, off
    assert max(abs(a) for a in off.values()) < 2, off
    for name in refused:
        assert "the picture is a sector; give the image of the beams side by side" in report[name].error
    assert any("the picture is a sector" in note for note in report.notes)
    with pytest.raises(ValueError, match="picture of a convex probe from before scan conversion"):
        us_in_air(series, **TOLD)


def test_pixels_as_large_as_the_pulse_are_refused_with_what_to_do() -> None:
    coarse = ImageGrid(shape=(300, 200), spacing_mm=(0.25, 0.3), center_mm=(37.5, 0.0))
    image = UsTwin().images(coarse, placement=PLACE, rng=np.random.default_rng(4))[0]
    with pytest.raises(
        ValueError, match=r"3 pixels or more in the axial width, .*; show less depth or zoom in"
    ):
        us_multipurpose(series_from_grid(image, coarse, modality="US"))


def test_one_frame_of_a_cine_is_measured_where_it_is_named(levels, tmp_path) -> None:
    envelope = 10 ** (levels / 255 * 70 / 20)
    file = write_us_image(
        np.stack([envelope[::-1], envelope]),
        GRID,
        tmp_path / "cine.dcm",
        dynamic_range_db=70.0,
        frame_rate_hz=20.0,
    )
    with pytest.raises(ValueError, match="must hold one image, got 2; of a cine say which frame is meant"):
        qc.run(file, protocol="us-multipurpose", settings=TOLD)
    report = qc.run(file, protocol="us-multipurpose", settings={**TOLD, "frame": 1})
    still = write_us_image(envelope, GRID, tmp_path / "still.dcm", dynamic_range_db=70.0)
    alone = qc.run(still, protocol="us-multipurpose", settings=TOLD)
    for m in alone.measurements:
        assert report[m.name].value == m.value, m.name
    cine = read_series(file)
    assert cine.origin_mm[1] == pytest.approx(GRID.coordinates_mm[0][0], abs=1e-6)
    assert cine.positions_mm.tolist() == [0, 1]
    for measure in (us_multipurpose, us_in_air):
        with pytest.raises(ValueError, match="frame must be one of 0 to 1, got 2"):
            measure(cine, frame=2, **TOLD)
    with pytest.raises(ValueError, match="must hold one image, got 2"):
        us_in_air(dataclasses.replace(cine), **TOLD)

"""Cines of ultrasound: DICOM multi-frame read back, checked by another program, and animated pictures."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageSequence

from imgtech.geometry import ImageGrid
from imgtech.io import read_series, write_gif, write_us_image

GRID = ImageGrid(shape=(5, 7), spacing_mm=(0.13, 0.21), center_mm=(20.4, -1.1))


def frames(rng):
    values = 10 ** (-rng.uniform(0, 4, (3, 5, 7)))
    values[1, 2, 3] = 1.0
    return values


def test_a_cine_comes_back_with_its_grey_levels_places_and_times(tmp_path, rng):
    values = frames(rng)
    file = write_us_image(
        values, GRID, tmp_path / "a.dcm", border_px=(2, 3), dynamic_range_db=50, frame_rate_hz=40
    )
    dataset = pydicom.dcmread(file)
    assert dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.3.1"
    assert (dataset.NumberOfFrames, float(dataset.FrameTime)) == (3, 25.0)
    pixels = dataset.pixel_array
    assert pixels.shape == (3, 9, 13)
    assert not pixels[:, :2].any()
    grey = 255 * (1 + 20 * np.log10(values) / 50)
    np.testing.assert_allclose(pixels[:, 2:7, 3:10], np.clip(grey, 0, 255), atol=0.5)
    (region,) = dataset.SequenceOfUltrasoundRegions
    row, column = 3, 5  # of the region
    z_cm = region.ReferencePixelPhysicalValueY + row * region.PhysicalDeltaY
    x_cm = region.ReferencePixelPhysicalValueX + column * region.PhysicalDeltaX
    z_mm, x_mm = GRID.coordinates_mm
    assert (10 * z_cm, 10 * x_cm) == (pytest.approx(z_mm[row]), pytest.approx(x_mm[column]))
    back = read_series(file)
    assert back.pixels.shape == (3, 5, 7)
    assert back.spacing_mm == pytest.approx((0.13, 0.21))


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="needs dciodvfy")
@pytest.mark.parametrize(("still", "kind"), [(False, "USMultiFrameImage"), (True, "USImage")])
def test_another_program_finds_no_error(still, kind, tmp_path, rng):
    values, rate = (frames(rng)[0], None) if still else (frames(rng), 40)
    file = write_us_image(values, GRID, tmp_path / "a.dcm", frame_rate_hz=rate)
    done = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).splitlines()
    assert not [line for line in said if line.startswith("Error")]
    assert kind in said


def test_a_cine_needs_a_rate_and_an_image_has_none(tmp_path, rng):
    for values, rate in ((frames(rng), None), (frames(rng)[0], 10.0)):
        with pytest.raises(ValueError, match="frame_rate_hz must be given for a cine"):
            write_us_image(values, GRID, tmp_path / "a.dcm", frame_rate_hz=rate)
    with pytest.raises(ValueError, match="frame_rate_hz must be positive"):
        write_us_image(frames(rng), GRID, tmp_path / "a.dcm", frame_rate_hz=0.0)


def test_a_gif_shows_every_frame(tmp_path, rng):
    values = rng.normal(5, 2, (4, 6, 9))
    file = write_gif(values, tmp_path / "a.gif", frame_rate_hz=24, window=(2.0, 9.0), zoom=(1, 2))
    with Image.open(file) as gif:
        found, times = [], []
        for frame in ImageSequence.Iterator(gif):
            found.append(np.asarray(frame.convert("L")))
            times.append(frame.info["duration"])
    assert times == [40] * 4
    expected = np.clip((values - 2) / 7, 0, 1) * 255
    np.testing.assert_allclose(np.array(found), expected.repeat(2, axis=2), atol=0.51)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": np.ones((3, 4))}, "frames must have"),
        ({"frames": np.full((2, 3, 4), np.nan)}, "must be finite"),
        ({"window": (3.0, 3.0)}, "black below white"),
        ({"window": 3.0}, r"window must have 2 numbers, got 3\.0"),
        ({"window": (3.0, np.inf)}, "window must be finite, got inf"),
        ({"zoom": 2}, "zoom must be a pair"),
        ({"frame_rate_hz": 0.0}, "frame_rate_hz must be positive"),
        ({"zoom": (0, 1)}, "zoom must be at least 1"),
        ({"zoom": (1, 20000)}, r"zoom must leave 65535 rows and columns at most, got \(1, 20000\)"),
        ({"frame_rate_hz": 1e-5}, "frame_rate_hz must be at least 0.001526, got 1e-05"),
    ],
)
def test_pictures_that_cannot_be(tmp_path, change, message):
    arguments = {"frames": np.ones((2, 3, 4))} | change
    with pytest.raises(ValueError, match=message):
        write_gif(arguments.pop("frames"), tmp_path / "a.gif", **arguments)

"""Scans of the Helsinki Tomography Challenge: made-up files and the real one."""

import numpy as np
import pytest
import scipy.io
from scipy.ndimage import binary_fill_holes, distance_transform_edt

from imgtech.geometry import FanBeam, ImageGrid
from imgtech.io.raw import read_htc
from imgtech.recon.ct import fbp

PARAMETERS = {
    "distanceSourceOrigin": 300.5,
    "distanceSourceDetector": 420.25,
    "distanceUnit": "mm",
    "angles": np.arange(0.0, 360.0, 30.0),
    "pixelSizePost": 0.4,
    "numDetectorsPost": 7,
}


def write(path, change=None, name="CtDataFull"):
    parameters = {k: v for k, v in {**PARAMETERS, **(change or {})}.items() if v is not None}
    sinogram = np.arange(84.0).reshape(12, 7)
    scipy.io.savemat(path, {name: {"sinogram": sinogram, "parameters": parameters}})
    return path


def test_a_scan_gives_its_geometry_and_its_values(tmp_path):
    scan = read_htc(write(tmp_path / "a.mat"))
    assert scan.beam == FanBeam.from_degrees(
        np.arange(0.0, 360.0, 30.0),
        source_axis_mm=300.5,
        source_detector_mm=420.25,
        n_channels=7,
        channel_spacing_mm=0.4,
    )
    np.testing.assert_array_equal(scan.sinogram, np.arange(84.0, dtype=np.float32).reshape(1, 12, 7))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"angles": None}, "field angles is missing"),
        ({"distanceUnit": "cm"}, "distanceUnit must be mm, got 'cm'"),
        ({"numDetectorsPost": 8}, "sinogram must end with shape"),
        ({"distanceSourceOrigin": -3.0}, "source_axis_mm must be positive"),
    ],
)
def test_bad_scans_are_refused_by_name(tmp_path, change, words):
    with pytest.raises(ValueError, match=words):
        read_htc(write(tmp_path / "a.mat", change))


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_htc(tmp_path / "a.mat")
    (tmp_path / "text.mat").write_text("nothing of the kind " * 20)
    with pytest.raises(ValueError, match="no readable MATLAB file"):
        read_htc(tmp_path / "text.mat")
    with pytest.raises(ValueError, match="CtDataFull is missing"):
        read_htc(write(tmp_path / "other.mat", name="Other"))


def test_the_real_scan_is_sharpest_where_its_file_says_and_cups(data):
    scan = read_htc(data("ct_raw/fan_htc2022_ta.mat"))
    beam = scan.beam
    assert beam.shape == (721, 560)
    grid = ImageGrid.square(301, fov_mm=301 * 2 * beam.axis_spacing_mm * 0.93)

    def image(offset_mm, sign=1.0):
        moved = FanBeam(
            source_axis_mm=beam.source_axis_mm,
            source_detector_mm=beam.source_detector_mm,
            angles_rad=sign * beam.angles_rad,
            n_channels=beam.n_channels,
            channel_spacing_mm=beam.channel_spacing_mm,
            detector_offset_mm=offset_mm,
        )
        return fbp(scan.sinogram[0], moved, grid, window="hann")

    def sharpness(picture):
        return float((np.diff(picture, axis=0) ** 2).sum() + (np.diff(picture, axis=1) ** 2).sum())

    offsets_mm = np.array([-0.2, -0.1, 0.0, 0.1, 0.2])
    values = [sharpness(image(offset)) for offset in offsets_mm]
    assert offsets_mm[int(np.argmax(values))] == 0.0
    assert sharpness(image(0.0, sign=-1.0)) < 0.85 * max(values)
    picture = image(0.0)
    gamma = beam.fan_angles_rad(beam.channels_mm)
    lines_mm2 = scan.sinogram[0, :720].mean(axis=0) @ np.cos(gamma)  # over s = R sin(gamma), ds = R cos dg
    lines_mm2 *= beam.source_axis_mm * beam.channel_spacing_mm / beam.source_detector_mm
    assert picture.sum() * grid.spacing_mm[0] ** 2 == pytest.approx(lines_mm2, rel=0.01)
    inside = picture > 0.02
    depth_mm = distance_transform_edt(binary_fill_holes(inside)) * grid.spacing_mm[0]
    rim = picture[(depth_mm > 0.8) & (depth_mm < 1.6)].mean()
    assert 0.037 < rim < 0.041
    assert 0.78 * rim < np.median(picture[inside]) < 0.90 * rim  # cupping: nothing corrects it yet

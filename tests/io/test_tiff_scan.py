"""TIFF scans: which axis is which, where the views are, and what is refused."""

import numpy as np
import pytest

from imgtech.geometry import ParallelBeam
from imgtech.io import write_tiff_stack
from imgtech.io.raw import read_raw, read_tiff_scan

pytest.importorskip("tifffile", reason="needs tifffile")
STACK = np.arange(2 * 5 * 3, dtype=np.float32).reshape(2, 5, 3)  # slice, view, channel
FLATS = 1000 + np.arange(4 * 2 * 3, dtype=np.float32).reshape(4, 2, 3)  # repeat, slice, channel


@pytest.mark.parametrize("pages", ["slices", "views"])
def test_pages_and_fields_come_in_the_axes_of_a_scan(tmp_path, pages):
    turn = (lambda a: a) if pages == "slices" else (lambda a: a.swapaxes(0, 1))
    write_tiff_stack(turn(STACK), tmp_path / "a.tif")
    write_tiff_stack(FLATS.swapaxes(0, 1) if pages == "slices" else FLATS, tmp_path / "f.tif")
    scan = read_tiff_scan(
        tmp_path / "a.tif", channel_spacing_mm=0.5, first_deg=10.0, last_deg=170.0, axis_channel=0.6,
        pages=pages, flats=tmp_path / "f.tif",
    )  # fmt: skip
    np.testing.assert_array_equal(scan.sinogram, STACK)
    np.testing.assert_array_equal(scan.flats, FLATS)
    assert scan.quantity == "counts"
    assert scan.beam == ParallelBeam.from_degrees(
        [10.0, 50.0, 90.0, 130.0, 170.0], n_channels=3, channel_spacing_mm=0.5, detector_offset_mm=0.2
    )


@pytest.mark.parametrize("pages", ["slices", "views"])
def test_a_description_may_name_tiff_images(tmp_path, pages):
    pytest.importorskip("yaml", reason="needs PyYAML")
    write_tiff_stack(STACK if pages == "slices" else STACK.swapaxes(0, 1), tmp_path / "a.tif")
    write_tiff_stack(FLATS.swapaxes(0, 1) if pages == "slices" else FLATS, tmp_path / "f.tif")
    (tmp_path / "a.yaml").write_text(
        f"data: a.tif\npages: {pages}\nquantity: counts\nflats: {{data: f.tif}}\nbeam: {{kind: parallel, "
        "angles_deg: {start: 0, step: 36, count: 5}, n_channels: 3, channel_spacing_mm: 0.5}\n"
    )
    scan = read_raw(tmp_path / "a.yaml")
    np.testing.assert_array_equal(scan.sinogram, STACK)
    np.testing.assert_array_equal(scan.flats, FLATS)


def test_bad_scans_are_refused_by_name(tmp_path):
    file = write_tiff_stack(STACK, tmp_path / "a.tif")
    wrong = write_tiff_stack(np.ones((3, 4, 3)), tmp_path / "f.tif")
    for options, words in (
        ({"channel_spacing_mm": 0.0}, "channel_spacing_mm must be positive"),
        ({"channel_spacing_mm": 1.0, "pages": "rows"}, "pages must be one of slices, views"),
        ({"channel_spacing_mm": 1.0, "darks": file}, "darks must come with flats"),
        ({"channel_spacing_mm": 1.0, "last_deg": np.nan}, "last_deg must be finite"),
        ({"channel_spacing_mm": 1.0, "flats": wrong}, r"a\.tif: flats must end with shape \(2, 3\)"),
    ):
        with pytest.raises(ValueError, match=words):
            read_tiff_scan(file, **options)
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_tiff_scan(tmp_path / "b.tif", channel_spacing_mm=1.0)

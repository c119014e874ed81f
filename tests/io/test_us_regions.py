"""Ultrasound images: the calibrated region, in grey or colour, with bounds that do not fit the frame."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from imgtech.geometry import ImageGrid
from imgtech.io import list_series, read_series, write_us_image

GRID = ImageGrid(shape=(41, 30), spacing_mm=(0.13, 0.21), center_mm=(22.0, -3.0))


@pytest.fixture
def file(tmp_path):
    image = 1 + np.arange(41.0 * 30).reshape(41, 30)
    return write_us_image(image, GRID, tmp_path / "us.dcm", dynamic_range_db=50.0, border_px=(7, 5))


def changed(file, **tags):
    """The file with other tags of its region, as a new file."""
    dataset = pydicom.dcmread(file)
    region = dataset.SequenceOfUltrasoundRegions[0]
    for name, value in tags.items():
        setattr(region, name, value)
    dataset.SOPInstanceUID = generate_uid()
    dataset.save_as(file)
    return file


def test_levels_sizes_and_places_come_back(file) -> None:
    series = read_series(file)
    expected = np.rint(255 * (1 + 20 * np.log10((1 + np.arange(1230.0)) / 1230) / 50)).clip(0)
    assert series.pixels[0].ravel().tolist() == expected.tolist()
    assert series.spacing_mm == pytest.approx((0.13, 0.21))
    assert series.origin_mm[:2] == pytest.approx((GRID.coordinates_mm[1][0], GRID.coordinates_mm[0][0]))
    assert series.modality == "US"
    assert list_series(file)[0].shape == (41, 30)
    assert series.notes == ("the picture is the largest calibrated ultrasound region of the file",)


def test_bounds_beyond_the_frame_are_cut_off(file) -> None:
    whole = read_series(file)
    changed(file, RegionLocationMaxY1=500, RegionLocationMaxX1=500, RegionLocationMinX0=0, ReferencePixelX0=5)
    series = read_series(file)
    assert series.pixels.shape == (1, 41 + 7, 30 + 2 * 5)
    # the reference pixel counts from the left of the region, which now begins 5 before the picture
    assert series.origin_mm[0] == pytest.approx(whole.origin_mm[0] - 5 * 0.21)
    assert (series.pixels[0, :41, 5:35] == whole.pixels[0]).all()


def test_the_largest_region_in_centimetres_is_taken(file) -> None:
    dataset = pydicom.dcmread(file)
    picture = dataset.SequenceOfUltrasoundRegions[0]
    strip, trace = pydicom.Dataset(), pydicom.Dataset()
    for other in (strip, trace):
        other.update(picture)
    strip.RegionLocationMaxX1, strip.PhysicalDeltaX = 9, 0.5
    trace.RegionLocationMinX0, trace.PhysicalUnitsXDirection = 0, 4  # seconds
    dataset.SequenceOfUltrasoundRegions = [strip, trace, picture]
    dataset.save_as(file)
    assert read_series(file).pixels.shape == (1, 41, 30)
    dataset.SequenceOfUltrasoundRegions = [trace]
    dataset.save_as(file)
    with pytest.raises(ValueError, match="does not say its pixel spacing"):
        read_series(file)


@pytest.mark.parametrize("tint", [0, 60])
def test_three_samples_that_are_alike_are_grey(file, tint: int) -> None:
    dataset = pydicom.dcmread(file)
    grey = read_series(file)
    picture = np.repeat(dataset.pixel_array[..., None], 3, axis=-1)
    picture[7:48, 5:35, 0] = np.minimum(picture[7:48, 5:35, 0].astype(int) + tint, 255)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    dataset.PixelData = picture.astype(np.uint8).tobytes()
    dataset.save_as(file)
    if tint:
        with pytest.raises(ValueError, match=r"shows colour in .* % of the picture"):
            read_series(file)
    else:
        assert (read_series(file).pixels == grey.pixels).all()


def test_palettes_are_looked_up(file) -> None:
    """Levels behind a palette that turns them round, in 16 bits as palettes are."""
    dataset = pydicom.dcmread(file)
    grey = read_series(file)
    entries = (255 - np.arange(256)).astype("<u2") * 257
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    for element in (1, 2, 3):
        dataset.add_new((0x0028, 0x1100 + element), "US", [256, 0, 16])
        dataset.add_new((0x0028, 0x1200 + element), "OW", entries.tobytes())
    dataset.save_as(file)
    assert (read_series(file).pixels == 255 - grey.pixels).all()
    del dataset.SequenceOfUltrasoundRegions
    dataset.PixelSpacing = [0.1, 0.1]
    dataset.save_as(file)
    with pytest.raises(ValueError, match="is an image of palette colours"):
        read_series(file)


def test_the_region_of_a_real_palette_image_is_inside_its_frame() -> None:
    """A file of pydicom's whose region reaches beyond the frame of 350 x 800."""
    from pydicom.data import get_testdata_file

    series = read_series(get_testdata_file("examples_palette.dcm"))
    assert series.pixels.shape == (1, 290, 680)  # region rows 60 to 518 and columns 120 to 800, cut off
    assert series.spacing_mm == pytest.approx((0.262288, 0.262288), abs=1e-6)
    assert series.pixels.max() <= 255


@pytest.mark.parametrize("wrong", [0.0, float("nan"), float("inf")])
def test_a_region_without_a_size_of_its_pixels_is_none(file, wrong: float) -> None:
    with pytest.raises(ValueError, match="does not say its pixel spacing"):
        read_series(changed(file, PhysicalDeltaX=wrong))


def test_backward_pixels_are_as_large(file) -> None:
    whole = read_series(file)
    assert read_series(changed(file, PhysicalDeltaY=-0.013)).spacing_mm == pytest.approx(whole.spacing_mm)


def test_loss_by_compression_is_said(file) -> None:
    assert not any("loss" in note for note in read_series(file).notes)
    dataset = pydicom.dcmread(file)
    dataset.LossyImageCompression = "01"
    dataset.save_as(file)
    assert "the pixels were compressed with loss" in " ".join(read_series(file).notes)


def test_subsampled_colour_differences_are_grey(file) -> None:
    """YBR_FULL_422: two pixels share their colour differences, which are those of grey."""
    dataset = pydicom.dcmread(file)
    grey = read_series(file)
    levels = dataset.pixel_array
    packed = np.full((levels.shape[0], levels.shape[1] // 2, 4), 128, dtype=np.uint8)
    packed[..., 0], packed[..., 1] = levels[:, 0::2], levels[:, 1::2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "YBR_FULL_422"
    dataset.PlanarConfiguration = 0
    dataset.PixelData = packed.tobytes()
    dataset.save_as(file)
    assert np.abs(read_series(file).pixels - grey.pixels).max() <= 1


def test_frames_are_numbered(file) -> None:
    dataset = pydicom.dcmread(file)
    one = dataset.pixel_array
    dataset.NumberOfFrames = 2
    dataset.PixelData = np.stack([one, 255 - one]).tobytes()
    dataset.save_as(file)
    series = read_series(file)
    assert series.pixels.shape == (2, 41, 30)
    assert series.positions_mm.tolist() == [0, 1]
    assert (series.pixels[0] + series.pixels[1] == 255).all()


def test_bad_envelopes_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="envelope must not be negative nor zero everywhere"):
        write_us_image(np.zeros((41, 30)), GRID, tmp_path / "a.dcm")
    with pytest.raises(ValueError, match="dynamic_range_db must be positive, got 0"):
        write_us_image(np.ones((41, 30)), GRID, tmp_path / "a.dcm", dynamic_range_db=0.0)
    with pytest.raises(ValueError, match=r"shape \(41, 30\)"):
        write_us_image(np.ones((30, 41)), GRID, tmp_path / "a.dcm")
    with pytest.raises(ValueError, match="border_px must be at least 0"):
        write_us_image(np.ones((41, 30)), GRID, tmp_path / "a.dcm", border_px=(-1, 0))
    for wrong in (3, (1, 2, 3)):
        with pytest.raises(ValueError, match="border_px must be a pair"):
            write_us_image(np.ones((41, 30)), GRID, tmp_path / "a.dcm", border_px=wrong)

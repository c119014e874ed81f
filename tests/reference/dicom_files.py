"""Small DICOM files with known content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, generate_uid

MR = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
SPACING = (1.25, 0.75)
SHAPE = (5, 7)


def stored(z: int) -> np.ndarray:
    """Values that tell rows, columns and slices apart."""
    return (100 * z + 10 * np.arange(SHAPE[0])[:, None] + np.arange(SHAPE[1])).astype(np.uint16)


def write_slice(
    path: Path,
    *,
    z_mm: float,
    pixels: np.ndarray,
    series_uid: str = "1.2.3.4",
    number: int = 7,
    big_endian: bool = False,
    orientation: tuple[float, ...] = (1, 0, 0, 0, 1, 0),
    **extra: object,
) -> Path:
    """A classic MR slice; ``extra`` are further elements by keyword."""
    ds = _common(series_uid, number, MR, big_endian)
    ds.PixelSpacing = list(SPACING)
    ds.SliceThickness = 4.0
    ds.ImageOrientationPatient = list(orientation)
    normal = np.cross(orientation[:3], orientation[3:])
    ds.ImagePositionPatient = [float(v) for v in np.array([-11.0, -22.0, 0.0]) + z_mm * normal]
    _pixels(ds, pixels, big_endian)
    for keyword, value in extra.items():
        setattr(ds, keyword, value)
    return _save(ds, path, big_endian)


def write_enhanced(path: Path, z_mm: list[float], pixels: np.ndarray, slopes: list[float]) -> Path:
    """An Enhanced MR object: spacing shared, position and rescale per frame."""
    ds = _common("1.2.3.9", 8, ENHANCED_MR, False)
    shared, measures, orientation, timing = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = list(SPACING), 4.0
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    timing.RepetitionTime = 500.0
    shared.PixelMeasuresSequence = [measures]
    shared.PlaneOrientationSequence = [orientation]
    shared.MRTimingAndRelatedParametersSequence = [timing]
    ds.SharedFunctionalGroupsSequence = [shared]
    ds.PerFrameFunctionalGroupsSequence = []
    for z, slope in zip(z_mm, slopes, strict=True):
        frame, position, values, echo = Dataset(), Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = [-11.0, -22.0, z]
        values.RescaleSlope, values.RescaleIntercept, values.RescaleType = slope, -3.0, "US"
        echo.EffectiveEchoTime = 20.0
        frame.PlanePositionSequence = [position]
        frame.PixelValueTransformationSequence = [values]
        frame.MREchoSequence = [echo]
        ds.PerFrameFunctionalGroupsSequence.append(frame)
    ds.NumberOfFrames = len(z_mm)
    _pixels(ds, pixels, False)
    return _save(ds, path, False)


def _common(series_uid: str, number: int, kind: str, big_endian: bool) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian if big_endian else ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = kind
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
    ds.SeriesInstanceUID, ds.SeriesNumber, ds.SeriesDescription = series_uid, number, "twin"
    ds.Modality, ds.Manufacturer, ds.MagneticFieldStrength = "MR", "Philips", 1.5
    return ds


def _pixels(ds: Dataset, pixels: np.ndarray, big_endian: bool) -> None:
    ds.Rows, ds.Columns = pixels.shape[-2:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.astype(pixels.dtype.newbyteorder(">" if big_endian else "<")).tobytes()
    ds["PixelData"].VR = "OW"


def _save(ds: Dataset, path: Path, big_endian: bool) -> Path:
    ds.save_as(path, enforce_file_format=True, little_endian=not big_endian, implicit_vr=False)
    return path

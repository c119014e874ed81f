"""DICOM files: found, opened, decoded; a damaged one is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_color_lut
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from imgtech.io._ultrasound import us_region

_DIRECTORY = "1.2.840.10008.1.3.10"


def headers(path: Path) -> list[tuple[Path, Dataset]]:
    """The header of each DICOM file at ``path``, without pixels."""
    if not path.exists():
        raise ValueError(f"{path} does not exist")
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    found = [(file, dataset) for file in files if (dataset := _header(file)) is not None]
    if not found:
        other = f"; {len(files)} files of other kinds" if files else "; it is empty"
        raise ValueError(f"{path} holds no DICOM file{other if path.is_dir() else ''}")
    return found


def _header(file: Path) -> Dataset | None:
    try:
        dataset = _open(file, stop_before_pixels=True)
    except InvalidDicomError:
        return None
    if dataset.file_meta.get("MediaStorageSOPClassUID") == _DIRECTORY:
        return None
    if "SOPClassUID" not in dataset or (_is_image(dataset) and "Columns" not in dataset):
        raise ValueError(f"{file} is damaged: it ends before its header is complete")
    return dataset


def _open(file: Path, stop_before_pixels: bool = False) -> Dataset:
    """Read one file; a file that is DICOM but lacks the 132 bytes of preamble is read all the same."""
    try:
        return pydicom.dcmread(file, stop_before_pixels=stop_before_pixels)
    except InvalidDicomError:
        if file.suffix.lower() != ".dcm" or file.stat().st_size == 0:
            raise
    except Exception as error:
        raise ValueError(f"{file} is damaged: {error}") from error
    try:
        dataset = pydicom.dcmread(file, stop_before_pixels=stop_before_pixels, force=True)
    except Exception as error:
        raise ValueError(f"{file} is damaged: {error}") from error
    if "SOPClassUID" not in dataset:
        raise InvalidDicomError(f"{file} is no DICOM file")
    explicit = not dataset.is_implicit_VR
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if explicit else ImplicitVRLittleEndian
    return dataset


def _is_image(dataset: Dataset) -> bool:
    return "Image Storage" in dataset.SOPClassUID.name


def stored_pixels(path: Path) -> tuple[npt.NDArray[Any], Dataset]:
    """Stored values ``(frame, y, x)``, or ``(frame, y, x, 3)`` of ultrasound in colours, and the header."""
    dataset = _open(path)
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    samples = int(dataset.get("SamplesPerPixel", 1))
    if samples != 1 and not (samples == 3 and us_region(dataset) is not None):
        raise ValueError(f"{path} is a colour image; only images of one sample per pixel can be measured")
    try:
        stored = dataset.pixel_array
    except Exception as error:
        text = str(error)
        if syntax is not None and syntax.is_compressed and "missing dependencies" in text:
            raise ValueError(
                f'{path} is compressed as {syntax.name}; pip install "imgtech[app]" brings the decoder'
            ) from error
        raise ValueError(f"{path} is damaged or cut short: {text}") from error
    if dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        if us_region(dataset) is None:
            raise ValueError(f"{path} is an image of palette colours; only grey images can be measured")
        stored, samples = apply_color_lut(stored, dataset), 3
        stored = stored >> 8 if stored.dtype.itemsize == 2 else stored
    axes = 2 if samples == 1 else 3
    return stored.reshape(-1, *stored.shape[-axes:]), dataset

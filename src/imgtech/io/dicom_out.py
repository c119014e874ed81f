"""DICOM series out: images with their place in space, their scale and their identity."""

from __future__ import annotations

import datetime
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from imgtech import __version__
from imgtech._core.validate import positive
from imgtech.io.atomic import write_bytes
from imgtech.io.series import Series, SeriesTags

_LARGEST = 65535
_CLASSES = {"CT": CTImageStorage, "MR": MRImageStorage}
_KEYWORDS = {
    "series_number": "SeriesNumber",
    "series_description": "SeriesDescription",
    "manufacturer": "Manufacturer",
    "model": "ManufacturerModelName",
    "station": "StationName",
    "protocol_name": "ProtocolName",
    "sequence_name": "SequenceName",
    "receive_coil": "ReceiveCoilName",
    "field_strength_t": "MagneticFieldStrength",
    "repetition_time_ms": "RepetitionTime",
    "echo_time_ms": "EchoTime",
    "flip_angle_deg": "FlipAngle",
    "averages": "NumberOfAverages",
    "bandwidth_hz_per_pixel": "PixelBandwidth",
    "tube_voltage_kv": "KVP",
    "kernel": "ConvolutionKernel",
}
_ONLY_MR = {
    "sequence_name",
    "receive_coil",
    "field_strength_t",
    "repetition_time_ms",
    "echo_time_ms",
    "flip_angle_deg",
    "averages",
    "bandwidth_hz_per_pixel",
}
_ONLY_CT = {"tube_voltage_kv", "kernel"}


def write_series(
    series: Series,
    folder: str | Path,
    *,
    step: float | None = None,
    patient_id: str = "",
    patient_name: str = "",
) -> tuple[Path, ...]:
    """Write a series as DICOM files, one a slice, that :func:`read_series` reads back.

    Values are stored as unsigned 16-bit integers with Rescale Slope and Intercept; what was stored is off
    by at most half a step. Slices get ascending instance numbers along the normal. A CT series becomes CT
    Image Storage with the Rescale Type HU, an MR series MR Image Storage, anything else Secondary Capture
    with its modality. UIDs are new in every call; study date, series number and frame of reference are taken
    from the tags. Images are marked as derived, and burnt-in annotation as absent.

    Parameters
    ----------
    series : Series
        Pixels, place and tags.
    folder : str or pathlib.Path
        Folder for ``IM_0001.dcm`` and so on; made where it is missing, and without DICOM files so far.
    step : float, optional
        Smallest difference of values that is kept, such as 1 for whole HU; by default the finest that
        16 bits allow for the range of the series.
    patient_id, patient_name : str, optional
        Identity of patient or phantom.

    Returns
    -------
    tuple of pathlib.Path
        The files.

    Raises
    ------
    ValueError
        If the folder holds DICOM files already, the step is not positive or too fine for 16 bits, or
        the orientation is not a pair of unit vectors at right angles.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from imgtech.io import Series, read_series, write_series
    >>> series = Series(pixels=np.arange(24.0).reshape(2, 3, 4) - 1000, spacing_mm=(0.5, 0.7),
    ...                 positions_mm=np.array([-5.0, -2.5]), slice_thickness_mm=2.5, modality="CT",
    ...                 origin_mm=(1.0, 2.0, -5.0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = write_series(series, folder, step=1.0)
    ...     back = read_series(folder)
    >>> bool((back.pixels == series.pixels).all()), back.origin_mm, back.positions_mm
    (True, (1.0, 2.0, -5.0), array([-5. , -2.5]))
    """
    target = Path(folder)
    if target.is_dir() and any(target.glob("*.dcm")):
        raise ValueError(f"folder must hold no DICOM files yet, got {target}")
    axes = np.asarray(series.orientation, dtype=np.float64).reshape(2, 3)
    if not np.allclose(axes @ axes.T, np.eye(2), atol=1e-4):
        raise ValueError(f"orientation must be two unit vectors at right angles, got {series.orientation}")
    slope, intercept = _scale(series.pixels, step)
    target.mkdir(parents=True, exist_ok=True)
    shared = _shared(series, slope, intercept)
    shared.PatientID, shared.PatientName = patient_id, patient_name
    origin = np.asarray(series.origin_mm, dtype=np.float64)
    files = []
    for number, image in enumerate(series.pixels):
        along = series.positions_mm[number] - series.positions_mm[0]
        stored = np.rint((image.astype(np.float64) - intercept) / slope).clip(0, _LARGEST).astype("<u2")
        place = [float(v) for v in origin + along * series.normal]
        file = target / f"IM_{number + 1:04d}.dcm"
        write_bytes(file, _encoded(shared, number, place, stored))
        files.append(file)
    return tuple(files)


def _scale(pixels: npt.NDArray[Any], step: float | None) -> tuple[float, float]:
    low, high = float(pixels.min()), float(pixels.max())
    slope = (high - low) / _LARGEST if step is None else positive("step", step)
    slope = _as_written(slope) if high > low or step is not None else 1.0
    while step is None and high > low + _LARGEST * slope:  # rounded down to the digits of the file
        slope = _as_written(slope * (1 + 1e-9))
    intercept = _as_written(low if step is None else float(np.floor(low / slope)) * slope)
    if high > intercept + (_LARGEST + 0.5) * slope:
        raise ValueError(f"step must be at least {(high - low) / _LARGEST:.4g} for these values, got {step}")
    return slope, intercept


def _as_written(value: float) -> float:
    return float(_decimal(value))


def _decimal(value: float) -> str:
    """At most the 16 characters of a decimal string."""
    for digits in range(15, 5, -1):
        text = f"{value:.{digits}g}"
        if len(text) <= 16:
            return text
    return f"{value:.6g}"


def _shared(series: Series, slope: float, intercept: float) -> Dataset:
    now, out = datetime.datetime.now(), Dataset()
    tags = series.tags
    out.SOPClassUID = _CLASSES.get(series.modality, SecondaryCaptureImageStorage)
    out.Modality = series.modality or "OT"
    out.ImageType = ["DERIVED", "PRIMARY", "AXIAL" if series.modality == "CT" else "OTHER"]
    out.StudyInstanceUID, out.SeriesInstanceUID = (generate_uid() for _ in range(2))
    out.FrameOfReferenceUID = tags.frame_of_reference_uid or generate_uid()
    out.StudyDate = out.SeriesDate = tags.study_date or now.strftime("%Y%m%d")
    out.ContentDate, out.ContentTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    out.StudyTime, out.InstanceCreationDate = "", now.strftime("%Y%m%d")
    for empty in ("AccessionNumber", "ReferringPhysicianName", "PatientBirthDate", "PatientSex", "StudyID"):
        setattr(out, empty, "")
    out.PositionReferenceIndicator, out.Laterality, out.PatientPosition = "", "", "HFS"
    out.Manufacturer, out.SoftwareVersions = "", f"imgtech {__version__}"
    out.SeriesNumber, out.AcquisitionNumber, out.BurnedInAnnotation = 1, 1, "NO"
    _modality_fields(out, series.modality)
    _copy_tags(out, tags, series.modality)
    out.Rows, out.Columns = series.pixels.shape[1:]
    out.PixelSpacing = [_decimal(d) for d in series.spacing_mm]
    out.ImageOrientationPatient = [_decimal(c) for c in series.orientation]
    gaps = np.diff(series.positions_mm)
    thickness = series.slice_thickness_mm or (float(np.median(gaps)) if len(gaps) else None)
    out.SliceThickness = "" if thickness is None else _decimal(thickness)
    if len(gaps):
        out.SpacingBetweenSlices = _decimal(float(np.median(gaps)))
    out.SamplesPerPixel, out.PhotometricInterpretation, out.PixelRepresentation = 1, "MONOCHROME2", 0
    out.BitsAllocated, out.BitsStored, out.HighBit = 16, 16, 15
    out.RescaleSlope, out.RescaleIntercept = _decimal(slope), _decimal(intercept)
    out.RescaleType = "HU" if series.modality == "CT" else "US"
    return out


def _modality_fields(out: Dataset, modality: str) -> None:
    if modality == "CT":
        out.KVP = ""
    elif modality == "MR":
        out.ScanningSequence, out.SequenceVariant, out.ScanOptions = "RM", "NONE", ""
        out.MRAcquisitionType, out.EchoTrainLength, out.EchoTime, out.RepetitionTime = "", "", "", ""
    else:
        out.ConversionType = "WSD"


def _copy_tags(out: Dataset, tags: SeriesTags, modality: str) -> None:
    for name, value in tags.known().items():
        foreign = (name in _ONLY_MR and modality != "MR") or (name in _ONLY_CT and modality != "CT")
        if name not in _KEYWORDS or foreign:
            continue
        setattr(out, _KEYWORDS[name], _decimal(value) if isinstance(value, float) else value)


def _encoded(shared: Dataset, number: int, place: list[float], stored: npt.NDArray[np.uint16]) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = shared.SOPClassUID
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stream = io.BytesIO()
    one = FileDataset(stream, shared, file_meta=meta, preamble=b"\0" * 128)
    one.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    one.InstanceNumber = number + 1
    one.ImagePositionPatient = [_decimal(v) for v in place]
    one.SliceLocation = _decimal(
        float(np.dot(np.cross(*np.reshape(shared.ImageOrientationPatient, (2, 3))), place))
    )
    one.PixelData = stored.tobytes()
    one.save_as(stream, enforce_file_format=True)
    return stream.getvalue()

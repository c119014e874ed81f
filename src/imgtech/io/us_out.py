"""An ultrasound image or cine out: grey levels with the calibration of their region."""

from __future__ import annotations

import datetime
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

from imgtech import __version__
from imgtech._core.validate import count, positive, real_image, two
from imgtech.geometry import ImageGrid
from imgtech.io.atomic import write_bytes

_LEVELS = 255


def write_us_image(
    envelope: npt.ArrayLike,
    grid: ImageGrid,
    path: str | Path,
    *,
    dynamic_range_db: float = 60.0,
    border_px: tuple[int, int] = (0, 0),
    frame_rate_hz: float | None = None,
    patient_id: str = "",
) -> Path:
    r"""Write an envelope as DICOM Ultrasound (Multi-frame) Image Storage with a calibrated region.

    Grey levels are :math:`255\,(1 + 20 \log_{10}(e / e_{max}) / D)` for a dynamic range D, rounded and not
    below 0. The region says the size of its pixels and that its reference pixel, the first, lies at the depth
    and lateral place of the grid.

    Parameters
    ----------
    envelope : array_like
        Shape ``grid.shape``, or with frames before it, which become a cine; not negative.
    grid : ImageGrid
        Depths and lateral places.
    path : str or pathlib.Path
        The file.
    dynamic_range_db : float, optional
        Decibels between grey levels 0 and 255.
    border_px : (int, int), optional
        Black rows above and below, and columns left and right, as around the picture of a scanner.
    frame_rate_hz : float, optional
        Frames a second; needed for a cine.
    patient_id : str, optional
        Identity of the phantom.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ValueError
        If the envelope is negative, not finite, zero everywhere or of another shape, a number is out of
        range, or the rate of the frames of a cine is missing.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.io import read_series, write_us_image
    >>> grid = ImageGrid(shape=(3, 4), spacing_mm=(0.1, 0.2), center_mm=(20.0, 1.0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = write_us_image(np.full((3, 4), 7.0), grid, f"{folder}/us.dcm", border_px=(5, 8))
    ...     series = read_series(file)
    >>> series.pixels.shape, series.spacing_mm, [round(v, 3) for v in series.origin_mm]
    ((1, 3, 4), (0.1, 0.2), [0.7, 19.9, 0.0])
    """
    image = real_image("envelope", envelope, (2, 3), grid.shape).astype(np.float64)
    cine = image.ndim == 3
    if cine != (frame_rate_hz is not None):
        raise ValueError(f"frame_rate_hz must be given for a cine and for nothing else, got {frame_rate_hz}")
    if image.min() < 0 or image.max() == 0:
        raise ValueError(f"envelope must not be negative nor zero everywhere, got {image.min():g} at least")
    span = positive("dynamic_range_db", dynamic_range_db)
    up, aside = (count("border_px", n, 0) for n in two("border_px", border_px))
    decibels = 20 * np.log10(np.maximum(image / image.max(), 10 ** (-span / 10)))
    grey = np.clip(np.rint(_LEVELS * (1 + decibels / span)), 0, _LEVELS).astype(np.uint8)
    out = _header(grid, (up, aside), patient_id)
    if frame_rate_hz is not None:
        _set_cine(out, len(image), positive("frame_rate_hz", frame_rate_hz))
    out.PixelData = np.pad(grey, (((0, 0),) if cine else ()) + ((up, up), (aside, aside))).tobytes()
    if len(out.PixelData) % 2:
        out.PixelData += b"\0"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = out.SOPClassUID, out.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stream = io.BytesIO()
    FileDataset(stream, out, file_meta=meta, preamble=b"\0" * 128).save_as(stream, enforce_file_format=True)
    file = Path(path)
    write_bytes(file, stream.getvalue())
    return file


def _set_cine(out: Dataset, n_frames: int, rate_hz: float) -> None:
    out.SOPClassUID = UltrasoundMultiFrameImageStorage
    out.NumberOfFrames, out.FrameIncrementPointer = n_frames, 0x00181063
    out.FrameTime = f"{1e3 / rate_hz:.10g}"
    out.StartTrim, out.StopTrim = 1, n_frames


def _header(grid: ImageGrid, border: tuple[int, int], patient_id: str) -> Dataset:
    out, now = Dataset(), datetime.datetime.now()
    out.SOPClassUID, out.SOPInstanceUID = UltrasoundImageStorage, generate_uid()
    out.StudyInstanceUID, out.SeriesInstanceUID = generate_uid(), generate_uid()
    out.Modality, out.ImageType = "US", ["DERIVED", "PRIMARY"]
    out.StudyDate = out.SeriesDate = out.ContentDate = now.strftime("%Y%m%d")
    out.StudyTime, out.ContentTime = "", now.strftime("%H%M%S")
    for empty in ("AccessionNumber", "ReferringPhysicianName", "PatientName", "PatientBirthDate", "StudyID"):
        setattr(out, empty, "")
    out.PatientID, out.PatientSex = patient_id, ""
    out.PatientOrientation, out.Laterality = "", ""
    out.Manufacturer, out.SoftwareVersions = "", f"imgtech {__version__}"
    out.SeriesNumber, out.InstanceNumber = 1, 1
    up, aside = border
    out.Rows, out.Columns = grid.shape[0] + 2 * up, grid.shape[1] + 2 * aside
    out.SamplesPerPixel, out.PhotometricInterpretation, out.PixelRepresentation = 1, "MONOCHROME2", 0
    out.BitsAllocated, out.BitsStored, out.HighBit = 8, 8, 7
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = aside, up
    region.RegionLocationMaxX1 = aside + grid.shape[1] - 1
    region.RegionLocationMaxY1 = up + grid.shape[0] - 1
    region.ReferencePixelX0, region.ReferencePixelY0 = 0, 0
    region.PhysicalUnitsXDirection, region.PhysicalUnitsYDirection = 3, 3
    y, x = (float(c[0]) / 10 for c in grid.coordinates_mm)
    region.ReferencePixelPhysicalValueX, region.ReferencePixelPhysicalValueY = x, y
    region.PhysicalDeltaX, region.PhysicalDeltaY = grid.spacing_mm[1] / 10, grid.spacing_mm[0] / 10
    out.SequenceOfUltrasoundRegions = [region]
    return out

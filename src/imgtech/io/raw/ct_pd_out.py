"""DICOM-CT-PD out: simulated projections in the format of clinical ones."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from imgtech import __version__
from imgtech._core.validate import positive, real_image
from imgtech.geometry import ConeBeam
from imgtech.io.atomic import write_bytes
from imgtech.io.raw._ct_pd_tags import put
from imgtech.io.raw.ct_scan import CtScan

_LARGEST = 65535
_SHAPES = {"curved": "CYLINDRICAL", "flat": "FLAT"}


def write_ct_pd(
    scan: CtScan,
    folder: str | Path,
    *,
    water_per_mm: float,
    photons_per_channel: npt.ArrayLike | None = None,
) -> tuple[Path, ...]:
    """Write cone-beam line integrals in the DICOM-CT-PD format, one file a view.

    The inverse of :func:`read_ct_pd`, with the same conventions. Values are stored as unsigned 16-bit
    integers with one Rescale Slope and Intercept for the whole scan: a step is the range of the scan over
    65535. Positions are single precision, as the format has them.

    Parameters
    ----------
    scan : CtScan
        Line integrals ``(view, row, channel)`` of a ConeBeam.
    folder : str or pathlib.Path
        Folder for ``view_00001.dcm`` and so on; made where it is missing, and without DICOM files so far.
    water_per_mm : float
        Attenuation of water, to convert to HU.
    photons_per_channel : array_like of float, optional
        Photons before the object, ``(channel,)`` or ``(view, channel)``.

    Returns
    -------
    tuple of pathlib.Path
        The files.

    Raises
    ------
    ValueError
        If the scan holds counts or is not of a cone beam, the folder holds DICOM files already, or a number
        does not fit.

    References
    ----------
    Chen et al. 2015, https://doi.org/10.1118/1.4935406

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from imgtech.geometry import ConeBeam
    >>> from imgtech.io.raw import CtScan, read_ct_pd, write_ct_pd
    >>> beam = ConeBeam.helical(pitch_mm=8.0, n_turns=1, n_views_per_turn=12, source_axis_mm=400.0,
    ...                         source_detector_mm=700.0, n_channels=5, channel_spacing_mm=1.5, n_rows=2,
    ...                         row_spacing_mm=1.25, detector="curved")
    >>> scan = CtScan(sinogram=np.linspace(0, 4, 120).reshape(12, 2, 5), beam=beam)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = write_ct_pd(scan, folder, water_per_mm=0.02)
    ...     back = read_ct_pd(folder)
    >>> bool(abs(back.sinogram - scan.sinogram).max() < 4e-5), back.header["scan"]
    (True, 'HELICAL')
    """
    beam, target = scan.beam, Path(folder)
    if not isinstance(beam, ConeBeam):
        raise ValueError(f"scan must be of a cone beam, got {type(beam).__name__}")
    if scan.quantity != "line integrals":
        raise ValueError(f"scan must hold line integrals, got {scan.quantity}")
    if target.is_dir() and any(target.glob("*.dcm")):
        raise ValueError(f"folder must hold no DICOM files yet, got {target}")
    photons = None
    if photons_per_channel is not None:
        given = real_image("photons_per_channel", photons_per_channel, (1, 2), (beam.n_channels,))
        photons = np.broadcast_to(given, (beam.n_views, beam.n_channels))
    shared = _shared(beam, positive("water_per_mm", water_per_mm))
    low = float(scan.sinogram.min())
    slope = float(f"{max((float(scan.sinogram.max()) - low) / _LARGEST, 1e-9) * (1 + 1e-6):.9g}")
    low = float(f"{low:.9g}")
    shared.RescaleSlope, shared.RescaleIntercept = f"{slope:.9g}", f"{low:.9g}"
    target.mkdir(parents=True, exist_ok=True)
    files = []
    for number in range(beam.n_views):
        one = _one_view(shared, beam, number)
        if photons is not None:
            put(one, "PhotonStatistics", [float(v) for v in photons[number, ::-1]])
        stored = np.rint((scan.sinogram[number, :, ::-1].T.astype(np.float64) - low) / slope)
        one.PixelData = np.ascontiguousarray(stored.clip(0, _LARGEST).astype("<u2")).tobytes()
        stream = io.BytesIO()
        one.save_as(stream, enforce_file_format=True)
        file = target / f"view_{number + 1:05d}.dcm"
        write_bytes(file, stream.getvalue())
        files.append(file)
    return tuple(files)


def _shared(beam: ConeBeam, water_per_mm: float) -> Dataset:
    out = Dataset()
    out.SOPClassUID, out.Modality, out.ImageType = CTImageStorage, "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    out.StudyInstanceUID, out.SeriesInstanceUID = generate_uid(), generate_uid()
    out.Manufacturer, out.SoftwareVersions, out.SeriesNumber = "imgtech", f"imgtech {__version__}", 1
    out.PatientName, out.PatientID = "simulated", ""
    out.SamplesPerPixel, out.PhotometricInterpretation, out.PixelRepresentation = 1, "MONOCHROME2", 0
    out.BitsAllocated, out.BitsStored, out.HighBit = 16, 16, 15
    out.Rows, out.Columns = beam.n_channels, beam.n_rows  # an image row is a detector column
    put(out, "NumberofDetectorRows", beam.n_rows)
    put(out, "NumberofDetectorColumns", beam.n_channels)
    put(out, "DetectorElementTransverseSpacing", beam.channel_spacing_mm)
    put(out, "DetectorElementAxialSpacing", beam.row_spacing_mm)
    put(out, "DetectorShape", _SHAPES[beam.detector])
    put(out, "DetectorFocalCenterRadialDistance", beam.source_axis_mm)
    put(out, "ConstantRadialDistance", beam.source_detector_mm)
    column = (beam.n_channels + 1) / 2 + beam.detector_offset_mm / beam.channel_spacing_mm
    row = (beam.n_rows + 1) / 2 - beam.row_offset_mm / beam.row_spacing_mm
    put(out, "DetectorCentralElement", [column, row])
    shifts = np.abs(np.asarray(beam.focal_shift_mm)).max(axis=0) > 0
    mode = ("Z" if shifts[0] else "") if not shifts[1:].any() else ("XYZ" if shifts[0] else "XY")
    put(out, "FlyingFocalSpotMode", f"FFS{mode or 'NONE'}")
    step = float(np.median(np.abs(np.diff(beam.angles_rad)))) if beam.n_views > 1 else 2 * np.pi
    put(out, "NumberofSourceAngularSteps", min(_LARGEST, round(2 * np.pi / step)) if step > 0 else 1)
    moves = np.ptp(np.asarray(beam.source_z_mm)) > 0
    put(out, "TypeofProjectionData", "HELICAL" if moves else "AXIAL")
    put(out, "TypeofProjectionGeometry", "FANBEAM")
    for name in ("BeamHardening", "Gain", "DarkField", "FlatField", "BadPixel", "Scatter"):
        put(out, f"{name}CorrectionFlag", "NO")
    put(out, "LogFlag", "YES")
    put(out, "WaterAttenuationCoefficient", f"{water_per_mm:.9g}")
    return out


def _one_view(shared: Dataset, beam: ConeBeam, number: int) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one = FileDataset(io.BytesIO(), shared, file_meta=meta, preamble=b"\0" * 128)
    one.SOPInstanceUID, one.InstanceNumber = meta.MediaStorageSOPInstanceUID, number + 1
    phi = float(np.mod(beam.angles_rad[number] - np.pi, 2 * np.pi))
    put(one, "DetectorFocalCenterAngularPosition", phi)
    put(one, "DetectorFocalCenterAxialPosition", float(np.asarray(beam.source_z_mm)[number]))
    z_mm, y_mm, x_mm = (float(v) for v in np.asarray(beam.focal_shift_mm)[number])
    toward_mm = beam.source_axis_mm - y_mm
    put(one, "SourceAngularPositionShift", float(np.arctan2(x_mm, toward_mm)))
    put(one, "SourceAxialPositionShift", z_mm)
    put(one, "SourceRadialDistanceShift", float(np.hypot(x_mm, toward_mm)) - beam.source_axis_mm)
    return one

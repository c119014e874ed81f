"""DICOM-CT-PD: projections of clinical scanners, one DICOM file a view."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from imgtech.geometry import ConeBeam
from imgtech.io.raw._ct_pd_tags import TAGS, get
from imgtech.io.raw.ct_scan import CtScan

_NEEDED = (
    "NumberofDetectorRows", "NumberofDetectorColumns", "DetectorElementTransverseSpacing",
    "DetectorElementAxialSpacing", "DetectorShape", "DetectorFocalCenterAngularPosition",
    "DetectorFocalCenterAxialPosition", "DetectorFocalCenterRadialDistance", "ConstantRadialDistance",
    "DetectorCentralElement",
)  # fmt: skip
_SAME = (
    "NumberofDetectorRows", "NumberofDetectorColumns", "DetectorElementTransverseSpacing",
    "DetectorElementAxialSpacing", "DetectorShape", "DetectorFocalCenterRadialDistance",
    "ConstantRadialDistance", "DetectorCentralElement",
)  # fmt: skip
_DETECTORS = {"CYLINDRICAL": "curved", "FLAT": "flat"}


def read_ct_pd(folder: str | Path) -> CtScan:
    r"""Read the projections of a clinical scan in the DICOM-CT-PD format, circular or helical.

    The focal centre of the detector sits at :math:`(-\rho_0 \sin\varphi_0, \rho_0 \cos\varphi_0, z_0)`,
    so the view angle is :math:`\beta = \varphi_0 + \pi`, made to go on over full turns; a flying focal
    spot at :math:`\varphi_0 + \Delta\varphi, \rho_0 + \Delta\rho, z_0 + \Delta z` becomes
    ``focal_shift_mm``. Detector columns count against our channels and are turned round; detector rows
    grow with z. The central element counts from 1; files of GE count it from the other end and from 0
    (found by others by comparing the images of both halves of a turn), which is put right.

    What real files are known for and is left to the user: the table feed of GE's projections is 0.2 %
    larger than that of the scanner's own images, and the scanner's image positions may be half a pixel off.

    Parameters
    ----------
    folder : str or pathlib.Path
        Folder with one file a view; files that are not DICOM are passed over.

    Returns
    -------
    CtScan
        Line integrals ``(view, row, channel)`` and a ConeBeam. The header holds ``manufacturer``,
        ``water_per_mm``, ``photons_per_channel`` ``(view, channel)`` and ``scan``, where the files give
        them, and the preprocessing flags by their names.

    Raises
    ------
    ValueError
        If the folder does not exist or holds no such file, an element is missing (file and element are
        named), views are missing or there twice, the detector changes on the way or is neither cylindrical
        nor flat, or the logarithm was not taken.

    References
    ----------
    Chen et al. 2015, https://doi.org/10.1118/1.4935406

    Moen et al. 2021 (table 4), https://doi.org/10.1002/mp.14594

    Examples
    --------
    >>> from imgtech.io.raw import read_ct_pd
    >>> scan = read_ct_pd("L067/projections")  # doctest: +SKIP
    """
    place = Path(folder)
    if not place.is_dir():
        raise ValueError(f"{place}: no such folder")
    views = _views(place)
    file, first = views[0]
    n_rows, n_columns = (int(get(first, f"NumberofDetector{axis}")) for axis in ("Rows", "Columns"))
    if (int(first.Rows), int(first.Columns)) not in ((n_columns, n_rows), (n_rows, n_columns)):
        raise ValueError(
            f"{file}: Rows and Columns must be the {n_columns} columns and {n_rows} rows of the detector"
        )
    shape = str(get(first, "DetectorShape")).strip().upper()
    if shape not in _DETECTORS:
        raise ValueError(f"{file}: DetectorShape must be CYLINDRICAL or FLAT, got {shape!r}")
    if str(get(first, "LogFlag", "YES")).strip().upper() == "NO":
        raise ValueError(f"{file}: LogFlag must be YES, got data before the logarithm")
    projections = np.empty((len(views), n_rows, n_columns), np.float32)
    for target, (path, dataset) in zip(projections, views, strict=True):
        target[:] = _line_integrals(path, dataset, n_rows, n_columns)[:, ::-1]
    return CtScan(
        sinogram=projections,
        beam=_beam(views, n_rows, n_columns, _DETECTORS[shape]),
        header=_header(views),
    )


def _views(place: Path) -> list[tuple[Path, Dataset]]:
    found: dict[int, tuple[Path, Dataset]] = {}
    for file in sorted(f for f in place.iterdir() if f.is_file()):
        try:
            dataset = pydicom.dcmread(file)
        except InvalidDicomError:
            continue
        missing = [name for name in _NEEDED if get(dataset, name) is None]
        if missing:
            group, element, _ = TAGS[missing[0]]
            raise ValueError(
                f"{file}: no DICOM-CT-PD file, {missing[0]} ({group:04X},{element:04X}) is missing"
            )
        number = int(dataset.get("InstanceNumber") or 0)
        if number in found:
            raise ValueError(f"{file}: view {number} is there twice, also in {found[number][0].name}")
        found[number] = (file, dataset)
    if not found:
        raise ValueError(f"{place} holds no DICOM-CT-PD file")
    numbers = sorted(found)
    gaps = [n for n in range(numbers[0], numbers[-1]) if n not in found]
    if gaps:
        raise ValueError(f"{place}: views are missing, {len(gaps)} of them, the first is {gaps[0]}")
    views = [found[n] for n in numbers]
    for name in _SAME:
        start = _text(get(views[0][1], name))
        for file, view in views:
            if _text(get(view, name)) != start:
                raise ValueError(
                    f"{file}: {name} must stay {start} over the scan, got {_text(get(view, name))}"
                )
    return views


def _text(value: Any) -> str:
    return str(list(value)) if np.iterable(value) and not isinstance(value, str) else str(value)


def _line_integrals(file: Path, dataset: Dataset, n_rows: int, n_columns: int) -> Any:
    try:
        stored = dataset.pixel_array
    except Exception as error:
        raise ValueError(f"{file} is damaged or cut short: {' '.join(str(error).split())}") from error
    values = stored * float(dataset.get("RescaleSlope", 1.0)) + float(dataset.get("RescaleIntercept", 0.0))
    return values.T if stored.shape == (n_columns, n_rows) else values


def _beam(views: list[tuple[Path, Dataset]], n_rows: int, n_columns: int, detector: Any) -> ConeBeam:
    def column(name: str) -> np.ndarray:
        return np.array([float(get(dataset, name, 0.0)) for _, dataset in views])

    first = views[0][1]
    central_column, central_row = (float(v) for v in get(first, "DetectorCentralElement"))
    if str(first.get("Manufacturer", "")).upper().startswith("GE"):
        central_column = n_columns - central_column
    across_mm = float(get(first, "DetectorElementTransverseSpacing"))
    along_mm = float(get(first, "DetectorElementAxialSpacing"))
    radius_mm = float(get(first, "DetectorFocalCenterRadialDistance"))
    turn, reach_mm = column("SourceAngularPositionShift"), radius_mm + column("SourceRadialDistanceShift")
    shift_mm = np.stack(
        [column("SourceAxialPositionShift"), radius_mm - reach_mm * np.cos(turn), reach_mm * np.sin(turn)],
        axis=1,
    )
    return ConeBeam(
        source_axis_mm=radius_mm,
        source_detector_mm=float(get(first, "ConstantRadialDistance")),
        angles_rad=np.unwrap(column("DetectorFocalCenterAngularPosition")) + np.pi,
        n_channels=n_columns,
        channel_spacing_mm=across_mm,
        n_rows=n_rows,
        row_spacing_mm=along_mm,
        detector=detector,
        detector_offset_mm=(central_column - (n_columns + 1) / 2) * across_mm,
        row_offset_mm=((n_rows + 1) / 2 - central_row) * along_mm,
        source_z_mm=column("DetectorFocalCenterAxialPosition"),
        focal_shift_mm=shift_mm,
    )


def _header(views: list[tuple[Path, Dataset]]) -> dict[str, Any]:
    first = views[0][1]
    header: dict[str, Any] = {"manufacturer": str(first.get("Manufacturer", ""))}
    for name, key in (("WaterAttenuationCoefficient", "water_per_mm"), ("TypeofProjectionData", "scan")):
        if get(first, name) is not None:
            header[key] = get(first, name)
    if get(first, "PhotonStatistics") is not None:
        header["photons_per_channel"] = np.array(
            [np.atleast_1d(get(dataset, "PhotonStatistics"))[::-1] for _, dataset in views]
        )
    for name in TAGS:
        if name.endswith("Flag") and get(first, name) is not None:
            header[name] = str(get(first, name))
    return header

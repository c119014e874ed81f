"""From a DICOM header to frames: classic and Enhanced multi-frame objects seen the same way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from imgtech.io._nuclear import slice_place
from imgtech.io._ultrasound import UsRegion, us_region
from imgtech.io.series import SeriesTags

_SHARED = "SharedFunctionalGroupsSequence"
_PER_FRAME = "PerFrameFunctionalGroupsSequence"
_PHILIPS_SCALE_SLOPE = (0x2005, 0x100E)
_PHILIPS_FRAME = (0x2005, 0x140F)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One image plane as its header describes it."""

    path: Path
    index: int
    instance_uid: str
    shape: tuple[int, int]
    spacing_mm: tuple[float, float] | None
    spacing_keyword: str
    position_mm: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    thickness_mm: float | None
    slope: float
    intercept: float
    philips_slope: float | None
    component: str
    echo_time_ms: float | None
    number: int = 0
    region: UsRegion | None = None
    localizer: bool = False
    lossy: bool = False

    @property
    def stack(self) -> tuple[Any, ...]:
        """Frames with the same key form one stack."""
        cosines = None if self.orientation is None else tuple(round(c, 3) + 0.0 for c in self.orientation)
        spacing = None if self.spacing_mm is None else tuple(round(d, 4) for d in self.spacing_mm)
        return self.shape, spacing, cosines, self.component, self.echo_time_ms


class _Header:
    """Look-up of a keyword for one frame: its own functional groups, the shared ones, the top level."""

    def __init__(self, dataset: Dataset, index: int) -> None:
        groups = []
        if _PER_FRAME in dataset:
            groups.append(dataset[_PER_FRAME].value[index])
        if dataset.get(_SHARED):
            groups.append(dataset[_SHARED].value[0])
        self._groups = groups
        self._dataset = dataset

    def get(self, *keywords: str) -> Any:
        for keyword in keywords:
            for group in self._groups:
                for macro in group:
                    if macro.VR == "SQ" and macro.value and macro.value[0].get(keyword) not in (None, ""):
                        return macro.value[0].get(keyword)
            if self._dataset.get(keyword) not in (None, ""):
                return self._dataset.get(keyword)
        return None

    def number(self, *keywords: str) -> float | None:
        value: Any = self.get(*keywords)
        if value is None or isinstance(value, str):
            return None
        return float(value[0] if isinstance(value, MultiValue) else value)

    def numbers(self, keyword: str, n: int) -> tuple[float, ...] | None:
        value = self.get(keyword)
        return None if value is None or len(value) != n else tuple(float(v) for v in value)

    def philips_slope(self) -> float | None:
        if "philips" not in str(self._dataset.get("Manufacturer", "")).lower():
            return None
        private = [g[_PHILIPS_FRAME].value[0] for g in self._groups if g.get(_PHILIPS_FRAME)]
        for place in (*private, self._dataset):
            if _PHILIPS_SCALE_SLOPE in place:
                value = place[_PHILIPS_SCALE_SLOPE].value
                return float(np.frombuffer(value, "<f4")[0] if isinstance(value, bytes) else value)
        return None


def frames(dataset: Dataset, path: Path) -> Iterator[Frame]:
    """The frames of one image object, in stored order."""
    count = int(dataset.get("NumberOfFrames") or 1)
    for index in range(count):
        header = _Header(dataset, index)
        spacing, keyword = _spacing(header)
        shape = (int(dataset.Rows), int(dataset.Columns))
        slope = header.number("RescaleSlope")
        position = header.numbers("ImagePositionPatient", 3)
        orientation = header.numbers("ImageOrientationPatient", 6)
        if position is None or orientation is None:
            position, orientation = slice_place(dataset, index) or (position, orientation)
        region = us_region(dataset)
        if region is not None:
            spacing, keyword, shape = region.spacing_mm, "SequenceOfUltrasoundRegions", region.shape
            # frames of a cine lie at one place and are counted along the third axis
            position = (region.first_mm[1], region.first_mm[0], float(index))
            orientation = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
        yield Frame(
            path=path,
            index=index,
            instance_uid=f"{dataset.get('SOPInstanceUID', path)}/{index}",
            number=int(header.number("InstanceNumber") or 0),
            shape=shape,
            spacing_mm=spacing,
            spacing_keyword=keyword,
            position_mm=position,
            orientation=orientation,
            thickness_mm=header.number("SliceThickness"),
            slope=1.0 if slope is None else slope,
            intercept=header.number("RescaleIntercept") or 0.0,
            philips_slope=header.philips_slope(),
            component=_component(header),
            echo_time_ms=header.number("EffectiveEchoTime", "EchoTime"),
            region=region,
            localizer="LOCALIZER" in _parts(header),
            lossy=str(dataset.get("LossyImageCompression", "")) == "01",
        )


def tags(dataset: Dataset) -> SeriesTags:
    """Scanner and acquisition from the first frame."""
    header = _Header(dataset, 0)
    return SeriesTags(
        series_uid=_text(header, "SeriesInstanceUID"),
        series_number=_text(header, "SeriesNumber"),
        series_description=_text(header, "SeriesDescription"),
        frame_of_reference_uid=_text(header, "FrameOfReferenceUID"),
        manufacturer=_text(header, "Manufacturer"),
        model=_text(header, "ManufacturerModelName"),
        station=_text(header, "StationName"),
        software=_text(header, "SoftwareVersions"),
        study_date=_text(header, "SeriesDate", "AcquisitionDate", "StudyDate", "ContentDate"),
        protocol_name=_text(header, "ProtocolName"),
        sequence_name=_text(header, "PulseSequenceName", "SequenceName", "ScanningSequence"),
        receive_coil=_text(header, "ReceiveCoilName"),
        field_strength_t=header.number("MagneticFieldStrength"),
        repetition_time_ms=header.number("RepetitionTime"),
        echo_time_ms=header.number("EffectiveEchoTime", "EchoTime"),
        flip_angle_deg=header.number("FlipAngle"),
        averages=header.number("NumberOfAverages"),
        bandwidth_hz_per_pixel=header.number("PixelBandwidth"),
        tube_voltage_kv=header.number("KVP"),
        exposure_mas=header.number("ExposureInmAs", "Exposure"),
        kernel=_text(header, "ConvolutionKernel"),
        rescale_type=_text(header, "RescaleType"),
    )


def _spacing(header: _Header) -> tuple[tuple[float, float] | None, str]:
    for keyword in (
        "PixelSpacing",
        "ImagerPixelSpacing",
        "ImagePlanePixelSpacing",
        "NominalScannedPixelSpacing",
    ):
        value = header.numbers(keyword, 2)
        if value is not None and min(value) > 0:
            return (value[0], value[1]), keyword
    return None, ""


def _component(header: _Header) -> str:
    named = header.get("ComplexImageComponent")
    if named:
        return str(named)[0]
    parts = _parts(header)
    found = [c for c in ("P", "R", "I") if parts & {c, {"P": "PHASE", "R": "REAL", "I": "IMAGINARY"}[c]}]
    return found[0] if found else "M"


def _parts(header: _Header) -> set[str]:
    value = header.get("ImageType") or ()
    return {value} if isinstance(value, str) else {str(part) for part in value}


def _text(header: _Header, *keywords: str) -> str | None:
    value = header.get(*keywords)
    if value is None:
        return None
    return "\\".join(map(str, value)) if not isinstance(value, str) and np.iterable(value) else str(value)

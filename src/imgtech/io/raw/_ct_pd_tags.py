"""Private elements of DICOM-CT-PD: number, kind, and what they mean.

Chen et al. 2015, Development of an open file format for CT projection data, Medical Physics 42, 6964,
https://doi.org/10.1118/1.4935406; table 4 of Moen et al. 2021, Low-dose CT image and projection dataset,
Medical Physics 48, 902, https://doi.org/10.1002/mp.14594.
"""

from __future__ import annotations

import struct
from typing import Any

from pydicom.dataset import Dataset

TAGS: dict[str, tuple[int, int, str]] = {
    "NumberofDetectorRows": (0x7029, 0x1010, "US"),
    "NumberofDetectorColumns": (0x7029, 0x1011, "US"),
    "DetectorElementTransverseSpacing": (0x7029, 0x1002, "FL"),
    "DetectorElementAxialSpacing": (0x7029, 0x1006, "FL"),
    "DetectorShape": (0x7029, 0x100B, "CS"),
    "DetectorFocalCenterAngularPosition": (0x7031, 0x1001, "FL"),
    "DetectorFocalCenterAxialPosition": (0x7031, 0x1002, "FL"),
    "DetectorFocalCenterRadialDistance": (0x7031, 0x1003, "FL"),
    "ConstantRadialDistance": (0x7031, 0x1031, "FL"),
    "DetectorCentralElement": (0x7031, 0x1033, "FL"),
    "SourceAngularPositionShift": (0x7033, 0x100B, "FL"),
    "SourceAxialPositionShift": (0x7033, 0x100C, "FL"),
    "SourceRadialDistanceShift": (0x7033, 0x100D, "FL"),
    "FlyingFocalSpotMode": (0x7033, 0x100E, "CS"),
    "NumberofSourceAngularSteps": (0x7033, 0x1013, "US"),
    "PhotonStatistics": (0x7033, 0x1065, "FL"),
    "TypeofProjectionData": (0x7037, 0x1009, "CS"),
    "TypeofProjectionGeometry": (0x7037, 0x100A, "CS"),
    "BeamHardeningCorrectionFlag": (0x7039, 0x1003, "CS"),
    "GainCorrectionFlag": (0x7039, 0x1004, "CS"),
    "DarkFieldCorrectionFlag": (0x7039, 0x1005, "CS"),
    "FlatFieldCorrectionFlag": (0x7039, 0x1006, "CS"),
    "BadPixelCorrectionFlag": (0x7039, 0x1007, "CS"),
    "ScatterCorrectionFlag": (0x7039, 0x1008, "CS"),
    "LogFlag": (0x7039, 0x1009, "CS"),
    "WaterAttenuationCoefficient": (0x7041, 0x1001, "DS"),
}
CREATORS = {
    0x7029: "DetectorSystemArrangementModule",
    0x7031: "DetectorDynamicsModule",
    0x7033: "SourceDynamicsModule",
    0x7037: "ProjectionDataDefinitions",
    0x7039: "PreprocessingFlagsModule",
    0x7041: "WaterAttenuationModule",
}
_FORMATS = {"FL": "f", "US": "H"}


def put(dataset: Dataset, name: str, value: Any) -> None:
    """Set a private element, and the creator of its group."""
    group, element, kind = TAGS[name]
    if (group, 0x0010) not in dataset:
        dataset.add_new((group, 0x0010), "LO", CREATORS[group])
    dataset.add_new((group, element), kind, value)


def get(dataset: Dataset, name: str, default: Any = None) -> Any:
    """Value of a private element, also where the file does not say its kind and it comes as bytes."""
    group, element, kind = TAGS[name]
    if (group, element) not in dataset:
        return default
    value = dataset[group, element].value
    if isinstance(value, bytes):
        if kind in _FORMATS:
            form = _FORMATS[kind]
            numbers = struct.unpack(f"<{len(value) // struct.calcsize(form)}{form}", value)
            return numbers[0] if len(numbers) == 1 else list(numbers)
        value = value.decode("ascii", "replace").strip("\0 ")
    return float(value) if kind == "DS" else value

"""The ISMRM raw data format: layout of an acquisition, its flags, and the XML header as a mapping.

Layout and flags follow the public format description, version 1 (https://github.com/ismrmrd/ismrmrd,
include/ismrmrd/ismrmrd.h and schema/ismrmrd.xsd).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

import numpy as np

from imgtech._core.extras import require

NAMESPACE = "http://www.ismrm.org/ISMRMRD"
RASTERS = ("cartesian", "epi")
NOISE, CALIBRATION, CALIBRATION_AND_IMAGING, REVERSE, NAVIGATION, PHASE_CORRECTION = 19, 20, 21, 22, 23, 24
LAST_IN_MEASUREMENT = 25
OTHER_PURPOSES = {
    NAVIGATION: "navigation",
    26: "feedback",
    27: "dummy",
    28: "real-time feedback",
    29: "surface-coil correction",
    30: "phase stabilisation reference",
    31: "phase stabilisation",
}
COUNTERS = {
    "line": "kspace_encode_step_1",
    "partition": "kspace_encode_step_2",
    "average": "average",
    "slice": "slice",
    "echo": "contrast",
    "phase": "phase",
    "repetition": "repetition",
    "set": "set",
    "segment": "segment",
}


def acquisition_head() -> np.dtype[Any]:
    """The fixed part of an acquisition, 340 bytes without gaps."""
    counters = np.dtype(
        [
            ("kspace_encode_step_1", "<u2"),
            ("kspace_encode_step_2", "<u2"),
            ("average", "<u2"),
            ("slice", "<u2"),
            ("contrast", "<u2"),
            ("phase", "<u2"),
            ("repetition", "<u2"),
            ("set", "<u2"),
            ("segment", "<u2"),
            ("user", "<u2", (8,)),
        ]
    )
    return np.dtype(
        [
            ("version", "<u2"),
            ("flags", "<u8"),
            ("measurement_uid", "<u4"),
            ("scan_counter", "<u4"),
            ("acquisition_time_stamp", "<u4"),
            ("physiology_time_stamp", "<u4", (3,)),
            ("number_of_samples", "<u2"),
            ("available_channels", "<u2"),
            ("active_channels", "<u2"),
            ("channel_mask", "<u8", (16,)),
            ("discard_pre", "<u2"),
            ("discard_post", "<u2"),
            ("center_sample", "<u2"),
            ("encoding_space_ref", "<u2"),
            ("trajectory_dimensions", "<u2"),
            ("sample_time_us", "<f4"),
            ("position", "<f4", (3,)),
            ("read_dir", "<f4", (3,)),
            ("phase_dir", "<f4", (3,)),
            ("slice_dir", "<f4", (3,)),
            ("patient_table_position", "<f4", (3,)),
            ("idx", counters),
            ("user_int", "<i4", (8,)),
            ("user_float", "<f4", (8,)),
        ]
    )


def acquisition() -> np.dtype[Any]:
    """An acquisition in HDF5: head, trajectory and samples of any length."""
    numbers = require("h5py", "raw").vlen_dtype(np.dtype("<f4"))
    return np.dtype([("head", acquisition_head()), ("traj", numbers), ("data", numbers)])


def header_of(name: str, text: str | bytes) -> dict[str, Any]:
    """The XML header as nested mappings by tag; what occurs more than once becomes a list."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"{name}: the header must be XML, got {error}") from error
    if _tag(root) != "ismrmrdHeader":
        raise ValueError(f"{name}: the header must be an ismrmrdHeader, got {_tag(root)}")
    found = _content(root)
    return found if isinstance(found, dict) else {}


def listed(value: Any) -> list[Any]:
    """One or several elements of a header as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def at(header: Any, *path: str) -> Any:
    """What stands at a path of a header, or None."""
    for name in path:
        if not isinstance(header, Mapping) or name not in header:
            return None
        header = header[name]
    return header


def number_at(name: str, header: Any, *path: str) -> float:
    """A number of the header, or say which one is missing."""
    value = at(header, *path)
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: the header must hold a number {'/'.join(path)}, got {value!r}") from error


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rsplit("}", 1)[-1]


def _content(element: ElementTree.Element) -> Any:
    if not len(element):
        return (element.text or "").strip()
    out: dict[str, Any] = {}
    for child in element:
        name, value = _tag(child), _content(child)
        out[name] = value if name not in out else [*listed(out[name]), value]
    return out

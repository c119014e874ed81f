"""Plain binary or TIFF projections with their geometry in a small YAML file beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from imgtech._core.extras import require
from imgtech._core.validate import count, finite, one_of
from imgtech.geometry import ConeBeam, FanBeam, ParallelBeam
from imgtech.io.atomic import write_bytes, write_text
from imgtech.io.raw.ct_scan import CtScan
from imgtech.io.raw.tiff_scan import Pages, read_field, to_slices
from imgtech.io.tiff import read_tiff_stack

_BEAMS = {"parallel": ParallelBeam, "fan": FanBeam, "cone": ConeBeam}
_TYPES = ("float32", "float64", "uint16", "int16", "uint32", "int32", "uint8")
_FIELDS = ("flats", "darks")


def read_raw(path: str | Path) -> CtScan:
    """Read projections from a binary file or TIFF images that a YAML file describes.

    .. code-block:: yaml

        data: scan.raw            # beside this file; C order, little endian
        type: uint16              # float32, float64, uint8, uint16, int16, uint32, int32
        shape: [1, 720, 640]      # slice, view, channel; of a cone view, row, channel
        quantity: counts          # or: line integrals
        beam:
          kind: fan               # parallel, fan or cone
          source_axis_mm: 410.66  # and so on: the fields of ParallelBeam, FanBeam or ConeBeam
          source_detector_mm: 553.74
          angles_deg: [0, 0.5]    # or angles_rad: a list, or first angle, step and count as below
          # angles_deg: {start: 0, step: 0.5, count: 720}
          n_channels: 640
          channel_spacing_mm: 0.2
        flats: {data: flats.raw, type: uint16, shape: [10, 1, 640]}   # optional, darks as well

    ``data`` may also name a TIFF file or a folder of them; type and shape then come from the images. A page
    is the sinogram of a slice, or with ``pages: views`` the radiograph of a view; of a cone it always is the
    radiograph of a view. Pages of ``flats`` and ``darks`` are as in :func:`read_tiff_scan`.

    Parameters
    ----------
    path : str or pathlib.Path
        The YAML file.

    Returns
    -------
    CtScan
        Projections, beam, white and dark fields, and under ``header`` whatever else the file says.

    Raises
    ------
    FileNotFoundError
        If the YAML file or a binary file is not there.
    ImportError
        If PyYAML is not installed, or tifffile for TIFF images.
    ValueError
        If the description is no YAML mapping, an entry is missing or unknown, a binary file does not have
        the size of its shape and type, or a TIFF file is not readable.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from imgtech.geometry import ParallelBeam
    >>> from imgtech.io.raw import CtScan, read_raw, write_raw
    >>> beam = ParallelBeam.half_turn(n_views=4, n_channels=3, channel_spacing_mm=0.5)
    >>> scan = CtScan(sinogram=np.ones((2, 4, 3), np.float32), beam=beam)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     read_raw(write_raw(scan, Path(folder) / "scan.yaml")) == scan
    True
    """
    yaml: Any = require("yaml", "ct")
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: no readable YAML, {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{file}: must be a mapping with data, type, shape and beam")
    known = {"data", "type", "shape", "pages", "quantity", "beam", *_FIELDS}
    with _named(file):
        beam = _beam(content.get("beam"))
        pages: Any = one_of("pages", content.get("pages", "slices"), ("slices", "views"))
    of_cone = isinstance(beam, ConeBeam)  # a page is a view, and the axes of a cone begin with it
    sinogram = _projections(file, content, "the file", "slices" if of_cone else pages)
    fields = {
        name: _field(file, content[name], name, "views" if of_cone else pages)
        for name in _FIELDS
        if content.get(name)
    }
    with _named(file):
        return CtScan(
            sinogram=sinogram,
            beam=beam,
            quantity=content.get("quantity", "line integrals"),
            header={name: value for name, value in content.items() if name not in known},
            **fields,
        )


def write_raw(scan: CtScan, path: str | Path) -> Path:
    """Write a scan as a YAML file and binary files beside it, for :func:`read_raw`.

    Parameters
    ----------
    scan : CtScan
        The scan; what its header holds must be plain numbers, texts, lists and mappings.
    path : str or pathlib.Path
        The YAML file; the projections go to the same name with the ending ``.raw``, the fields to
        ``.flats.raw`` and ``.darks.raw``. The folder must exist.

    Returns
    -------
    pathlib.Path
        The YAML file.

    Raises
    ------
    ImportError
        If PyYAML is not installed.
    ValueError
        If the header holds something else.

    Examples
    --------
    >>> from imgtech.io.raw import read_htc, write_raw
    >>> file = write_raw(read_htc("htc2022_ta_full.mat"), "scan.yaml")  # doctest: +SKIP
    """
    yaml: Any = require("yaml", "ct")
    file = Path(path)
    kind = next(name for name, beam in _BEAMS.items() if isinstance(scan.beam, beam))
    beam: dict[str, Any] = {"kind": kind}
    for field in dataclasses.fields(scan.beam):
        value = getattr(scan.beam, field.name)
        beam[field.name] = value.tolist() if isinstance(value, np.ndarray) else value
    arrays = {"": scan.sinogram} | {n: a for n in _FIELDS if (a := getattr(scan, n)) is not None}
    content: dict[str, Any] = {}
    for name, array in arrays.items():
        binary = file.with_suffix(f".{name}.raw" if name else ".raw")
        entry = {"data": binary.name, "type": str(array.dtype), "shape": list(array.shape)}
        write_bytes(binary, np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
        content |= entry if not name else {name: entry}
    content |= {"quantity": scan.quantity, "beam": beam, **scan.header}
    try:
        write_text(file, yaml.safe_dump(content, sort_keys=False, default_flow_style=None))
    except yaml.YAMLError as error:
        raise ValueError(f"header must hold plain values, {' '.join(str(error).split())}") from error
    return file


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Errors of what a file describes begin with its name."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file}: {error}") from error


def _projections(file: Path, entry: Any, name: str, pages: Pages) -> np.ndarray:
    images = _images(file, entry)
    return _binary(file, entry, name) if images is None else to_slices(read_tiff_stack(images), pages)


def _field(file: Path, entry: Any, name: str, pages: Pages) -> np.ndarray:
    images = _images(file, entry)
    return _binary(file, entry, name) if images is None else read_field(images, pages)


def _images(file: Path, entry: Any) -> Path | None:
    """The TIFF file or the folder that an entry names, or None."""
    source = file.parent / str(entry["data"]) if isinstance(entry, dict) and "data" in entry else file
    return source if source.suffix.lower() in (".tif", ".tiff") or source.is_dir() else None


def _binary(file: Path, entry: Any, name: str) -> np.ndarray:
    if not isinstance(entry, dict) or not {"data", "type", "shape"} <= set(entry):
        raise ValueError(f"{file}: {name} must have data, type and shape")
    if entry["type"] not in _TYPES:
        raise ValueError(f"{file}: type must be one of {', '.join(_TYPES)}, got {entry['type']!r}")
    kind = np.dtype(entry["type"]).newbyteorder("<")
    try:
        shape = tuple(int(n) for n in entry["shape"])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file}: shape must be a list of sizes, got {entry['shape']!r}") from error
    source = file.parent / str(entry["data"])
    if not source.is_file():
        raise FileNotFoundError(f"{source}: no such file; {file.name} names it")
    expected = int(np.prod(shape)) * kind.itemsize
    if min(shape, default=0) < 1 or source.stat().st_size != expected:
        raise ValueError(
            f"{source}: must hold {expected} bytes for shape {list(shape)} of {entry['type']}, "
            f"got {source.stat().st_size}"
        )
    return np.fromfile(source, kind).reshape(shape).astype(kind.newbyteorder("="), copy=False)


def _beam(entry: Any) -> ParallelBeam | FanBeam | ConeBeam:
    if not isinstance(entry, dict) or entry.get("kind") not in tuple(_BEAMS):
        raise ValueError(f"beam must have a kind of {', '.join(_BEAMS)}, got {entry!r}")
    given = {name: value for name, value in entry.items() if name != "kind"}
    for unit in ("deg", "rad"):
        angles = given.pop(f"angles_{unit}", None)
        if isinstance(angles, dict):
            keys = ("start", "step", "count")
            missing = [key for key in keys if key not in angles]
            if missing:
                raise ValueError(f"angles_{unit} must hold {missing[0]}, or be a list")
            start, step, n = (finite(f"{key} of angles_{unit}", angles[key]) for key in keys)
            whole: Any = int(n) if n.is_integer() else n
            angles = start + step * np.arange(count(f"count of angles_{unit}", whole))
        if angles is not None:
            given["angles_rad"] = np.deg2rad(angles) if unit == "deg" else np.asarray(angles, dtype=float)
    unknown = set(given) - {field.name for field in dataclasses.fields(_BEAMS[entry["kind"]])}
    if unknown:
        raise ValueError(f"beam of kind {entry['kind']} must not hold {min(unknown)}")
    made: ParallelBeam | FanBeam | ConeBeam = _BEAMS[entry["kind"]](**given)
    return made

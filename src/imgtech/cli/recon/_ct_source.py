"""What ``imgtech recon ct`` opens: one reader a kind of file, chosen by name and content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from imgtech.cli.recon._output import HDF5
from imgtech.geometry import ConeBeam
from imgtech.io import read_tiff_stack
from imgtech.io.raw import (
    CtScan,
    read_ct_pd,
    read_dxchange,
    read_htc,
    read_raw,
    read_sinogram,
    read_tiff_scan,
)

_TIFF = (".tif", ".tiff")


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """What the files do not hold and the user says."""

    spacing_mm: float | None
    angles_deg: str | None
    pages: str
    flats: str | None
    darks: str | None


def open_scan(path: Path, options: SourceOptions, say: Callable[[str], None]) -> CtScan:
    """Read a scan of any kind, with white and dark fields of their own where the user names them."""
    kind = path.suffix.lower()
    if not path.exists():
        raise ValueError(f"{path}: no such file or folder")
    if path.is_dir():
        kind = ".tif" if any(f.suffix.lower() in _TIFF for f in path.iterdir()) else "folder"
    if kind not in (*HDF5, *_TIFF) and options.spacing_mm is not None:
        raise ValueError(f"{path}: --spacing-mm is for HDF5 and TIFF; this file holds its spacing")
    if kind not in _TIFF and options.angles_deg is not None:
        raise ValueError(f"{path}: --angles-deg is for TIFF; this file holds its angles")
    if kind == ".npz":
        scan = read_sinogram(path)
    elif kind == ".mat":
        scan = read_htc(path)
    elif kind in HDF5:
        scan = read_dxchange(path, channel_spacing_mm=_spacing(options, say))
    elif kind in (".yaml", ".yml"):
        scan = read_raw(path)
    elif kind in _TIFF:
        first, last = _range(options.angles_deg)
        pages: Any = options.pages
        scan = read_tiff_scan(
            path, channel_spacing_mm=_spacing(options, say), first_deg=first, last_deg=last, pages=pages
        )
    elif kind == "folder":
        say("reading DICOM-CT-PD projections")
        scan = read_ct_pd(path)
    else:
        known = ".npz, .mat, .h5, .hdf5, .yaml, .yml, .tif, .tiff, or a folder of TIFF or DICOM-CT-PD files"
        raise ValueError(f"{path}: what kind of scan it is must be told by its name: {known}")
    return _with_fields(scan, options)


def _spacing(options: SourceOptions, say: Callable[[str], None]) -> float:
    if options.spacing_mm is None:
        say("the channel spacing is taken as 1 mm: --spacing-mm says it")
    return 1.0 if options.spacing_mm is None else options.spacing_mm


def _range(text: str | None) -> tuple[float, float]:
    if text is None:
        raise ValueError("--angles-deg must say the angles of the first and the last image, such as 0:180")
    try:
        first, last = (float(part) for part in text.split(":"))
    except ValueError as error:
        raise ValueError(f"--angles-deg must be FIRST:LAST in degrees, got {text!r}") from error
    return first, last


def _with_fields(scan: CtScan, options: SourceOptions) -> CtScan:
    """The scan as counts with the fields of ``--flats`` and ``--darks``: a number, TIFF or .npy."""
    if options.flats is None and options.darks is None:
        return scan
    by_view = isinstance(scan.beam, ConeBeam) or options.pages == "views"
    rows = scan.sinogram.shape[1 if isinstance(scan.beam, ConeBeam) else 0]
    shape = (1, rows, scan.sinogram.shape[2])
    given = {name: getattr(options, name) for name in ("flats", "darks") if getattr(options, name)}
    fields = {name: _field(f"--{name}", text, shape, by_view) for name, text in given.items()}
    return replace(scan, quantity="counts", **fields)


def _field(name: str, text: str, shape: tuple[int, int, int], by_view: bool) -> Any:
    try:
        return np.full(shape, float(text), dtype=np.float32)
    except ValueError:
        path = Path(text)
    if not path.exists():
        raise ValueError(f"{name} must be a number, a TIFF file or folder, or a .npy file, got {text}")
    if path.suffix.lower() == ".npy":
        return np.load(path, allow_pickle=False)
    field = read_tiff_stack(path)
    return field if by_view else field.transpose(1, 0, 2)

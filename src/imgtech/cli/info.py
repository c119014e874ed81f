"""``imgtech info``: what a file or a folder is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from imgtech.cli._exit import one_sentence
from imgtech.io import ArrayInfo, SeriesInfo, list_arrays, list_series
from imgtech.io.raw import BrukerScan, read_bruker

_ARRAYS = "file of arrays"
_ARRAY_FILES = (".h5", ".hdf5", ".mat", ".npz", ".npy")


def info(
    path: Annotated[
        Path, typer.Argument(help="A DICOM file or folder, a Bruker folder, or a file of arrays.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a file or a folder is: kind, geometry and key tags."""
    with one_sentence():
        found = describe(path)
        if as_json:
            typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
            return
        console = Console()
        console.print(f"{found['kind']}: {found['path']}", markup=False, highlight=False)
        for table in _tables(found["items"], found["kind"] == _ARRAYS):
            console.print()
            console.print(table)


def _tables(items: list[dict[str, Any]], as_rows: bool) -> list[Table]:
    """One table with a row for each item, or one table of facts for each item."""
    if as_rows:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for name in ("name", "shape", "kind", "value"):
            table.add_column(name, overflow="fold")
        for item in items:
            table.add_row(*(Text(text_of(item.get(name, ""))) for name in ("name", "shape", "kind", "value")))
        return [table]
    tables = []
    for item in items:
        table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for key, value in item.items():
            table.add_row(key.replace("_", " "), Text(text_of(value)))
        tables.append(table)
    return tables


def describe(path: Path) -> dict[str, Any]:
    """What ``path`` is, in plain types: its kind and one mapping for each thing in it."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    if path.is_dir() and (path / "acqp").is_file():
        return {"path": str(path), "kind": "Bruker ParaVision scan", "items": [_bruker(read_bruker(path))]}
    if path.suffix.lower() in _ARRAY_FILES:
        arrays = [_array(a) for a in list_arrays(path)]
        return {"path": str(path), "kind": _ARRAYS, "items": arrays}
    return {"path": str(path), "kind": "DICOM", "items": [_series(s) for s in list_series(path)]}


def _series(series: SeriesInfo) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "object": series.kind,
        "modality": series.modality,
        "images": series.n_images,
        "matrix": list(series.shape) if series.shape else None,
        "spacing_mm": list(series.spacing_mm) if series.spacing_mm else None,
        "transfer_syntax": series.transfer_syntax,
        "files": len(series.files),
    }
    facts |= series.tags.known()
    return {name: value for name, value in facts.items() if value not in (None, "")}


def _bruker(scan: BrukerScan) -> dict[str, Any]:
    return {
        "method": scan.method.get("Method", "unknown"),
        "protocol": scan.acqp.get("ACQ_protocol_name", ""),
        "software": scan.acqp.get("ACQ_sw_version", ""),
        "coils": scan.n_coils,
        "frames": scan.kspace.shape[1],
        "matrix": list(scan.kspace.shape[-2:]),
        "spacing_mm": list(scan.spacing_mm),
        "fov_mm": list(scan.fov_mm),
        "slice_thickness_mm": scan.slice_thickness_mm,
        "slice_order": list(scan.slice_order),
        "repetition_time_ms": scan.method.get("PVM_RepetitionTime"),
        "echo_time_ms": scan.method.get("PVM_EchoTime"),
        "vendor_reconstruction": bool(scan.reco),
    }


def _array(array: ArrayInfo) -> dict[str, Any]:
    facts = {"name": array.name, "shape": list(array.shape), "kind": array.kind, "value": array.value}
    return {name: value for name, value in facts.items() if value != ""}


def text_of(value: Any) -> str:
    """A value of :func:`describe` as a person writes it."""
    if isinstance(value, list):
        return " x ".join(text_of(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)

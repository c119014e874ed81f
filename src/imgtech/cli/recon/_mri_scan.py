"""Which reader a file of raw MRI data needs, and the series that its images become."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import typer

from imgtech.cli.recon._files import summary, write
from imgtech.geometry import ImageGrid
from imgtech.io import Series, series_from_planes
from imgtech.io.raw import MriScan, read_bart, read_ismrmrd, read_pulseq, read_siemens

_ISMRMRD = (".h5", ".hdf5", ".mrd")
_BART = (".cfl", ".hdr")


def scan_of(
    path: Path, sequence: Path | None, fov_mm: tuple[float, float] | None, say: Callable[[str], None]
) -> MriScan:
    """Read a file by the reader that its name asks for, and say what the reader left out."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    kind = path.suffix.lower()
    if fov_mm is not None and kind not in _BART:
        raise ValueError(f"--fov-mm is for BART files; {path.name} names its own")
    if sequence is not None and kind in (*_ISMRMRD, *_BART):
        raise ValueError(f"--sequence is for Siemens files, got {path.name}")
    if kind in _ISMRMRD:
        say("read as ISMRM raw data, by its header")
        scan = read_ismrmrd(path)
    elif kind in _BART:
        if fov_mm is None:
            raise ValueError(f"{path}: --fov-mm Y X must be given, since BART files name no field of view")
        say("read as an array of BART: lines of zeros were not acquired")
        scan = read_bart(path, fov_mm=fov_mm)
    else:
        beside = path.with_suffix(".seq")
        played = sequence or (beside if beside.is_file() else None)
        if played is not None:
            say(f"lines and positions from the Pulseq sequence {played}")
        scan = read_siemens(path, None if played is None else read_pulseq(played))
    for note in scan.notes:
        say(note)
    return scan


def write_scan(
    out: Path,
    images: npt.NDArray[np.floating],
    grid: ImageGrid,
    scan: MriScan,
    names: list[str],
    slice_mm: float,
) -> None:
    """Arrays and pictures of everything; series of the slices of one echo, repetition, phase and set each."""
    whole = [name for name in names if name in ("npy", "png", "npz")]
    done = write(out, images, grid, "signal", whole, slice_mm, modality="MR") if whole else []
    series = [name for name in names if name not in whole]
    if series:
        keys = [{k: v for k, v in image.items() if k != "slice"} for image in scan.images]
        groups = {tuple(key.items()): key for key in keys}
        slices = np.array([image["slice"] for image in scan.images])
        if not scan.planes:
            if len(groups) < len(keys):
                typer.echo(f"slices are {slice_mm:.4g} mm apart; another distance by --slice-mm")
            if "dicom" in series or "nifti" in series:
                typer.echo("slices are placed as axial ones: the orientation is not read from the scan")
        for key in groups.values():
            chosen = np.array([k == key for k in keys])
            differs = [f"{k}{v}" for k, v in key.items() if len({other[k] for other in keys}) > 1]
            for stem, part, placed in _stacks(images, grid, scan, chosen, slices):
                name = "_".join([*differs, *([stem] if stem else [])]) or "image"
                done += write(
                    out,
                    images[part],
                    grid,
                    "signal",
                    series,
                    slice_mm,
                    modality="MR",
                    stem=name,
                    placed=placed,
                )
    for line in summary(out, images, grid, "signal", done):
        typer.echo(line)


def _stacks(
    images: npt.NDArray[np.floating],
    grid: ImageGrid,
    scan: MriScan,
    chosen: npt.NDArray[np.bool_],
    slices: npt.NDArray[np.int64],
) -> list[tuple[str, npt.NDArray[np.bool_], Series | None]]:
    """The images of a group as one stack, or one by one where their planes make none."""
    if not scan.planes:
        return [("", chosen, None)]

    def placed(part: npt.NDArray[np.bool_]) -> Series:
        planes = [scan.planes[number] for number in slices[part]]
        return series_from_planes(images[part], grid, planes, slice_thickness_mm=scan.slice_thickness_mm)

    stacks: list[tuple[str, npt.NDArray[np.bool_], Series | None]]
    try:
        stacks = [("", chosen, placed(chosen))]
        typer.echo(f"{int(chosen.sum())} slice(s) placed in the patient as the file says")
    except ValueError as error:
        typer.echo(f"each slice becomes a series of its own: {error}")
        stacks = []
        for number in slices[chosen]:
            part = chosen & (slices == number)
            stacks.append((f"slice{number}", part, placed(part)))
    return stacks

"""DICOM series: which are in a folder, and one of them as pixels in real units."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut

from imgtech.io._files import headers, stored_pixels
from imgtech.io._frames import Frame, frames, tags
from imgtech.io._ultrasound import grey_of
from imgtech.io.series import Series, SeriesInfo

_GAP = 0.1
_OBLIQUE, _ROUNDED = 2e-3, 1e-4  # shift aside per mm that is said; below what decimals of places leave
_UNPLACED = ("NM", "US")  # detectors, projections and moments have no place in space


@dataclass(frozen=True, kw_only=True)
class _Stack:
    info: SeriesInfo
    frames: tuple[Frame, ...]


def list_series(path: str | Path) -> tuple[SeriesInfo, ...]:
    """Stacks of images, and other objects, in a DICOM file or in a folder with its sub-folders.

    A stack holds the frames of one series that share size, spacing, orientation, echo time and complex
    component. Files that are not DICOM, and DICOMDIR, are passed over.

    Parameters
    ----------
    path : str or pathlib.Path
        A file or a folder.

    Returns
    -------
    tuple of SeriesInfo
        In the order of series number and echo time.

    Raises
    ------
    ValueError
        If the path does not exist, holds no DICOM file, or a DICOM file is damaged (it is named).

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> from imgtech.io import list_series
    >>> print(list_series(get_testdata_file("CT_small.dcm"))[0])
    series 1 (CT, 1 images of 128 x 128, "no description")
    """
    with disable_value_validation():
        return tuple(stack.info for stack in _stacks(Path(path)))


def read_series(
    path: str | Path,
    *,
    series: str | SeriesInfo | Sequence[str | SeriesInfo] | None = None,
    echo_time_ms: float | None = None,
    allow_gaps: bool = False,
    repeats: bool = False,
) -> Series:
    """Read one series of parallel slices, sorted by position, in the unit of its modality.

    Stored values become ``slope * stored + intercept`` (Modality LUT, DICOM PS3.3 C.11.1; in Enhanced
    objects frame by frame, C.7.6.16.2.9). Philips MR writes a different slope for each series, which
    only scales for display; where its private Scale Slope (2005,100E) is present the values are

        ``(slope * stored + intercept) / (slope * scale_slope)``,

    the ones the reconstruction computed and the only ones that can be compared between series [1]_.
    Real World Value Mapping is not applied. Slices of a nuclear medicine volume lie where its slice vector
    says; its images that are not slices (detectors, projections) are numbered from 0. Of an ultrasound image
    the largest region that the file calibrates is taken, in grey (three samples a pixel that are alike are
    one); ``origin_mm`` holds the lateral place and the depth of its first pixel.

    Parameters
    ----------
    path : str or pathlib.Path
        A file, or a folder that is searched with its sub-folders.
    series : str, SeriesInfo or a sequence of them, optional
        Series number or series UID, needed where the folder holds more than one series. Of several, the
        slices are joined to one stack: a scan that was sent in parts. A stack of :func:`list_series` chooses
        that stack, also where a series holds several (a three-plane localizer).
    echo_time_ms : float, optional
        Echo time, needed where a series holds more than one echo.
    allow_gaps : bool, optional
        Accept a stack in which slices are missing.
    repeats : bool, optional
        Accept several images at the same position, as a scan in time holds them; they follow each other by
        instance number.

    Returns
    -------
    Series
        Pixels ``(slice, y, x)``, slices in ascending position along the normal.

    Raises
    ------
    ValueError
        If nothing can be read (no such path, an empty folder, no DICOM, a damaged file: it is named),
        if several series are there and none is chosen (they are named), if the parts of a scan differ in
        pixels or direction, if two different slices lie at the same position, if slices are missing, if
        the pixel spacing is unknown, if the images are in colour, or if the plugin for a compressed
        transfer syntax is not installed.

    References
    ----------
    .. [1] T. L. Chenevert et al., "Errors in quantitative image analysis due to platform-dependent image
       scaling", Translational Oncology 7, 65 (2014), doi:10.1593/tlo.13811

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> from imgtech.io import read_series
    >>> series = read_series(get_testdata_file("CT_small.dcm"))
    >>> series.pixels.shape, series.modality, round(series.spacing_mm[0], 4)
    ((1, 128, 128), 'CT', 0.6615)
    """
    with disable_value_validation():
        found = _listed(series, Path(path)) or _stacks(Path(path))
        return _build(_choose(found, Path(path), series, echo_time_ms), allow_gaps, repeats)


def _listed(series: str | SeriesInfo | Sequence[str | SeriesInfo] | None, path: Path) -> list[_Stack]:
    """Stacks at the path whose headers :func:`list_series` has read; none where one is not there."""
    wanted = (series,) if isinstance(series, str | SeriesInfo) else tuple(series or ())
    infos = [
        one
        for one in wanted
        if isinstance(one, SeriesInfo) and one.headers and all(f.is_relative_to(path) for f in one.files)
    ]
    return [_Stack(info=i, frames=i.headers) for i in infos] if len(infos) == len(wanted) else []


def _stacks(path: Path) -> list[_Stack]:
    by_series: dict[str, list[tuple[Path, Dataset]]] = {}
    for file, dataset in headers(path):
        by_series.setdefault(str(dataset.get("SeriesInstanceUID", "")), []).append((file, dataset))
    found = [stack for group in by_series.values() for stack in _split(group)]
    return sorted(found, key=lambda s: (_order(s.info.tags.series_number), s.info.tags.echo_time_ms or 0.0))


def _split(group: list[tuple[Path, Dataset]]) -> list[_Stack]:
    stacks: dict[tuple[Any, ...], list[Frame]] = {}
    datasets = dict(group)
    seen: set[tuple[Any, ...]] = set()
    for file, dataset in group:
        if "Rows" not in dataset:
            continue
        for frame in frames(dataset, file):
            # programs that hide names have given one UID to all slices: what lies elsewhere is no copy
            key = frame.instance_uid, frame.position_mm
            if key not in seen:
                seen.add(key)
                stacks.setdefault(frame.stack, []).append(frame)
    if not stacks:
        return [_Stack(info=_info([file for file, _ in group], group[0][1], []), frames=())]
    return [
        _Stack(
            info=_info(list(dict.fromkeys(f.path for f in members)), datasets[members[0].path], members),
            frames=tuple(members),
        )
        for members in stacks.values()
    ]


def _info(files: list[Path], dataset: Dataset, members: list[Frame]) -> SeriesInfo:
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    corners = tuple(frame.position_mm for frame in members if frame.position_mm is not None)
    return SeriesInfo(
        modality=str(dataset.get("Modality", "")),
        kind=dataset.SOPClassUID.name,
        n_images=len(members),
        shape=members[0].shape if members else None,
        spacing_mm=members[0].spacing_mm if members else None,
        transfer_syntax=syntax.name if syntax else "unknown",
        tags=tags(dataset),
        files=tuple(files),
        frame_of_reference=str(dataset.get("FrameOfReferenceUID") or "") or None,
        orientation=members[0].orientation if members else None,
        corners_mm=corners if len(corners) == len(members) else (),
        slice_thickness_mm=members[0].thickness_mm if members else None,
        component=members[0].component if members else "M",
        localizer=any(frame.localizer for frame in members),
        headers=tuple(members),
    )


def _choose(
    found: list[_Stack],
    path: Path,
    series: str | SeriesInfo | Sequence[str | SeriesInfo] | None,
    echo_time_ms: float | None,
) -> _Stack:
    images = [stack for stack in found if stack.frames]
    names = "; ".join(str(stack.info) for stack in images)
    if not images:
        raise ValueError(f"{path} holds no image, only: {', '.join(stack.info.kind for stack in found)}")
    if series is not None:
        wanted = (series,) if isinstance(series, str | SeriesInfo) else tuple(series)
        chosen = []
        for one in wanted:
            members = [
                s for s in images if one in (s.info, s.info.tags.series_number, s.info.tags.series_uid)
            ]
            if not members:
                told = str(one) if isinstance(one, SeriesInfo) else repr(one)
                raise ValueError(f"series must be one of those in {path}, got {told}; there are: {names}")
            chosen += [s for s in members if s not in chosen]
        images = chosen
    if echo_time_ms is not None:
        images = [s for s in images if abs((s.info.tags.echo_time_ms or 0.0) - echo_time_ms) < 0.05]
        if not images:
            raise ValueError(
                f"echo_time_ms must be one of those in {path}, got {echo_time_ms}; there are: {names}"
            )
    if len(images) > 1 and not isinstance(series, str | SeriesInfo | None):
        return _joined(images)
    if len(images) > 1:
        raise ValueError(f"{path} holds {len(images)} stacks of images, choose one: {names}")
    return images[0]


def _joined(parts: list[_Stack]) -> _Stack:
    """Several stacks as one."""
    first = parts[0]
    for other in parts[1:]:
        alike = (other.info.shape, other.info.spacing_mm, other.info.modality) == (
            first.info.shape,
            first.info.spacing_mm,
            first.info.modality,
        )
        one, two = first.frames[0].orientation, other.frames[0].orientation
        if not alike or (one is None) != (two is None) or not np.allclose(one or 0, two or 0, atol=1e-4):
            raise ValueError(
                f"series must have pixels and a direction in common to be joined: {first.info}; {other.info}"
            )
    frames = tuple(frame for part in parts for frame in part.frames)
    files = tuple(file for part in parts for file in part.info.files)
    info = dataclasses.replace(first.info, n_images=len(frames), files=files)
    return _Stack(info=info, frames=frames)


def _without_copies(
    where: npt.NDArray[np.float64], ordered: list[Frame]
) -> tuple[npt.NDArray[np.float64], list[Frame], list[str]]:
    """Slices that hold the same values as the one before at the same place, left out."""
    steps = np.diff(where)
    close = max(1e-3, 0.01 * float(np.median(steps[steps > 1e-3]))) if (steps > 1e-3).any() else 1e-3
    keep, dropped = [0] if len(where) else [], []
    for i in range(1, len(where)):
        k = keep[-1]
        if where[i] - where[k] < close and np.array_equal(_pixels([ordered[i]]), _pixels([ordered[k]])):
            dropped.append(ordered[i].path.name)
        else:
            keep.append(i)
    if not dropped:
        return where, ordered, []
    names = ", ".join(dropped[:3]) + (" and others" if len(dropped) > 3 else "")
    note = f"{len(dropped)} copies of slices under other names are left out: {names}"
    return where[keep], [ordered[i] for i in keep], [note]


def _build(stack: _Stack, allow_gaps: bool, repeats: bool = False) -> Series:
    first = stack.frames[0]
    if first.spacing_mm is None:
        raise ValueError(f"{first.path} does not say its pixel spacing")
    lost = len(stack.frames) > 1 and any(f.position_mm is None or f.orientation is None for f in stack.frames)
    if lost and stack.info.modality not in _UNPLACED:
        raise ValueError(f"{first.path} and the rest of {stack.info} do not say where the slices lie")
    orientation = first.orientation or (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    normal = np.cross(orientation[:3], orientation[3:])
    where = np.array([np.dot(normal, f.position_mm or (0.0, 0.0, 0.0)) for f in stack.frames])
    if lost:
        where = np.arange(len(stack.frames), dtype=np.float64)
    numbers = np.array([f.number for f in stack.frames])
    order = np.lexsort((np.arange(len(where)), numbers, np.round(where, 3)))
    ordered, where = [stack.frames[i] for i in order], where[order]
    notes: list[str] = []
    if not repeats:
        where, ordered, notes = _without_copies(where, ordered)
        notes += _check_positions(where, ordered, allow_gaps)
    notes += _notes(ordered)
    drift = (0.0, 0.0) if lost else _drift(where, ordered)
    if max(map(abs, drift)) > _OBLIQUE:
        notes.append(
            "the slices lie obliquely behind each other (tilted gantry): each mm along their normal they "
            f"move by {drift[0]:.3f} mm down and {drift[1]:.3f} mm to the right of the image"
        )
    if lost:
        notes.append("images without a place (detectors, projections, frames): positions are their numbers")
    return Series(
        pixels=_pixels(ordered),
        spacing_mm=first.spacing_mm,
        positions_mm=where,
        slice_thickness_mm=first.thickness_mm,
        orientation=orientation,
        origin_mm=ordered[0].position_mm or (0.0, 0.0, 0.0),
        modality=stack.info.modality,
        tags=stack.info.tags,
        notes=tuple(notes),
        drift=drift,
    )


def _drift(where: npt.NDArray[np.float64], ordered: list[Frame]) -> tuple[float, float]:
    """Shift of the first pixel along columns and rows of the image per mm along the normal."""
    corners = np.array([f.position_mm or (0.0, 0.0, 0.0) for f in ordered])
    away = where - where.mean()
    if not (away @ away) > 0:
        return 0.0, 0.0
    row, column = np.array(ordered[0].orientation or (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)).reshape(2, 3)
    move = away @ (corners - corners.mean(axis=0)) / (away @ away)
    found = tuple(float(d) if abs(d) > _ROUNDED else 0.0 for d in (move @ column, move @ row))
    return found[0], found[1]


def _check_positions(where: npt.NDArray[np.float64], ordered: list[Frame], allow_gaps: bool) -> list[str]:
    if len(where) < 2:
        return []
    steps = np.diff(where)
    step = float(np.median(steps))
    twice = int(np.argmin(steps))
    if steps[twice] < max(1e-3, 0.01 * step):
        one, two = ordered[twice].path.name, ordered[twice + 1].path.name
        raise ValueError(
            f"{ordered[0].path.parent}: two slices lie at {where[twice]:.2f} mm ({one} and {two}); "
            "a dynamic or repeated scan must be read one repetition at a time"
        )
    uneven = np.flatnonzero(np.abs(steps - step) > _GAP * step)
    if uneven.size == 0:
        return []
    places = ", ".join(f"{where[i]:.2f} and {where[i + 1]:.2f} mm" for i in uneven)
    text = f"slices are {step:.2f} mm apart, but not between {places}"
    if not allow_gaps:
        raise ValueError(f"{ordered[0].path.parent}: slices are missing: {text}")
    return [text]


def _notes(ordered: list[Frame]) -> list[str]:
    notes = []
    if any(f.localizer for f in ordered):
        notes.append("the files call their images a localizer (ImageType)")
    if any(f.lossy for f in ordered):
        notes.append("the pixels were compressed with loss; no uncertainty covers what that changed")
    if any(f.philips_slope for f in ordered):
        notes.append("values rescaled with the Philips private Scale Slope (2005,100E)")
    if ordered[0].region is not None:
        notes.append("the picture is the largest calibrated ultrasound region of the file")
    elif ordered[0].spacing_keyword != "PixelSpacing":
        notes.append(f"pixel spacing taken from {ordered[0].spacing_keyword}: at the detector")
    return notes


def _pixels(ordered: list[Frame]) -> npt.NDArray[np.float32]:
    out = np.empty((len(ordered), *ordered[0].shape), dtype=np.float32)
    places: dict[Path, list[int]] = {}
    for place, frame in enumerate(ordered):
        places.setdefault(frame.path, []).append(place)
    for path, own in places.items():
        stored, dataset = stored_pixels(path)
        region = ordered[own[0]].region
        stored = stored if region is None else grey_of(stored, region, path)
        for place in own:
            out[place] = _real_values(stored[ordered[place].index], ordered[place], dataset)
    out.setflags(write=False)
    return out


def _real_values(stored: npt.NDArray[Any], frame: Frame, dataset: Dataset) -> npt.NDArray[np.float64]:
    if "ModalityLUTSequence" in dataset:
        return np.asarray(apply_modality_lut(stored, dataset), dtype=np.float64)
    values = stored.astype(np.float64) * frame.slope + frame.intercept
    return values / (frame.slope * frame.philips_slope) if frame.philips_slope else values


def _order(series_number: str | None) -> int:
    return int(series_number) if series_number and series_number.lstrip("-").isdigit() else 0

"""Which stack of a folder a protocol measures, and what else of the folder it uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imgtech.io import Series, SeriesInfo, read_series
from imgtech.qc._scan_in_parts import scan_in_parts, without_number
from imgtech.qc.report import Report

_FEWEST_SLICES = 4
_MOST_SAGITTAL = 60


@dataclass(frozen=True, kw_only=True)
class Known:
    """``measure`` is called with the scan, ``edition`` and, where it takes them, ``repeat`` and settings.

    ``find`` raises a ValueError where a series does not show the phantom; it chooses between several.
    """

    editions: tuple[str, ...]
    modalities: tuple[str, ...]
    n_images: tuple[int, int]
    measure: Callable[..., Report]
    takes_repeat: bool = False
    takes_localizer: bool = False
    find: Callable[[Series], object] | None = None
    in_time: bool = False
    settings: tuple[str, ...] = ()
    takes_phantom: bool = False


Wanted = SeriesInfo | tuple[SeriesInfo, ...] | None


def asked_for(
    found: tuple[SeriesInfo, ...], series: str | None, echo_time_ms: float | None
) -> tuple[SeriesInfo, ...]:
    """Stacks of images of the series and the echo that were asked for."""
    return tuple(
        s
        for s in found
        if s.n_images
        and (series is None or series in (s.tags.series_number, s.tags.series_uid))
        and (echo_time_ms is None or abs((s.tags.echo_time_ms or 0.0) - echo_time_ms) < 0.05)
    )


def best_stack(
    path: str | Path, found: tuple[SeriesInfo, ...], known: Known
) -> tuple[Wanted, tuple[str, ...]]:
    """The only stack that fits or shows the phantom, or the parts of one; nothing where several do."""
    if len(found) == 1:
        return found[0], ()
    fits = _fitting(found, known)
    fits = tuple(s for s in fits if not s.localizer) or fits
    right = tuple(s for s in found if s.modality in known.modalities)
    parts = scan_in_parts(right, fits, known.n_images, in_time=known.in_time)
    if parts:
        numbers = ", ".join(p.tags.series_number or "without a number" for p in parts)
        return parts, (f"the slices of series {numbers} are taken as one scan",)
    long = tuple(s for s in right if s.n_images >= _FEWEST_SLICES)
    if known.find is not None and (len(fits) != 1 or len(long) > 1):
        shown = tuple(s for s in long if _shows(path, s, known.find))
        fits = tuple(s for s in fits if s in shown) or shown
        if len(fits) > 1:
            names = "; ".join(_named(s) for s in fits)
            raise ValueError(f"{path} holds {len(fits)} stacks that show the phantom, choose one: {names}")
        if len({s.plane for s in right}) > 1 and not long:  # a three-plane localizer, refused by name
            return max(right, key=lambda s: s.n_images), ()
    return with_note(fits[0], found) if len(fits) == 1 else (None, ())


def _shows(path: str | Path, info: SeriesInfo, find: Callable[[Series], object]) -> bool:
    try:
        find(read_series(path, series=info, allow_gaps=True))
    except ValueError:
        return False
    return True


def localizers(
    place: str | Path, found: tuple[SeriesInfo, ...], scan: Series, known: Known
) -> tuple[list[Series], tuple[str, ...]]:
    """Sagittal magnitude images beside the scan, and notes on those that cannot be read."""
    read, notes = [], []
    for info in found:
        fits = info.modality in known.modalities and 0 < info.n_images <= _MOST_SAGITTAL
        if not fits or info.plane != "sagittal" or info.component != "M":
            continue
        try:
            one = read_series(place, series=info, allow_gaps=True)
        except ValueError as error:
            notes.append(f"{info} is no localizer: {error}")
        else:
            if not (one.tags.series_uid == scan.tags.series_uid and one.orientation == scan.orientation):
                read.append(one)
    return read, tuple(notes)


def _named(info: SeriesInfo) -> str:
    return f"{info}, {info.plane}" if info.plane else str(info)


def with_note(info: SeriesInfo, found: tuple[SeriesInfo, ...]) -> tuple[Wanted, tuple[str, ...]]:
    """A stack, and the note that it was chosen where there are others."""
    note = f"of {len(found)} stacks of images, {_named(info)} is measured" if len(found) > 1 else ""
    return info, (note,) if note else ()


def same_twice(found: tuple[SeriesInfo, ...], known: Known) -> tuple[SeriesInfo, ...]:
    """The two only stacks that fit, if they are the same scan twice; nothing otherwise."""
    fits = _fitting(found, known)
    if not known.takes_repeat or len(fits) != 2:
        return ()
    one, two = fits
    alike = (one.n_images, one.shape, one.tags.sequence_name) == (
        two.n_images,
        two.shape,
        two.tags.sequence_name,
    )
    alike &= one.tags.echo_time_ms == two.tags.echo_time_ms and one.tags.series_uid != two.tags.series_uid
    names = [s.tags.series_description or s.tags.protocol_name or "" for s in fits]
    return fits if alike and without_number(names[0]) == without_number(names[1]) else ()


def _fitting(found: tuple[SeriesInfo, ...], known: Known) -> tuple[SeriesInfo, ...]:
    low, high = known.n_images
    return tuple(s for s in found if s.modality in known.modalities and low <= s.n_images <= high)

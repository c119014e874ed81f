"""A site's own phantom: its regions, how to find it, what to measure and the limits, from a YAML file."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from imgtech._core.extras import require
from imgtech.qc._site_metrics import Task, read_task
from imgtech.qc._site_schema import Entry
from imgtech.qc.limit import Limit, Source

__all__ = ["SiteFind", "SitePhantom", "SiteRegion", "read_site_phantom", "site_phantom"]

Pair = tuple[float, float]

_KINDS = {
    "circle": (("center_mm", "radius_mm"), ()),
    "rectangle": (("center_mm", "size_mm"), ("angle_deg",)),
    "annulus": (("center_mm", "inner_mm", "outer_mm"), ()),
}
_OUTLINES = ("circle", "rectangle", "none")
_LIMIT_KEYS = ("lower", "upper", "baseline", "tolerance", "tolerance_percent")


@dataclass(frozen=True, kw_only=True)
class SiteRegion:
    """A region of a site's phantom, in its frame: v down, u to the right, millimetres.

    Parameters
    ----------
    kind : {"circle", "rectangle", "annulus"}
        Its shape.
    center_mm : (float, float)
        Middle ``(v, u)``.
    size_mm : (float, float)
        Height and width of a rectangle; 0 and radius of a circle; inner and outer radius of an annulus.
    angle_rad : float, optional
        Rotation of a rectangle from u towards v.
    """

    kind: str
    center_mm: Pair
    size_mm: Pair
    angle_rad: float = 0.0


@dataclass(frozen=True, kw_only=True)
class SiteFind:
    """How a site's phantom is found in the image.

    Parameters
    ----------
    outline : {"circle", "rectangle", "none"}
        What its outline is; ``"none"`` takes the middle of the image for that of the phantom.
    size_mm : (float, float)
        Smallest and largest diameter of a circle; height and width of a rectangle.
    dark : bool, optional
        Whether the phantom is darker than what surrounds it.
    marker : SiteRegion, optional
        A circle that tells the rotation.
    marker_dark : bool, optional
        Whether the marker is darker than the phantom.
    """

    outline: str
    size_mm: Pair
    dark: bool = False
    marker: SiteRegion | None = None
    marker_dark: bool = False


@dataclass(frozen=True, kw_only=True)
class SitePhantom:
    """The description of a site's phantom.

    Parameters
    ----------
    name, edition, modality : str
        What it is, which edition of the description, and the DICOM modality of its images.
    slice : str or int
        ``"middle"``, ``"mean"`` of all, or the number of an image, counted from 1.
    find : SiteFind
        How it is found.
    regions : mapping of str to SiteRegion
        By name.
    tasks : mapping of str to Task
        What to measure, by the name of the item.
    limits : mapping of str to Limit
        By item; their source says who set them, when, and from what.
    """

    name: str
    edition: str
    modality: str
    slice: str | int
    find: SiteFind
    regions: Mapping[str, SiteRegion]
    tasks: Mapping[str, Task]
    limits: Mapping[str, Limit]

    def __post_init__(self) -> None:
        for name in ("regions", "tasks", "limits"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))


def read_site_phantom(path: str | Path) -> SitePhantom:
    """Read the description of a site's own phantom.

    ``docs/protocols/site.md`` shows a complete file and says what each key means.

    Parameters
    ----------
    path : str or pathlib.Path
        A YAML file; only plain values are read from it, never objects.

    Returns
    -------
    SitePhantom
        For :func:`imgtech.qc.protocols.site`.

    Raises
    ------
    ImportError
        If PyYAML is not installed.
    ValueError
        If the file cannot be read, or a key or value in it is wrong; the error names both.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from imgtech.qc.site_phantom import read_site_phantom
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "water.yaml"
    >>> _ = path.write_text('''
    ... name: bottle of water
    ... modality: CT
    ... find: {outline: circle, diameter_mm: [90, 110]}
    ... regions:
    ...   middle: {circle: {center_mm: [0, 0], radius_mm: 15}}
    ... measure:
    ...   water: {metric: mean, region: middle, unit: HU}
    ... ''')
    >>> read_site_phantom(path).regions["middle"].size_mm
    (0.0, 15.0)
    """
    file = Path(path)
    yaml = require("yaml", "app")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{file} is not valid YAML: {error}") from error
    try:
        return site_phantom(content)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def site_phantom(content: Mapping[str, Any]) -> SitePhantom:
    """The description of a site's own phantom from plain values, as a YAML file holds them.

    Parameters
    ----------
    content : mapping
        With the keys of ``docs/protocols/site.md``.

    Returns
    -------
    SitePhantom
        The description.

    Raises
    ------
    ValueError
        If a key is missing or unknown, or a value is wrong; the error names both.
    """
    root = Entry(content, "the description").mapping(
        ("name", "modality", "find", "regions", "measure"), ("edition", "slice", "limits")
    )
    root = {key: Entry(entry.value, key) for key, entry in root.items()}
    regions = {name: _region(entry) for name, entry in root["regions"].mapping((), None).items()}
    tasks = {name: read_task(entry, regions) for name, entry in root["measure"].mapping((), None).items()}
    if not tasks:
        raise root["measure"].wrong("name something to measure")
    return SitePhantom(
        name=root["name"].text(),
        edition=root["edition"].text() if "edition" in root else "1",
        modality=root["modality"].text(),
        slice=_slice(root["slice"]) if "slice" in root else "middle",
        find=_find(root["find"]),
        regions=regions,
        tasks=tasks,
        limits=_limits(root["limits"], tuple(tasks)) if "limits" in root else {},
    )


def _slice(entry: Entry) -> str | int:
    if isinstance(entry.value, int) and not isinstance(entry.value, bool):
        if entry.value < 1:
            raise entry.wrong("count from 1")
        return entry.value
    return entry.one_of(("middle", "mean"))


def _region(entry: Entry) -> SiteRegion:
    kinds = entry.mapping((), tuple(_KINDS))
    if len(kinds) != 1:
        raise entry.wrong(f"have one of {', '.join(_KINDS)}")
    ((kind, inner),) = kinds.items()
    return _shape(kind, inner)


def _shape(kind: str, entry: Entry) -> SiteRegion:
    required, optional = _KINDS[kind]
    keys = entry.mapping(required, optional)
    if kind == "circle":
        size = 0.0, keys["radius_mm"].number(positive=True)
    elif kind == "rectangle":
        size = keys["size_mm"].pair(positive=True)
    else:
        size = keys["inner_mm"].number(negative=False), keys["outer_mm"].number(positive=True)
        if size[0] >= size[1]:
            raise keys["outer_mm"].wrong(f"be larger than inner_mm, which is {size[0]:g}")
    angle = math.radians(keys["angle_deg"].number()) if "angle_deg" in keys else 0.0
    return SiteRegion(kind=kind, center_mm=keys["center_mm"].pair(), size_mm=size, angle_rad=angle)


def _find(entry: Entry) -> SiteFind:
    keys = entry.mapping(("outline",), ("diameter_mm", "size_mm", "dark", "marker"))
    outline = keys["outline"].one_of(_OUTLINES)
    wanted = {"circle": "diameter_mm", "rectangle": "size_mm"}.get(outline)
    for key in ("diameter_mm", "size_mm"):
        if (key in keys) != (key == wanted):
            rule = "have" if key == wanted else "not have"
            raise ValueError(f"{entry.path} must {rule} the key {key!r} with the outline {outline}")
    size = keys[wanted].pair(positive=True) if wanted else (0.0, 0.0)
    if outline == "circle" and size[0] >= size[1]:
        raise keys["diameter_mm"].wrong("be the smallest and the largest diameter")
    marker, dark = None, False
    if "marker" in keys:
        inner = keys["marker"].mapping(("center_mm", "radius_mm"), ("dark",))
        plain = {key: value.value for key, value in inner.items() if key != "dark"}
        marker = _shape("circle", Entry(plain, keys["marker"].path))
        dark = inner["dark"].flag() if "dark" in inner else False
        if math.hypot(*marker.center_mm) < marker.size_mm[1]:
            raise inner["center_mm"].wrong("lie off the middle by more than its radius to tell a rotation")
    return SiteFind(
        outline=outline,
        size_mm=size,
        dark=keys["dark"].flag() if "dark" in keys else False,
        marker=marker,
        marker_dark=dark,
    )


def _limits(entry: Entry, items: tuple[str, ...]) -> dict[str, Limit]:
    keys = entry.mapping(("who", "when", "items"), ("source",))
    source = Source(
        document=keys["source"].text() if "source" in keys else "site baseline",
        edition=_date(keys["when"]),
        clause=f"set by {keys['who'].text()}",
    )
    found = {}
    for name, limit in keys["items"].mapping((), None).items():
        if name not in items:
            raise ValueError(f"{limit.path} must name an item of measure, which has {', '.join(items)}")
        found[name] = _limit(limit, source)
    return found


def _limit(entry: Entry, source: Source) -> Limit:
    keys = {key: value.number() for key, value in entry.mapping((), _LIMIT_KEYS).items()}
    if "baseline" not in keys:
        if not keys or set(keys) - {"lower", "upper"}:
            raise entry.wrong("have lower, upper or baseline with a tolerance")
        if "lower" in keys and "upper" in keys and keys["lower"] > keys["upper"]:
            raise entry.wrong("have a lower that does not exceed upper")
        return Limit(lower=keys.get("lower"), upper=keys.get("upper"), source=source)
    if len(keys) != 2 or not {"tolerance", "tolerance_percent"} & set(keys):
        raise entry.wrong("have baseline with one of tolerance and tolerance_percent, nothing else")
    half = keys.get("tolerance", abs(keys["baseline"]) * keys.get("tolerance_percent", 0.0) / 100)
    if half <= 0:
        raise entry.wrong("have a tolerance above 0")
    return Limit(lower=keys["baseline"] - half, upper=keys["baseline"] + half, source=source)


def _date(entry: Entry) -> str:
    if isinstance(entry.value, datetime.date):
        return entry.value.isoformat()[:10]
    try:
        return datetime.date.fromisoformat(str(entry.value)).isoformat()
    except ValueError:
        raise entry.wrong("be a date such as 2026-11-24") from None

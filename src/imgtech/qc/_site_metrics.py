"""Metrics by their public names, with arguments from a description."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import FunctionType, MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech.geometry import ImageGrid
from imgtech.qc import metrics
from imgtech.qc._site_schema import Entry
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics import ultrasound
from imgtech.qc.metrics.rim import Rim
from imgtech.qc.uncertainty import correlated_mean

Floats = npt.NDArray[np.float64]

_PIXELS = ("image", "envelope", "first", "second")
_GIVEN = (*_PIXELS, "grid", "spacing_mm", "rim")
_POINTS = ("center_mm", "near_mm", "expected_mm")
_OWN_KEYS = ("metric", "unit", "crop", "take", "with")
_GUM = Source(document="JCGM 100", edition="2008", clause="4.2")


@dataclass(frozen=True, kw_only=True)
class Task:
    """One item of a description.

    Parameters
    ----------
    metric : str
        Public name of a metric, or ``"mean"``.
    arguments : mapping
        Values for its parameters: names of regions, places in the frame of the phantom, numbers, words.
    unit : str, optional
        Unit of the grey values, for a measurement that does not know it.
    crop : str, optional
        Region to whose bounds the image is cut.
    take : str or int, optional
        Which part of the result: an attribute, or a number counted from 0.
    parameters : mapping
        Arguments where ``take`` is a function.
    """

    metric: str
    arguments: Mapping[str, Any]
    unit: str | None = None
    crop: str | None = None
    take: str | int | None = None
    parameters: Mapping[str, Any]

    def __post_init__(self) -> None:
        for name in ("arguments", "parameters"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """What a task may need: images, their pixels, and where things lie in them."""

    image: Floats
    repeat: Floats | None
    grid: ImageGrid
    rim: Rim | None
    angle_rad: float
    region: Callable[[str], Floats]
    place: Callable[[tuple[float, float]], tuple[float, float]]


def site_mean(image: npt.ArrayLike, region: npt.ArrayLike) -> Measurement:
    """Mean of a region, with the noise of its pixels and their correlation."""
    found = correlated_mean(image, region)
    return Measurement(
        name="mean",
        value=found.value,
        uncertainty=found.uncertainty,
        definition=_GUM,
        algorithm="site-mean-1",
        degrees_of_freedom=found.degrees_of_freedom,
    )


def known_metrics() -> dict[str, Callable[..., Any]]:
    """Functions that a description may name."""
    found: dict[str, Callable[..., Any]] = {"mean": site_mean}
    for room in (metrics, ultrasound):
        for name in room.__all__:
            function = getattr(room, name)
            if isinstance(function, FunctionType) and set(inspect.signature(function).parameters) & {*_GIVEN}:
                found[name] = function
    return found


def read_task(entry: Entry, regions: Mapping[str, object]) -> Task:
    """One item, checked against the parameters of its metric."""
    keys = entry.mapping(("metric",), None)
    known = known_metrics()
    name = keys["metric"].text()
    if name not in known:
        near = [k for k in sorted(known) if name.lower() in k or k in name.lower()] or sorted(known)
        raise keys["metric"].wrong(f"be the public name of a metric, such as {', '.join(near[:8])}")
    parameters = inspect.signature(known[name]).parameters
    takes = [p for p in parameters if p not in _GIVEN]
    arguments = {}
    for key, value in keys.items():
        if key in _OWN_KEYS:
            continue
        parameter = key.removesuffix("_deg") + "_rad" if key.endswith("_deg") else key
        if parameter not in takes:
            raise ValueError(f"{entry.path} must not have the key {key!r}; {name} takes {', '.join(takes)}")
        arguments[parameter] = _argument(value, key, regions)
    for key in takes:
        if parameters[key].default is inspect.Parameter.empty and key not in arguments:
            raise ValueError(f"{entry.path} must have the key {key!r}, which {name} needs")
    take: str | int | None = None
    if "take" in keys:
        value = keys["take"].value
        if isinstance(value, bool) or not isinstance(value, str | int) or str(value).startswith("_"):
            raise keys["take"].wrong("be the name or the number of a part of the result")
        take = value
    more = keys["with"].mapping((), None) if "with" in keys else {}
    return Task(
        metric=name,
        arguments=arguments,
        unit=keys["unit"].text() if "unit" in keys else None,
        crop=_named(keys["crop"], regions) if "crop" in keys else None,
        take=take,
        parameters={key: value.value for key, value in more.items()},
    )


def _argument(entry: Entry, key: str, regions: Mapping[str, object]) -> Any:
    if "region" in key:
        if isinstance(entry.value, list):
            return [_named(Entry(v, f"{entry.path}[{i}]"), regions) for i, v in enumerate(entry.value)]
        return _named(entry, regions)
    if key.endswith("_deg"):
        return math.radians(entry.number())
    if key == "expected_mm":
        if not isinstance(entry.value, list) or not entry.value:
            raise entry.wrong("be a list of pairs")
        return [Entry(v, f"{entry.path}[{i}]").pair() for i, v in enumerate(entry.value)]
    if key in _POINTS:
        return entry.pair()
    if isinstance(entry.value, list):
        return tuple(Entry(v, f"{entry.path}[{i}]").number() for i, v in enumerate(entry.value))
    if isinstance(entry.value, str | bool):
        return entry.value
    number = entry.number()
    return entry.value if isinstance(entry.value, int) else number


def _named(entry: Entry, regions: Mapping[str, object]) -> str:
    if not isinstance(entry.value, str) or entry.value not in regions:
        raise entry.wrong(f"name one of the regions {', '.join(regions) or '(there are none)'}")
    return entry.value


def measure(task: Task, scene: Scene) -> Measurement:
    """Run a task.

    Raises
    ------
    ValueError
        If the metric refuses, or its result is no measurement.
    """
    box, grid = _box(task, scene)
    found: dict[str, Any] = {}
    function = known_metrics()[task.metric]
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "second":
            if scene.repeat is None:
                raise ValueError(f"{task.metric} needs the scan once more: give its repetition")
            found[name] = scene.repeat[box]
        elif name in _PIXELS:
            found[name] = scene.image[box]
        elif name == "grid":
            found[name] = grid
        elif name == "spacing_mm":
            found[name] = grid.spacing_mm
        elif name == "rim":
            if scene.rim is None:
                raise ValueError(f"{task.metric} needs a phantom with the outline of a circle")
            found[name] = scene.rim
        elif name in task.arguments:
            found[name] = _resolved(name, task.arguments[name], scene, box)
        elif parameter.default is inspect.Parameter.empty:
            raise ValueError(f"{task.metric} needs {name}")
    positional = [
        found.pop(name)
        for name, p in inspect.signature(function).parameters.items()
        if p.kind is not inspect.Parameter.KEYWORD_ONLY and name in found
    ]
    return _taken(function(*positional, **found), task)


def _box(task: Task, scene: Scene) -> tuple[tuple[slice, slice], ImageGrid]:
    if task.crop is None:
        return (slice(None), slice(None)), scene.grid
    inside = scene.region(task.crop) > 0
    box = []
    for axis in (0, 1):
        used = np.flatnonzero(inside.any(axis=1 - axis))
        box.append(slice(int(used[0]), int(used[-1]) + 1))
    middle = [float(c[part].mean()) for c, part in zip(scene.grid.coordinates_mm, box, strict=True)]
    shape = tuple(part.stop - part.start for part in box)
    grid = ImageGrid(shape=shape, spacing_mm=scene.grid.spacing_mm, center_mm=(middle[0], middle[1]))
    return (box[0], box[1]), grid


def _resolved(name: str, value: Any, scene: Scene, box: tuple[slice, slice]) -> Any:
    if "region" in name:
        if isinstance(value, list):
            return [scene.region(each)[box] for each in value]
        return scene.region(value)[box]
    if name == "expected_mm":
        return [scene.place(point) for point in value]
    if name in _POINTS:
        return scene.place(value)
    return value + scene.angle_rad if name == "angle_rad" else value


def _taken(result: Any, task: Task) -> Measurement:
    part = result
    if isinstance(task.take, int):
        if not isinstance(result, tuple) or not 0 <= task.take < len(result):
            n = len(result) if isinstance(result, tuple) else 1
            raise ValueError(
                f"take must be below {n}, the number of results of {task.metric}, got {task.take}"
            )
        part = result[task.take]
    elif task.take is not None:
        if not hasattr(result, task.take):
            raise ValueError(f"take must be a part of the result of {task.metric}, got {task.take!r}")
        part = getattr(result, task.take)
        if callable(part):
            try:
                part = part(**task.parameters)
            except TypeError as error:
                raise ValueError(f"with must fit {task.take} of {task.metric}: {error}") from error
    if not isinstance(part, Measurement):
        names = (
            [n for n in dir(part) if not n.startswith("_")] if not isinstance(part, tuple) else ["0, 1, ..."]
        )
        raise ValueError(
            f"{task.metric} gives {type(part).__name__}, no measurement: take one of {', '.join(names[:12])}"
        )
    return part if task.unit is None else replace(part, unit=task.unit)

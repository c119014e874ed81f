"""What is measured in an ultrasound phantom once it is found."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from imgtech.geometry import ImageGrid
from imgtech.phantoms.twins import UsDrawing, UsTarget
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._bare import root
from imgtech.qc.metrics.ultrasound import (
    ElementLevels,
    PointTarget,
    distance_error,
    gcnr,
    lesion_cnr,
    lesion_contrast,
    penetration_depth,
    penetration_depth_by_correlation,
    speckle_snr,
)
from imgtech.qc.protocols._items import Item
from imgtech.qc.protocols._us_pose import SEARCH_MM, UsPose, inside
from imgtech.qc.protocols._us_scale import Envelopes, fault_of_scale
from imgtech.qc.uncertainty import correlated_mean

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

IEC = Source(document="IEC 61391-1", edition="2006", clause="distances and point spread", verified=False)
AAPM = Source(
    document="Goodsitt et al., Med Phys 25:1385 (AAPM Ultrasound Task Group 1)",
    edition="1998",
    verified=False,
)
PENETRATION = Source(document="IEC 61391-2", edition="2010", clause="7.1", verified=False)
POSE = Source(document="imgtech us-multipurpose", edition="1", clause="pose", verified=True)
_INNER = 0.7
_RING_MM = (1.4, 4.0)
_CLEAR_MM = 1.4
_NEAR_FIELD_MM = 4.0
_STRIP_MM = 1.0
_TURN_MM = 5.0
_WINDOW_MM = 8.0
_FEWEST_WIRES = 3
LEAST_PLAIN = 0.4
_MOST_BLACK = 0.05
_MOST_WHITE = 4
_WHITE = 255
SHADOW_DB = -3.0
_NEIGHBOURS = 10
_STRAIGHT = 0.95
_DB = 10 / math.log(10)


@dataclass(frozen=True, kw_only=True, eq=False)
class UsScene:
    """A found phantom and the images that show it."""

    envelopes: Envelopes
    pose: UsPose
    drawing: UsDrawing
    scanner_speed_m_s: float
    phantom_speed_m_s: float
    has_repeat: bool
    noise: Floats | None

    @cached_property
    def sector(self) -> bool:
        """Whether the picture grows wider with depth: beams that fan out do not run along its columns."""
        wide = self.envelopes.seen.sum(axis=1)
        wide = wide[wide > 0]
        if wide.size < 3:
            return False
        top, middle, _ = (float(np.median(part)) for part in np.array_split(wide, 3))
        return top < _STRAIGHT * middle

    def need_columns(self) -> None:
        """Refuse what is measured along columns or rows where the beams fan out."""
        if self.sector:
            raise ValueError(
                "the beams must run along the columns, but the picture is a sector; give the image of the "
                "beams side by side, as before scan conversion"
            )

    @cached_property
    def fault_of_scale(self) -> str:
        """Why decibels of this image cannot be trusted, or nothing."""
        return fault_of_scale(self.envelopes, self.plain)

    @property
    def image(self) -> Floats:
        """The envelope."""
        return self.envelopes.images[0]

    @property
    def grid(self) -> ImageGrid:
        """Its pixels."""
        return self.envelopes.grid

    def away(self, target: UsTarget) -> Floats:
        """Distance of every pixel from the middle of a target in true millimetres."""
        cy, cx = self.pose.to_image([target.center_mm])[0]
        sy, sx = self.pose.scale
        y, x = self.grid.coordinates_mm
        return np.hypot((y[:, None] - cy) / sy, (x - cx) / sx)

    @cached_property
    def shown(self) -> Bools:
        """Which targets lie in the picture as a whole."""
        found = []
        for target in self.drawing.targets:
            disk = self.away(target) <= target.radius_mm
            edge = np.concatenate([disk[0], disk[-1], disk[:, 0], disk[:, -1]])
            found.append(bool(disk.any() and not edge.any() and self.envelopes.seen[disk].mean() > 0.98))
        return np.array(found, dtype=bool)

    @cached_property
    def wires_shown(self) -> Bools:
        """Which wires lie in the picture with the room to measure them."""
        return inside(self.pose.to_image(self.drawing.wires_mm), self.grid, self.envelopes.seen)

    @cached_property
    def plain(self) -> Bools:
        """Pixels of plain tissue: clear of wires, targets and the near field."""
        y, x = self.grid.coordinates_mm
        plain = self.envelopes.seen & (y >= y[0] + _NEAR_FIELD_MM)[:, None]
        for cy, cx in self.pose.to_image(self.drawing.wires_mm):
            plain &= ((y - cy) / SEARCH_MM[0])[:, None] ** 2 + ((x - cx) / SEARCH_MM[1]) ** 2 > 1
        for target in self.drawing.targets:
            plain &= self.away(target) > target.radius_mm + _CLEAR_MM
        return np.asarray(plain)

    @cached_property
    def uniform_shown(self) -> float:
        """Share of the plain rectangle of the drawing that the picture shows."""
        height, width = self.drawing.uniform_mm[2:]
        area = float(uniform_region(self).sum()) * math.prod(self.grid.spacing_mm)
        return area / (height * width * math.prod(self.pose.scale))

    def scaled(self, m: Measurement, per_scale: float) -> Measurement:
        """A measurement with the uncertainty of the grey scale, of which it changes by ``per_scale``."""
        if self.fault_of_scale:
            raise ValueError(self.fault_of_scale)
        more = per_scale * self.envelopes.relative_uncertainty
        return dataclasses.replace(m, uncertainty=math.hypot(m.uncertainty or 0.0, more))

    def wire(self, index: int) -> PointTarget:
        """A wire, or why it could not be measured."""
        if index not in self.pose.wires:
            v, u = self.drawing.wires_mm[index]
            raise ValueError(f"wire {v:g} mm deep and {u:g} mm across: {self.pose.lost[index]}")
        if self.envelopes.db_per_level is not None:
            y, x = self.pose.to_image([self.drawing.wires_mm[index]])[0]
            rows, columns = (
                np.abs(c - p) <= 1.5 for c, p in zip(self.grid.coordinates_mm, (y, x), strict=True)
            )
            white = 10 ** (_WHITE * self.envelopes.db_per_level / 20) * (1 - 1e-9)
            n = int((self.image[np.ix_(rows, columns)] >= white).sum())
            if n > _MOST_WHITE:
                raise ValueError(f"the grey scale ends below the peak of the wire: {n} pixels are white")
        return self.pose.wires[index]


def us_items(scene: UsScene) -> Iterator[Item]:
    """The items in the order of the report."""
    yield Item(name="roll", unit="deg", algorithm="us-wires-1", definition=POSE, measure=lambda: _roll(scene))
    wires = scene.drawing.wires_mm
    column = _largest(scene.drawing.columns)
    if _enough(scene, column):
        yield _distance(scene, "vertical distance error", column, "axial")
    for row in scene.drawing.rows:
        if not _enough(scene, row):
            continue
        yield _distance(scene, f"horizontal distance error at {wires[row[0]][0]:g} mm", row, "lateral")
    for axis in ("axial", "lateral"):
        for index in column or range(len(wires)):
            if scene.wires_shown[index]:
                yield _width(scene, axis, index)
    counts = {"cyst": 0, "target": 0}
    for target, shown in zip(scene.drawing.targets, scene.shown, strict=True):
        counts[target.kind] += 1
        if shown:
            yield from _target(scene, target, counts[target.kind])
    if scene.uniform_shown >= LEAST_PLAIN:
        yield Item(name="speckle SNR", unit="1", algorithm="speckle-snr-1", definition=AAPM,
                   measure=lambda: _speckle(scene))  # fmt: skip
    yield Item(name="lateral non-uniformity", unit="dB", algorithm="us-strip-halves-1", definition=AAPM,
               measure=lambda: _unevenness(scene))  # fmt: skip
    yield Item(name="shadows", unit="1", algorithm="us-strips-2, count-2", definition=AAPM,
               measure=lambda: _shadows(scene))  # fmt: skip
    if scene.has_repeat or scene.noise is not None:
        yield Item(name="depth of penetration", unit="mm", algorithm="penetration-image-pair-2",
                   definition=PENETRATION, measure=lambda: _penetration(scene))  # fmt: skip


def _enough(scene: UsScene, group: tuple[int, ...]) -> bool:
    """Whether the picture shows enough of a column or row to measure distances."""
    return sum(bool(scene.wires_shown[i]) or i in scene.pose.wires for i in group) >= _FEWEST_WIRES


def _largest(groups: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    return max(groups, key=len) if groups else ()


def _roll(scene: UsScene) -> Measurement:
    pose = scene.pose
    return Measurement(
        name="roll",
        value=math.degrees(pose.angle_rad),
        unit="deg",
        uncertainty=math.degrees(pose.angle_uncertainty_rad),
        definition=POSE,
        algorithm="us-wires-1",
        degrees_of_freedom=max(2.0 * len(pose.wires) - 5, 1.0),
        details={"wires": len(pose.wires), "wires in the picture": pose.expected},
    )


def _distance(scene: UsScene, name: str, group: tuple[int, ...], axis: str) -> Item:
    def measure() -> Measurement:
        found = [index for index in group if index in scene.pose.wires]
        if len(found) < _FEWEST_WIRES:
            raise ValueError(f"{_FEWEST_WIRES} wires at least must be seen, got {len(found)} of {len(group)}")
        turned = scene.pose.turned([scene.drawing.wires_mm[index] for index in found])
        return distance_error(
            [scene.pose.wires[index] for index in found],
            turned[:, 0 if axis == "axial" else 1],
            axis=axis,
            scanner_speed_m_s=scene.scanner_speed_m_s,
            phantom_speed_m_s=scene.phantom_speed_m_s,
        )

    return Item(name=name, unit="%", algorithm="us-distance-error-1", definition=IEC, measure=measure)


def _width(scene: UsScene, axis: str, index: int) -> Item:
    def measure() -> Measurement:
        wire = scene.wire(index)
        width = wire.axial_width if axis == "axial" else wire.lateral_width
        # of a bell in decibels the width goes with the root of the level
        return scene.scaled(width, 0.5 * (width.value or 0.0))

    name = f"{axis} width at {scene.drawing.wires_mm[index][0]:g} mm"
    return Item(name=name, unit="mm", algorithm="point-target-1", definition=IEC, measure=measure)


def _target(scene: UsScene, target: UsTarget, number: int) -> Iterator[Item]:
    label = f"{target.kind} {number}"
    label += f" ({target.contrast_db:+g} dB)" if target.kind == "target" else ""
    away = scene.away(target)
    ring = (away > target.radius_mm + _RING_MM[0]) & (away <= target.radius_mm + _RING_MM[1])
    image, disk, around = _cut(scene.image, away <= _INNER * target.radius_mm, ring & scene.plain)

    def level() -> Measurement:
        black = float((image[disk > 0] <= 1).mean()) if scene.envelopes.db_per_level else 0.0
        m = lesion_contrast(image, disk, around)
        if black > _MOST_BLACK:
            raise ValueError(
                f"{100 * black:.0f} % of it is black: the contrast is beyond the grey scale, "
                f"{abs(m.value or 0.0):.0f} dB at least"
            )
        return scene.scaled(m, m.value or 0.0)

    def ratio() -> Measurement:
        _need_scale(scene)
        return lesion_cnr(image, disk, around)

    kinds: tuple[tuple[str, str, str, Callable[[], Measurement]], ...] = (
        ("contrast", "dB", "us-contrast-1", level),
        ("CNR", "1", "us-cnr-amplitude-1", ratio),
        ("gCNR", "1", "gcnr-cross-fitted-1", lambda: gcnr(image, disk, around)),
    )
    for kind, unit, algorithm, measure in kinds:
        yield Item(name=f"{kind} {label}", unit=unit, algorithm=algorithm, definition=AAPM, measure=measure)


def _cut(image: Floats, *regions: Bools) -> tuple[Floats, ...]:
    """The image and regions of it, without the rows and columns that no region touches."""
    used = np.any(regions, axis=0)
    rows, columns = (np.flatnonzero(used.any(axis=axis)) for axis in (1, 0))
    if rows.size == 0:
        raise ValueError("no pixel of the region lies in the picture")
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return image[box], *(region[box].astype(np.float64) for region in regions)


def _need_scale(scene: UsScene) -> None:
    if scene.envelopes.from_speckle:
        raise ValueError("db_per_level must be given: the grey scale was itself taken from the speckle")
    if scene.fault_of_scale:
        raise ValueError(scene.fault_of_scale)


def uniform_region(scene: UsScene) -> Bools:
    """The rectangle of plain tissue of the drawing."""
    v, u, height, width = scene.drawing.uniform_mm
    cy, cx = scene.pose.to_image([(v, u)])[0]
    y, x = (c - p for c, p in zip(scene.grid.coordinates_mm, (cy, cx), strict=True))
    y, x = y[:, None] / scene.pose.scale[0], x[None, :] / scene.pose.scale[1]
    c, s = math.cos(scene.pose.angle_rad), math.sin(scene.pose.angle_rad)
    box = (np.abs(y * c - x * s) <= height / 2) & (np.abs(y * s + x * c) <= width / 2)
    return np.asarray(box & scene.plain)


def _speckle(scene: UsScene) -> Measurement:
    _need_scale(scene)
    return speckle_snr(*_cut(scene.image, uniform_region(scene)))


@dataclass(frozen=True, kw_only=True)
class _Strip:
    """Levels of a strip in dB: of all depths with its uncertainty, and of the two halves of the depths."""

    x_mm: float
    level_db: float
    uncertainty_db: float
    halves_db: tuple[float, float]


def _strips(scene: UsScene) -> list[_Strip]:
    """Strips 1 mm wide over all depths of plain tissue, each row by its own mean.

    The halves take turns every 5 mm of depth.
    """
    scene.need_columns()
    power = scene.image**2
    plain = scene.plain & (scene.plain.mean(axis=1) > 0.2)[:, None]
    mean = (power * plain).sum(axis=1) / np.maximum(plain.sum(axis=1), 1)
    values = np.where(plain, power / np.where(mean > 0, mean, 1.0)[:, None], 0.0)
    y, x = scene.grid.coordinates_mm
    first = (np.floor((y - y[0]) / _TURN_MM) % 2 == 0)[:, None]
    width = max(round(_STRIP_MM / scene.grid.spacing_mm[1]), 2)
    fullest = max(int(plain.sum(axis=0).max()), 1)
    strips = []
    for start in range(0, values.shape[1] - width + 1, width):
        part = slice(start, start + width)
        weights, seen = plain[:, part].astype(np.float64), values[:, part]
        halves = [weights * half for half in (first, ~first)]
        if min(half.sum() for half in halves) < 0.15 * fullest * width:
            continue
        m = correlated_mean(seen, weights)
        means = [float((seen * half).sum() / half.sum()) for half in halves]
        strips.append(
            _Strip(
                x_mm=float(x[part].mean()),
                level_db=_DB * math.log(max(m.value, 1e-12)),
                uncertainty_db=_DB * m.uncertainty / max(m.value, 1e-12),
                halves_db=(_DB * math.log(max(means[0], 1e-12)), _DB * math.log(max(means[1], 1e-12))),
            )
        )
    if len(strips) < 2 * _NEIGHBOURS:
        raise ValueError(f"the picture must show {2 * _NEIGHBOURS} strips of tissue, got {len(strips)}")
    return strips


def _unevenness(scene: UsScene) -> Measurement:
    strips = _strips(scene)
    return shared_deviation(np.array([strip.halves_db for strip in strips]).T, AAPM, "us-strip-halves-1")


def shared_deviation(halves_db: Floats, definition: Source, algorithm: str) -> Measurement:
    """Standard deviation that two independent sets of levels share: the root of their covariance."""
    off = halves_db - halves_db.mean(axis=1, keepdims=True)
    n = off.shape[1]
    shared = float(off[0] @ off[1]) / (n - 1)
    powers = (off**2).sum(axis=1) / (n - 1)
    value, spread = root(shared, math.sqrt((float(powers.prod()) + shared**2) / (n - 1)))
    return Measurement(
        name="non-uniformity",
        value=value,
        unit="dB",
        uncertainty=spread,
        definition=definition,
        algorithm=algorithm,
        details={"scatter of one half (dB)": math.sqrt(float(powers.mean())), "places": n},
    )


def _shadows(scene: UsScene) -> Measurement:
    strips = _strips(scene)
    levels = ElementLevels.of(
        [strip.level_db for strip in strips],
        [strip.uncertainty_db for strip in strips],
        n_neighbours=_NEIGHBOURS,
        definition=AAPM,
        algorithm="us-strips-2",
    )
    named = ", ".join(f"x = {strips[i].x_mm:.1f} mm" for i in levels.below(SHADOW_DB))
    return dataclasses.replace(
        levels.count_below(SHADOW_DB),
        name="shadows",
        details={"strips": len(strips), "where": named or "none"},
    )


def _penetration(scene: UsScene) -> Measurement:
    scene.need_columns()
    rows = scene.plain.mean(axis=1) > 0.2
    first, last = int(np.argmax(rows)), len(rows) - int(np.argmax(rows[::-1]))
    y, dy = scene.grid.coordinates_mm[0], scene.grid.spacing_mm[0]
    part = slice(first, last)
    grid = ImageGrid(
        shape=(last - first, scene.grid.shape[1]),
        spacing_mm=scene.grid.spacing_mm,
        center_mm=(float(y[first] + (last - first - 1) / 2 * dy), 0.0),
    )
    plain, images = scene.plain[part], [image[part] for image in scene.envelopes.images]
    if scene.noise is not None:
        seen = np.sqrt(_filled(images[0] ** 2, plain))
        return penetration_depth(seen, scene.noise[part], grid, window_mm=_WINDOW_MM)
    one, two = (_filled(image, plain) for image in images)
    return penetration_depth_by_correlation(one, two, grid, window_mm=_WINDOW_MM)


def _filled(values: Floats, plain: Bools) -> Floats:
    """Mean of the plain part of a row where a row is not plain, which leaves its sums right."""
    mean = (values * plain).sum(axis=1) / np.maximum(plain.sum(axis=1), 1)
    return np.where(plain, values, mean[:, None])

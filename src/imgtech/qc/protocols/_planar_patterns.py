"""Items of Leeds TOR 18 and QC-3: pose, bars, contrast, uniformity, bad pixels."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from functools import cache, partial

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech.geometry import ImageGrid
from imgtech.phantoms.twins import Patch, PlanarDrawing
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics import MTF, sdnr
from imgtech.qc.protocols._flat_pictures import path, ring
from imgtech.qc.protocols._items import Item
from imgtech.qc.protocols._planar_bars import COLTMAN, BarGroup, measure_group, plateau_contrast, shown_groups
from imgtech.qc.protocols._planar_plain import (
    IEC,
    PIXELS,
    UNIFORM,
    bad_pixels,
    checked_linear,
    disk_contrast,
    quad_region,
    region_noise,
    uniformity,
)
from imgtech.qc.protocols._planar_pose import PlanarPose
from imgtech.qc.report import Outline

Floats = npt.NDArray[np.float64]

_PATCH_SHARE = 0.6
_SEEN = 3.29
_COARSE = 3
_DISK_CORE = 0.46
_CLEAR = 2.0
Point = tuple[float, float]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Pattern:
    """A planar image with the pose of the phantom in it."""

    image: Floats
    grid: ImageGrid
    found: PlanarPose
    drawing: PlanarDrawing

    def corners(self, patch: Patch, share: float = _PATCH_SHARE) -> list[tuple[float, float]]:
        """Corners ``(y, x)`` of a region inside a plain piece."""
        (v, u), (hv, hu) = patch.center, patch.half
        ends = ((-1, -1), (-1, 1), (1, 1), (1, -1))
        return [self.found.place((v + share * a * hv, u + share * b * hu)) for a, b in ends]

    def region(self, name: str, share: float = _PATCH_SHARE) -> Floats:
        """Pixels inside a plain piece."""
        return quad_region(self.grid, self.corners(self.drawing.patches[name], share))

    def level(self, name: str) -> float:
        """Mean inside a plain piece."""
        return float(self.image[self.region(name) > 0].mean())


def pattern_items(pattern: Pattern) -> Iterator[Item]:
    """Everything that can be measured."""
    bars = _Bars(pattern)

    def item(
        name: str, unit: str, algorithm: str, source: Source, measure: Callable[[], Measurement]
    ) -> Item:
        return Item(name=name, unit=unit, algorithm=algorithm, definition=source, measure=measure)

    yield item("roll", "deg", "bar-direction-1", COLTMAN, bars.roll)
    shown = shown_groups(pattern.grid, pattern.found, pattern.drawing)
    for k in shown[:_COARSE]:
        yield item(f"frequency bars {k + 1}", "1/mm", "bar-frequency-3", COLTMAN, partial(bars.frequency, k))
    for k in shown:
        yield item(f"MTF bars {k + 1}", "1", "first-harmonic-2", COLTMAN, partial(bars.mtf_at, k))
    yield item("MTF50 bars", "1/mm", "first-harmonic-2", COLTMAN, partial(bars.crossing, 0.5))
    for k in range(len(pattern.drawing.disks)):
        yield item(f"SDNR disk {k + 1}", "1", "sdnr-background-1", IEC, partial(_disk, pattern, k))
    if pattern.drawing.disks:
        yield item("disks seen", "1", "disk-threshold-1", IEC, partial(_seen, pattern))
    for name in pattern.drawing.patches:
        if name.startswith("patch"):
            yield item(f"SDNR {name}", "1", "sdnr-background-1", IEC, partial(_patch, pattern, name))
    yield item("uniformity", "%", "percentile-uniformity-2", UNIFORM, partial(_uniform, pattern))
    yield item("bad pixels", "1", "median-deviation-1", PIXELS, partial(_bad, pattern))


class _Bars:
    """The groups of one image, each measured once."""

    def __init__(self, pattern: Pattern) -> None:
        self._pattern = pattern
        plain = "block" if pattern.drawing.disks else "patch 1"
        region = self._plain_region(plain)
        self._plain = region
        self.group = cache(self._group)
        self.mtf = cache(self._mtf)

    def _plain_region(self, name: str) -> Floats:
        """Plain pixels of the material between the bars, for the noise."""
        p = self._pattern
        if name != "block":
            return p.region(name)
        return quad_region(p.grid, p.corners(self._strip(), 1.0))

    def _strip(self) -> Patch:
        """A plain piece of the Leeds block beside the bars."""
        block = self._pattern.drawing.patches["block"]
        v = block.center[0] + 0.76 * block.half[0]
        return Patch(
            center=(v, block.center[1] + 0.05), half=(0.12 * block.half[0], 0.8 * block.half[1]), level=0.9
        )

    def _group(self, k: int) -> BarGroup:
        p = self._pattern
        noise = region_noise(p.image, self._plain)
        return measure_group(p.image, p.grid, p.found, p.drawing.groups[k], noise)

    def frequency(self, k: int) -> Measurement:
        group = self.group(k)
        if not group.clear:
            raise ValueError("the bars do not stand out of the noise")
        return Measurement(
            name="frequency",
            value=group.frequency_per_mm,
            unit="1/mm",
            uncertainty=group.frequency_uncertainty_per_mm,
            definition=COLTMAN,
            algorithm="bar-frequency-3",
        )

    def _mtf(self) -> tuple[MTF, tuple[int, ...]]:
        p = self._pattern
        sound: list[tuple[float, int, BarGroup]] = []
        for k in shown_groups(p.grid, p.found, p.drawing):
            try:
                group = self.group(k)
            except ValueError:
                continue
            sound.append((group.frequency_per_mm, k, group))
        if len(sound) < 2:
            raise ValueError("fewer than two groups of bars stand out of the noise")
        lightest = "open square" if p.drawing.disks else "patch 4"
        checked_linear(p.image, behind=p.region("lead"), before=p.region(lightest))
        sound.sort(key=lambda s: s[0])
        if p.drawing.disks:
            inside, outside = p.region("open square"), self._plain
            value = float(p.image[inside > 0].mean() - p.image[outside > 0].mean())
            spread = region_noise(p.image, outside) * math.sqrt(1 / inside.sum() + 1 / outside.sum())
            origin = p.drawing.patches["open square"].center
            level = abs(float(p.image[outside > 0].mean()))
            aside = _uneven(p, origin, self._strip().center) * level / abs(value)
        else:
            value, spread = plateau_contrast(p.image, p.grid, sound[0][2])
            origin, aside = p.drawing.groups[sound[0][1]].center, 0.0
        f = np.array([0.0, *(g[0] for g in sound)])
        # opaque bars: the first harmonic has 2/pi of the step
        scale = math.pi / 2 / abs(value)
        values = np.array([1.0, *(scale * g[2].amplitude for g in sound)])
        own = np.array([0.0, *(scale * g[2].amplitude_uncertainty for g in sound)])
        # bars and their full step are read at different places: a field that is not flat comes in between
        uneven = [_uneven(p, origin, p.drawing.groups[g[1]].center) for g in sound]
        own[1:] = np.hypot(own[1:], values[1:] * np.hypot(uneven, aside))
        common = values * spread / abs(value)
        common[0] = 0.0
        modes = np.column_stack([np.diag(own), common])
        curve = MTF(
            frequencies_per_mm=f, values=values, modes=modes, algorithm="first-harmonic-2", definition=COLTMAN
        )
        return curve, tuple(s[1] for s in sound)

    def mtf_at(self, k: int) -> Measurement:
        group = self.group(k)
        curve, order = self.mtf()
        place = order.index(k) + 1
        return Measurement(
            name="MTF",
            value=float(curve.values[place]),
            uncertainty=float(curve.uncertainties[place]),
            definition=COLTMAN,
            algorithm=curve.algorithm,
            details={"frequency (1/mm)": group.frequency_per_mm},
        )

    def crossing(self, level: float) -> Measurement:
        """Frequency of a level: between two groups the logarithm is taken as linear in the square of f.

        A Gaussian blur is so. How far the parabola through a third group, the nearest one, lies off the line
        there is added to the uncertainty.
        """
        curve, _ = self.mtf()
        f, m, u = curve.frequencies_per_mm, curve.values, curve.uncertainties
        below = np.flatnonzero(m < level)
        if below.size == 0:
            raise ValueError(f"the MTF of the finest bars is {float(m[-1]):.2f}, not below {level:g}")
        k = int(below[0])
        square, depth = f**2, np.log(np.maximum(m, 1e-6))
        share = float((depth[k - 1] - math.log(level)) / (depth[k - 1] - depth[k]))
        value = math.sqrt(float(square[k - 1] + share * (square[k] - square[k - 1])))
        third = k - 2 if k >= 2 and (k + 1 == f.size or f[k] - f[k - 2] < f[k + 1] - f[k - 1]) else k + 1
        line = (depth[k] - depth[k - 1]) / (square[k] - square[k - 1])
        other = (depth[third] - depth[k]) / (square[third] - square[k])
        bend = (other - line) / (square[third] - square[k - 1])
        off = level * bend * (value**2 - square[k - 1]) * (value**2 - square[k])
        slope = 2 * value * level * line
        own = level * math.hypot((1 - share) * float(u[k - 1] / m[k - 1]), share * float(u[k] / m[k]))
        return Measurement(
            name="MTF50",
            value=value,
            unit="1/mm",
            uncertainty=math.hypot(own, off) / abs(slope),
            definition=COLTMAN,
            algorithm="first-harmonic-2",
        )

    def roll(self) -> Measurement:
        """Weighted mean of the directions of the groups."""
        p = self._pattern
        angles, spreads = [], []
        for k in shown_groups(p.grid, p.found, p.drawing):
            try:
                group = self.group(k)
            except ValueError:
                continue
            if not group.clear:
                continue
            angles.append(group.normal_rad - p.found.bar_normal_rad)
            spreads.append(group.normal_uncertainty_rad)
        if not angles:
            raise ValueError("no group of bars stands out of the noise")
        w = 1 / np.square(spreads)
        mean = float(np.vdot(w, angles) / w.sum())
        misfit = float(np.vdot(w, (np.array(angles) - mean) ** 2)) / max(len(angles) - 1, 1)
        roll = p.found.pose.angle_rad + mean
        return Measurement(
            name="roll",
            value=math.degrees(math.atan2(math.sin(roll), math.cos(roll))),
            unit="deg",
            uncertainty=math.degrees(math.sqrt(max(misfit, 1.0) / float(w.sum()))),
            definition=COLTMAN,
            algorithm="bar-direction-1",
            details={
                "mirrored": "yes" if p.found.pose.mirrored else "no",
                "unit of the drawing (mm)": p.found.unit_mm,
            },
        )


def _uneven(pattern: Pattern, first: Point, second: Point) -> float:
    """By how much, relatively, the field differs between two places of the drawing, where that is clear.

    From a plane through the levels of five pieces of lead (QC-3) or of four margins of the block (Leeds).
    """
    levels, doubts, places = [], [], []
    for patch in _alike(pattern.drawing):
        values = pattern.image[quad_region(pattern.grid, pattern.corners(patch)) > 0]
        if values.size < 20:
            return 0.0
        levels.append(float(values.mean()))
        doubts.append(float(values.std()) / math.sqrt(values.size))
        places.append((1.0, *patch.center))
    inverse = np.linalg.pinv(np.array(places))
    plane = inverse @ np.array(levels)
    step = np.array([0.0, second[0] - first[0], second[1] - first[1]])
    spread = float(np.hypot.reduce((step @ inverse) * np.array(doubts)))
    change, level = float(step @ plane), float(np.mean(levels))
    return min(abs(change / level), 1.0) if abs(change) > _CLEAR * spread and level != 0 else 0.0


def _alike(drawing: PlanarDrawing) -> list[Patch]:
    """Plain pieces of one material."""
    if not drawing.disks:
        return [patch for name, patch in drawing.patches.items() if name.startswith("lead")]
    block = drawing.patches["block"]
    (v, u), (hv, hu) = block.center, block.half
    across = [
        Patch(center=(v + a * 0.88 * hv, u), half=(0.1 * hv, 0.8 * hu), level=block.level) for a in (-1, 1)
    ]
    along = [
        Patch(center=(v, u + a * 0.93 * hu), half=(0.8 * hv, 0.06 * hu), level=block.level) for a in (-1, 1)
    ]
    return across + along


def _disk(pattern: Pattern, k: int) -> Measurement:
    center = pattern.found.place(pattern.drawing.disks[k])
    radius = pattern.drawing.disk_radius * pattern.found.unit_mm
    return disk_contrast(pattern.image, pattern.grid, center, radius, signal=None)[0]


def _seen(pattern: Pattern) -> Measurement:
    """Disks whose difference exceeds 2 x 1.645 times what the mean of such a disk scatters by."""
    seen, doubt = 0, 0.0
    for k in range(len(pattern.drawing.disks)):
        m = _disk(pattern, k)
        noise = float(m.details["noise"])
        radius = 0.75 * pattern.drawing.disk_radius * pattern.found.unit_mm
        pixels = math.pi * radius**2 / (pattern.grid.spacing_mm[0] * pattern.grid.spacing_mm[1])
        scatter = noise / math.sqrt(pixels)
        over = abs(float(m.details["difference"])) / scatter - _SEEN
        seen += over > 0
        chance = 0.5 * math.erfc(-over / math.sqrt(2))
        doubt += chance * (1 - chance)
    return Measurement(
        name="disks seen",
        value=float(seen),
        uncertainty=math.sqrt(doubt),
        definition=IEC,
        algorithm="disk-threshold-1",
    )


def _patch(pattern: Pattern, name: str) -> Measurement:
    return sdnr(pattern.image, pattern.region(name), pattern.region("lead"))


def _uniform(pattern: Pattern) -> Measurement:
    if not pattern.drawing.disks:
        regions = [pattern.region(n) for n in pattern.drawing.patches if n.startswith("patch")]
        return uniformity(pattern.image, regions, 0.0)
    radius = _DISK_CORE * pattern.drawing.disk_radius * pattern.found.unit_mm
    y, x = pattern.grid.coordinates_mm
    regions = []
    for disk in pattern.drawing.disks:
        cy, cx = pattern.found.place(disk)
        regions.append((np.hypot(y[:, None] - cy, x - cx) < radius).astype(np.float64))
    return uniformity(pattern.image, regions, pattern.level("lead"))


def _bad(pattern: Pattern) -> Measurement:
    """In the plain pieces and, of Leeds, between the disks and the ring."""
    p = pattern
    clear = np.zeros(p.image.shape, dtype=bool)
    if p.drawing.disks:
        y, x = p.grid.coordinates_mm
        cy, cx = p.found.pose.center_mm
        clear = np.hypot(y[:, None] - cy, x - cx) < 0.93 * p.found.unit_mm
        for name, patch in p.drawing.patches.items():
            if name != "open square":
                clear &= quad_region(p.grid, p.corners(patch, 1.25)) == 0
        for place in p.drawing.disks:
            at = p.found.place(place)
            clear &= np.hypot(y[:, None] - at[0], x - at[1]) > 1.4 * p.drawing.disk_radius * p.found.unit_mm
        noise = region_noise(p.image, clear.astype(np.float64))
    else:
        for name in p.drawing.patches:
            if name.startswith("patch"):
                clear |= p.region(name, 0.8) > 0
        noise = region_noise(p.image, p.region("patch 1"))
    clear = ndimage.binary_erosion(clear)
    found, _ = bad_pixels(p.image, noise, clear)
    return dataclasses.replace(found, details={**found.details, "pixels looked at": float(clear.sum())})


def turned(pattern: Pattern) -> Pattern:
    """The pattern with the rotation of its bars, which is sharper than that of its patches."""
    try:
        roll = _Bars(pattern).roll()
    except ValueError:
        return pattern
    pose = dataclasses.replace(pattern.found.pose, angle_rad=math.radians(roll.value or 0.0))
    return dataclasses.replace(pattern, found=dataclasses.replace(pattern.found, pose=pose))


def pattern_outlines(pattern: Pattern) -> list[Outline]:
    """Regions on the picture."""
    p = pattern
    out = [path(p.grid, p.corners(q), n) for n, q in p.drawing.patches.items() if n != "block"]
    for k, group in enumerate(p.drawing.groups, 1):
        box = Patch(center=group.center, half=(group.half[0], 0.78 * group.half[1]), level=0.0)
        out.append(path(p.grid, p.corners(box, 1.0), str(k)))
    radius = p.drawing.disk_radius * p.found.unit_mm
    out += [ring(p.grid, p.found.place(d), 0.75 * radius, str(k)) for k, d in enumerate(p.drawing.disks, 1)]
    return out

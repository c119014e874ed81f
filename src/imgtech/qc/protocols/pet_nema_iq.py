"""Image quality of PET with the NEMA body phantom, and of SPECT with a Jaszczak cylinder."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech._core.validate import one_of, positive
from imgtech.io import Series
from imgtech.phantoms.twins.emission import JASZCZAK_SPHERES_MM, NEMA_SPHERES_MM
from imgtech.qc.locate import find_disk
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.protocols._flat_pictures import ring as circle
from imgtech.qc.protocols._items import Item, measured
from imgtech.qc.protocols._sphere_ring import SphereRing, disk_mean, find_ring, five_slices
from imgtech.qc.report import Picture, Report

Floats = npt.NDArray[np.float64]

PET_EDITIONS = ("2018",)
JASZCZAK_EDITIONS = ("1",)
_NEMA = Source(document="NEMA NU 2", edition="2018", clause="7 Image quality", verified=False)
_SPHERES = Source(
    document="cold spheres in a cylinder, disks of the inner diameter", edition="1", verified=False
)
_LUNG_ROI_MM = 30.0
_REGION_MM = 18.5
_DEAD_SHARE = 0.2


@dataclass(frozen=True, kw_only=True, eq=False)
class _Spheres:
    """A volume with the ring of spheres and the places of the background regions."""

    series: Series
    ring: SphereRing
    diameters_mm: Sequence[float]
    places_mm: tuple[tuple[float, float], ...]
    slices: tuple[int, ...]
    definition: Source

    @property
    def index(self) -> int:
        """Slice nearest to the plane of the spheres."""
        return int(np.argmin(np.abs(self.series.positions_mm - self.ring.z_mm)))

    def image(self, index: int) -> Floats:
        """One slice."""
        return self.series.pixels[index].astype(np.float64)

    def background(self, diameter: float) -> Floats:
        """Means of all background disks of a diameter, ``(slice, place)``."""
        return np.array([
            [disk_mean(self.image(i), self.series.grid, place, diameter) for place in self.places_mm]
            for i in self.slices
        ])  # fmt: skip

    def sphere(self, k: int) -> float:
        """Mean of the disk of a sphere."""
        return disk_mean(self.image(self.index), self.series.grid, self.ring.place(k), self.diameters_mm[k])


def pet_nema_iq(series: Series, *, edition: str = "2018", activity_ratio: float | None = None) -> Report:
    """Measure a PET series of the NEMA image-quality phantom.

    Parameters
    ----------
    series : Series
        Slices across the phantom, corrected for attenuation.
    edition : {"2018"}, optional
        Of NEMA NU 2; it sets no limits.
    activity_ratio : float, optional
        Activity concentration of the spheres over that of the background; with it contrast recovery is given.

    Returns
    -------
    Report
        Of every sphere its mean over that of the background, contrast recovery and background variability;
        the lung residual, the background and its coefficient of variation, the roll; with a picture.

    Raises
    ------
    ValueError
        If the series is not PET, no ring of spheres is in it, or an argument is out of range.

    Notes
    -----
    ``docs/protocols/pet-nema-iq.md`` says where each region lies.
    """
    one_of("edition", edition, PET_EDITIONS)
    if activity_ratio is not None and positive("activity_ratio", activity_ratio) == 1:
        raise ValueError("activity_ratio must differ from 1")
    if series.modality != "PT":
        raise ValueError(f"series must be PET (PT), got modality {series.modality!r}")
    _checked_stack(series)
    center, background = _body(series)
    ring = find_ring(series, center, background, NEMA_SPHERES_MM)
    spheres = _Spheres(
        series=series,
        ring=ring,
        diameters_mm=NEMA_SPHERES_MM,
        places_mm=_around(series, ring, five_slices(series, ring.z_mm)),
        slices=tuple(five_slices(series, ring.z_mm)),
        definition=_NEMA,
    )
    items = [*_ratio_items(spheres, activity_ratio, cold=False)]
    items.append(_item("lung residual", "%", "lung-residual-1", _NEMA, partial(_lung, spheres)))
    return _report("pet-nema-iq", edition, spheres, [*items, *_common_items(spheres)])


def gamma_jaszczak(series: Series, *, edition: str = "1") -> Report:
    """Measure a SPECT series of a Jaszczak cylinder with cold spheres.

    Parameters
    ----------
    series : Series
        Slices across the cylinder.
    edition : {"1"}, optional
        Of the method.

    Returns
    -------
    Report
        Contrast and background variability of every sphere, the background, its coefficient of variation,
        the uniformity of the plain section, the roll; with a picture.

    Raises
    ------
    ValueError
        If the series is not nuclear medicine or no cylinder with a ring of spheres is in it.

    Notes
    -----
    ``docs/protocols/gamma-jaszczak.md`` says where each region lies.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.io import series_from_grid
    >>> from imgtech.phantoms.twins import jaszczak
    >>> from imgtech.qc.protocols import gamma_jaszczak
    >>> grid, z_mm = ImageGrid(shape=(60, 66), spacing_mm=(4.2, 4.0)), np.arange(-60.0, 61.0, 4.0)
    >>> series = series_from_grid(jaszczak(grid, z_mm), grid, modality="NM", slices_mm=z_mm)
    >>> print(round(gamma_jaszczak(series)["background"].value))
    1000
    """
    one_of("edition", edition, JASZCZAK_EDITIONS)
    if series.modality not in ("NM", "PT"):
        raise ValueError(f"series must be nuclear medicine (NM), got modality {series.modality!r}")
    _checked_stack(series)
    mean = series.pixels.mean(axis=0, dtype=np.float64)
    rim = find_disk(mean, series.grid, radius_mm=(80.0, 125.0))
    y, x = series.grid.coordinates_mm
    core = np.hypot(y[:, None] - rim.center_mm[0], x - rim.center_mm[1]) < 0.75 * rim.radius_mm
    levels = np.array([float(np.median(p[core])) for p in series.pixels])
    background = float(np.median(levels[levels > 0.7 * np.percentile(levels, 90)]))
    center = (float(rim.center_mm[0]), float(rim.center_mm[1]))
    ring = find_ring(series, center, background, JASZCZAK_SPHERES_MM)
    plain = _plain_slices(series, core, levels)
    spheres = _Spheres(
        series=series,
        ring=ring,
        diameters_mm=JASZCZAK_SPHERES_MM,
        places_mm=tuple(
            (center[0] + r * math.sin(a), center[1] + r * math.cos(a))
            for r, n in ((0.0, 1), (50.0, 6))
            for a in (2 * math.pi * np.arange(n) / n)
        ),
        slices=plain,
        definition=_SPHERES,
    )
    items = [*_ratio_items(spheres, None, cold=True)]
    items.append(_item("uniformity", "%", "disk-extremes-1", _SPHERES, partial(_uniform, spheres)))
    return _report("gamma-jaszczak", edition, spheres, [*items, *_common_items(spheres)])


def _checked_stack(series: Series) -> None:
    if len(series.pixels) < 10:
        raise ValueError(f"series must hold at least 10 slices, got {len(series.pixels)}")
    total = series.pixels.sum(axis=(1, 2), dtype=np.float64)
    sides = np.minimum(total[:-2], total[2:])
    dead = np.flatnonzero(total[1:-1] < _DEAD_SHARE * sides) + 1
    if dead.size:
        raise ValueError(f"series must hold no empty slice between lit ones, got image {dead[0] + 1}")


def _item(name: str, unit: str, algorithm: str, source: Source, measure: Callable[[], Measurement]) -> Item:
    return Item(name=name, unit=unit, algorithm=algorithm, definition=source, measure=measure)


def _report(protocol: str, edition: str, spheres: _Spheres, items: list[Item]) -> Report:
    series, ring = spheres.series, spheres.ring
    outlines = [
        circle(series.grid, ring.place(k), d / 2, f"{d:g} mm") for k, d in enumerate(spheres.diameters_mm)
    ]
    outlines += [circle(series.grid, place, spheres.diameters_mm[0] / 2) for place in spheres.places_mm]
    image = series.pixels[spheres.index]
    return Report(
        protocol=protocol,
        edition=edition,
        measurements=measured(items),
        subject={name.replace("_", " "): str(value) for name, value in series.tags.known().items()},
        pictures=(
            Picture(title=f"spheres, image {spheres.index + 1}", pixels=image, outlines=tuple(outlines)),
        ),
        notes=(
            *series.notes,
            f"ring of spheres found in image {spheres.index + 1} of {len(series.pixels)}, "
            f"correlation {ring.score:.2f}, {'mirrored' if ring.mirrored else 'not mirrored'}",
        ),
    )


def _body(series: Series) -> tuple[tuple[float, float], float]:
    """Middle of the lung insert and the level of the background."""
    total = series.pixels.sum(axis=(1, 2), dtype=np.float64)
    lit = total > 0.5 * np.percentile(total, 90)
    if not lit.any():
        raise ValueError("this is not a series of the NEMA body phantom: no slice is lit")
    mean = series.pixels[lit].mean(axis=0, dtype=np.float64)
    d = series.spacing_mm
    smooth = ndimage.gaussian_filter(mean, [4.0 / s for s in d])
    body = smooth > 0.4 * np.percentile(smooth, 85)
    body = ndimage.binary_fill_holes(body)
    if body.sum() * d[0] * d[1] < 20000:
        raise ValueError("this is not a series of the NEMA body phantom: the lit body is too small")
    inner = ndimage.binary_erosion(body, iterations=max(round(45.0 / max(d)), 1))
    if not inner.any():
        raise ValueError("this is not a series of the NEMA body phantom: the lit body is too narrow")
    level = float(np.median(smooth[body]))
    dark = np.where(inner, level - ndimage.uniform_filter(smooth, [round(36.0 / s) for s in d]), -np.inf)
    row, column = np.unravel_index(int(np.argmax(dark)), dark.shape)
    y, x = series.grid.coordinates_mm
    if dark[row, column] < 0.3 * level:
        raise ValueError("this is not a series of the NEMA body phantom: no lung insert in its middle")
    near = np.hypot(y[:, None] - y[row], x - x[column]) < 32.0
    w = np.where(near, np.maximum(0.8 * level - smooth, 0.0), 0.0)
    center = float((w * y[:, None]).sum() / w.sum()), float((w * x).sum() / w.sum())
    return center, level


def _around(series: Series, ring: SphereRing, slices: list[int]) -> tuple[tuple[float, float], ...]:
    """Twelve places in the background, well inside the body and off the spheres."""
    d = series.spacing_mm
    mean = series.pixels[slices].mean(axis=0, dtype=np.float64)
    smooth = ndimage.gaussian_filter(mean, [4.0 / s for s in d])
    pieces, _ = ndimage.label(ndimage.binary_fill_holes(smooth > 0.4 * np.percentile(smooth, 85)))
    row, column = (
        int(np.argmin(np.abs(c - m))) for c, m in zip(series.grid.coordinates_mm, ring.center_mm, strict=True)
    )
    body = (pieces == pieces[row, column]) & (pieces > 0)  # a bottle beside the phantom is no background
    depth = ndimage.distance_transform_edt(body, sampling=d)
    y, x = series.grid.coordinates_mm
    fits = (depth > _REGION_MM + 10.0) & (
        np.hypot(y[:, None] - ring.center_mm[0], x - ring.center_mm[1]) > 25.0 + _REGION_MM + 6.0
    )
    for k, diameter in enumerate(NEMA_SPHERES_MM):
        cy, cx = ring.place(k)
        fits &= np.hypot(y[:, None] - cy, x - cx) > diameter / 2 + _REGION_MM + 6.0
    rows, columns = np.nonzero(fits)
    places = np.stack([y[rows], x[columns]], axis=1)
    chosen: list[tuple[float, float]] = []
    if len(places):
        free = np.full(len(places), np.inf)
        following = int(np.argmax(places[:, 1]))
        for _ in range(12):  # each as far from the others as can be
            chosen.append((float(places[following, 0]), float(places[following, 1])))
            free = np.minimum(free, np.hypot(*(places - places[following]).T))
            following = int(np.argmax(free))
    if len(set(chosen)) < 12:
        raise ValueError("no room for twelve background regions in the body")
    return tuple(chosen)


def _plain_slices(series: Series, core: npt.NDArray[np.bool_], levels: Floats) -> tuple[int, ...]:
    """Five neighbouring slices of full level with the least scatter inside."""
    spread = np.array(
        [float(ndimage.gaussian_filter(p.astype(np.float64), 1.0)[core].std()) for p in series.pixels]
    )
    relative = np.where(levels > 0.8 * np.percentile(levels, 90), spread / np.maximum(levels, 1e-9), np.inf)
    middle = min(range(2, len(relative) - 2), key=lambda k: float(relative[k - 2 : k + 3].max()))
    return tuple(range(middle - 2, middle + 3))


def _ratio_items(spheres: _Spheres, ratio: float | None, *, cold: bool) -> Iterator[Item]:
    source = spheres.definition
    for k, d in enumerate(spheres.diameters_mm):
        if cold:
            yield _item(
                f"contrast {d:g} mm", "%", "sphere-disk-2", source, partial(_contrast, spheres, k, 0.0)
            )
        else:
            yield _item(
                f"sphere to background {d:g} mm", "1", "sphere-disk-2", source, partial(_ratio, spheres, k)
            )
            if ratio is not None:
                yield _item(f"contrast recovery {d:g} mm", "%", "sphere-disk-2", source,
                            partial(_contrast, spheres, k, ratio))  # fmt: skip
    for d in spheres.diameters_mm:
        yield _item(
            f"background variability {d:g} mm", "%", "disk-means-1", source, partial(_varies, spheres, d)
        )


def _common_items(spheres: _Spheres) -> Iterator[Item]:
    source = spheres.definition
    yield _item("background", "1", "disk-means-1", source, partial(_background, spheres))
    yield _item("coefficient of variation", "1", "pixels-of-disks-1", source, partial(_variation, spheres))
    yield _item("roll", "deg", "sphere-centroids-2", source, partial(_roll, spheres))


def _ratio(spheres: _Spheres, k: int) -> Measurement:
    """Mean of the sphere over that of the background disks of its size.

    The scatter of the background disks is taken for that of the sphere, its variance growing with the level
    of hot ones; the doubt about the place, as much as the three largest spheres leave of a rigid fit, by
    moving the disk; and what the pixels do to it, by making them once more as wide: the mean of a disk takes
    whole pixels by their share, which blurs the sphere by a pixel.
    """
    around = spheres.background(spheres.diameters_mm[k])
    level, scatter = float(around.mean()), float(around.std(ddof=1))
    value = spheres.sphere(k) / level
    grid, image = spheres.series.grid, spheres.image(spheres.index)
    y, x = spheres.ring.place(k)
    doubt = spheres.ring.place_uncertainty_mm

    def moved(dy: float, dx: float) -> float:
        return disk_mean(image, grid, (y + dy, x + dx), spheres.diameters_mm[k]) / level - value

    away = [abs(moved(*step)) for step in ((doubt, 0.0), (-doubt, 0.0), (0.0, doubt), (0.0, -doubt))]
    # a pixel as a filter has the variance of the weights 1/24, 22/24, 1/24
    dy, dx = grid.spacing_mm
    coarse = sum(moved(*step) for step in ((dy, 0.0), (-dy, 0.0), (0.0, dx), (0.0, -dx))) / 24
    own = scatter * math.sqrt(max(value, 1.0)) / level
    return Measurement(
        name="sphere to background",
        value=value,
        uncertainty=math.hypot(
            own,
            float(np.mean(away)),
            coarse,
            value * scatter / level / math.sqrt(around.size),
        ),
        definition=spheres.definition,
        algorithm="sphere-disk-2",
        degrees_of_freedom=20.0,
        details={
            "distance of the slice from the plane (mm)": float(
                spheres.series.positions_mm[spheres.index] - spheres.ring.z_mm
            )
        },
    )


def _contrast(spheres: _Spheres, k: int, ratio: float) -> Measurement:
    """``100 (sphere / background - 1) / (ratio - 1)``; for cold spheres the ratio is 0."""
    m = _ratio(spheres, k)
    factor = 100 / (ratio - 1)
    return Measurement(
        name="contrast",
        value=factor * ((m.value or 0.0) - 1),
        unit="%",
        uncertainty=abs(factor) * (m.uncertainty or 0.0),
        definition=spheres.definition,
        algorithm="sphere-disk-2",
        degrees_of_freedom=m.degrees_of_freedom,
        details=m.details,
    )


def _varies(spheres: _Spheres, diameter: float) -> Measurement:
    around = spheres.background(diameter)
    value = 100 * float(around.std(ddof=1) / around.mean())
    return Measurement(
        name="background variability",
        value=value,
        unit="%",
        uncertainty=value / math.sqrt(2 * (around.size - 1)),
        definition=spheres.definition,
        algorithm="disk-means-1",
        degrees_of_freedom=around.size - 1,
        details={"disks": float(around.size)},
    )


def _background(spheres: _Spheres) -> Measurement:
    around = spheres.background(spheres.diameters_mm[0])
    return Measurement(
        name="background",
        value=float(around.mean()),
        uncertainty=float(around.std(ddof=1)) / math.sqrt(around.size),
        definition=spheres.definition,
        algorithm="disk-means-1",
        degrees_of_freedom=around.size - 1,
    )


def _variation(spheres: _Spheres) -> Measurement:
    """Standard deviation over mean of the pixels in the background disks."""
    y, x = spheres.series.grid.coordinates_mm
    values = []
    for place in spheres.places_mm:
        inside = np.hypot(y[:, None] - place[0], x - place[1]) < spheres.diameters_mm[0] / 2
        values += [spheres.image(i)[inside] for i in spheres.slices]
    shares = np.array([v.std(ddof=1) / v.mean() for v in values])
    return Measurement(
        name="coefficient of variation",
        value=float(np.sqrt((shares**2).mean())),
        uncertainty=float(shares.std(ddof=1)) / math.sqrt(len(shares)),
        definition=spheres.definition,
        algorithm="pixels-of-disks-1",
        degrees_of_freedom=len(shares) - 1,
    )


def _lung(spheres: _Spheres) -> Measurement:
    """Mean of a disk of 30 mm in the lung insert over the background, in the five slices."""
    around = spheres.background(spheres.diameters_mm[0])
    found = np.array([
        disk_mean(spheres.image(i), spheres.series.grid, spheres.ring.center_mm, _LUNG_ROI_MM) / around.mean()
        for i in spheres.slices
    ])  # fmt: skip
    return Measurement(
        name="lung residual",
        value=100 * float(found.mean()),
        unit="%",
        uncertainty=100 * float(found.std(ddof=1)) / math.sqrt(len(found)),
        definition=spheres.definition,
        algorithm="lung-residual-1",
        degrees_of_freedom=len(found) - 1,
    )


def _uniform(spheres: _Spheres) -> Measurement:
    """``100 (max - min) / (max + min)`` of the disks of the plain section, each the mean of five slices."""
    around = spheres.background(spheres.diameters_mm[0])
    means = around.mean(axis=0)
    scatter = float(around.std(axis=0, ddof=1).mean()) / math.sqrt(len(around))
    high, low = float(means.max()), float(means.min())
    return Measurement(
        name="uniformity",
        value=100 * (high - low) / (high + low),
        unit="%",
        uncertainty=100 * math.sqrt(2) * scatter / (high + low),
        definition=spheres.definition,
        algorithm="disk-extremes-1",
    )


def _roll(spheres: _Spheres) -> Measurement:
    """Direction of the largest sphere, from the centroids of the three largest."""
    angle = spheres.ring.angle_rad
    return Measurement(
        name="roll",
        value=math.degrees(math.atan2(math.sin(angle), math.cos(angle))),
        unit="deg",
        uncertainty=math.degrees(spheres.ring.angle_uncertainty_rad),
        definition=spheres.definition,
        algorithm="sphere-centroids-2",
        degrees_of_freedom=3.0,
    )

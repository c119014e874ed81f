"""Items of a uniform module: CT number, uniformity, noise, its power spectrum, detectable contrast."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from imgtech.phantoms.twins import Module
from imgtech.qc.limit import Source
from imgtech.qc.measurement import Measurement
from imgtech.qc.metrics import (
    NPS,
    ct_noise,
    edge_centre_uniformity,
    noise_power_spectrum,
    ring_artefact,
)
from imgtech.qc.protocols._ct_disks import DiskScatter, disk_scatter, pooled_scatter
from imgtech.qc.protocols._ct_rods import patch_grid
from imgtech.qc.protocols._ct_scan import CTScan, Indices
from imgtech.qc.protocols._items import Item
from imgtech.qc.roi import disk_region, region_mean

Floats = npt.NDArray[np.float64]

SIDES = {"top": -90.0, "right": 0.0, "bottom": 90.0, "left": 180.0}
DETECT_MM = 5.0
ONE_SIDED_95 = 1.645
_WIDENED = {"peak": 1.2, "mean": 1.5}
_ENOUGH_SLICES = 6
_BEAD_GAP_MM = 1.5
_INNER_PX, _RIM_MM, _LEAST_RINGS = 5.0, 6.0, 25
_IEC = Source(
    document="IEC 61223-3-5", edition="2019", clause="noise, mean CT number, uniformity", verified=False
)
RINGS = Source(document="IEC 61223-3-5", edition="2019", clause="artefacts", verified=False)
_ICRU = Source(document="ICRU Report 87", edition="2012", clause="equation 11", verified=False)
CHAO = Source(
    document="E. H. Chao et al., A statistical method of defining low contrast detectability",
    edition="RSNA 2000",
    verified=False,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class UniformField:
    """A uniform module and the regions in it, millimetres from its axis.

    Slices that may cut small beads at ``beads_mm`` along the axis are left out.
    """

    module: Module
    radius_mm: float
    roi_mm: float
    distance_mm: float
    noise_mm: float
    square_mm: float
    half_mm: float = 7.5
    beads_mm: float | None = None


def uniform_items(scan: CTScan, field: UniformField) -> Iterator[Item]:
    """The items of a uniform module."""
    yield Item(name="CT number centre", unit="HU", algorithm="disk-mean-1", definition=_IEC,
               measure=lambda: _centre(scan, field))  # fmt: skip
    for side in SIDES:
        yield Item(
            name=f"{side} minus centre",
            unit="HU",
            algorithm="edge-centre-uniformity-2",
            definition=_IEC,
            measure=lambda side=side: _edge(scan, field, side),  # type: ignore[misc]
        )
    yield Item(name="noise", unit="HU", algorithm="ct-noise-2", definition=_IEC,
               measure=lambda: _noise(scan, field))  # fmt: skip
    yield Item(name="ring artefact", unit="HU", algorithm="ring-artefact-1", definition=RINGS,
               measure=lambda: _rings(scan, field))  # fmt: skip
    yield Item(name="NPS peak frequency", unit="1/mm", algorithm="nps-finite-region-corrected-2, peak-3",
               definition=_ICRU, measure=lambda: _frequency(scan, field, "peak"))  # fmt: skip
    yield Item(name="NPS mean frequency", unit="1/mm", algorithm="nps-finite-region-corrected-2",
               definition=_ICRU, measure=lambda: _frequency(scan, field, "mean"))  # fmt: skip
    yield Item(
        name=f"lowest detectable contrast {DETECT_MM:g} mm",
        unit="HU",
        algorithm="disk-means-95-1",
        definition=CHAO,
        measure=lambda: _detectable(scan, field),
    )


def uniform_slices(scan: CTScan, field: UniformField) -> Indices:
    """Slices whose mean shows the module."""
    return _without_beads(scan, field, scan.inside(field.module, field.half_mm))


def all_slices(scan: CTScan, field: UniformField) -> Indices:
    """Every slice that shows the module and nothing else."""
    return _without_beads(scan, field, scan.inside(field.module))


def _without_beads(scan: CTScan, field: UniformField, indices: Indices) -> Indices:
    if field.beads_mm is None:
        return indices
    free = indices[np.abs(scan.z_mm[indices] - field.beads_mm) > scan.thickness_mm / 2 + _BEAD_GAP_MM]
    if free.size:
        return free
    every = scan.inside(field.module)
    away = np.abs(scan.z_mm[every] - field.beads_mm)
    free = every[away > scan.thickness_mm / 2 + _BEAD_GAP_MM]
    return free if free.size else indices


def edge_place(scan: CTScan, indices: Indices, field: UniformField, side: str) -> tuple[float, float]:
    """Middle of the region at a side of the image."""
    cy, cx = scan.place(indices, (0.0, 0.0))
    turn = math.radians(SIDES[side])
    return cy + field.distance_mm * math.sin(turn), cx + field.distance_mm * math.cos(turn)


@lru_cache(maxsize=32)
def scatter_in(scan: CTScan, field: UniformField, radius_mm: float) -> DiskScatter:
    """Scatter of the means of disks in the mean of the slices of the module."""
    indices = uniform_slices(scan, field)
    return disk_scatter(
        scan.image(indices), scan.grid, scan.place(indices, (0.0, 0.0)), field.radius_mm, radius_mm
    )


@lru_cache(maxsize=32)
def scatter_of_slices(scan: CTScan, field: UniformField, radius_mm: float) -> DiskScatter:
    """Scatter of the means of disks in single slices of the module."""
    indices = all_slices(scan, field)
    return pooled_scatter(
        [scan.pixels[i].astype(np.float64) for i in indices],
        scan.grid,
        [scan.place(np.array([i]), (0.0, 0.0)) for i in indices],
        field.radius_mm,
        radius_mm,
    )


def _centre(scan: CTScan, field: UniformField) -> Measurement:
    indices = uniform_slices(scan, field)
    region = disk_region(scan.grid, center_mm=scan.place(indices, (0.0, 0.0)), radius_mm=field.roi_mm)
    scatter = scatter_in(scan, field, field.roi_mm)
    return Measurement(
        name="CT number centre",
        value=region_mean(scan.image(indices), region),
        unit="HU",
        uncertainty=scatter.deviation_hu,
        definition=_IEC,
        algorithm="disk-mean-1",
        degrees_of_freedom=scatter.degrees_of_freedom,
        details={"images": len(indices)},
    )


def _edge(scan: CTScan, field: UniformField, side: str) -> Measurement:
    indices = uniform_slices(scan, field)
    places = scan.place(indices, (0.0, 0.0)), edge_place(scan, indices, field, side)
    centre, edge = (disk_region(scan.grid, center_mm=p, radius_mm=field.roi_mm) for p in places)
    found = edge_centre_uniformity(scan.image(indices), centre, edge[None])[0]
    scatter = scatter_in(scan, field, field.roi_mm)
    return dataclasses.replace(
        found,
        uncertainty=math.sqrt(2) * scatter.deviation_hu,
        degrees_of_freedom=scatter.degrees_of_freedom,
    )


def _noise(scan: CTScan, field: UniformField) -> Measurement:
    """In every slice of the module; the mean of the variances."""
    found = []
    for index in all_slices(scan, field):
        center = scan.place(np.array([index]), (0.0, 0.0))
        box, grid = patch_grid(scan.grid, center, field.noise_mm + max(scan.grid.spacing_mm))
        region = disk_region(grid, center_mm=center, radius_mm=field.noise_mm)
        found.append(ct_noise(scan.pixels[index][box].astype(np.float64), region))
    values = np.array([m.value for m in found], dtype=np.float64)
    own = math.sqrt(sum(float(m.uncertainty or 0.0) ** 2 for m in found)) / len(found)
    seen = float(values.std(ddof=min(len(values) - 1, 1))) / math.sqrt(len(values))
    many = len(values) >= _ENOUGH_SLICES
    return dataclasses.replace(
        found[0],
        value=math.sqrt(float((values**2).mean())),
        uncertainty=seen if many else own,
        degrees_of_freedom=len(found) - 1 if many else sum(m.degrees_of_freedom for m in found),
        details={
            "images": len(found),
            "lowest (HU)": float(values.min()),
            "highest (HU)": float(values.max()),
        },
    )


def _rings(scan: CTScan, field: UniformField) -> Measurement:
    """Rings around the middle of the image, where the axis of the scanner is, in the mean of the slices.

    That is the origin of the grid also where the images are cut to the phantom.
    """
    indices = uniform_slices(scan, field)
    cy, cx = scan.place(indices, (0.0, 0.0))
    pixel = max(scan.grid.spacing_mm)
    inner, outer = _INNER_PX * pixel, field.radius_mm - _RIM_MM - math.hypot(cy, cx)
    if outer < inner + _LEAST_RINGS * pixel:
        raise ValueError(
            "the module must lie around the middle of the image, where the axis of the scanner is taken to "
            f"be; its own middle lies {math.hypot(cy, cx):.0f} mm from there"
        )
    m = ring_artefact(scan.image(indices), scan.grid, center_mm=(0.0, 0.0), radii_mm=(inner, outer))
    return dataclasses.replace(m, unit="HU", details={**m.details, "images": len(indices)})


@lru_cache(maxsize=8)
def _nps(scan: CTScan, field: UniformField) -> NPS:
    """Of differences of neighbouring slices over the root of 2, in four squares around the axis each.

    What both slices show alike, cupping and rings, is not noise and falls out.
    """
    dy, dx = scan.grid.spacing_mm
    rows, columns = round(field.square_mm / dy), round(field.square_mm / dx)
    y, x = scan.grid.coordinates_mm
    indices = all_slices(scan, field)
    if len(indices) < 2:
        raise ValueError(f"only one slice lies in {field.module.name}, two are needed for a difference")
    patches = []
    for one, two in zip(indices[0::2], indices[1::2], strict=False):
        difference = (scan.pixels[one].astype(np.float64) - scan.pixels[two]) / math.sqrt(2)
        cy, cx = scan.place(np.array([one]), (0.0, 0.0))
        middle, side = int(np.searchsorted(y, cy)), int(np.searchsorted(x, cx))
        for top in (middle - rows, middle):
            for left in (side - columns, side):
                patch = difference[max(top, 0) : top + rows, max(left, 0) : left + columns]
                if patch.shape == (rows, columns):
                    patches.append(patch)
    if not patches:
        raise ValueError(f"no square of {field.square_mm:g} mm of {field.module.name} lies in the image")
    return noise_power_spectrum(np.stack(patches), (dy, dx), detrend="quadratic")


def _frequency(scan: CTScan, field: UniformField, which: str) -> Measurement:
    """Peak or mean frequency of the spectrum, its uncertainty widened.

    In simulated scans of 50 poses the peak scatters by 1.1 to 1.2 times, the mean by 1.2 to 1.5 times the
    uncertainty that comes with the spectrum.
    """
    nps = _nps(scan, field)
    m = nps.peak_frequency() if which == "peak" else nps.mean_frequency()
    details = {**m.details, "highest frequency (1/mm)": float(nps.radial_frequencies_per_mm[-1])}
    return dataclasses.replace(m, uncertainty=_WIDENED[which] * (m.uncertainty or 0.0), details=details)


def _detectable(scan: CTScan, field: UniformField) -> Measurement:
    """2 x 1.645 standard deviations of the means of disks in single slices."""
    indices = all_slices(scan, field)
    scatter = scatter_of_slices(scan, field, DETECT_MM / 2)
    value = 2 * ONE_SIDED_95 * scatter.deviation_hu
    return Measurement(
        name="lowest detectable contrast",
        value=value,
        unit="HU",
        uncertainty=value / math.sqrt(2 * scatter.degrees_of_freedom),
        definition=CHAO,
        algorithm="disk-means-95-1",
        degrees_of_freedom=scatter.degrees_of_freedom,
        details={"images": len(indices), "disks": scatter.degrees_of_freedom},
    )

"""Planar X-ray: Leeds TOR 18, QC-3, or an opaque plate."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech._core.validate import not_negative, one_of, positive
from imgtech.geometry import ImageGrid
from imgtech.io import Series
from imgtech.phantoms.twins import PlanarDrawing, planar_drawing
from imgtech.qc.measurement import Measurement
from imgtech.qc.protocols._items import measured
from imgtech.qc.protocols._planar_bars import shown_groups
from imgtech.qc.protocols._planar_edge import EdgeScene, edge_items, edge_outlines, find_plate
from imgtech.qc.protocols._planar_patterns import Pattern, pattern_items, pattern_outlines, turned
from imgtech.qc.protocols._planar_pose import PlanarPose, fit_disks, fit_planar
from imgtech.qc.report import Picture, Report

PLANAR_EDITIONS = ("1",)
PLANAR_MODALITIES = ("DX", "CR", "RF", "XA", "MG", "PX", "IO", "RTIMAGE", "OT")
_MAGNIFICATIONS = tuple(0.9 * 1.06**k for k in range(13))
_ENOUGH = 0.92  # the phantoms reach 0.98, plates up to 0.85

Floats = npt.NDArray[np.float64]


def planar_xray(
    series: Series,
    *,
    edition: str = "1",
    phantom: str | None = None,
    quanta_per_mm2: float | None = None,
    quanta_relative_uncertainty: float = 0.05,
) -> Report:
    """Measure one planar X-ray image of a Leeds TOR 18, a QC-3 or an opaque plate.

    The phantom is found at any rotation, mirrored or not, bright or dark lead, and at magnifications from
    0.9 to 1.8; which one it is, is told by the correlation with the drawings.

    Parameters
    ----------
    series : Series
        One image.
    edition : {"1"}, optional
        Of the method; none of the phantoms has limits of its own.
    phantom : {"leeds", "qc3", "edge"}, optional
        Which; found out by default.
    quanta_per_mm2 : float, optional
        Quanta that reach the detector, for the DQE of a plate: air kerma times quanta per mm2 and uGy.
    quanta_relative_uncertainty : float, optional
        Its relative standard uncertainty.

    Returns
    -------
    Report
        Leeds and QC-3: roll, frequency and MTF of every bar group, contrast of disks or patches in units of
        noise, uniformity, bad pixels. Plate: MTF of four sides, NNPS, DQE, noise, contrast of disks,
        uniformity, bad pixels. With a picture.

    Raises
    ------
    ValueError
        If the series is not one X-ray image, no phantom is found, or an argument is out of range.

    Notes
    -----
    ``docs/protocols/planar-xray.md`` says where each region lies and what is allowed.
    """
    one_of("edition", edition, PLANAR_EDITIONS)
    if series.modality not in PLANAR_MODALITIES:
        raise ValueError(f"series must be planar X-ray, got modality {series.modality!r}")
    if len(series.pixels) != 1:
        raise ValueError(f"series must hold one image, got {len(series.pixels)}")
    if phantom is not None:
        one_of("phantom", phantom, ("leeds", "qc3", "edge"))
    if quanta_per_mm2 is not None:
        positive("quanta_per_mm2", quanta_per_mm2)
    not_negative("quanta_relative_uncertainty", quanta_relative_uncertainty)
    image, grid = series.pixels[0].astype(np.float64), series.grid
    scene = _found(image, grid, phantom)
    notes = list(series.notes)
    if isinstance(scene, Pattern):
        pattern, found = turned(scene), scene.found
        items: tuple[Measurement, ...] = measured(pattern_items(pattern))
        outlines = pattern_outlines(pattern)
        name = pattern.drawing.name
        lead = "bright" if found.sign > 0 else "dark"
        notes.append(f"{name} found with correlation {found.score:.2f}; lead is {lead}")
        shown = len(shown_groups(grid, found, pattern.drawing))
        if shown < len(pattern.drawing.groups):
            notes.append(f"bars {shown + 1} and finer are left out: more line pairs than the pixels can show")
        notes.append(f"magnification about {found.unit_mm / pattern.drawing.unit_mm:.2f} for the usual size")
    else:
        items = measured(
            edge_items(
                scene,
                quanta_per_mm2=quanta_per_mm2,
                quanta_relative_uncertainty=quanta_relative_uncertainty,
            )
        )
        outlines, name = edge_outlines(scene), "opaque plate"
    low, high = (float(v) for v in np.percentile(image, [1, 99]))
    return Report(
        protocol="planar-xray",
        edition=edition,
        measurements=items,
        subject={
            "phantom": name,
            **{key.replace("_", " "): str(value) for key, value in series.tags.known().items()},
        },
        pictures=(
            Picture(title=name, pixels=series.pixels[0], outlines=tuple(outlines), window=(low, high)),
        ),
        notes=tuple(notes),
    )


def _found(image: Floats, grid: ImageGrid, phantom: str | None) -> Pattern | EdgeScene:
    """The phantom whose drawing the image is like; a plate where it is like none."""
    if phantom == "edge":
        return _plate(image, grid)
    scores = []
    for kind in ("leeds", "qc3") if phantom is None else (phantom,):
        drawing = planar_drawing(kind)
        found = _fitted(image, grid, drawing)
        if found.score >= _ENOUGH:
            return Pattern(image=image, grid=grid, found=found, drawing=drawing)
        scores.append(f"{drawing.name} {found.score:.2f}")
    if phantom is not None:
        raise ValueError(f"no {drawing.name} was found: correlation with the drawing {found.score:.2f}")
    try:
        return _plate(image, grid)
    except ValueError as error:
        text = ", ".join(scores)
        raise ValueError(f"no known phantom was found: correlation with {text}; {error}") from error


def _plate(image: Floats, grid: ImageGrid) -> EdgeScene:
    try:
        return find_plate(image, grid)
    except ValueError:
        try:
            find_plate(image.max() - image, grid)
        except ValueError:
            pass
        else:
            raise ValueError("values must rise with the dose, but the plate is bright") from None
        raise


def _fitted(image: Floats, grid: ImageGrid, drawing: PlanarDrawing) -> PlanarPose:
    centers = [(0.0, 0.0), *_middles(image, grid)]
    starts = [(c, m * drawing.unit_mm) for c in centers for m in _MAGNIFICATIONS]
    found = fit_planar(image, grid, drawing, starts)
    return fit_disks(image, grid, found, drawing) if drawing.disks else found


def _middles(image: Floats, grid: ImageGrid) -> list[tuple[float, float]]:
    """Guesses of the middle: the median of many edges, and half way between the ends of the strong ones.

    The first holds beside the frame of a collimator, the second on an open field, where bars at one side
    draw the median to them.
    """
    pixel = math.sqrt(grid.spacing_mm[0] * grid.spacing_mm[1])
    steep = ndimage.gaussian_gradient_magnitude(image, max(0.8 / pixel, 1.0))
    many, strong = steep > np.percentile(steep, 93), steep > 0.25 * np.percentile(steep, 99.5)
    middles = []
    for edge, shares in ((many, [50]), (strong, [1, 99])):
        edge[:3] = edge[-3:] = edge[:, :3] = edge[:, -3:] = False
        places = [p[k] for p, k in zip(grid.coordinates_mm, np.nonzero(edge), strict=True)]
        if places[0].size:
            middles.append(tuple(float(np.percentile(p, shares).mean()) for p in places))
    return [(y, x) for y, x in middles]

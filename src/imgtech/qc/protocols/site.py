"""A site's own phantom, as its description draws it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imgtech.io import Series
from imgtech.qc._site_find import find_site
from imgtech.qc._site_metrics import Scene, Task, measure
from imgtech.qc.limits import with_limits
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.pose import Pose
from imgtech.qc.protocols._flat_pictures import path, ring
from imgtech.qc.protocols._items import Item, measured
from imgtech.qc.report import Outline, Picture, Report
from imgtech.qc.roi import disk_region, rectangle_region
from imgtech.qc.site_phantom import SitePhantom, SiteRegion

Floats = npt.NDArray[np.float64]

SITE_EDITIONS = ("site",)


def site(
    series: Series, *, phantom: SitePhantom, repeat: Series | None = None, edition: str = "site"
) -> Report:
    """Measure a phantom that a site describes by itself.

    Parameters
    ----------
    series : Series
        Images of the phantom.
    phantom : SitePhantom
        Its description, from :func:`imgtech.qc.site_phantom.read_site_phantom`.
    repeat : Series, optional
        The same once more, for metrics of two images.
    edition : str, optional
        Not used; the description has its own.

    Returns
    -------
    Report
        One item for each entry of the description, with the site's limits; with a picture. An item that
        cannot be measured says why and takes none of the others along.

    Raises
    ------
    ValueError
        If the series is of another modality, lacks the slice, or the phantom is not found.

    Notes
    -----
    ``docs/protocols/site.md`` shows a complete description.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.io import series_from_grid
    >>> from imgtech.qc.protocols import site
    >>> from imgtech.qc.roi import disk_region
    >>> from imgtech.qc.site_phantom import site_phantom
    >>> bottle = site_phantom({
    ...     "name": "bottle", "modality": "CT", "find": {"outline": "circle", "diameter_mm": [90, 110]},
    ...     "regions": {"middle": {"circle": {"center_mm": [0, 0], "radius_mm": 20}}},
    ...     "measure": {"water": {"metric": "mean", "region": "middle", "unit": "HU"}}})
    >>> grid = ImageGrid(shape=(150, 160), spacing_mm=(1.0, 0.9))
    >>> image = 1000 * disk_region(grid, center_mm=(6.0, -9.0), radius_mm=50.0) - 1000
    >>> image += 5 * np.random.default_rng(1).standard_normal(grid.shape)
    >>> water = site(series_from_grid(image, grid, modality="CT"), phantom=bottle)["water"]
    >>> abs(water.value) < 3 * water.uncertainty, water.unit
    (True, 'HU')
    """
    if not isinstance(phantom, SitePhantom):
        raise ValueError(f"phantom must be a SitePhantom, got {phantom!r}")
    image = _image(series, phantom)
    second = None if repeat is None else _image(repeat, phantom)
    if second is not None and second.shape != image.shape:
        raise ValueError(f"repeat must have the shape {image.shape} of the series, got {second.shape}")
    grid = series.grid
    pose, rim = find_site(image, grid, phantom.find)

    def place(point: tuple[float, float]) -> tuple[float, float]:
        y, x = pose.to_image_mm(*point)
        return float(y), float(x)

    def region(name: str) -> Floats:
        shape = phantom.regions[name]
        center = place(shape.center_mm)
        try:
            if shape.kind == "rectangle":
                angle = pose.direction_rad(shape.angle_rad)
                return rectangle_region(grid, center_mm=center, size_mm=shape.size_mm, angle_rad=angle)
            outer = disk_region(grid, center_mm=center, radius_mm=shape.size_mm[1])
            if shape.size_mm[0] == 0:
                return outer
            return outer - disk_region(grid, center_mm=center, radius_mm=shape.size_mm[0])
        except ValueError as error:
            raise ValueError(f"region {name!r}: {error}") from error

    scene = Scene(
        image=image,
        repeat=second,
        grid=grid,
        rim=rim,
        angle_rad=pose.angle_rad,
        region=region,
        place=place,
    )
    low, high = (float(v) for v in np.percentile(image, [1, 99]))
    report = Report(
        protocol="site",
        edition=phantom.edition,
        measurements=measured([_item(name, task, scene) for name, task in phantom.tasks.items()]),
        subject={
            "phantom": phantom.name,
            **{key.replace("_", " "): str(value) for key, value in series.tags.known().items()},
        },
        pictures=(
            Picture(
                title=phantom.name,
                pixels=image.astype(np.float32),
                outlines=tuple(
                    o for name, r in phantom.regions.items() for o in _outlines(series, pose, name, r)
                ),
                window=(low, high) if high > low else None,
            ),
        ),
        notes=(
            *series.notes,
            f"found at y = {pose.center_mm[0]:.2f}, x = {pose.center_mm[1]:.2f} mm from the middle of the "
            f"image, turned by {np.degrees(pose.angle_rad):.1f} degrees",
        ),
    )
    return with_limits(report, phantom.limits)


def _image(series: Series, phantom: SitePhantom) -> Floats:
    if series.modality != phantom.modality:
        raise ValueError(
            f"series must have the modality {phantom.modality} of the description, got {series.modality!r}"
        )
    pixels = series.pixels
    if phantom.slice == "mean":
        return np.asarray(pixels.mean(axis=0, dtype=np.float64))
    number = len(pixels) // 2 if phantom.slice == "middle" else int(phantom.slice) - 1
    if number >= len(pixels):
        raise ValueError(f"slice must be one of the {len(pixels)} of the series, got {phantom.slice}")
    return np.asarray(pixels[number], dtype=np.float64)


def _item(name: str, task: Task, scene: Scene) -> Item:
    def run() -> Measurement:
        return measure(task, scene)

    return Item(
        name=name,
        unit=task.unit or "1",
        algorithm=f"site, {task.metric}",
        definition=Source(document="description of the site", edition="", clause=task.metric),
        measure=run,
    )


def _outlines(series: Series, pose: Pose, name: str, shape: SiteRegion) -> tuple[Outline, ...]:
    y, x = pose.to_image_mm(*shape.center_mm)
    if shape.kind != "rectangle":
        radii = [r for r in shape.size_mm[::-1] if r > 0]
        labels = (name, "")
        return tuple(
            ring(series.grid, (float(y), float(x)), r, label) for r, label in zip(radii, labels, strict=False)
        )
    half_v, half_u = shape.size_mm[0] / 2, shape.size_mm[1] / 2
    c, s = np.cos(shape.angle_rad), np.sin(shape.angle_rad)
    corners = []
    for v, u in ((-half_v, -half_u), (-half_v, half_u), (half_v, half_u), (half_v, -half_u)):
        cy, cx = pose.to_image_mm(shape.center_mm[0] + u * s + v * c, shape.center_mm[1] + u * c - v * s)
        corners.append((float(cy), float(cx)))
    return (path(series.grid, corners, name),)

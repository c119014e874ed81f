"""Artefacts that repeat along lines: bands, zippers and dead columns, rings, streaks."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import count, each, one_of, positive, real_image
from imgtech.geometry import ImageGrid
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._pattern import pattern
from imgtech.qc.roi import checked_region

Floats = npt.NDArray[np.float64]

_IPEM = Source(document="IPEM Report 32 part VII", edition="2010", clause="artefacts", verified=False)
_AAPM = Source(document="AAPM Report 100", edition="2010", clause="image artifacts", verified=False)
_IEC = Source(document="IEC 61223-3-5", edition="2019", clause="artefacts", verified=False)
_PARTS = 16
_ORDER = 6


def line_artefact(
    image: npt.ArrayLike, region: npt.ArrayLike, *, along: str = "y", trend_order: int = _ORDER
) -> Measurement:
    r"""Strength of bands, zippers and dead columns: what all pixels of a line have in common.

    The pixels of every column (or row) of a region are averaged in sixteen parts along it. A polynomial
    across the columns is taken off every part as shading; of what is left, the mean over the parts is the
    pattern and their scatter the noise of that mean:

    .. math:: a = \sqrt{\overline{p^2} - \overline{u^2}} .

    One column of a different height h among N gives :math:`a = h / \sqrt N` and stands in the details.

    Parameters
    ----------
    image : array_like
        Shape ``(ny, nx)``, of a uniform object.
    region : array_like
        Weights between 0 and 1.
    along : {"y", "x"}, optional
        Direction of the lines: ``"y"`` for columns.
    trend_order : int, optional
        Order of the polynomial.

    Returns
    -------
    Measurement
        ``"line artefact"`` in pixel values, root mean square over the lines. ``details`` hold the line (its
        index) with the largest deviation, that deviation, how many times its noise it is, and the lines whose
        deviation is more than four times their noise.

    Raises
    ------
    ValueError
        If shapes differ, the region is too small, or a value is not finite.

    References
    ----------
    AAPM Report 100, Acceptance Testing and Quality Assurance Procedures for Magnetic Resonance Imaging
    Facilities (2010).

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import line_artefact
    >>> image = 100 + 2 * np.random.default_rng(1).standard_normal((80, 90))
    >>> image[:, 37] -= 5
    >>> m = line_artefact(image, np.ones((80, 90)))
    >>> m.details["largest at line"], m.details["clear at line"]
    (37.0, '37')
    """
    pixels = real_image("image", image, 2).astype(np.float64)
    weights = checked_region("region", region, pixels.shape)
    if one_of("along", along, ("y", "x")) == "x":
        pixels, weights = pixels.T, weights.T
    order = count("trend_order", trend_order, 0)
    n = pixels.shape[1]
    rows = np.flatnonzero(weights.any(axis=1))
    part = np.zeros(pixels.shape, dtype=np.int64)
    part[rows] = (np.arange(len(rows)) * _PARTS // len(rows))[:, None]
    cells = part * n + np.arange(n)
    means, totals = _means(pixels, weights, cells, (_PARTS, n))
    return pattern(
        means, totals, np.arange(n, dtype=np.float64), order=order, name="line artefact", place="line",
        source=_AAPM, algorithm="line-artefact-1",
    )  # fmt: skip


def ring_artefact(
    image: npt.ArrayLike,
    grid: ImageGrid,
    *,
    center_mm: tuple[float, float],
    radii_mm: tuple[float, float],
    trend_order: int = _ORDER,
) -> Measurement:
    r"""Strength of rings around a centre, as broken detector channels of a CT scanner leave them.

    As :func:`line_artefact` with the rings of one pixel's width for lines, each in sixteen sectors, and a
    polynomial in the radius for shading (cupping).

    Parameters
    ----------
    image : array_like
        Shape ``grid.shape``, of a uniform object.
    grid : ImageGrid
        The pixels, 2-D.
    center_mm : (float, float)
        Centre of the rings ``(y, x)``: the axis of rotation.
    radii_mm : (float, float)
        Smallest and largest radius to look at; the smallest at least four pixels, so that every sector holds
        pixels.
    trend_order : int, optional
        Order of the polynomial.

    Returns
    -------
    Measurement
        ``"ring artefact"`` in pixel values, root mean square over the rings. ``details`` hold the radius of
        the strongest ring, its height, how many times its noise that is, and the radii of all rings higher
        than four times their noise. Rings narrower than a pixel are averaged over it.

    Raises
    ------
    ValueError
        If the radii do not rise or the annulus leaves the image, or an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.qc.metrics import ring_artefact
    >>> grid = ImageGrid(shape=(128, 120), spacing_mm=(0.8, 0.8))
    >>> r = np.hypot(grid.coordinates_mm[0][:, None], grid.coordinates_mm[1])
    >>> image = np.random.default_rng(1).standard_normal(grid.shape) + 3.0 * (abs(r - 30.0) < 0.4)
    >>> m = ring_artefact(image, grid, center_mm=(0.0, 0.0), radii_mm=(5.0, 45.0))
    >>> round(m.details["largest at radius (mm)"])
    30
    """
    pixels, distance, angle, step = _polar(image, grid, center_mm, radii_mm)
    inner, outer = radii_mm
    ring = np.floor((distance - inner) / step).astype(np.int64)
    n = int((outer - inner) / step)
    inside = (ring >= 0) & (ring < n)
    sector = np.floor((angle + math.pi) / (2 * math.pi) * _PARTS).astype(np.int64) % _PARTS
    cells = np.where(inside, sector * n + ring, 0)
    means, totals = _means(pixels, inside.astype(np.float64), cells, (_PARTS, n))
    return pattern(
        means, totals, np.asarray(inner + (np.arange(n) + 0.5) * step, np.float64),
        order=count("trend_order", trend_order, 0),
        name="ring artefact", place="radius (mm)", source=_IEC, algorithm="ring-artefact-1",
    )  # fmt: skip


def streak_artefact(
    image: npt.ArrayLike,
    grid: ImageGrid,
    *,
    center_mm: tuple[float, float],
    radii_mm: tuple[float, float],
    trend_order: int = _ORDER,
) -> Measurement:
    r"""Strength of straight streaks that run out of a place, such as a metal pin.

    As :func:`line_artefact` with narrow sectors of an annulus for lines, each in sixteen parts along the
    radius, and waves around the circle up to half of ``trend_order`` for shading. Sectors are a pixel wide at
    the middle radius.

    Parameters
    ----------
    image : array_like
        Shape ``grid.shape``, of a uniform object around the place.
    grid : ImageGrid
        The pixels, 2-D.
    center_mm : (float, float)
        Where the streaks come from ``(y, x)``.
    radii_mm : (float, float)
        Smallest and largest radius to look at.
    trend_order : int, optional
        Twice the highest number of waves around the circle that counts as shading.

    Returns
    -------
    Measurement
        ``"streak artefact"`` in pixel values, root mean square over the directions. ``details`` hold the
        direction of the strongest streak in rad, from the x axis towards y, and its height.

    Raises
    ------
    ValueError
        If the radii do not rise or the annulus leaves the image, or an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.qc.metrics import streak_artefact
    >>> grid = ImageGrid(shape=(128, 120), spacing_mm=(0.8, 0.8))
    >>> y, x = grid.coordinates_mm
    >>> along = np.abs(y[:, None] * np.cos(0.5) - x * np.sin(0.5)) < 1.0
    >>> image = np.random.default_rng(1).standard_normal(grid.shape) + 4.0 * along
    >>> m = streak_artefact(image, grid, center_mm=(0.0, 0.0), radii_mm=(10.0, 45.0))
    >>> round(m.details["largest at direction (rad)"] % np.pi, 1)
    0.5
    """
    pixels, distance, angle, step = _polar(image, grid, center_mm, radii_mm)
    inner, outer = radii_mm
    n = int(math.pi * (inner + outer) / step)
    direction = np.floor((angle + math.pi) / (2 * math.pi) * n).astype(np.int64) % n
    inside = (distance >= inner) & (distance < outer)
    part = np.clip(((distance - inner) / (outer - inner) * _PARTS).astype(np.int64), 0, _PARTS - 1)
    means, totals = _means(
        pixels, inside.astype(np.float64), np.where(inside, part * n + direction, 0), (_PARTS, n)
    )
    return pattern(
        means, totals, (np.arange(n) + 0.5) / n * 2 * math.pi - math.pi,
        order=count("trend_order", trend_order, 0), name="streak artefact", place="direction (rad)",
        source=_IPEM, algorithm="streak-artefact-1", cyclic=True,
    )  # fmt: skip


def _polar(
    image: npt.ArrayLike, grid: ImageGrid, center: tuple[float, float], radii: tuple[float, float]
) -> tuple[Floats, Floats, Floats, float]:
    pixels = real_image("image", image, 2, grid.shape).astype(np.float64)
    cy, cx = each("center_mm", center, 2)
    inner, outer = each("radii_mm", radii, 2, positive)
    step = max(grid.spacing_mm)
    if outer <= inner + step or inner < step:
        raise ValueError(f"radii_mm must rise by more than a pixel, from a pixel on, got {radii}")
    y, x = grid.coordinates_mm
    for name, axis, at, d in (("y", y, cy, grid.spacing_mm[0]), ("x", x, cx, grid.spacing_mm[1])):
        if at - outer < axis[0] - d / 2 or at + outer > axis[-1] + d / 2:
            raise ValueError(f"radii_mm must keep the annulus inside the image along {name}, got {outer:g}")
    dy, dx = y[:, None] - cy, x - cx
    return pixels, np.hypot(dy, dx), np.arctan2(dy + 0 * dx, dx + 0 * dy), step


def _means(
    pixels: Floats, weights: Floats, cells: npt.NDArray[np.int64], shape: tuple[int, int]
) -> tuple[Floats, Floats]:
    """Weighted means over cells, and the sums of their weights; 0 where a cell is empty."""
    size = shape[0] * shape[1]
    flat, w = cells.ravel(), weights.ravel()
    totals = np.bincount(flat, w, size)[:size].reshape(shape)
    sums = np.bincount(flat, w * pixels.ravel(), size)[:size].reshape(shape)
    found = np.divide(sums, totals, out=np.zeros(shape), where=totals > 0)
    return found, np.asarray(totals, np.float64)

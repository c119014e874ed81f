"""Small markers (rods, beads, holes, dots): where they are, how far apart, at what angle."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import count, floats, positive, real_image
from imgtech.geometry import ImageGrid
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._noise import noise_correlation, noise_of_sums
from imgtech.qc.roi import disk_region

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_IPEM = Source(document="IPEM Report 112", edition="2017", clause="geometric linearity", verified=False)
_ALGORITHM = "marker-centroid-1"
_RING = 1.8
_ROUNDS = 30
_CLEAR = 6.0
_FEWEST = 20
# the mean of a ring, and half of each of the two slopes, whose products fall off with the lag
_TAKEN = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Points(ArrayValue):
    """Places of markers in an image.

    Parameters
    ----------
    positions_mm : numpy.ndarray
        ``(y, x)`` of every marker, shape ``(n, 2)``, in the frame of the grid; where ``found`` is false,
        where it was expected.
    uncertainties_mm : numpy.ndarray
        Standard uncertainty of y and of x by noise, shape ``(n, 2)``.
    found : numpy.ndarray
        Whether the marker stands out of the noise inside its window.
    """

    positions_mm: Floats
    uncertainties_mm: Floats
    found: Bools


def find_points(
    image: npt.ArrayLike, grid: ImageGrid, expected_mm: npt.ArrayLike, *, radius_mm: float, dark: bool = False
) -> Points:
    r"""Find markers near expected places, to a fraction of a pixel.

    A plane is fitted to the ring between ``radius_mm`` and 1.8 times that around a marker and taken off;
    the marker is at the centroid of what is left,

    .. math:: \mathbf c = \frac{\sum w_i s_i \mathbf x_i}{\sum w_i s_i},

    with the share w of each pixel in a disk of ``radius_mm`` around c itself. A marker of any shape is found
    at its centre of mass wherever it lies between the pixels, so long as the disk holds all of it, blur
    included, and the ring nothing else.

    Parameters
    ----------
    image : array_like
        Shape ``grid.shape``, finite.
    grid : ImageGrid
        The pixels, 2-D.
    expected_mm : array_like
        Expected places ``(y, x)``, shape ``(n, 2)``, good to about ``radius_mm`` less that of the marker.
    radius_mm : float
        Radius of the window; 1.8 times that must lie inside the image.
    dark : bool, optional
        Whether markers are darker than what surrounds them.

    Returns
    -------
    Points
        Places and uncertainties. The noise and its autocorrelation come from the rings of all markers
        together; ripples beside a marker (ringing, scatter) count as noise.

    Raises
    ------
    ValueError
        If shapes do not fit, a value is not finite, or a window reaches beyond the image.

    References
    ----------
    IPEM Report 112, Quality Control and Artefacts in Magnetic Resonance Imaging.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.qc.metrics import find_points
    >>> from imgtech.qc.roi import disk_region
    >>> grid = ImageGrid(shape=(60, 70), spacing_mm=(1.0, 0.9))
    >>> rod = disk_region(grid, center_mm=(3.3, -4.7), radius_mm=2.5)
    >>> found = find_points(100 - 80 * rod, grid, [(2.0, -4.0)], radius_mm=5.0, dark=True)
    >>> found.positions_mm.round(1).tolist()
    [[3.3, -4.7]]
    """
    pixels = real_image("image", image, 2, grid.shape).astype(np.float64) * (-1 if dark else 1)
    expected = floats("expected_mm", expected_mm, 2)
    if expected.shape[1] != 2:
        raise ValueError(f"expected_mm must have shape (n, 2), got {expected.shape}")
    radius = positive("radius_mm", radius_mm)
    windows = [_locate(pixels, grid, (float(start[0]), float(start[1])), radius) for start in expected]
    noise, correlation = noise_correlation(
        [window.rest for window in windows], [window.ring for window in windows], taken=_TAKEN
    )
    places, spreads = expected.copy(), np.full(expected.shape, radius)
    found = np.zeros(len(expected), dtype=bool)
    for i, window in enumerate(windows):
        of_total, of_y, of_x = noise * noise_of_sums(window.kernels, correlation)
        if window.total > max(_CLEAR * of_total, 0.0):
            places[i], found[i] = window.place, True
            spreads[i] = of_y / window.total, of_x / window.total
    return Points(positions_mm=places, uncertainties_mm=spreads, found=found)


def distance(points: Points, first: int, second: int) -> Measurement:
    """Distance of two markers.

    Parameters
    ----------
    points : Points
        From :func:`find_points`.
    first, second : int
        Their numbers in the list.

    Returns
    -------
    Measurement
        ``"distance"`` in mm; the uncertainty is that of both places along the line that joins them. Pixel
        spacings are taken as exact.

    Raises
    ------
    ValueError
        If a marker was not found or does not exist, or both are the same.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import Points, distance
    >>> points = Points(positions_mm=np.array([[1.0, 2.0], [4.0, 6.0]]), found=np.array([True, True]),
    ...                 uncertainties_mm=np.full((2, 2), 0.03))
    >>> m = distance(points, 0, 1)
    >>> round(m.value, 3), round(m.uncertainty, 3)
    (5.0, 0.042)
    """
    a, u_a = _marker(points, "first", first)
    b, u_b = _marker(points, "second", second)
    length = float(np.hypot(*(b - a)))
    if length == 0:
        raise ValueError(f"first and second must be different markers, got {first} and {second}")
    along = (b - a) / length
    return Measurement(
        name="distance",
        value=length,
        unit="mm",
        uncertainty=float(np.sqrt(along**2 @ (u_a**2 + u_b**2))),
        definition=_IPEM,
        algorithm=_ALGORITHM,
        details={"y (mm)": float(b[0] - a[0]), "x (mm)": float(b[1] - a[1])},
    )


def angle(points: Points, first: int, corner: int, second: int) -> Measurement:
    """Angle at a marker between the lines to two others.

    Parameters
    ----------
    points : Points
        From :func:`find_points`.
    first, corner, second : int
        Their numbers in the list; the angle is that at ``corner``.

    Returns
    -------
    Measurement
        ``"angle"`` in ``"rad"``, from -pi to pi, counted from the first line to the second, from x towards y.

    Raises
    ------
    ValueError
        If a marker was not found or does not exist, or two are at the same place.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import Points, angle
    >>> points = Points(positions_mm=np.array([[0.0, 9.0], [0.0, 0.0], [4.0, 0.0]]),
    ...                 uncertainties_mm=np.full((3, 2), 0.01), found=np.ones(3, dtype=bool))
    >>> round(angle(points, 0, 1, 2).value, 4)
    1.5708
    """
    a, u_a = _marker(points, "first", first)
    c, u_c = _marker(points, "corner", corner)
    b, u_b = _marker(points, "second", second)
    turns = []
    for end in (a, b):
        arm = end - c
        square = float(arm @ arm)
        if square == 0:
            raise ValueError(
                f"first, corner and second must lie apart, got markers {first}, {corner} and {second}"
            )
        turns.append(np.array([arm[1], -arm[0]]) / square)
    one, two = (math.atan2(end[0] - c[0], end[1] - c[1]) for end in (a, b))
    variance = float(turns[0] ** 2 @ u_a**2 + turns[1] ** 2 @ u_b**2 + (turns[1] - turns[0]) ** 2 @ u_c**2)
    return Measurement(
        name="angle",
        value=math.remainder(two - one, 2 * math.pi),
        unit="rad",
        uncertainty=math.sqrt(variance),
        definition=_IPEM,
        algorithm=_ALGORITHM,
    )


def _marker(points: Points, name: str, index: int) -> tuple[Floats, Floats]:
    if count(name, index, 0) >= len(points.found):
        raise ValueError(f"{name} must be numbered 0 to {len(points.found) - 1}, got {index}")
    if not points.found[index]:
        raise ValueError(f"marker {index} was not found")
    return points.positions_mm[index], points.uncertainties_mm[index]


@dataclass(frozen=True, kw_only=True)
class _Window:
    """A marker's place, its signal, the noise beside it, and what noise does to both.

    ``kernels`` are the weights of the pixels in the total signal and in the moments along y and x.
    """

    place: tuple[float, float]
    total: float
    rest: Floats
    ring: Floats
    kernels: list[Floats]


def _locate(pixels: Floats, grid: ImageGrid, start: tuple[float, float], radius: float) -> _Window:
    place, still = start, 0.003 * min(grid.spacing_mm)
    found = _window(pixels, grid, place, radius)
    for _ in range(_ROUNDS):
        step, window = found
        length = math.hypot(*step)
        share = min(1.0, radius / length) if length > 0 else 0.0
        place = (place[0] + share * step[0], place[1] + share * step[1])
        if window.total <= 0 or math.hypot(place[0] - start[0], place[1] - start[1]) > _RING * radius:
            return replace(_window(pixels, grid, start, radius)[1], total=0.0)
        found = _window(pixels, grid, place, radius)
        if length < still:
            break
    return found[1]


def _window(
    pixels: Floats, grid: ImageGrid, place: tuple[float, float], radius: float
) -> tuple[tuple[float, float], _Window]:
    """Centroid relative to the middle of a window, and the window; only a box around it is looked at."""
    box = []
    for axis in (0, 1):
        reach = np.abs(grid.coordinates_mm[axis] - place[axis]) < _RING * radius + 2 * grid.spacing_mm[axis]
        inside = np.flatnonzero(reach)
        box.append(slice(int(inside[0]), int(inside[-1]) + 1) if inside.size else slice(0, 0))
    crop = (box[0], box[1])
    outer = disk_region(grid, center_mm=place, radius_mm=_RING * radius)[crop]
    disk = disk_region(grid, center_mm=place, radius_mm=radius)[crop]
    ring = ((outer - disk) > 0.99).astype(np.float64)
    dy = grid.coordinates_mm[0][crop[0]][:, None] - place[0] + 0 * ring
    dx = grid.coordinates_mm[1][crop[1]][None, :] - place[1] + 0 * ring
    terms = np.stack([np.ones_like(ring), dy, dx])
    beside = ring > 0
    if beside.sum() < _FEWEST:
        raise ValueError(
            f"radius_mm must leave {_FEWEST} pixels in the ring, got {radius:g} and {beside.sum()}"
        )
    inverse = np.linalg.pinv(terms[:, beside].T)
    signal = pixels[crop] - np.tensordot(inverse @ pixels[crop][beside], terms, axes=1)
    kernels = []
    for weights in (disk, disk * dy, disk * dx):
        kernel = weights.copy()
        kernel[beside] -= (weights * terms).sum(axis=(1, 2)) @ inverse
        kernels.append(kernel)
    total = float(np.vdot(disk, signal))
    step = (0.0, 0.0)
    if total > 0:
        step = (float(np.vdot(disk * dy, signal)) / total, float(np.vdot(disk * dx, signal)) / total)
    return step, _Window(place=place, total=total, rest=signal * ring, ring=ring, kernels=kernels)

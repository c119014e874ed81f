"""Are the holes of a row resolved? A dip between neighbours against the noise."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special

from imgtech._core.validate import finite, floats, not_negative, positive, real_image
from imgtech.geometry import ImageGrid
from imgtech.qc.measurement import Measurement, Source

Floats = npt.NDArray[np.float64]

_ACR = Source(document="ACR Phantom Test Guidance for the MRI Accreditation Program", edition="2018",
              clause="2 High-contrast spatial resolution", verified=False)  # fmt: skip
_LINES = 5
_TINY = 1e-9


def hole_dip(
    image: npt.ArrayLike,
    grid: ImageGrid,
    *,
    centers_mm: npt.ArrayLike,
    hole_diameter_mm: float,
    background: float,
    noise: float,
) -> Measurement:
    r"""Depth of the dips between the holes of a row, relative to their height.

    The image is read by Fourier interpolation (zero filling of k-space) at every hole and half way between
    neighbours, each as the mean of five points over half a diameter across the row: what the pixels hold is
    seen at any angle and offset of the row. The holes count as resolved where every dip, the lower
    of two neighbouring holes minus the point between them, exceeds its noise:

    .. math:: d = \frac{\bar h - \bar g}{\bar h - b}

    with the means over holes and gaps and the background b. A human reader asks for the same, holes that
    "are distinguished", without saying how surely.

    Parameters
    ----------
    image : array_like
        Shape ``grid.shape``; holes brighter than the background.
    grid : ImageGrid
        The pixels, 2-D.
    centers_mm : array_like
        Centres ``(n, 2)`` of the holes ``(y, x)``, in their order along the row, at least two; good to a
        fifth of the distance between them.
    hole_diameter_mm : float
        Diameter of a hole.
    background : float
        Value of the material around the holes.
    noise : float
        Standard deviation of a pixel, which is taken as independent of the others; what interpolation shares
        among the readings is counted.

    Returns
    -------
    Measurement
        ``"dip between holes"``, unit 1: about 1 for separate holes, 0 for a bar. ``details`` hold the
        smallest dip, ``"smallest dip over its noise"``, the probability that all dips are real, and
        ``"resolved"``: yes where that is above 95 %.

    Raises
    ------
    ValueError
        If a hole lies outside the image, there are fewer than two, or they do not stand out of the
        background.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import BlurredDisk
    >>> from imgtech.qc.metrics import hole_dip
    >>> grid = ImageGrid(shape=(40, 50), spacing_mm=(0.5, 0.5))
    >>> centers = [(0.0, 2.0 * i - 3.0) for i in range(4)]
    >>> image = sum(BlurredDisk(center_mm=c, radius_mm=0.5, sigma_mm=0.3).image(grid) for c in centers)
    >>> m = hole_dip(image, grid, centers_mm=centers, hole_diameter_mm=1.0, background=0.0, noise=0.02)
    >>> m.details["resolved"], round(m.value, 2)
    ('yes', 0.9)
    """
    pixels = real_image("image", image, 2, grid.shape).astype(np.float64)
    centers = floats("centers_mm", centers_mm, 2)
    diameter = positive("hole_diameter_mm", hole_diameter_mm)
    spread, dark = not_negative("noise", noise), finite("background", background)
    if centers.shape[0] < 2 or centers.shape[1] != 2:
        raise ValueError(f"centers_mm must have the shape (n, 2) with n of at least 2, got {centers.shape}")
    if not np.diff(centers, axis=0).any(axis=1).all():
        raise ValueError(f"centers_mm must differ from one hole to the next, got {centers.tolist()}")
    gaps = (centers[1:] + centers[:-1]) / 2
    row = centers[-1] - centers[0]
    across = np.array([-row[1], row[0]]) / max(float(np.hypot(*row)), 1e-300)
    values, shared = _readings(pixels, grid, np.concatenate([centers, gaps]), across, diameter)
    holes, between = values[: len(centers)], values[len(centers) :]
    height = float(holes.mean()) - dark
    if height <= 0:
        raise ValueError(
            f"the holes must be brighter than the background {background:g}, got {holes.mean():g}"
        )
    covariance = spread**2 * shared
    n = len(holes)
    dip = float(holes.mean() - between.mean()) / height
    effect = np.concatenate([np.full(n, (1 - dip) / n), np.full(n - 1, -1 / (n - 1))]) / height
    dips, sure = [], 1.0
    for i in range(n - 1):
        for hole in (i, i + 1):
            change = np.zeros(2 * n - 1)
            change[hole], change[n + i] = 1.0, -1.0
            own = math.sqrt(float(change @ covariance @ change))
            value = float(holes[hole] - between[i])
            dips.append((value / max(own, 1e-300), value / height))
    smallest = min(dips)
    sure = float(np.prod([special.ndtr(min(d[0], 40.0)) for d in dips]))
    return Measurement(
        name="dip between holes",
        value=dip,
        uncertainty=math.sqrt(float(effect @ covariance @ effect)),
        definition=_ACR,
        algorithm="hole-dip-2",
        details={
            "smallest dip": smallest[1],
            "smallest dip over its noise": smallest[0],
            "probability that all dips are real": sure,
            "resolved": "yes" if sure > 0.95 else "no",
        },
    )


def _readings(
    pixels: Floats, grid: ImageGrid, points: Floats, across: Floats, diameter: float
) -> tuple[Floats, Floats]:
    """Mean along a short line across the row at every point, and what the means share of the pixels."""
    offsets = (np.arange(_LINES) - (_LINES - 1) / 2) / (_LINES - 1) * diameter / 2
    spots = (points[:, None] + offsets[:, None] * across).reshape(-1, 2)
    kernels = []
    for axis in (0, 1):
        n, first = grid.shape[axis], grid.coordinates_mm[axis][0]
        place = (spots[:, axis] - first) / grid.spacing_mm[axis]
        if (place < 0).any() or (place > n - 1).any():
            outside = points[((place < 0) | (place > n - 1)).reshape(len(points), -1).any(axis=1)][0]
            raise ValueError(f"centers_mm must lie inside the image, got ({outside[0]:g}, {outside[1]:g})")
        kernels.append(_dirichlet(place[:, None] - np.arange(n), n))
    rows, columns = kernels
    read = np.einsum("ky,yx,kx->k", rows, pixels, columns, optimize=True)
    both = (rows @ rows.T) * (columns @ columns.T)
    n = len(points)
    return read.reshape(n, _LINES).mean(axis=1), both.reshape(n, _LINES, n, _LINES).mean(axis=(1, 3))


def _dirichlet(distance: Floats, n: int) -> Floats:
    """Weights of n samples of a period at distances in samples, as zero filling of their DFT gives them."""
    turn = np.pi * distance / n
    sine = np.where(np.abs(np.sin(turn)) < _TINY, 1.0, np.sin(turn))
    weights = np.sin(np.pi * distance) / (n * sine)
    if n % 2 == 0:
        weights = weights * np.cos(turn)
    return np.where(np.abs(np.sin(turn)) < _TINY, 1.0, weights)

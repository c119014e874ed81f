"""Find a phantom that a description draws: its outline, then the marker that tells its rotation."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage import measure

from imgtech.geometry import ImageGrid
from imgtech.qc.locate import find_disk
from imgtech.qc.metrics.rim import Rim
from imgtech.qc.pose import Pose, grid_indices
from imgtech.qc.site_phantom import SiteFind

Floats = npt.NDArray[np.float64]

_SIZE_ERROR = 0.05
_TURNS = 720
_CLEAR = 1.2
_STRONG = 5.0


def find_site(image: Floats, grid: ImageGrid, find: SiteFind) -> tuple[Pose, Rim | None]:
    """Pose of the phantom, and its rim where the outline is a circle.

    Raises
    ------
    ValueError
        If no outline of the size is found, or the marker does not stand out at one rotation.
    """
    bright = -image if find.dark else image
    rim: Rim | None = None
    if find.outline == "circle":
        low, high = find.size_mm
        rim = find_disk(bright, grid, radius_mm=(low / 2, high / 2))
        center, angles = rim.center_mm, None
    elif find.outline == "rectangle":
        center, angle = _rectangle(bright, grid, find.size_mm)
        square = abs(find.size_mm[0] - find.size_mm[1]) < _SIZE_ERROR * max(find.size_mm)
        quarter = math.pi / 2 if square else math.pi
        angles = [_wrapped(angle + k * quarter) for k in range(round(2 * math.pi / quarter))]
    else:
        y, x = (float(axis.mean()) for axis in grid.coordinates_mm)
        center = y, x
        angles = None
    turn = 0.0 if angles is None else min(angles, key=abs)
    if find.marker is not None:
        turn = _marker(image, grid, center, find, angles)
    pose = Pose(center_mm=center, angle_rad=turn, mirrored=False, score=1.0, runner_up=0.0)
    return pose, rim


def _wrapped(angle: float) -> float:
    return (angle + math.pi) % (2 * math.pi) - math.pi


def _rectangle(
    bright: Floats, grid: ImageGrid, size_mm: tuple[float, float]
) -> tuple[tuple[float, float], float]:
    """Middle and angle of the smallest rectangle around the outline of the largest bright piece."""
    smooth = ndimage.gaussian_filter(bright, 1.0)
    low, high = np.percentile(smooth, [2, 98])
    labels, n = ndimage.label(smooth > (low + high) / 2)
    if n == 0:
        raise ValueError("no rectangle was found: nothing stands out of the image")
    largest = 1 + int(np.argmax(ndimage.sum_labels(labels > 0, labels, np.arange(1, n + 1))))
    piece = ndimage.binary_fill_holes(labels == largest)
    contours = measure.find_contours(np.where(ndimage.binary_dilation(piece, iterations=2), smooth, low),
                                     (low + high) / 2)  # fmt: skip
    outline = max(contours, key=len)
    y = grid.coordinates_mm[0][0] + outline[:, 0] * grid.spacing_mm[0]
    x = grid.coordinates_mm[1][0] + outline[:, 1] * grid.spacing_mm[1]
    best: tuple[float, float, tuple[float, float], tuple[float, float]] | None = None
    turns = np.linspace(-math.pi / 4, math.pi / 4, 181)
    for _ in range(4):
        for turn in turns:
            c, s = math.cos(turn), math.sin(turn)
            u, v = x * c + y * s, y * c - x * s
            ends = [float(f(w)) for w in (v, u) for f in (np.min, np.max)]
            height, width = ends[1] - ends[0], ends[3] - ends[2]
            if best is None or height * width < best[0]:
                mv, mu = (ends[0] + ends[1]) / 2, (ends[2] + ends[3]) / 2
                best = height * width, float(turn), (height, width), (mu * s + mv * c, mu * c - mv * s)
        assert best is not None
        step = turns[1] - turns[0]
        turns = np.linspace(best[1] - step, best[1] + step, 21)
    assert best is not None
    angle, seen = best[1], best[2]
    upright = [abs(a / b - 1) for a, b in zip(seen, size_mm, strict=True)]
    lying = [abs(a / b - 1) for a, b in zip(seen[::-1], size_mm, strict=True)]
    if max(lying) < max(upright):
        angle, upright = angle + math.pi / 2, lying
    if max(upright) > _SIZE_ERROR:
        raise ValueError(
            f"no rectangle of {size_mm[0]:g} x {size_mm[1]:g} mm was found: the largest piece measures "
            f"{seen[0]:.1f} x {seen[1]:.1f} mm"
        )
    return best[3], angle


def _marker(
    image: Floats, grid: ImageGrid, center: tuple[float, float], find: SiteFind, angles: list[float] | None
) -> float:
    """The rotation at which the marker stands out most of the circle on which it lies."""
    assert find.marker is not None
    (v, u), radius = find.marker.center_mm, find.marker.size_mm[1]
    spread = np.asarray(grid.spacing_mm)
    smooth = ndimage.gaussian_filter(image * (-1 if find.marker_dark else 1), radius / 2 / spread)
    turns = np.arange(_TURNS) * 2 * math.pi / _TURNS - math.pi
    values = _on_circle(smooth, grid, center, (v, u), turns)
    usual = float(np.median(values))
    if angles is None:
        tried, noise = turns, 1.4826 * float(np.median(np.abs(values - usual)))
    else:  # much of the circle lies beside a rectangle, so only the sides are set against each other
        tried = np.asarray(angles)
        rough = image - ndimage.gaussian_filter(image, 2.0)
        cells = math.pi * radius**2 / math.prod(grid.spacing_mm)
        noise = 1.4826 * float(np.median(np.abs(rough))) / math.sqrt(max(cells, 1.0))
        usual = float(np.sort(_on_circle(smooth, grid, center, (v, u), tried))[:-1].mean())
    heights = _on_circle(smooth, grid, center, (v, u), tried) - usual
    best = int(np.argmax(heights))
    apart = np.abs(np.angle(np.exp(1j * (tried - tried[best])))) > 3 * radius / math.hypot(v, u)
    other = float(heights[apart].max()) if apart.any() else 0.0
    if heights[best] < _STRONG * noise or heights[best] < _CLEAR * other:
        raise ValueError(
            f"the marker was not found: it stands out by {heights[best]:.3g} at its best rotation and by "
            f"{other:.3g} at another, with a scatter of {noise:.2g}"
        )
    if angles is not None:
        return float(tried[best])
    fine = tried[best] + np.linspace(-0.6, 0.6, 241) * 2 * radius / math.hypot(v, u)
    strength = _on_circle(smooth, grid, center, (v, u), fine) - usual
    near = strength > 0.5 * strength.max()
    return _wrapped(float((fine[near] * strength[near]).sum() / strength[near].sum()))


def _on_circle(
    image: Floats, grid: ImageGrid, center: tuple[float, float], point: tuple[float, float], turns: Floats
) -> Floats:
    """Values where a point of the phantom lies at rotations; the lowest of the image outside of it."""
    v, u = point
    c, s = np.cos(turns), np.sin(turns)
    y, x = center[0] + u * s + v * c, center[1] + u * c - v * s
    where = np.stack(grid_indices(grid, y, x))
    return np.asarray(
        ndimage.map_coordinates(image, where, order=1, mode="constant", cval=float(image.min()))
    )

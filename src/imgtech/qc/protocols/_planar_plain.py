"""Plain pieces of planar images: noise, its power, uniformity, bad pixels, contrast of disks and patches."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech.geometry import ImageGrid
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics import NPS, noise_power_spectrum, sdnr
from imgtech.qc.roi import disk_region

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

IEC = Source(document="IEC 62220-1-1", edition="2015", verified=False)
PIXELS = Source(document="DIN 6868-157", edition="2014", clause="defective pixels", verified=False)
UNIFORM = Source(document="percentiles of a plain region, as pylinac 3.49 prints it", edition="3.49")
_OFF = 6.0
_WINDOW = 7
_LINEAR = 1.5  # the noise of quanta grows with the signal, that of electronics is the same everywhere
_FAINT = 0.002  # three unseen disks of 10 mm and half the noise in a field of 500 cm2


def quad_region(grid: ImageGrid, corners_mm: list[tuple[float, float]]) -> Floats:
    """Pixels whose centres lie in a convex quadrangle."""
    y, x = grid.coordinates_mm
    y = y[:, None]
    sides = []
    for (y1, x1), (y2, x2) in zip(corners_mm, [*corners_mm[1:], corners_mm[0]], strict=True):
        sides.append((x2 - x1) * (y - y1) - (y2 - y1) * (x - x1))
    inside = np.logical_and.reduce([s >= 0 for s in sides]) | np.logical_and.reduce([s <= 0 for s in sides])
    return inside.astype(np.float64)


def region_noise(image: Floats, region: Floats) -> float:
    """Standard deviation of neighbouring pixels, which structure does not raise."""
    both = (region[:, 1:] > 0) & (region[:, :-1] > 0)
    other = (region[1:] > 0) & (region[:-1] > 0)
    if both.sum() < 20:
        raise ValueError("the plain region holds fewer than 20 pixels")
    squares = (np.diff(image, axis=1)[both] ** 2).mean() + (np.diff(image, axis=0)[other] ** 2).mean()
    return math.sqrt(float(squares) / 4)


def checked_linear(image: Floats, *, behind: Floats, before: Floats) -> None:
    """Refuse values whose noise is larger behind lead than in the open, as after a logarithm."""
    noise = [region_noise(image, region) for region in (behind, before)]
    if noise[0] > _LINEAR * noise[1]:
        raise ValueError(
            f"values must be linear in the dose, but their noise is {noise[0]:.3g} behind lead and "
            f"{noise[1]:.3g} in the open, as after a logarithm or where values are clipped"
        )


def bad_pixels(image: Floats, noise: float, clear: Bools) -> tuple[Measurement, Bools]:
    """Pixels that differ from the median of their neighbours by more than six standard deviations.

    Whole rows or columns that do are named in the details. The expected number of sound pixels so far out is
    below 0.01 in a million.
    """
    off = _off_the_median(image, _OFF * noise, clear)
    lines = {}
    for axis, name in ((0, "columns"), (1, "rows")):
        lit = clear.sum(axis=axis)
        mean = np.where(clear, image - _row_median(image, axis), 0.0).sum(axis=axis) / np.maximum(lit, 1)
        wrong = np.flatnonzero(
            (lit > 50) & (np.abs(mean) > _OFF * noise / np.sqrt(np.maximum(lit, 1)) + 0.5 * noise)
        )
        lines[name] = ", ".join(str(int(k)) for k in wrong[:20]) or "none"
    labels, n = ndimage.label(off, structure=np.ones((3, 3)))
    largest = int(np.bincount(labels.ravel())[1:].max()) if n else 0
    rows, columns = np.nonzero(off)
    where = "; ".join(f"row {r}, column {c}" for r, c in list(zip(rows, columns, strict=True))[:10])
    return Measurement(
        name="bad pixels",
        value=float(off.sum()),
        uncertainty=0.0,
        definition=PIXELS,
        algorithm="median-deviation-1",
        details={
            "clusters": float(n),
            "largest cluster": float(largest),
            "first of them": where or "none",
            **{f"bad {name}": text for name, text in lines.items()},
        },
    ), off


def _off_the_median(image: Floats, threshold: float, clear: Bools) -> Bools:
    """Where a pixel is off from the median of its neighbours by more than a threshold.

    The median lies between the extremes: it is taken only where one of them is that far off.
    """
    low, high = (f(image, _WINDOW) for f in (ndimage.minimum_filter, ndimage.maximum_filter))
    asked = clear & ((image - low > threshold) | (high - image > threshold))
    rows, columns = np.nonzero(asked)
    half = _WINDOW // 2
    padded = np.pad(image, half, mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (_WINDOW, _WINDOW))
    around = np.median(windows[rows, columns].reshape(rows.size, _WINDOW**2), axis=1)
    off = np.zeros(image.shape, dtype=bool)
    off[rows, columns] = np.abs(image[rows, columns] - around) > threshold
    return off


def _row_median(image: Floats, axis: int) -> Floats:
    """Median of neighbours across a line, so that a line that is off stands out of it."""
    size = (1, _WINDOW) if axis == 0 else (_WINDOW, 1)
    return np.asarray(ndimage.median_filter(image, size=size))


def uniformity(image: Floats, regions: list[Floats], zero: float) -> Measurement:
    """The lowest ``100 (1 - (p99 - p1) / (p99 + p1))`` of plain regions, values counted from ``zero``."""
    found = []
    for region in regions:
        values = np.abs(image[region > 0] - zero)
        if values.size < 50:
            continue
        low, high = np.percentile(values, [1, 99])
        # scatter of a percentile: sqrt(p (1 - p) / n) over the density of a normal distribution there
        scatter = values.std() * math.sqrt(0.01 * 0.99 / values.size) / 0.02665
        found.append((100 * (1 - (high - low) / (high + low)), 100 * math.sqrt(2) * scatter / (high + low)))
    if not found:
        raise ValueError("no plain region holds 50 pixels")
    value, spread = min(found)
    # structure too faint to be seen, such as a disk of a fraction of the noise, widens the percentiles
    spread = math.hypot(spread, _FAINT * (100 - value))
    return Measurement(
        name="uniformity",
        value=float(value),
        unit="%",
        uncertainty=float(spread),
        definition=UNIFORM,
        algorithm="percentile-uniformity-2",
        details={"regions": float(len(found)), "highest (%)": float(max(found)[0]), "zero": zero},
    )


def tiles(region: Bools, size: int) -> list[tuple[slice, slice]]:
    """Squares side by side that lie wholly in a region."""
    out = []
    for top in range(0, region.shape[0] - size + 1, size):
        for left in range(0, region.shape[1] - size + 1, size):
            box = (slice(top, top + size), slice(left, left + size))
            if region[box].all():
                out.append(box)
    return out


def plain_nps(image: Floats, grid: ImageGrid, region: Bools) -> NPS:
    """Noise power of the largest squares of which at least four fit into a region."""
    for size in (256, 128, 96, 64, 48, 32, 24):
        boxes = tiles(region, size)
        if len(boxes) >= 4:
            stack = np.stack([image[box] for box in boxes])
            spacing = (grid.spacing_mm[0], grid.spacing_mm[1])
            return noise_power_spectrum(stack, spacing, detrend="quadratic")
    raise ValueError("no four squares of 24 pixels fit into the plain region")


def disk_contrast(
    image: Floats, grid: ImageGrid, center: tuple[float, float], radius: float, *, signal: float | None
) -> tuple[Measurement, Measurement | None]:
    """Signal difference to noise ratio of a disk against the ring around it, and its share of the signal."""
    inner = disk_region(grid, center_mm=center, radius_mm=0.75 * radius)
    ring = disk_region(grid, center_mm=center, radius_mm=1.9 * radius) - disk_region(
        grid, center_mm=center, radius_mm=1.35 * radius
    )
    rows, columns = (np.flatnonzero((ring > 0).any(axis=a)) for a in (1, 0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    ratio = sdnr(image[box], inner[box], np.maximum(ring[box], 0.0))
    if signal is None or ratio.value is None:
        return ratio, None
    difference, noise = float(ratio.details["difference"]), float(ratio.details["noise"])
    share = math.sqrt(1 / float(inner.sum()) + 1 / float(ring.sum()))
    return ratio, Measurement(
        name="contrast",
        value=100 * difference / signal,
        unit="%",
        uncertainty=100 * noise * share / signal,
        definition=IEC,
        algorithm="disk-ring-contrast-1",
    )

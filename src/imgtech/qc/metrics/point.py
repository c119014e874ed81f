"""A wire or a bead in an image: where it lies, how wide and how high it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech._core.validate import each, positive, real_image
from imgtech.geometry import sample_positions
from imgtech.qc.metrics._noise import noise_correlation, noise_of_sums

Floats = npt.NDArray[np.float64]

_ITERATIONS = 40
_FREE = 10
_REACH = 4.0
_SETTLED_PX = 1e-4
_SMALL = 0.02
_MIN_HEIGHT = 5.0
_BESIDE = 3.0
_AROUND = 9.0
_AROUND_PX = 7.0
_FEWEST = 40


@dataclass(frozen=True, kw_only=True)
class Point:
    """The round Gaussian that fits a point in an image best.

    Positions are in mm from the middle of the image, x along columns and y along rows.

    Parameters
    ----------
    center_mm : (float, float)
        Position ``(y, x)``.
    width_mm : float
        Standard deviation, pixel aperture included.
    height : float
        Peak above the background; negative for a dark point.
    background : float
        Grey value around it.
    noise : float
        Standard deviation of one pixel.
    position_uncertainty_mm : float
        Standard uncertainty of either coordinate by the noise beside the point, with its autocorrelation.
    """

    center_mm: tuple[float, float]
    width_mm: float
    height: float
    background: float
    noise: float
    position_uncertainty_mm: float


def fit_point(image: npt.ArrayLike, spacing_mm: tuple[float, float]) -> Point:
    r"""Find one point by fitting a round Gaussian on a flat background.

    The model :math:`a + b\, e^{-(r / s)^2 / 2}` is fitted with its five parameters at once to the pixels
    within four widths, by Gauss-Newton steps. The start is the pixel that stands out most after smoothing.

    Parameters
    ----------
    image : array_like
        Shape ``(ny, nx)``: one bright or dark point, with background around it.
    spacing_mm : (float, float)
        Pixel size along y and x.

    Returns
    -------
    Point
        Centre, width, height and noise.

    Raises
    ------
    ValueError
        If the image is smaller than 9 by 9, a value is not finite, or no point inside the image stands
        out of the noise.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import BlurredPoint
    >>> from imgtech.qc.metrics import fit_point
    >>> wire = BlurredPoint(position_mm=(0.13, -0.42), sigma_mm=(0.6, 0.6), total=50.0)
    >>> point = fit_point(wire.image(ImageGrid(shape=(31, 40), spacing_mm=(0.4, 0.5))), (0.4, 0.5))
    >>> [round(c, 3) for c in point.center_mm], round(point.width_mm, 2)
    ([0.13, -0.42], 0.61)
    """
    pixels = real_image("image", image, 2).astype(np.float64)
    dy, dx = each("spacing_mm", spacing_mm, 2, positive)
    if min(pixels.shape) < 9:
        raise ValueError(f"image must have at least 9 by 9 pixels, got shape {pixels.shape}")
    y, x = (sample_positions(n, d, 0.0) for n, d in zip(pixels.shape, (dy, dx), strict=True))
    pixel = math.sqrt(dy * dx)
    base, height, (cy, cx), width = _start(pixels, y, x)
    noise = change = uncertainty = 0.0
    for iteration in range(_ITERATIONS):
        if iteration < _FREE:
            near = np.hypot(y[:, None] - cy, x - cx) < _REACH * max(width, 0.7 * pixel)
            rows, columns = np.nonzero(near)
            values = pixels[near]
        r2 = (y[rows] - cy) ** 2 + (x[columns] - cx) ** 2
        bell = np.exp(-r2 / (2 * width**2))
        steep = height / width**2 * bell
        rest = values - base - height * bell
        design = np.stack(
            [np.ones_like(bell), bell, steep * (y[rows] - cy), steep * (x[columns] - cx), steep * r2 / width]
        )
        normal = design @ design.T
        if len(values) < 8 or np.linalg.cond(normal / np.sqrt(np.outer(*2 * [np.diag(normal)]))) > 1e10:
            raise ValueError("image must hold one point with background around it, found none")
        inverse = np.linalg.inv(normal)
        move = inverse @ (design @ rest)
        base, height = base + float(move[0]), height + float(move[1])
        limit = width / max(float(np.abs(move[2:4]).max()), width)
        cy, cx = cy + limit * float(move[2]), cx + limit * float(move[3])
        width = min(max(width + float(move[4]), 0.7 * width, 0.2 * pixel), 1.5 * width)
        if not (y[0] < cy < y[-1] and x[0] < cx < x[-1] and width < max(-2 * y[0], -2 * x[0])):
            raise ValueError("image must hold one point with background around it, found none")
        noise = math.sqrt(float(np.vdot(rest, rest)) / max(len(values) - 5, 1))
        change = float(np.abs(move[2:]).max()) / pixel
        uncertainty = noise * math.sqrt(float(max(inverse[2, 2], inverse[3, 3])))
        if iteration > 2 and change * pixel < max(1e-9 * pixel, _SMALL * uncertainty):
            break
    if change > max(_SETTLED_PX, 0.1 * uncertainty / pixel):
        raise ValueError(f"image must hold one point, the fit still moves by {change:.2g} pixels")
    if abs(height) < _MIN_HEIGHT * noise * math.sqrt(float(inverse[1, 1])):
        raise ValueError(f"image must hold a point above the noise {noise:g}, got a height of {height:g}")
    far = np.hypot(y[:, None] - cy, x - cx)
    beside = (far > _BESIDE * width) & (far < max(_AROUND * width, _AROUND_PX * pixel))
    if beside.sum() < _FEWEST:
        beside = near
    left = np.where(beside, pixels - base - height * np.exp(-(far**2) / (2 * width**2)), 0.0)
    scatter, correlation = noise_correlation([left], [beside.astype(np.float64)])
    kernels = np.zeros((2, *pixels.shape))
    kernels[:, near] = (inverse @ design)[2:4]
    uncertainty = scatter * float(noise_of_sums(list(kernels), correlation).max())
    return Point(
        center_mm=(cy, cx),
        width_mm=width,
        height=height,
        background=base,
        noise=noise,
        position_uncertainty_mm=uncertainty,
    )


def _start(pixels: Floats, y: Floats, x: Floats) -> tuple[float, float, tuple[float, float], float]:
    """Background, height, position and width of what stands out most after smoothing."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    base = float(np.median(border))
    smooth = ndimage.gaussian_filter(pixels - base, 1.0, mode="nearest")
    at = np.unravel_index(int(np.argmax(np.abs(smooth))), pixels.shape)
    peak = float(smooth[at])
    if peak == 0:
        raise ValueError("image must hold one point, got a flat image")
    labels, _ = ndimage.label(smooth / peak > 0.5)
    area = float((labels == labels[at]).sum()) * (y[1] - y[0]) * (x[1] - x[0])
    width = math.sqrt(area / (2 * math.pi * math.log(2)))
    return base, 1.2 * peak, (float(y[at[0]]), float(x[at[1]])), width

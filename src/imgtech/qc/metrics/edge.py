"""A straight edge in an image: where it lies, which way it faces, how wide and how high it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage, special

from imgtech._core.validate import each, positive, real_image
from imgtech.geometry import sample_positions

Floats = npt.NDArray[np.float64]

_ITERATIONS = 30
_TOLERANCE_PX = 1e-6
_SETTLED_PX = 0.01
_SMALL = 0.1
_START_PIXELS = 64


@dataclass(frozen=True, kw_only=True)
class Edge:
    r"""The straight line :math:`x \cos\varphi + y \sin\varphi = t` and the step across it.

    Positions are in mm from the middle of the image, x along columns and y along rows.

    Parameters
    ----------
    normal_rad : float
        Direction :math:`\varphi` of the normal, from the x axis towards the y axis; it points to the
        bright side.
    offset_mm : float
        Distance t of the line from the middle of the image along the normal.
    width_mm : float
        Standard deviation of the Gaussian whose blurred step fits best, pixel aperture included.
    dark, bright : float
        Grey values far from the edge.
    noise : float
        Standard deviation of one pixel.
    """

    normal_rad: float
    offset_mm: float
    width_mm: float
    dark: float
    bright: float
    noise: float

    @property
    def tilt_rad(self) -> float:
        """Smallest angle between the edge and the rows or columns of the image, 0 to pi/4."""
        quarter = math.fmod(abs(self.normal_rad), math.pi / 2)
        return min(quarter, math.pi / 2 - quarter)

    def distances_mm(
        self,
        shape: tuple[int, int],
        spacing_mm: tuple[float, float],
        box: tuple[slice, slice] = (slice(None), slice(None)),
    ) -> Floats:
        """Signed distance of every pixel centre from the line, positive on the bright side.

        Of an image of this shape, or of the rows and columns of ``box`` out of it.
        """
        y, x = (sample_positions(n, d, 0.0)[b] for n, d, b in zip(shape, spacing_mm, box, strict=True))
        across = math.sin(self.normal_rad) * y[:, None] + math.cos(self.normal_rad) * x
        return across - self.offset_mm

    def box(
        self, shape: tuple[int, int], spacing_mm: tuple[float, float], reach_mm: float
    ) -> tuple[slice, slice]:
        """Smallest rows and columns that hold all pixels of an image nearer to the line than ``reach_mm``."""
        y, x = (sample_positions(n, d, 0.0) for n, d in zip(shape, spacing_mm, strict=True))
        s, c = math.sin(self.normal_rad), math.cos(self.normal_rad)
        slices = []
        for along, this, across, other in ((y, s, x, c), (x, c, y, s)):
            ends = self.offset_mm - other * across[[0, -1]]
            low, high = ends.min() - reach_mm, ends.max() + reach_mm
            inside = np.flatnonzero((this * along >= low) & (this * along <= high))
            slices.append(slice(int(inside[0]), int(inside[-1]) + 1) if inside.size else slice(0, 0))
        return slices[0], slices[1]


def fit_edge(image: npt.ArrayLike, spacing_mm: tuple[float, float]) -> Edge:
    r"""Find one straight edge by fitting a blurred step to the pixels around it.

    The model :math:`a + b\, \Phi((x \cos\varphi + y \sin\varphi - t) / s)` is fitted with its five
    parameters at once by Gauss-Newton steps with Huber weights, so that single bad pixels do not pull
    the line. The start values come from the smoothed gradient.

    Parameters
    ----------
    image : array_like
        Shape ``(ny, nx)``: one edge that runs through the whole image, any direction and polarity.
    spacing_mm : (float, float)
        Pixel size along y and x.

    Returns
    -------
    Edge
        The line and the step.

    Raises
    ------
    ValueError
        If the image is smaller than 16 by 16, a value is not finite, or no single straight edge stands
        out of the noise.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import fit_edge
    >>> y, x = np.mgrid[-20:21, -25:26] * 0.5
    >>> image = 10 + 90 / (1 + np.exp(-(x - 0.1 * y - 1.0) / 0.4))
    >>> edge = fit_edge(image, (0.5, 0.5))
    >>> print(round(np.tan(edge.normal_rad), 3), round(edge.bright))
    -0.1 100
    """
    pixels = real_image("image", image, 2).astype(np.float64)
    dy, dx = each("spacing_mm", spacing_mm, 2, positive)
    if min(pixels.shape) < 16:
        raise ValueError(f"image must have at least 16 by 16 pixels, got shape {pixels.shape}")
    normal, offset, width = _start(pixels, (dy, dx))
    y, x = (sample_positions(n, d, 0.0) for n, d in zip(pixels.shape, (dy, dx), strict=True))
    pixel = math.sqrt(dx * dy)
    a, b, noise, reach = 0.0, 0.0, 0.0, 0.0
    for iteration in range(_ITERATIONS):
        c, s = math.cos(normal), math.sin(normal)
        need = max(6 * width, 4 * pixel)
        if iteration == 2 or need > reach:
            reach = 2 * need
            rows, columns = np.nonzero(np.abs(s * y[:, None] + c * x - offset) < reach)
            all_y, all_x, all_values = y[rows], x[columns], pixels[rows, columns]
        distance = s * all_y + c * all_x - offset
        near = np.abs(distance) < need
        u, values = distance[near] / width, all_values[near]
        step, bell = special.ndtr(u), _bell(u)
        if len(u) < 50 or step.min() > 0.01 or step.max() < 0.99:
            raise ValueError(
                "image must hold one straight edge with both sides, found none that stays inside"
            )
        if noise == 0:
            b = float(np.cov(step, values)[0, 1] / np.var(step, ddof=1))
            a = float(values.mean() - b * step.mean())
        rest = values - a - b * step
        noise = max(1.4826 * float(np.median(np.abs(rest))), 1e-12 * abs(b))
        weight = np.sqrt(np.minimum(1.0, 3 * noise / np.maximum(np.abs(rest), noise)))
        along = c * all_y[near] - s * all_x[near]
        slope = b / width * bell
        design = np.stack([np.ones_like(u), step, -slope, slope * along, -slope * u]) * weight
        inverse = np.linalg.inv(design @ design.T)
        move = inverse @ (design @ (rest * weight))
        a, b, offset, normal = a + move[0], b + move[1], offset + move[2], normal + move[3]
        width = min(max(width + move[4], 0.7 * width, 0.2 * pixel), 1.5 * width)
        change = (abs(move[2]) + abs(move[4]) + abs(move[3]) * max(y[-1], x[-1])) / pixel
        small = _SMALL * noise * np.sqrt(np.diag(inverse))
        if iteration > 2 and (change < _TOLERANCE_PX or (np.abs(move) < small).all()):
            break
    if change > _SETTLED_PX:
        raise ValueError(f"image must hold one straight edge, the fit still moves by {change:.2g} pixels")
    noise = float(np.sqrt(np.sum(weight * rest**2) / max(np.sum(weight) - 5, 1)))
    if not abs(b) > 3 * noise / math.sqrt(len(u) / 20):
        raise ValueError(f"image must hold an edge above the noise {noise:g}, got a step of {b:g}")
    if b < 0:
        a, b, offset, normal = a + b, -b, -offset, normal + math.pi
    normal = math.remainder(normal, 2 * math.pi)
    return Edge(
        normal_rad=normal, offset_mm=float(offset), width_mm=float(width), dark=float(a),
        bright=float(a + b), noise=noise,
    )  # fmt: skip


def _bell(u: Floats) -> Floats:
    return np.asarray(np.exp(-u * u / 2) / math.sqrt(2 * math.pi))


def _start(pixels: Floats, spacing: tuple[float, float]) -> tuple[float, float, float]:
    """Normal, offset and width of the edge from the gradient of the image, smoothed and made smaller."""
    k = max(min(pixels.shape) // _START_PIXELS, 1)
    shape = (pixels.shape[0] // k, pixels.shape[1] // k)
    small = pixels[: shape[0] * k, : shape[1] * k].reshape(shape[0], k, shape[1], k).mean(axis=(1, 3))
    gy, gx = np.gradient(ndimage.gaussian_filter(small, 1.5, mode="nearest"), *(k * d for d in spacing))
    strength = np.hypot(gy, gx)
    strong = strength > 0.4 * np.partition(strength.ravel(), -20)[-20]
    fx, fy = gx[strong].sum(), gy[strong].sum()
    normal = math.atan2(fy, fx)
    facing = np.where(strong, np.maximum(gx * math.cos(normal) + gy * math.sin(normal), 0.0), 0.0)
    if facing.sum() == 0 or facing.sum() < 0.5 * strength[strong].sum():
        raise ValueError("image must hold one straight edge, found gradients in opposite directions")
    y, x = (
        sample_positions(m, k * d, (m * k - n) / 2 * d)
        for m, n, d in zip(shape, pixels.shape, spacing, strict=True)
    )
    across = math.sin(normal) * y[:, None] + math.cos(normal) * x
    offset = float(np.vdot(facing, across) / facing.sum())
    return normal, offset, 1.5 * math.sqrt(spacing[0] * spacing[1])

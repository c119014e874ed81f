"""Length of an object along a line, from its two edges."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage, optimize, special

from imgtech._core.validate import each, positive, real_image
from imgtech.geometry import ImageGrid
from imgtech.qc.measurement import Measurement, Source

Floats = npt.NDArray[np.float64]

_ACR = Source(
    document="ACR Phantom Test Guidance for the MRI Accreditation Program",
    edition="2015",
    clause="1 Geometric accuracy",
    verified=False,
)
_STEP_PX = 0.5
_FEWEST = 12
_ACROSS, _ALONG = 10, 10


def edge_length(
    image: npt.ArrayLike,
    grid: ImageGrid,
    *,
    start_mm: tuple[float, float],
    end_mm: tuple[float, float],
    width_mm: float,
    reach_mm: float,
) -> Measurement:
    r"""Length of an object along the line from one edge to the other.

    The image is read by cubic splines on a strip of ``width_mm`` around the line and averaged across it;
    the strip should meet the edges squarely. Around either end, within ``reach_mm``, the step of an edge

    .. math:: a + b\,\Phi\left(\frac{x - x_0}{s}\right)

    with the normal distribution function :math:`\Phi` is fitted; the length is the difference of the
    two :math:`x_0`, the places of half height. Any blur that is symmetric leaves them where they are.

    Parameters
    ----------
    image : array_like
        Shape ``grid.shape``, finite.
    grid : ImageGrid
        The pixels, 2-D.
    start_mm, end_mm : (float, float)
        Where the edges are expected, ``(y, x)``, good to a third of ``reach_mm``.
    width_mm : float
        Width of the strip; more lines lower the noise.
    reach_mm : float
        How far the fit looks to either side of an edge; nothing but the edge may lie within.

    Returns
    -------
    Measurement
        ``"length"`` in mm; ``details`` holds both edges. The uncertainty is that of the fits by the
        noise of the profile, found from what differs between the lines of the strip, with its correlation.

    Raises
    ------
    ValueError
        If the strip reaches beyond the image, an end holds no edge, or an argument is out of range.

    References
    ----------
    American College of Radiology, Phantom Test Guidance for the ACR MRI Accreditation Program.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.qc.metrics import edge_length
    >>> from imgtech.qc.roi import rectangle_region
    >>> grid = ImageGrid(shape=(90, 100), spacing_mm=(1.1, 0.9))
    >>> box = rectangle_region(grid, center_mm=(2.0, -3.0), size_mm=(40.0, 52.3), angle_rad=0.2)
    >>> m = edge_length(box, grid, start_mm=(-3.0, -29.0), end_mm=(7.0, 23.0), width_mm=20.0, reach_mm=8.0)
    >>> round(m.value, 1)
    52.3
    """
    pixels = real_image("image", image, 2, grid.shape).astype(np.float64)
    ends = [np.array(each(name, place, 2)) for name, place in (("start_mm", start_mm), ("end_mm", end_mm))]
    width, reach = positive("width_mm", width_mm), positive("reach_mm", reach_mm)
    expected = float(np.hypot(*(ends[1] - ends[0])))
    if expected <= reach:
        raise ValueError(f"start_mm and end_mm must lie more than reach_mm apart, got {expected:g} mm")
    along = (ends[1] - ends[0]) / expected
    step = _STEP_PX * min(grid.spacing_mm)
    lines = np.arange(-width / 2, width / 2 + step / 2, step)
    spline = ndimage.spline_filter(pixels, order=3)
    places, effects, rests = [], [], []
    for end, direction in zip(ends, (-1.0, 1.0), strict=True):
        x = np.arange(-reach, reach + step / 2, step)
        y_mm = end[0] + along[0] * x + along[1] * lines[:, None]
        x_mm = end[1] + along[1] * x - along[0] * lines[:, None]
        strip = _read(spline, grid, y_mm, x_mm)
        profile = strip.mean(axis=0)
        place, effect = _edge(x, profile)
        places.append(direction * place)
        effects.append(effect)
        rests.append(strip - profile)
    covariance = _of_means(rests)
    reach_lags = len(covariance) - 1
    square = 0.0
    for effect in effects:
        lags = np.correlate(effect, effect, mode="full")[len(effect) - 1 :][: reach_lags + 1]
        square += float(2 * lags @ covariance - lags[0] * covariance[0])
        square = max(square, 0.05 * float(effect @ effect) * float(covariance[0]))
    return Measurement(
        name="length",
        value=expected + sum(places),
        unit="mm",
        uncertainty=math.sqrt(square),
        definition=_ACR,
        algorithm="edge-length-step-fit-1",
        details={"start edge (mm)": -places[0], "end edge (mm)": expected + places[1]},
    )


def _read(spline: Floats, grid: ImageGrid, y_mm: Floats, x_mm: Floats) -> Floats:
    first = [c[0] for c in grid.coordinates_mm]
    rows, columns = (y_mm - first[0]) / grid.spacing_mm[0], (x_mm - first[1]) / grid.spacing_mm[1]
    for name, index, n in (("y", rows, grid.shape[0]), ("x", columns, grid.shape[1])):
        if index.min() < -0.5 or index.max() > n - 0.5:
            raise ValueError(f"the strip must lie inside the image along {name}")
    return np.asarray(
        ndimage.map_coordinates(spline, np.stack([rows, columns]), order=3, mode="nearest", prefilter=False)
    )


def _edge(x: Floats, profile: Floats) -> tuple[float, Floats]:
    """Place of half height of a step, and what each value of the profile does to it."""
    n = len(x)
    if n < _FEWEST:
        raise ValueError(f"reach_mm must hold at least {_FEWEST // 2} steps to either side, got {n}")
    part = max(n // 4, 2)
    low, high = float(profile[:part].mean()), float(profile[-part:].mean())
    crossings = np.flatnonzero(np.diff(np.sign(profile - (low + high) / 2)))
    noise = max(float(np.std(profile[:part])), float(np.std(profile[-part:])))
    if crossings.size == 0 or abs(high - low) < 4 * noise:
        raise ValueError("an end of the line must hold an edge, got none within reach_mm")
    guess = float(x[crossings[np.argmin(np.abs(x[crossings]))]])

    def misfit(p: Floats) -> Floats:
        return np.asarray(p[0] + p[1] * special.ndtr((x - p[2]) / max(abs(p[3]), 1e-3)) - profile)

    fit = optimize.least_squares(misfit, [low, high - low, guess, (x[1] - x[0]) * 2])
    if not x[0] < fit.x[2] < x[-1]:
        raise ValueError("an end of the line must hold an edge, got none within reach_mm")
    return float(fit.x[2]), np.asarray(np.linalg.pinv(fit.jac)[2])


def _of_means(rests: list[Floats]) -> Floats:
    """Autocovariance along the line of the mean over lines, from what the mean left of every line.

    Without its mean a line lacks the share 1 / n of the sum of covariances across the lines, which is
    what is looked for; that is divided out.
    """
    n, m = rests[0].shape
    across, along = min(_ACROSS, n // 3), min(_ALONG, m // 3)
    weights = 1 - np.arange(across + 1) / n
    weights[1:] *= 2
    total = np.zeros(along + 1)
    for rest in rests:
        power = np.abs(fft.rfft2(rest, s=(2 * n, 2 * m))) ** 2
        products = fft.irfft2(power, s=(2 * n, 2 * m))
        both = (products[: across + 1, : along + 1] + products[-np.arange(across + 1), : along + 1]) / 2
        pairs = (n - np.arange(across + 1))[:, None] * (m - np.arange(along + 1))
        total += weights @ (both / pairs)
    return total / len(rests) / n / (1 - float(weights.sum()) / n)

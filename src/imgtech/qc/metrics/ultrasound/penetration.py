"""Depth of penetration: where the echoes of a phantom sink into the noise."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import positive
from imgtech.geometry import ImageGrid
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics.ultrasound._envelope import checked_envelope

Floats = npt.NDArray[np.float64]

_IEC = Source(
    document="IEC 61391-2", edition="2010", clause="7.1 maximum depth of penetration", verified=False
)
_GORNY = Source(document="Gorny et al., Ultrasonic Imaging", edition="2005", verified=False)


def penetration_depth(
    phantom: npt.ArrayLike,
    noise: npt.ArrayLike,
    grid: ImageGrid,
    *,
    window_mm: float,
    ratio: float = 1.4,
) -> Measurement:
    r"""Depth at which the echoes of a phantom fall to ``ratio`` times the noise of the scanner.

    A(z) is the root mean square of the envelope of the uniform phantom over the columns at a depth, A'(z)
    that of an image with the same settings that shows noise alone (probe in air, or transmission off).
    The depth is where A falls to ``ratio`` times A'; at 1.4 echoes and noise have equal power. Around
    the crossing a parabola is fitted to the logarithm of the ratio of powers over ``window_mm`` either
    side; the uncertainty is that of the fit, with the scatter and the axial correlation of its residuals,
    divided by the slope.

    Parameters
    ----------
    phantom, noise : array_like
        Envelopes (not in dB), shape ``(ny, nx)``: depth along the first axis. Crop the columns to those
        that show the uniform part.
    grid : ImageGrid
        Where the pixels are; y is the depth.
    window_mm : float
        Half the depth range of the fit, a few times the depth over which noise and echoes trade places.
    ratio : float, optional
        Ratio of amplitudes at the depth of penetration, above 1.

    Returns
    -------
    Measurement
        ``"depth of penetration"`` in mm.

    Raises
    ------
    ValueError
        If an envelope is negative or not finite, shapes differ, the ratio never falls through the level or
        starts below it, or the window reaches outside the image.

    References
    ----------
    IEC 61391-2:2010, Ultrasonics - Pulse-echo scanners - Part 2: Measurement of maximum depth of
    penetration and local dynamic range, 7.1.

    Examples
    --------
    Echoes that fade by 3 dB/mm and cross the noise at 31.2 mm:

    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import speckle_field
    >>> from imgtech.qc.metrics.ultrasound import penetration_depth
    >>> grid = ImageGrid(shape=(300, 120), spacing_mm=(0.1, 0.2), center_mm=(30.0, 0.0))
    >>> rng = np.random.default_rng(1)
    >>> echo, first, second = (speckle_field(grid, fwhm_mm=(0.3, 0.6), rng=rng) for _ in range(3))
    >>> fade = 10 ** (-3 * (grid.coordinates_mm[0] - 31.2) / 20)[:, None]
    >>> m = penetration_depth(abs(fade * echo + first), abs(second), grid, window_mm=4.0, ratio=2**0.5)
    >>> abs(m.value - 31.2) < 2 * m.uncertainty
    True
    """
    signal = checked_envelope("phantom", phantom, grid)
    silence = checked_envelope("noise", noise, grid)
    level = positive("ratio", ratio)
    if level <= 1:
        raise ValueError(f"ratio must be above 1, got {ratio}")
    powers = [(image**2).mean(axis=1) for image in (signal, silence)]
    if powers[1].min() == 0:
        raise ValueError("noise must not vanish at any depth")
    trend = np.log(powers[0] / powers[1]) - 2 * math.log(level)
    depth, spread, freedom = _crossing(trend, grid, positive("window_mm", window_mm))
    return Measurement(
        name="depth of penetration",
        value=depth,
        unit="mm",
        uncertainty=spread,
        definition=_IEC,
        algorithm="penetration-noise-image-1",
        degrees_of_freedom=freedom,
        details={"ratio": level},
    )


def penetration_depth_by_correlation(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    grid: ImageGrid,
    *,
    window_mm: float,
    ratio: float = 1.4,
) -> Measurement:
    r"""Depth of penetration from two images of the same phantom at rest.

    Echoes repeat, noise does not. The correlation of the powers of the two envelopes at a depth is
    :math:`\rho = (S / (S + N))^2` for complex normal echoes of power S and noise of power N, so
    the ratio of amplitudes :math:`\sqrt{(S+N)/N} = (1 - \sqrt\rho)^{-1/2}` reaches ``ratio`` where
    :math:`\sqrt\rho = 1 - 1/\mathrm{ratio}^2`: 0.49 for 1.4. No image of the noise is needed, and
    none of its changes with the load of the probe enter.

    Parameters
    ----------
    first, second : array_like
        Envelopes (not in dB), shape ``(ny, nx)``: depth along the first axis, probe and phantom
        untouched between them.
    grid : ImageGrid
        Where the pixels are; y is the depth.
    window_mm : float
        Half the depth range over which the fall of the correlation is fitted.
    ratio : float, optional
        Ratio of amplitudes at the depth of penetration, above 1.

    Returns
    -------
    Measurement
        ``"depth of penetration"`` in mm.

    Raises
    ------
    ValueError
        If an envelope is negative or not finite, shapes differ, the correlation never falls through the
        level or starts below it, or the window reaches outside the image.

    References
    ----------
    K. R. Gorny et al., Ultrasonic Imaging (2005): automated depth of penetration from pairs of images.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import speckle_field
    >>> from imgtech.qc.metrics.ultrasound import penetration_depth_by_correlation
    >>> grid = ImageGrid(shape=(300, 120), spacing_mm=(0.1, 0.2), center_mm=(30.0, 0.0))
    >>> rng = np.random.default_rng(1)
    >>> echo, *noise = (speckle_field(grid, fwhm_mm=(0.3, 0.6), rng=rng) for _ in range(3))
    >>> fade = 10 ** (-3 * (grid.coordinates_mm[0] - 31.2) / 20)[:, None]
    >>> pair = [abs(fade * echo + n) for n in noise]
    >>> m = penetration_depth_by_correlation(*pair, grid, window_mm=4.0, ratio=2**0.5)
    >>> abs(m.value - 31.2) < 2 * m.uncertainty
    True
    """
    powers = [checked_envelope(name, v, grid) ** 2 for name, v in (("first", first), ("second", second))]
    level = positive("ratio", ratio)
    if level <= 1:
        raise ValueError(f"ratio must be above 1, got {ratio}")
    off = [p - p.mean(axis=1, keepdims=True) for p in powers]
    shared = (off[0] * off[1]).sum(axis=1)
    scale = np.sqrt((off[0] ** 2).sum(axis=1) * (off[1] ** 2).sum(axis=1))
    if scale.min() == 0:
        raise ValueError("first and second must vary along every row")
    trend = shared / scale - (1 - 1 / level**2) ** 2
    depth, spread, freedom = _crossing(trend, grid, positive("window_mm", window_mm))
    return Measurement(
        name="depth of penetration",
        value=depth,
        unit="mm",
        uncertainty=spread,
        definition=_GORNY,
        algorithm="penetration-image-pair-1",
        degrees_of_freedom=freedom,
        details={"ratio": level},
    )


def _crossing(trend: Floats, grid: ImageGrid, window_mm: float) -> tuple[float, float, float]:
    """Where a noisy trend falls through 0: depth, standard uncertainty, degrees of freedom."""
    depths = grid.coordinates_mm[0]
    # the split that a falling step explains best: coarse, but blind to single rows
    sums = np.concatenate([[0.0], np.cumsum(trend)])
    split = int(np.argmax(sums))
    if not 0 < split < trend.size:
        raise ValueError(
            "the echoes must fall to the level inside the image, got a ratio that stays "
            + ("below" if split == 0 else "above")
        )
    depth = float(depths[split])
    for _ in range(4):
        if depth - window_mm < depths[0] or depth + window_mm > depths[-1]:
            raise ValueError(
                f"window_mm must stay inside the image around the depth of {depth:.2f} mm, got {window_mm}"
            )
        near = np.abs(depths - depth) <= window_mm
        if near.sum() < 12:
            raise ValueError(f"window_mm must hold at least 12 rows, got {near.sum()}")
        z = (depths[near] - depth) / window_mm
        basis = np.stack([np.ones_like(z), z, z**2], axis=1)
        inverse = np.linalg.pinv(basis)
        a, b, c = (float(number) for number in inverse @ trend[near])
        root = a / (-b / 2 - math.copysign(math.sqrt(max(b * b / 4 - a * c, 0.0)), b)) if b else 0.0
        depth += float(np.clip(root, -0.5, 0.5)) * window_mm
    slope = b / window_mm
    if slope >= 0:
        raise ValueError("the echoes must fall through the level, got a ratio that rises there")
    rest = trend[near] - basis @ inverse @ trend[near]
    n = rest.size
    # variance of the constant term, with the correlation of the residuals as far as it reaches
    autocovariance = np.correlate(rest, rest, "full")[n - 1 :] / n
    faint = np.flatnonzero(autocovariance < 0.05 * autocovariance[0])
    reach = int(faint[0]) if faint.size else n // 4
    reach = min(reach, n // 4)
    lags = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    covariance = np.where(lags < reach, autocovariance[np.minimum(lags, n - 1)], 0.0)
    memory = float((autocovariance[0] + 2 * autocovariance[1:reach].sum()) / autocovariance[0])
    kept = max(1 - 3 * memory / n, 0.2)
    row = inverse[0]
    square = max(float(row @ covariance @ row), float(row @ row) * autocovariance[0]) / kept
    return depth, math.sqrt(square) / -slope, max(n / (2 * reach + 1) - 1, 2.0)

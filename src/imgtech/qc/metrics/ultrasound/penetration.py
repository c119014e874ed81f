"""Depth of penetration: where the echoes of a phantom sink into the noise."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special

from imgtech._core.validate import positive
from imgtech.geometry import ImageGrid
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics.ultrasound._envelope import checked_envelope

Floats = npt.NDArray[np.float64]

_IEC = Source(
    document="IEC 61391-2", edition="2010", clause="7.1 maximum depth of penetration", verified=False
)
_GORNY = Source(document="Gorny et al., Ultrasonic Imaging", edition="2005", verified=False)
_STRIPS = 8
_ROUNDS = 12
_FEWEST_ROWS = 12


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

    Echoes repeat, noise does not. For complex normal echoes of power S and noise of power N the envelopes
    of a depth correlate by

    .. math:: \rho = \frac{F(\kappa^2) - 1}{4 / \pi - 1}, \qquad \kappa = \frac{S}{S + N}, \qquad
              F(m) = {}_2F_1(-\tfrac12, -\tfrac12; 1; m),

    and the ratio of amplitudes :math:`\sqrt{(S+N)/N}` is ``ratio`` at
    :math:`\kappa = 1 - 1/\mathrm{ratio}^2`: 0.49 for 1.4. No image of the noise is needed,
    and none of its changes with the load of the probe enter.

    S/N falls by a constant number of decibels a millimetre within ``window_mm`` of the depth. Its level and
    fall solve :math:`\sum_z \rho'(z)\,(c_z - \rho(z)\,v_z) = 0` for the sums of squares and products c and v
    of the rows, which no number of speckle cells biases, as it does the correlation of a single row. The
    uncertainty is that of eight strips side by side, each left out in turn.

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
        If an envelope is negative or not finite, shapes differ, an image has fewer than 16 columns, the
        correlation never falls through the level or starts below it, or the window reaches outside the image.

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
    pair = [checked_envelope(name, v, grid) for name, v in (("first", first), ("second", second))]
    level, reach = positive("ratio", ratio), positive("window_mm", window_mm)
    if level <= 1:
        raise ValueError(f"ratio must be above 1, got {ratio}")
    if grid.shape[1] < 2 * _STRIPS:
        raise ValueError(f"first and second must have {2 * _STRIPS} columns or more, got {grid.shape[1]}")
    edges = np.rint(np.linspace(0, grid.shape[1], _STRIPS + 1)).astype(int)
    a, b = pair
    sums = np.stack([np.add.reduceat(v, edges[:-1], axis=1) for v in (a, b, a * b, a * a, b * b)])
    widths = np.diff(edges)
    shared, own = _moments(sums.sum(axis=2), grid.shape[1])
    if own.min() <= 0:
        raise ValueError("first and second must vary along every row")
    depths, contrast = grid.coordinates_mm[0], level**2 - 1
    aimed = float(_correlation(np.array(1 - 1 / level**2))[0])
    depth = float(depths[_split((shared - aimed * own) / (a.mean(axis=1) * b.mean(axis=1)))])
    start = np.array([0.0, -1.0])
    for _ in range(4):
        near = _window(depths, depth, reach)
        middle, z = depth, (depths[near] - depth) / reach
        # rows of one scale: the smooth part of their power
        power = np.polynomial.Polynomial.fit(z, np.log(a[near].mean(axis=1) * b[near].mean(axis=1)), 2)
        scale = np.exp(-power(z))
        found = _decay(shared[near] * scale, own[near] * scale, z, contrast, start)
        if found[1] >= 0:
            raise ValueError("the echoes must fall through the level, got a ratio that rises there")
        depth = middle - reach * float(np.clip(found[0] / found[1], -0.5, 0.5))
    without = []
    for k, width in enumerate(widths):
        c, v = _moments((sums.sum(axis=2) - sums[:, :, k])[:, near], grid.shape[1] - int(width))
        one = _decay(c * scale, v * scale, z, contrast, found)
        without.append(middle - reach * float(np.clip(one[0] / min(one[1], -1e-3), -2.0, 2.0)))
    return Measurement(
        name="depth of penetration",
        value=depth,
        unit="mm",
        uncertainty=math.sqrt((_STRIPS - 1) * float(np.var(without))),
        definition=_GORNY,
        algorithm="penetration-image-pair-2",
        degrees_of_freedom=float(_STRIPS - 1),
        details={"ratio": level, "fall (dB/mm)": -10 / math.log(10) * float(found[1]) / reach},
    )


def _moments(sums: Floats, n: int) -> tuple[Floats, Floats]:
    """Covariance of two images and mean of their variances, row by row, from sums over n columns."""
    first, second, product, *squares = sums / n
    return product - first * second, (squares[0] - first**2 + squares[1] - second**2) / 2


def _correlation(coherence: Floats) -> tuple[Floats, Floats]:
    """Correlation of two Rayleigh envelopes whose complex values correlate so, and its slope."""
    square, unit = coherence**2, 4 / math.pi - 1
    value = special.hyp2f1(-0.5, -0.5, 1.0, square) - 1
    slope = 0.25 * special.hyp2f1(0.5, 0.5, 2.0, square) * 2 * coherence
    return np.asarray(value / unit), np.asarray(slope / unit)


def _decay(shared: Floats, own: Floats, z: Floats, contrast: float, start: Floats) -> Floats:
    """Level and slope of ln(S/N) over z, against ln(contrast), that solve the estimating equations."""
    basis, found = np.stack([np.ones_like(z), z], axis=1), start.copy()
    for _ in range(_ROUNDS):
        coherence = special.expit(np.clip(basis @ found, -30, 30) + math.log(contrast))
        value, slope = _correlation(np.minimum(coherence, 1 - 1e-9))
        change = basis * (slope * coherence * (1 - coherence))[:, None]
        step = np.linalg.pinv((change * own[:, None]).T @ change) @ (change.T @ (shared - value * own))
        found = found + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-6:
            break
    return np.asarray(found)


def _split(trend: Floats) -> int:
    """The split that a falling step explains best: coarse, but blind to single rows."""
    split = int(np.argmax(np.concatenate([[0.0], np.cumsum(trend)])))
    if not 0 < split < trend.size:
        raise ValueError(
            "the echoes must fall to the level inside the image, got a ratio that stays "
            + ("below" if split == 0 else "above")
        )
    return split


def _window(depths: Floats, depth: float, window_mm: float) -> npt.NDArray[np.bool_]:
    """Rows of the window around a depth."""
    if depth - window_mm < depths[0] or depth + window_mm > depths[-1]:
        raise ValueError(
            f"window_mm must stay inside the image around the depth of {depth:.2f} mm, got {window_mm}"
        )
    near = np.abs(depths - depth) <= window_mm
    if near.sum() < _FEWEST_ROWS:
        raise ValueError(f"window_mm must hold at least {_FEWEST_ROWS} rows, got {near.sum()}")
    return np.asarray(near)


def _crossing(trend: Floats, grid: ImageGrid, window_mm: float) -> tuple[float, float, float]:
    """Where a noisy trend falls through 0: depth, standard uncertainty, degrees of freedom."""
    depths = grid.coordinates_mm[0]
    depth = float(depths[_split(trend)])
    for _ in range(4):
        near = _window(depths, depth, window_mm)
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

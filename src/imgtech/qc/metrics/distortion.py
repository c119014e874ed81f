"""Geometric distortion: a grid of markers against its drawing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import floats
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._bare import shrunk
from imgtech.qc.metrics.points import Points

Floats = npt.NDArray[np.float64]

_AAPM = Source(document="AAPM Report 284", edition="2021", clause="geometric accuracy", verified=False)
_ALGORITHM = "distortion-rigid-2"
_FEWEST = 4
_TRIALS = 200
_DOUBT = 0.9


@dataclass(frozen=True, kw_only=True, eq=False)
class Distortion(ArrayValue):
    """How a grid of markers lies and where it is bent.

    Parameters
    ----------
    offset_y, offset_x, rotation : Measurement
        Shift of the origin of the drawing in mm and its turn in rad, from x towards y: the alignment.
    scale_y, scale_x, shear : Measurement
        Stretch along the axes of the drawing in percent and shear in rad.
    root_mean_square, largest : Measurement
        Of the lengths of the deviations, in mm.
    places_mm, deviations_mm, uncertainties_mm : numpy.ndarray
        Where the markers belong after shift and turn, how far off they are, and the standard uncertainty
        of that, ``(y, x)``, shape ``(n, 2)``; markers that were not found are left out.
    """

    offset_y: Measurement
    offset_x: Measurement
    rotation: Measurement
    scale_y: Measurement
    scale_x: Measurement
    shear: Measurement
    root_mean_square: Measurement
    largest: Measurement
    places_mm: Floats
    deviations_mm: Floats
    uncertainties_mm: Floats


def distortion_map(points: Points, nominal_mm: npt.ArrayLike) -> Distortion:
    r"""Deviation of every marker from its drawing, after the best shift and turn.

    The drawing is shifted and turned, not stretched, to the least sum of squared deviations; what then
    remains is distortion. Its root mean square is freed of what the noise of the places adds,

    .. math:: d^2 = \frac1n \sum_i |\mathbf d_i|^2 - \frac1n \sum_i u_i^2 ,

    and is zero where the noise explains all. Stretch and shear come from a straight-line (affine) fit.

    Parameters
    ----------
    points : Points
        From :func:`find_points`.
    nominal_mm : array_like
        Places of the same markers in the drawing, ``(y, x)``, shape ``(n, 2)``.

    Returns
    -------
    Distortion
        Alignment, stretch, and the deviations. The longest of many noisy deviations is too long, on an
        undistorted image by two to three uncertainties of one marker; how much is found by drawing noise on
        the deviations, shrunk by the share that noise has in them, and taken off ``largest``. What is seen
        stands in its details.

    Raises
    ------
    ValueError
        If shapes differ, fewer than four markers were found, or they lie on one line.

    References
    ----------
    AAPM Report 284, Magnetic Resonance Imaging Simulation in Radiotherapy; GUM (JCGM 100:2008) 5.1.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import Points, distortion_map
    >>> drawing = np.array([(y, x) for y in (-20.0, 0.0, 20.0) for x in (-30.0, 0.0, 30.0)])
    >>> bent = drawing * (1.0, 1.02) + (1.5, -2.0)
    >>> points = Points(positions_mm=bent, uncertainties_mm=np.full((9, 2), 0.0002),
    ...                 found=np.ones(9, dtype=bool))
    >>> found = distortion_map(points, drawing)
    >>> round(found.scale_x.value, 3), round(found.offset_y.value, 3), round(found.largest.value, 3)
    (2.0, 1.5, 0.6)
    """
    nominal = floats("nominal_mm", nominal_mm, 2)
    if nominal.shape != points.positions_mm.shape:
        raise ValueError(f"nominal_mm must have shape {points.positions_mm.shape}, got {nominal.shape}")
    seen = points.found
    n = int(seen.sum())
    if n < _FEWEST:
        raise ValueError(f"points must hold at least {_FEWEST} found markers, got {n}")
    drawn, places, doubts = nominal[seen], points.positions_mm[seen], points.uncertainties_mm[seen]
    middle = drawn.mean(axis=0)
    arms = drawn - middle
    if np.linalg.matrix_rank(arms, tol=1e-6 * float(np.abs(arms).max())) < 2:
        raise ValueError("the markers must not lie on one line")
    level = places.mean(axis=0)
    to = places - level
    crossed = float(arms[:, 1] @ to[:, 0] - arms[:, 0] @ to[:, 1])
    turn = math.atan2(crossed, float((arms * to).sum()))
    c, s = math.cos(turn), math.sin(turn)
    rotate = np.array([[c, s], [-s, c]])  # acts on (y, x)
    turned = arms @ rotate.T
    deviation = to - turned
    inertia = float((arms**2).sum())
    across = np.stack([turned[:, 1], -turned[:, 0]], axis=1)
    u_turn = math.sqrt(float((across**2 * doubts**2).sum())) / inertia
    u_level = np.sqrt((doubts**2).sum(axis=0)) / n
    offset = level - rotate @ middle
    lever = np.array([c * middle[1] - s * middle[0], -(c * middle[0] + s * middle[1])])
    u_offset = np.hypot(u_level, lever * u_turn)
    affine = _affine(arms, to @ rotate, doubts)
    share = np.clip(1 - 1 / n - across**2 / inertia, 0.0, 1.0)
    noise = doubts * np.sqrt(share)
    square = float((deviation**2).sum()) / n
    added = float((noise**2).sum()) / n
    rms = math.sqrt(max(square - added, 0.0))
    # deviations hold no shift and no turn, so what the fit takes of the noise is not in their direction
    scatter = 2 / n * math.sqrt(float((doubts**2 * deviation**2).sum()) + float((noise**4).sum()) / 2)
    lengths = np.hypot(*deviation.T)
    top = int(np.argmax(lengths))
    largest, u_largest = _largest(deviation, turned, doubts)

    at: dict[str, float | str] = {
        "y (mm)": float(places[top, 0]),
        "x (mm)": float(places[top, 1]),
        "as seen (mm)": float(lengths[top]),
    }

    def measured(
        name: str, value: float, spread: float, unit: str = "mm", *, found_at: bool = False
    ) -> Measurement:
        return Measurement(
            name=name, value=float(value), unit=unit, uncertainty=float(spread), definition=_AAPM,
            algorithm=_ALGORITHM, details={"markers": float(n)} | (at if found_at else {}),
        )  # fmt: skip

    return Distortion(
        offset_y=measured("offset y", offset[0], u_offset[0]),
        offset_x=measured("offset x", offset[1], u_offset[1]),
        rotation=measured("rotation", turn, u_turn, "rad"),
        scale_y=measured("scale error y", 100 * affine["y"][0], 100 * affine["y"][1], "%"),
        scale_x=measured("scale error x", 100 * affine["x"][0], 100 * affine["x"][1], "%"),
        shear=measured("shear", *affine["shear"], "rad"),
        root_mean_square=measured(
            "root-mean-square distortion", rms, scatter / (2 * rms) if rms > 0 else math.sqrt(scatter)
        ),
        largest=measured("largest distortion", largest, u_largest, found_at=True),
        places_mm=turned + level,
        deviations_mm=deviation,
        uncertainties_mm=noise,
    )


def _affine(arms: Floats, to: Floats, doubts: Floats) -> dict[str, tuple[float, float]]:
    """Stretch along y and x and shear of the drawing's own axes, each with its uncertainty."""
    inverse = np.linalg.inv(arms.T @ arms)
    matrix = (inverse @ (arms.T @ to)).T
    effect = inverse @ arms.T  # (2, n): what one coordinate of a marker does to a coefficient
    u = np.sqrt((effect**2)[None] @ (doubts**2).T[:, :, None])[:, :, 0]
    return {
        "y": (float(matrix[0, 0]) - 1, float(u[0, 0])),
        "x": (float(matrix[1, 1]) - 1, float(u[1, 1])),
        "shear": (float(matrix[0, 1] + matrix[1, 0]), float(math.hypot(u[0, 1], u[1, 0]))),
    }


def _largest(deviation: Floats, places: Floats, doubts: Floats) -> tuple[float, float]:
    """Length of the longest deviation without what noise adds to the longest of many, and its uncertainty.

    Noise is drawn on the deviations without their own, as far as that can be told: their straight-line
    (affine) part and the rest, each times the root of the share of its power that is not noise. In doubt is
    a part of what that takes off.
    """
    arms = places - places.mean(axis=0)
    across = np.stack([arms[:, 1], -arms[:, 0]], axis=1) / math.sqrt(float((arms**2).sum()))
    straight = arms @ np.linalg.lstsq(arms, deviation, rcond=None)[0]
    power = float((doubts**2).sum()) / (2 * len(arms))
    base = shrunk(straight, 3 * power) + shrunk(deviation - straight, (2 * len(arms) - 6) * power)
    noise = doubts * np.random.default_rng(20261126).standard_normal((_TRIALS, *deviation.shape))
    noise -= noise.mean(axis=1, keepdims=True)
    noise -= (noise * across).sum(axis=(1, 2), keepdims=True) * across
    lengths = np.linalg.norm(base + noise, axis=-1).max(axis=-1)
    longest = float(np.hypot(*base.T).max())
    seen = float(np.hypot(*deviation.T).max())
    value = max(seen - (float(lengths.mean()) - longest), 0.0)
    return value, math.hypot(float(lengths.std(ddof=1)), _DOUBT * (seen - value))

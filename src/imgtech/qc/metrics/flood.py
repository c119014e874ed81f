"""Flood uniformity of a gamma camera by the text of NEMA NU 1, with the noise of counting taken apart."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech._core.validate import count, each, one_of, positive, real_image
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._flood import add_up, indices, lit_field, rebin_factor, smoothed, without_edges
from imgtech.qc.roi import checked_region

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_NEMA = Source(
    document="NEMA NU 1", edition="2012", clause="2.4 Intrinsic flood field uniformity", verified=False
)
_ALGORITHM = "nema-flood-2"
_CORRECTED = "nema-flood-noise-corrected-4"
_CENTRAL = 0.75
_WIDTHS_PX = (0.8, 1.2, 1.8, 2.7, 4.0, 6.0, 9.0)
_SHIFT_KNOWN_TO = 0.05
_FEWEST = 50
_REDRAWN = 2
_TO_NONE = 1 + math.sqrt(2)


def flood_uniformity(
    counts: npt.ArrayLike,
    spacing_mm: tuple[float, float],
    *,
    field: str = "ufov",
    region: npt.ArrayLike | None = None,
    useful_share: float = 0.95,
    noise_corrected: bool = False,
    variance_over_mean: float = 1.0,
    n_trials: int = 100,
    rng: np.random.Generator | None = None,
) -> tuple[Measurement, Measurement]:
    r"""Integral and differential uniformity of a flood image.

    Pixels are added up until they measure 6.4 mm within 30 %. Of the field, pixels below 75 % of the mean
    of the central field are dropped, then those with a dropped pixel at one of their four sides. What is
    left is smoothed once by the nine-point filter (1 2 1, 2 4 2, 1 2 1), whose weights are zero outside the
    field and add up to one inside. Then

    .. math:: U = 100 \frac{\max - \min}{\max + \min}

    over all pixels (integral), and as the largest value in any five pixels in a row along a line or a
    column (differential).

    Counting noise drives the extremes apart: a perfect camera with 10,000 counts a pixel reads about
    1.3 % and 1.0 %. How much it adds is found by drawing Poisson noise on a smoothed map of the field,
    whose width is the one with the least expected error (Stein's estimate). ``noise_corrected`` takes that
    shift off.

    Some noise is left in the map. Its index is too large by that noise, which the shift then lacks: the
    corrected index is too large. By how much is seen when the same noise is added to the map once more,
    which makes it :math:`\sqrt 2` times as large: the shift falls, and on the straight line from
    :math:`\sqrt 2` over 1 to 0 it lacks :math:`1 + \sqrt 2` times of what it fell by. That is known too
    poorly to be taken off, and joins the uncertainty with the scatter of drawn fields that are corrected by
    their own maps, and a twentieth of the shift. Around zero the corrected value may come out negative.

    Parameters
    ----------
    counts : array_like
        Raw counts, shape ``(ny, nx)``, not negative.
    spacing_mm : (float, float)
        Pixel size along y and x.
    field : {"ufov", "cfov"}, optional
        Useful or central field of view; the central one has 75 % of the useful one's width and height.
    region : array_like, optional
        The useful field as weights, shape ``(ny, nx)``; a pixel belongs to it from half its area on. By
        default the convex hull of what is lit, scaled about its middle by ``useful_share``. The central
        field is then scaled about the middle of the region.
    useful_share : float, optional
        Width of the useful field over that of the lit one, up to 1.
    noise_corrected : bool, optional
        False: the index of the standard at these counts; its uncertainty is the scatter that a repeat
        with the same counts would show. True: an estimate of the index at infinite counts. ``details``
        holds both.
    variance_over_mean : float, optional
        Counting variance over mean, 1 for Poisson's counts. Cameras that correct uniformity event by event
        can have more; the measured ratio stands in ``details``.
    n_trials : int, optional
        Number of noise fields that are drawn.
    rng : numpy.random.Generator, optional
        Source of the noise; by default always the same stream, so that a measurement repeats.

    Returns
    -------
    (Measurement, Measurement)
        ``"integral uniformity"`` and ``"differential uniformity"`` in ``"%"``.

    Raises
    ------
    ValueError
        If a value is negative or not finite, no number of pixels adds up to 6.4 mm within 30 %, or the field
        holds fewer than 50 of the added-up pixels.

    References
    ----------
    NEMA NU 1, Performance Measurements of Gamma Cameras. C. M. Stein, Ann Stat 9 (1981) 1135. J. R. Cook and
    L. A. Stefanski, J Am Stat Assoc 89 (1994) 1314 (adding noise to see what it does).

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import flood_uniformity
    >>> camera = np.zeros((128, 128))
    >>> camera[20:110, 10:120] = np.random.default_rng(1).poisson(2500.0, (90, 110))
    >>> integral, differential = flood_uniformity(camera, (3.2, 3.2), noise_corrected=True)
    >>> abs(integral.value) < 2 * integral.uncertainty
    True
    >>> 1 < integral.details["index at these counts (%)"] < 2
    True
    """
    raw = real_image("counts", counts, 2).astype(np.float64)
    spacing = each("spacing_mm", spacing_mm, 2, positive)
    central = one_of("field", field, ("ufov", "cfov")) == "cfov"
    share = positive("useful_share", useful_share)
    trials = count("n_trials", n_trials, 20)
    spread = positive("variance_over_mean", variance_over_mean)
    if share > 1:
        raise ValueError(f"useful_share must not exceed 1, got {useful_share}")
    if raw.min() < 0:
        raise ValueError(f"counts must not be negative, got {raw.min():g}")
    factors = (rebin_factor(raw.shape[0], spacing[0]), rebin_factor(raw.shape[1], spacing[1]))
    pixels = add_up(raw, factors)
    if region is None:
        useful, inner = lit_field(raw, factors, [share, _CENTRAL * share])
    else:
        given = checked_region("region", region, raw.shape)
        useful = add_up(given, factors) >= 0.5 * math.prod(factors)
        inner = useful & lit_field(given, factors, [_CENTRAL])[0]
    if np.count_nonzero(inner & useful) < _FEWEST or pixels[inner & useful].mean() == 0:
        raise ValueError(f"the central field must hold {_FEWEST} lit pixels, got {inner.sum()}")
    useful = without_edges(pixels, useful, inner)
    inner &= useful
    chosen = inner if central else useful
    if np.count_nonzero(chosen) < _FEWEST:
        raise ValueError(f"the field must hold at least {_FEWEST} pixels, got {chosen.sum()}")
    generator = np.random.default_rng(20261124) if rng is None else rng
    smooth, width = _map(pixels, useful, spread)
    level = np.where(useful, smooth, 0.0) / spread
    drawn = np.asarray(spread * generator.poisson(level, (trials, *pixels.shape)), np.float64)
    index = indices(smoothed(pixels, useful), chosen)
    clean = indices(smoothed(smooth, useful), chosen)
    noisy = indices(smoothed(drawn, useful), chosen)
    rough = _rougher(smooth, drawn, useful, chosen, width, spread, generator) if noise_corrected else None
    facts: dict[str, float | str] = {
        "field": field,
        "pixel (mm)": math.sqrt(math.prod(f * d for f, d in zip(factors, spacing, strict=True))),
        "pixels": float(chosen.sum()),
        "counts per pixel": float(pixels[chosen].mean()),
        "measured variance over mean": _dispersion(raw, factors, inner),
    }
    found = []
    for i, name in enumerate(("integral", "differential")):
        value, base = float(index[i][0]), float(clean[i][0])
        shift, scatter = float(noisy[i].mean()) - base, float(noisy[i].std(ddof=1))
        if rough is not None:
            clean_again, noisy_again = rough[0][i], rough[1][i].reshape(_REDRAWN, trials)
            shifts = noisy_again.mean(axis=0) - clean_again
            left = _TO_NONE * (shift - float(shifts.mean()))
            # of their scatter, what is due to few draws is not in the value
            few = float(noisy_again.var(axis=0, ddof=1).mean()) / _REDRAWN
            joint = max(float((noisy[i] - shifts).var(ddof=1)) - few, scatter**2)
            doubt = math.sqrt(joint + (_SHIFT_KNOWN_TO * shift) ** 2 + max(left, 0.0) ** 2)
        found.append(
            Measurement(
                name=f"{name} uniformity",
                value=value - shift if noise_corrected else value,
                unit="%",
                uncertainty=scatter if rough is None else doubt,
                definition=_NEMA,
                algorithm=_CORRECTED if noise_corrected else _ALGORITHM,
                details={
                    "index at these counts (%)": value,
                    "index without noise (%)": value - shift,
                    "added by counting noise (%)": shift,
                    **facts,
                },
            )
        )
    return found[0], found[1]


def _rougher(
    smooth: Floats,
    drawn: Floats,
    useful: Bools,
    chosen: Bools,
    width: float,
    spread: float,
    rng: np.random.Generator,
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Indices of maps that hold the noise of a map once more, and of fields drawn on them."""
    maps = np.maximum(smooth + _blurred(drawn - smooth, useful, width), 0.0)
    again = np.asarray(spread * rng.poisson(maps / spread, (_REDRAWN, *maps.shape)), np.float64)
    return indices(smoothed(maps, useful), chosen), indices(smoothed(again, useful), chosen)


def _map(pixels: Floats, field: Bools, spread: float) -> tuple[Floats, float]:
    """The smoothed map with the least expected squared error, and its Gaussian width (0: flat)."""
    mean = float(pixels[field].mean())
    weight = field.astype(np.float64)
    best: tuple[float, Floats, float] | None = None
    for width in (*_WIDTHS_PX, 0.0):
        smooth = _blurred(pixels, field, width)
        if width:
            point = np.zeros((81, 81))
            point[40, 40] = 1
            own = ndimage.gaussian_filter(point, width)[40, 40]
            own = float((own / ndimage.gaussian_filter(weight, width)[field]).mean())
        else:
            own = 1 / float(weight.sum())
        risk = float(((pixels - smooth)[field] ** 2).mean()) + 2 * spread * mean * own
        if best is None or risk < best[0]:
            best = (risk, smooth, width)
    assert best is not None
    return best[1], best[2]


def _blurred(images: Floats, field: Bools, width: float) -> Floats:
    """Gaussian mean over the field; the last two axes are the image."""
    inside = images * field
    if width == 0:
        level = inside.sum(axis=(-2, -1), keepdims=True) / field.sum()
        return np.asarray(np.broadcast_to(level, images.shape) * field)
    sigma = (0,) * (images.ndim - 2) + (width, width)
    cover = np.maximum(ndimage.gaussian_filter(field.astype(np.float64), width), 1e-9)
    return np.asarray(ndimage.gaussian_filter(inside, sigma) / cover * field)


def _dispersion(raw: Floats, factors: tuple[int, int], inner: Bools) -> float:
    """Half the mean square difference of neighbours along x over their mean, in the central field."""
    fine = np.kron(inner, np.ones(factors)) > 0
    first = [(m - k) // 2 for m, k in zip(raw.shape, fine.shape, strict=True)]
    cut = raw[first[0] : first[0] + fine.shape[0], first[1] : first[1] + fine.shape[1]]
    both = fine[:, 1:] & fine[:, :-1]
    return float((np.diff(cut, axis=1)[both] ** 2).mean() / 2 / cut[fine].mean())

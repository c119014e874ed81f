"""Uniformity of a flat field of an X-ray detector, over the field and between neighbours."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import each, not_negative, positive, real_image
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._bare import shrunk

Floats = npt.NDArray[np.float64]

_AAPM = Source(document="AAPM Report 150", edition="2023", clause="signal non-uniformity", verified=False)
_ALGORITHM = "flat-field-tiles-1"
_FEWEST = 4
_ORDER = 3
_TRIALS = 200
_DOUBT = 0.4
_NEIGHBOURS = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]


def flat_field_uniformity(
    image: npt.ArrayLike, spacing_mm: tuple[float, float], *, tile_mm: float = 10.0, margin_mm: float = 10.0
) -> tuple[Measurement, Measurement]:
    r"""Global and local non-uniformity of a flat field.

    The field inside the margin is cut into square tiles. With their means :math:`m_i`

    .. math:: G = 100\, \frac{\max m_i - \min m_i}{\bar m}, \qquad
              L = 100\, \max_i \frac{|m_i - \bar m_{N(i)}|}{\bar m}

    with the mean of the up to eight tiles :math:`N(i)` around a tile. Noise drives extremes apart; how much
    is found by drawing the noise of the tiles on a smooth surface (cubic) plus what the tiles depart from it
    beyond noise, and is taken off. The raw numbers stand in ``details``.

    Parameters
    ----------
    image : array_like
        Shape ``(ny, nx)``, linear in dose.
    spacing_mm : (float, float)
        Pixel size along y and x.
    tile_mm : float, optional
        Width of a tile, 10 mm by default.
    margin_mm : float, optional
        What is left out at the edges of the field.

    Returns
    -------
    (Measurement, Measurement)
        ``"global non-uniformity"`` and ``"local non-uniformity"`` in ``"%"``.

    Raises
    ------
    ValueError
        If fewer than five by five tiles of four by four pixels fit, the mean is not positive, or a value is
        not finite.

    References
    ----------
    AAPM Report 150, Acceptance testing and quality control of digital radiographic imaging systems.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import flat_field_uniformity
    >>> x = np.linspace(-1, 1, 240)
    >>> image = 1000 * (1 + 0.02 * x) + 10 * np.random.default_rng(1).standard_normal((200, 240))
    >>> whole, local = flat_field_uniformity(image, (0.5, 0.5))
    >>> abs(whole.value - 4 * 100 / 120 * 0.9) < 3 * whole.uncertainty      # 10 tiles between the margins
    True
    """
    pixels = real_image("image", image, 2).astype(np.float64)
    dy, dx = each("spacing_mm", spacing_mm, 2, positive)
    width, margin = positive("tile_mm", tile_mm), not_negative("margin_mm", margin_mm)
    size = (round(width / dy), round(width / dx))
    counts = [
        int((n - 2 * round(margin / d)) // s) for n, d, s in zip(pixels.shape, (dy, dx), size, strict=True)
    ]
    if min(size) < _FEWEST or min(counts) < 5:
        raise ValueError(
            f"tile_mm must leave 5 by 5 tiles of {_FEWEST} by {_FEWEST} pixels, got {counts} of {size}"
        )
    first = [(n - c * s) // 2 for n, c, s in zip(pixels.shape, counts, size, strict=True)]
    field = pixels[first[0] : first[0] + counts[0] * size[0], first[1] : first[1] + counts[1] * size[1]]
    level = float(field.mean())
    if level <= 0:
        raise ValueError(f"image must have a positive mean, got {level:g}")
    tiles = field.reshape(counts[0], size[0], counts[1], size[1]).swapaxes(1, 2)
    means = tiles.mean(axis=(2, 3))
    noise = _noise_of_means(tiles.reshape(-1, *size))
    base = _without_noise(means, noise)
    draws = np.random.default_rng(20261126).standard_normal((_TRIALS, *means.shape))
    with_noise = _indices(base + noise * draws, level)
    clean, seen = _indices(base[None], level), _indices(means[None], level)
    found = []
    for i, name in enumerate(("global", "local")):
        shift = float(with_noise[i].mean() - clean[i][0])
        found.append(
            Measurement(
                name=f"{name} non-uniformity",
                value=float(seen[i][0]) - shift,
                unit="%",
                uncertainty=math.hypot(float(with_noise[i].std(ddof=1)), _DOUBT * shift),
                definition=_AAPM,
                algorithm=_ALGORITHM,
                details={
                    "as seen (%)": float(seen[i][0]),
                    "added by noise (%)": shift,
                    "tiles": float(means.size),
                    "noise of a tile (%)": 100 * noise / level,
                },
            )
        )
    return found[0], found[1]


def _noise_of_means(tiles: Floats) -> float:
    """Standard uncertainty of the mean of a tile, from its four quarters.

    Two quarters across minus the two others have the variance of the mean, and nothing of level and slopes.
    Noise that is correlated over the borders of the quarters is missing; the same of the quarters' own
    quarters, where twice as much is missing, tells how much.
    """
    square = float((_crossed(tiles) ** 2).mean())
    finer = float(np.mean([(_crossed(q) ** 2).mean() for q in _quarters(tiles)])) / 4
    return math.sqrt(square + max(square - finer, 0.0))


def _quarters(tiles: Floats) -> list[Floats]:
    """Upper left, upper right, lower left and lower right quarter of every tile."""
    y, x = (n // 2 for n in tiles.shape[1:])
    return [tiles[:, :y, :x], tiles[:, :y, x:], tiles[:, y:, :x], tiles[:, y:, x:]]


def _crossed(tiles: Floats) -> Floats:
    a, b, c, d = (quarter.mean(axis=(1, 2)) for quarter in _quarters(tiles))
    return np.asarray((a + d - b - c) / 4)


def _without_noise(means: Floats, noise: float) -> Floats:
    """A cubic surface, plus what departs from it times the root of the share that is not noise."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in means.shape), indexing="ij")
    powers = [(i, j) for i in range(_ORDER + 1) for j in range(_ORDER + 1 - i)]
    design = np.stack([(y**i * x**j).ravel() for i, j in powers], axis=1)
    surface = (design @ np.linalg.lstsq(design, means.ravel(), rcond=None)[0]).reshape(means.shape)
    flat = float(means.mean())
    # no more of the surface, either, than noise leaves
    bent = shrunk(surface - flat, noise**2 * (len(powers) - 1))
    return np.asarray(flat + bent + shrunk(means - surface, noise**2 * (means.size - len(powers))))


def _indices(means: Floats, level: float) -> tuple[Floats, Floats]:
    whole = 100 * (means.max(axis=(1, 2)) - means.min(axis=(1, 2))) / level
    padded = np.pad(means, ((0, 0), (1, 1), (1, 1)), constant_values=np.nan)
    ny, nx = means.shape[1:]
    around = np.stack([padded[:, 1 + i : 1 + i + ny, 1 + j : 1 + j + nx] for i, j in _NEIGHBOURS])
    local = 100 * np.abs(means - np.nanmean(around, axis=0)).max(axis=(1, 2)) / level
    return whole, local

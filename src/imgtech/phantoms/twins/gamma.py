"""Digital twins for the gamma camera: flood field, quadrant bars and four line slits."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from imgtech._core.validate import finite, not_negative, positive, real_image
from imgtech.geometry import ImageGrid
from imgtech.phantoms.placed import pair, positive_pair
from imgtech.phantoms.twins.flat import FlatBar, FlatTwin
from imgtech.phantoms.twins.placement import Placement

Floats = npt.NDArray[np.float64]

QUADRANT_BARS_MM = (4.23, 3.18, 2.54, 2.12)
_SIDES = ((1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0))


def gamma_field(
    grid: ImageGrid,
    *,
    counts: float,
    size_mm: tuple[float, float] = (380.0, 520.0),
    cut_mm: float = 55.0,
    edge_mm: float = 1.5,
    slope: tuple[float, float] = (0.0, 0.0),
    bump: float = 0.0,
) -> Floats:
    r"""Mean counts of an evenly lit detector, a rectangle with cut corners.

    .. math:: m(y, x) = c\, \Bigl(1 + g_y \frac{2y}{h} + g_x \frac{2x}{w}
              + b\, e^{-((y - h/8)^2 + (x - w/6)^2) / 2 (40\,\mathrm{mm})^2}\Bigr) \prod_i \Phi(d_i / s)

    with the distances d inward from the eight sides.

    Parameters
    ----------
    grid : ImageGrid
        Pixels.
    counts : float
        Mean counts of a pixel in the middle.
    size_mm : (float, float), optional
        Height and width of the detector.
    cut_mm : float, optional
        Length by which its corners are cut along either side.
    edge_mm : float, optional
        Standard deviation of the blur of the sides.
    slope : (float, float), optional
        Relative rise from the middle to the side along y and x.
    bump : float, optional
        Relative height of a broad spot, such as a photomultiplier off its gain.

    Returns
    -------
    numpy.ndarray
        Mean counts, float64; draw from a Poisson distribution for an image.

    Raises
    ------
    ValueError
        If a number is out of range or not finite.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms.twins import gamma_field
    >>> field = gamma_field(ImageGrid(shape=(128, 128), spacing_mm=(4.4, 4.4)), counts=1000.0)
    >>> round(float(field[64, 64])), round(float(field[2, 64]))
    (1000, 0)
    """
    y, x = grid.coordinates_mm
    y, x = y[:, None], x[None, :]
    (height, width), (rise_y, rise_x) = positive_pair("size_mm", size_mm), pair("slope", slope)
    blur = positive("edge_mm", edge_mm)
    spot = np.exp(-((y - height / 8) ** 2 + (x - width / 6) ** 2) / (2 * 40.0**2))
    mean = 1 + 2 * rise_y * y / height + 2 * rise_x * x / width + finite("bump", bump) * spot
    mean = (
        positive("counts", counts) * mean * _open(y, x, height, width, not_negative("cut_mm", cut_mm), blur)
    )
    return np.asarray(mean)


def _open(y: Floats, x: Floats, height: float, width: float, cut: float, blur: float) -> Floats:
    """Share of the counts that the eight sides let through."""
    sides = [height / 2 - y, height / 2 + y, width / 2 - x, width / 2 + x]
    corner = (height + width) / 2 - cut
    sides += [(corner - sy * y - sx * x) / math.sqrt(2) for sy, sx in _SIDES]
    share = np.ones(np.broadcast_shapes(y.shape, x.shape))
    for side in sides:
        share = share * ndtr(side / blur)
    return np.asarray(share)


def quadrant_bars(
    *,
    widths_mm: tuple[float, float, float, float] = QUADRANT_BARS_MM,
    side_mm: float = 150.0,
    gap_mm: float = 14.0,
) -> FlatTwin:
    """Four squares of opaque bars and open gaps of equal width on an open field of 1.

    The bars of the first and third square run along v, those of the others along u, as in the usual phantom:
    widest at the lower right, then upper right, upper left and lower left.

    Parameters
    ----------
    widths_mm : tuple of float, optional
        Width of bar and gap of each square.
    side_mm, gap_mm : float, optional
        Side of a square and the open cross between squares.

    Returns
    -------
    FlatTwin
        Transmission; multiply by :func:`gamma_field`.

    Raises
    ------
    ValueError
        If a number is out of range or not finite.

    Examples
    --------
    >>> from imgtech.phantoms.twins import quadrant_bars
    >>> len(quadrant_bars().shapes)
    104
    """
    shapes = {}
    middle = (positive("side_mm", side_mm) + not_negative("gap_mm", gap_mm)) / 2
    if len(widths_mm) != len(_SIDES):
        raise ValueError(f"widths_mm must hold four widths, got {widths_mm!r}")
    for k, (width, (sy, sx)) in enumerate(zip(widths_mm, _SIDES, strict=True)):
        n = int(side_mm / (2 * positive("widths_mm", width)))
        for i in range(n):
            across = (2 * i + 1 - n) * width
            v, u = (sy * middle, sx * middle + across) if k % 2 == 0 else (sy * middle + across, sx * middle)
            size = (side_mm, width) if k % 2 == 0 else (width, side_mm)
            shapes[f"{width:g} mm bar {i + 1}"] = FlatBar(value=-1.0, center_mm=(v, u), size_mm=size)
    facts = {f"bar width {k + 1}": w for k, w in enumerate(widths_mm)}
    return FlatTwin(name="quadrant bars", background=1.0, shapes=shapes, facts=facts)


def four_slits(
    *, separation_mm: float = 100.0, width_mm: float = 1.0, length_mm: float = 200.0, leak: float = 0.002
) -> FlatTwin:
    """Two pairs of parallel slits in lead, at right angles, that cross as in a number sign.

    Parameters
    ----------
    separation_mm : float, optional
        Distance of the slits of a pair.
    width_mm, length_mm : float, optional
        Of a slit.
    leak : float, optional
        Transmission of the lead.

    Returns
    -------
    FlatTwin
        Transmission; multiply by :func:`gamma_field`. At the four crossings it is counted twice.

    Raises
    ------
    ValueError
        If a number is out of range or not finite.

    Examples
    --------
    >>> from imgtech.phantoms.twins import four_slits
    >>> sorted(four_slits().shapes)
    ['bottom', 'left', 'right', 'top']
    """
    half = positive("separation_mm", separation_mm) / 2
    width, length = positive("width_mm", width_mm), positive("length_mm", length_mm)
    if not_negative("leak", leak) >= 1:
        raise ValueError(f"leak must be below 1, got {leak!r}")
    lines = {
        "top": ((-half, 0.0), (width, length)),
        "bottom": ((half, 0.0), (width, length)),
        "left": ((0.0, -half), (length, width)),
        "right": ((0.0, half), (length, width)),
    }
    shapes = {name: FlatBar(value=1.0 - leak, center_mm=c, size_mm=s) for name, (c, s) in lines.items()}
    return FlatTwin(name="four slits", background=leak, shapes=shapes, facts={"separation": separation_mm})


def gamma_counts(
    twin: FlatTwin | None,
    grid: ImageGrid,
    field: Floats,
    *,
    fwhm_mm: float,
    placement: Placement | None = None,
    rng: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """Counts of a gamma camera: mean counts of the open field times the blurred transmission, then Poisson.

    Parameters
    ----------
    twin : FlatTwin or None
        What lies on the detector; None for a flood.
    grid : ImageGrid
        Pixels.
    field : numpy.ndarray
        :func:`gamma_field`.
    fwhm_mm : float
        Intrinsic resolution, the width at half height of a Gaussian.
    placement : Placement, optional
        Where the phantom lies.
    rng : numpy.random.Generator
        Source of the counts.

    Returns
    -------
    numpy.ndarray
        Counts, integers.

    Raises
    ------
    ValueError
        If a number is out of range or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms.twins import gamma_counts, gamma_field, quadrant_bars
    >>> grid = ImageGrid(shape=(256, 256), spacing_mm=(2.1, 2.1))
    >>> counts = gamma_counts(quadrant_bars(), grid, gamma_field(grid, counts=50.0), fwhm_mm=3.5,
    ...                       rng=np.random.default_rng(1))
    >>> counts.shape, int(counts.min())
    ((256, 256), 0)
    """
    sigma = positive("fwhm_mm", fwhm_mm) / math.sqrt(8 * math.log(2))
    mean = real_image("field", field, 2, grid.shape)
    if mean.min() < 0:
        raise ValueError(f"field must not be negative, got {mean.min()}")
    share = 1.0 if twin is None else twin.image(grid, sigma_mm=sigma, placement=placement)
    return rng.poisson(np.maximum(mean * share, 0.0))

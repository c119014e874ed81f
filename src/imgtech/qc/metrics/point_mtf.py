"""Modulation transfer function from a wire or a bead."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import special

from imgtech._core.validate import count, each, finite, not_negative, positive, real_image
from imgtech.geometry import sample_positions
from imgtech.qc.measurement import Source
from imgtech.qc.metrics._expansion import Expansion, hermite, highest_power, laguerre
from imgtech.qc.metrics.mtf import MTF
from imgtech.qc.metrics.point import fit_point

Floats = npt.NDArray[np.float64]

_WIRE = Source(document="IEC 61223-3-5", edition="2019", clause="spatial resolution", verified=False)
_REACH = 9.0
_REACH_PX = 7.0
_N_FREQUENCIES = 401
_LEAST_SHARE = 0.3
_NUISANCE = 3


def wire_mtf(
    image: npt.ArrayLike,
    spacing_mm: tuple[float, float],
    *,
    direction_rad: float | None = None,
    wire_diameter_mm: float = 0.0,
    max_frequency_per_mm: float | None = None,
    n_terms: int | None = None,
) -> MTF:
    r"""MTF of a wire that is seen along its length.

    The distance of every pixel centre from the fitted centre samples the point spread function far more
    finely than the pixels. Its mean over all directions is expanded in Laguerre-Gauss functions of the
    fitted width s, which are their own transforms in the plane:

    .. math:: \mathrm{PSF}(r) = \sum_{k=0}^{K} c_k\, L_k(\rho^2)\, e^{-\rho^2/2},\quad \rho = r / s,
              \qquad
              \mathrm{MTF}(f) \propto \left|\sum_{k=0}^{K} (-1)^k c_k\, L_k(q^2)\, e^{-q^2/2}\right|,
              \quad q = 2 \pi f s

    They are fitted to the pixels within nine widths (at least seven pixels) together with a plane for the
    background. Unlike an FFT of the pixels this is free of aliasing, and the background far from the wire
    adds no noise. For one direction the functions are products of Hermite functions along and across it.
    K grows as long as the fit improves by more than noise can. The aperture of the pixel is part of the
    MTF; that of the wire, :math:`2 J_1(\pi D f) / (\pi D f)` for the diameter D, is divided out.

    Parameters
    ----------
    image : array_like
        Shape ``(ny, nx)``: one wire, bright or dark, with background around it.
    spacing_mm : (float, float)
        Pixel size along y and x.
    direction_rad : float, optional
        Direction of the MTF from the x axis towards the y axis; the mean over all directions by default.
    wire_diameter_mm : float, optional
        Diameter of the wire.
    max_frequency_per_mm : float, optional
        Highest frequency; one over the smaller pixel size by default, or less where the wire's own
        transform falls below 0.3.
    n_terms : int, optional
        Fixes K: 1 to 12 for the mean over all directions; for one direction the total order, 2 to 8.

    Returns
    -------
    MTF
        At 401 frequencies. The uncertainty holds the noise of the pixels with its correlation and the
        change that one more order would make.

    Raises
    ------
    ValueError
        If no single point stands out of the noise, or an argument is out of range.

    References
    ----------
    E. L. Nickoloff and R. Riley, A simplified approach for modulation transfer function determinations in
    computed tomography, Med Phys 12 (1985) 437, doi:10.1118/1.595674.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import BlurredPoint
    >>> from imgtech.qc.metrics import wire_mtf
    >>> wire = BlurredPoint(position_mm=(0.1, -0.2), sigma_mm=(0.6, 0.6), total=50.0)
    >>> m = wire_mtf(wire.image(ImageGrid(shape=(40, 43), spacing_mm=(0.4, 0.5))), (0.4, 0.5))
    >>> truth = wire.mtf(m.frequencies_per_mm, spacing_mm=(0.4, 0.5))
    >>> float(np.abs(m.values - truth).max()) < 1e-3
    True
    """
    pixels = real_image("image", image, 2).astype(np.float64)
    diameter = not_negative("wire_diameter_mm", wire_diameter_mm)
    return _point_mtf(
        pixels, spacing_mm, direction_rad, diameter, _disk, max_frequency_per_mm, n_terms, "wire-laguerre-2"
    )


def bead_mtf(
    image: npt.ArrayLike,
    spacing_mm: tuple[float, ...],
    *,
    direction_rad: float | None = None,
    bead_diameter_mm: float = 0.0,
    max_frequency_per_mm: float | None = None,
    n_terms: int | None = None,
) -> MTF:
    r"""MTF in the plane of a bead, from one slice or a stack of slices.

    A stack is summed over the slices first, so that it does not matter where the bead lies between them:
    the sum is a wire whose cross section is that of the bead. Then all is as in :func:`wire_mtf`; the
    transform of a ball, :math:`3 (\sin a - a \cos a) / a^3` with :math:`a = \pi D f`, is divided out.
    That holds for one slice, too, if it is much thicker than the bead.

    Parameters
    ----------
    image : array_like
        Shape ``(ny, nx)`` or ``(nz, ny, nx)``: one bead with background around it.
    spacing_mm : (float, ...)
        Voxel size along each axis of the image.
    direction_rad : float, optional
        Direction of the MTF in the plane; the mean over all directions by default.
    bead_diameter_mm : float, optional
        Diameter of the bead.
    max_frequency_per_mm : float, optional
        Highest frequency, as in :func:`wire_mtf`.
    n_terms : int, optional
        Fixes the number of terms, as in :func:`wire_mtf`.

    Returns
    -------
    MTF
        At 401 frequencies, with uncertainties as in :func:`wire_mtf`.

    Raises
    ------
    ValueError
        If no single point stands out of the noise, or an argument is out of range.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import BlurredPoint
    >>> from imgtech.qc.metrics import bead_mtf
    >>> grid = ImageGrid(shape=(12, 40, 43), spacing_mm=(0.8, 0.4, 0.5))
    >>> bead = BlurredPoint(position_mm=(0.3, 0.1, -0.2), sigma_mm=(1.0, 0.6, 0.6), total=50.0)
    >>> m = bead_mtf(bead.image(grid), grid.spacing_mm).at(0.5)
    >>> truth = bead.mtf([m.value], spacing_mm=(0.4, 0.5))[0]
    >>> abs(round(float(truth), 3) - 0.5) < 1e-3
    True
    """
    pixels = real_image("image", image, (2, 3)).astype(np.float64)
    spacing = each("spacing_mm", spacing_mm, pixels.ndim, positive)
    if pixels.ndim == 3:
        pixels = pixels.sum(axis=0) * spacing[0]
    plane = (spacing[-2], spacing[-1])
    diameter = not_negative("bead_diameter_mm", bead_diameter_mm)
    return _point_mtf(
        pixels, plane, direction_rad, diameter, _ball, max_frequency_per_mm, n_terms, "bead-laguerre-2"
    )


def _disk(a: Floats) -> Floats:
    safe = np.maximum(a, 1e-9)
    return np.asarray(2 * special.j1(safe) / safe)


def _ball(a: Floats) -> Floats:
    safe = np.maximum(a, 1e-2)
    return np.where(a > 1e-2, 3 * (np.sin(safe) - safe * np.cos(safe)) / safe**3, 1 - a**2 / 10)


def _point_mtf(
    pixels: Floats,
    spacing_mm: tuple[float, float],
    direction_rad: float | None,
    diameter: float,
    shape: Callable[[Floats], Floats],
    max_frequency: float | None,
    n_terms: int | None,
    algorithm: str,
) -> MTF:
    dy, dx = each("spacing_mm", spacing_mm, 2, positive)
    least, most = (1, 12) if direction_rad is None else (2, 8)
    if n_terms is not None and count("n_terms", n_terms, least) > most:
        raise ValueError(f"n_terms must be at most {most}, got {n_terms}")
    frequencies = _frequencies(min(dy, dx), diameter, shape, max_frequency)
    point = fit_point(pixels, (dy, dx))
    y, x = (sample_positions(n, d, 0.0) for n, d in zip(pixels.shape, (dy, dx), strict=True))
    y, x = y[:, None] - point.center_mm[0], x - point.center_mm[1]
    width = point.width_mm
    near = np.hypot(y, x) < max(_REACH * width, _REACH_PX * math.sqrt(dy * dx))
    rows, columns = np.nonzero(near)
    v, u = y[rows, 0] / width, x[columns] / width
    q = 2 * math.pi * frequencies * width
    if direction_rad is None:
        terms = laguerre(np.hypot(u, v), most + 1)
        spectra = [(-1) ** k * g for k, g in enumerate(laguerre(q, most + 1))]
        sizes = [_NUISANCE + k + 1 for k in range(most + 1)]
    else:
        angle = finite("direction_rad", direction_rad)
        terms, spectra, sizes = _products(u, v, q, angle, most + 1)
    design = np.stack([np.ones_like(u), u, v, *terms], axis=1)
    if len(u) <= 2 * design.shape[1]:
        raise ValueError(f"image must show the point on more than {2 * design.shape[1]} pixels, got {len(u)}")
    fit = Expansion.fit(design, pixels[near])
    sizes = [size for size in sizes if size < fit.n_columns]
    if n_terms is not None and n_terms >= len(sizes):
        raise ValueError(f"n_terms must be at most {len(sizes) - 1} on so few pixels, got {n_terms}")
    rest = np.zeros(pixels.shape)
    rest[near] = pixels[near] - design[:, : fit.n_columns] @ fit.coefficients(fit.n_columns)
    floor = 1e-24 * float(fit.amplitudes[_NUISANCE] ** 2) / len(u)
    noise = max(float(np.vdot(rest, rest)) / (len(u) - fit.n_columns), floor)
    # the lowest orders stand for the width, whose uncertainty has to be part of the result
    by_chance = noise * highest_power(rest, near)
    found = fit.chosen(sizes[least:], by_chance) + least
    used = found if n_terms is None else n_terms
    n = sizes[used]
    rest[near] = pixels[near] - design[:, :n] @ fit.coefficients(n)
    waves = np.pad(np.stack(spectra, axis=1).astype(complex), ((0, 0), (_NUISANCE, 0)))
    curve, effects = fit.transfer(n, waves)
    top = sizes[used + 1] if used + 1 < len(sizes) else fit.n_columns
    richer = fit.transfer(top, waves)[0] - curve
    if direction_rad is None:  # noise alone gives one more order an amplitude, too
        richer *= math.sqrt(max(1 - by_chance / max(float(fit.amplitudes[top - 1] ** 2), 1e-300), 0.0))
    modes = effects @ fit.spread(design[:, :n], rest, near)
    modes = np.concatenate([modes, richer[:, None]], axis=1)
    own = shape(math.pi * diameter * frequencies)
    return MTF(
        frequencies_per_mm=frequencies,
        values=curve / own,
        modes=modes / own[:, None],
        algorithm=algorithm,
        definition=_WIRE,
        details=(
            ("center y (mm)", point.center_mm[0]),
            ("center x (mm)", point.center_mm[1]),
            ("contrast to noise", abs(point.height) / max(point.noise, 1e-300)),
            ("terms", float(used)),
        ),
    )


def _products(
    u: Floats, v: Floats, q: Floats, angle: float, most: int
) -> tuple[list[Floats], list[npt.NDArray[np.complexfloating]], list[int]]:
    """Products of Hermite functions along and across a direction, ordered by their total order."""
    c, s = math.cos(angle), math.sin(angle)
    along, across = hermite(c * u + s * v, most), hermite(c * v - s * u, most)
    waves, still = hermite(q, most), hermite(np.zeros(1), most)
    terms, spectra, sizes = [], [], []
    for order in range(most + 1):
        for j in range(order + 1):
            terms.append(along[j] * across[order - j])
            spectra.append((-1j) ** order * waves[j] * float(still[order - j][0]))
        sizes.append(_NUISANCE + len(terms))
    return terms, spectra, sizes[:-1]


def _frequencies(
    pixel: float, diameter: float, shape: Callable[[Floats], Floats], max_frequency: float | None
) -> Floats:
    """Frequencies up to the highest one, below which the object's own transform must stay large enough."""
    limit = 1 / pixel
    if diameter > 0:
        tries = np.linspace(0, 4 / diameter, 4001)
        limit = float(tries[np.flatnonzero(shape(math.pi * diameter * tries) < _LEAST_SHARE)[0]])
    if max_frequency is None:
        return np.linspace(0, min(limit, 1 / pixel), _N_FREQUENCIES)
    highest = positive("max_frequency_per_mm", max_frequency)
    if diameter > 0 and highest > limit:
        raise ValueError(
            f"max_frequency_per_mm must be at most {limit:g}, where the object's own transform is "
            f"{_LEAST_SHARE}, got {highest:g}"
        )
    return np.linspace(0, highest, _N_FREQUENCIES)

"""Modulation transfer function from the rim of a disk: the task transfer function."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special
from scipy.interpolate import CubicSpline

from imgtech._core.validate import count, each, positive, real_image
from imgtech.geometry import ImageGrid
from imgtech.qc.measurement import Source
from imgtech.qc.metrics._expansion import Expansion, highest_power, laguerre
from imgtech.qc.metrics.mtf import MTF

Floats = npt.NDArray[np.float64]

_TG233 = Source(document="AAPM Report 233", edition="2019", clause="task transfer function", verified=False)
_ALGORITHM = "disk-laguerre-1"
_MOST_TERMS = 12
_NUISANCE = 4
_REACH = 8.0
_REACH_PX = 6.0
_N_FREQUENCIES = 401
_ROUNDS = 30
_TABLE_STEPS = 12
_PANEL_RAD = 10.0
_LARGEST = 400.0
_MIN_CNR = 3.0


def disk_mtf(
    image: npt.ArrayLike,
    grid: ImageGrid,
    *,
    center_mm: tuple[float, float],
    radius_mm: float,
    max_frequency_per_mm: float | None = None,
    n_terms: int | None = None,
) -> MTF:
    r"""MTF of a round rod from its rim, mean over all directions: the TTF of AAPM Report 233.

    The usual way takes the slope of the radial profile for the line spread function, as if the rim were
    straight; for a rod of few blur widths that is wrong by several percent. Here the point spread function is
    expanded in Laguerre-Gauss functions (:func:`wire_mtf`) and every one of them is blurred with the disk in
    closed form,

    .. math:: B_k(r) = 2 \pi R \int_0^\infty (-1)^k L_k(q^2)\, e^{-q^2/2}\, J_1(2 \pi R f)\, J_0(2 \pi r f)\,
              df, \qquad q = 2 \pi f s,

    and the :math:`B_k` are fitted to the pixels near the rim, with a constant and with small shifts of
    radius and centre. Image noise adds up over the whole rim, so low contrast rods need large rims or the
    mean of several slices; AAPM Report 233 asks for a contrast to noise of 15 after averaging.

    Parameters
    ----------
    image : array_like
        Shape ``grid.shape``: one rod, brighter or darker than its surroundings; the mean of several slices
        for low contrast.
    grid : ImageGrid
        The pixels, 2-D.
    center_mm : (float, float)
        First guess of the centre ``(y, x)``, good to a third of the radius.
    radius_mm : float
        First guess of the radius, good to a third.
    max_frequency_per_mm : float, optional
        Highest frequency; one over the smaller pixel size by default.
    n_terms : int, optional
        Fixes K, 1 to 12.

    Returns
    -------
    MTF
        At 401 frequencies; ``details`` hold the fitted radius, centre and the contrast to noise of one
        pixel. The uncertainty holds the noise with its correlation and the change that one more term
        would make.

    Raises
    ------
    ValueError
        If no rim is found near the guess, the rod is larger than 400 widths of the blur, or an argument is
        out of range.

    References
    ----------
    E. Samei et al., Performance evaluation of computed tomography systems: summary of AAPM task group 233,
    Med Phys 46 (2019) e735, doi:10.1002/mp.13763; S. Richard et al., Towards task-based assessment of CT
    performance, Med Phys 39 (2012) 4115, doi:10.1118/1.4725171.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import BlurredDisk
    >>> from imgtech.qc.metrics import disk_mtf
    >>> rod = BlurredDisk(center_mm=(1.1, -0.7), radius_mm=5.0, sigma_mm=0.6, low=40.0, high=10.0)
    >>> grid = ImageGrid(shape=(60, 54), spacing_mm=(0.4, 0.5))
    >>> m = disk_mtf(rod.image(grid), grid, center_mm=(0.0, 0.0), radius_mm=6.0)
    >>> truth = rod.mtf(m.frequencies_per_mm, spacing_mm=(0.4, 0.5))
    >>> float(np.abs(m.values - truth).max()) < 2e-3
    True
    """
    pixels = real_image("image", image, 2, grid.shape).astype(np.float64)
    dy, dx = grid.spacing_mm
    cy, cx = each("center_mm", center_mm, 2)
    radius = positive("radius_mm", radius_mm)
    highest = 1 / min(dy, dx) if max_frequency_per_mm is None else max_frequency_per_mm
    frequencies = np.linspace(0, positive("max_frequency_per_mm", highest), _N_FREQUENCIES)
    if n_terms is not None and count("n_terms", n_terms) > _MOST_TERMS:
        raise ValueError(f"n_terms must be at most {_MOST_TERMS}, got {n_terms}")
    (cy, cx), radius, width = _fit_rim(pixels, grid, (cy, cx), radius)
    if radius > _LARGEST * width:
        raise ValueError(
            f"radius_mm must be at most {_LARGEST:g} times the blur of {width:.3g} mm, got {radius:g}; "
            "use a piece of the rim with slanted_edge_mtf"
        )
    y, x = grid.coordinates_mm
    for _ in range(2):
        r = np.hypot(y[:, None] - cy, x - cx)
        near = np.abs(r - radius) < max(_REACH * width, _REACH_PX * math.sqrt(dy * dx))
        rows, columns = np.nonzero(near)
        far = r[near]
        sine, cosine = (y[rows] - cy) / np.maximum(far, 1e-12), (x[columns] - cx) / np.maximum(far, 1e-12)
        blurred, slope, swell = _blurred_disks(far, radius, width)
        design = np.concatenate(
            [np.stack([np.ones_like(far), -slope * sine, -slope * cosine, swell], axis=1), blurred], axis=1
        )
        if len(far) <= 2 * design.shape[1]:
            raise ValueError(
                f"image must show the rim on more than {2 * design.shape[1]} pixels, got {len(far)}"
            )
        fit = Expansion.fit(design, pixels[near])
        start = fit.coefficients(_NUISANCE + 1)
        limit = 0.3 * width
        move = np.clip(start[1:4] / start[4], -limit, limit)
        cy, cx, radius = cy + float(move[0]), cx + float(move[1]), radius + float(move[2])
    rest = np.zeros(pixels.shape)
    rest[near] = pixels[near] - design[:, : fit.n_columns] @ fit.coefficients(fit.n_columns)
    step = float(start[4])
    noise = max(float(np.vdot(rest, rest)) / (len(far) - design.shape[1]), 1e-24 * step**2)
    if abs(step) < _MIN_CNR * math.sqrt(noise / (2 * math.pi * radius * width / (dy * dx))):
        raise ValueError(f"the disk must stand out of the noise {math.sqrt(noise):g}, got a step of {step:g}")
    sizes = range(_NUISANCE + 1, fit.n_columns)
    if n_terms is not None and n_terms >= len(sizes):
        raise ValueError(f"n_terms must be at most {len(sizes) - 1} for this rim, got {n_terms}")
    # the first order stands for the width, whose uncertainty has to be part of the result
    found = fit.chosen(sizes[1:], noise * highest_power(rest, near)) + 1
    used = found if n_terms is None else n_terms
    q = 2 * math.pi * frequencies * width
    spectra = np.stack([(-1) ** k * g for k, g in enumerate(laguerre(q, _MOST_TERMS + 1))], axis=1)
    waves = np.pad(spectra.astype(complex), ((0, 0), (_NUISANCE, 0)))
    n = sizes[used]
    rest[near] = pixels[near] - design[:, :n] @ fit.coefficients(n)
    curve, effects = fit.transfer(n, waves)
    richer, _ = fit.transfer(n + 1, waves)
    modes = effects @ fit.spread(design[:, :n], rest, near)
    modes = np.concatenate([modes, (richer - curve)[:, None]], axis=1)
    return MTF(
        frequencies_per_mm=frequencies,
        values=curve,
        modes=modes,
        algorithm=_ALGORITHM,
        definition=_TG233,
        details=(
            ("center y (mm)", cy),
            ("center x (mm)", cx),
            ("radius (mm)", radius),
            ("contrast to noise", abs(step) / math.sqrt(noise)),
            ("terms", float(used)),
        ),
    )


def _fit_rim(
    pixels: Floats, grid: ImageGrid, center: tuple[float, float], radius: float
) -> tuple[tuple[float, float], float, float]:
    """Centre, radius and width of a step blurred by a Gaussian, by Gauss-Newton steps."""
    y, x = grid.coordinates_mm
    cy, cx = center
    pixel = math.sqrt(math.prod(grid.spacing_mm))
    first, width, reach = radius, max(radius / 6, 1.2 * pixel), 0.8 * radius
    a = b = 0.0
    change = math.inf
    for iteration in range(_ROUNDS):
        r = np.hypot(y[:, None] - cy, x - cx)
        rows, columns = np.nonzero(np.abs(r - radius) < reach)
        far, values = r[rows, columns], pixels[rows, columns]
        if len(far) < 30:
            break
        u = (radius - far) / width
        step, bell = special.ndtr(u), np.exp(-u * u / 2) / math.sqrt(2 * math.pi)
        if iteration == 0:
            b = float(np.cov(step, values)[0, 1] / max(np.var(step, ddof=1), 1e-300))
            a = float(values.mean() - b * step.mean())
        slope = b / width * bell
        safe = np.maximum(far, 1e-9)
        design = np.stack(
            [np.ones_like(u), step, slope * (y[rows] - cy) / safe, slope * (x[columns] - cx) / safe,
             slope, -slope * u]
        )  # fmt: skip
        normal = design @ design.T
        if not (np.diag(normal) > 0).all():
            break
        move = np.linalg.lstsq(normal, design @ (values - a - b * step), rcond=1e-12)[0]
        a, b = a + float(move[0]), b + float(move[1])
        limit = min(1.0, width / max(float(np.abs(move[2:5]).max()), 1e-300))
        cy, cx, radius = (now + limit * float(m) for now, m in zip((cy, cx, radius), move[2:5], strict=True))
        width = min(max(width + float(move[5]), 0.7 * width, 0.3 * pixel), 1.4 * width)
        change = float(np.abs(move[2:]).max()) / pixel
        reach = min(0.8 * radius, max(6 * width, 4 * pixel))
        if not 0.5 * first < radius < 2 * first:
            break
        if change < 1e-4:
            return (cy, cx), radius, width
    if change < 0.02 and 0.5 * first < radius < 2 * first:
        return (cy, cx), radius, width
    raise ValueError(
        f"image must hold the rim of a disk near the radius {first:g} mm around "
        f"({center[0]:g}, {center[1]:g}) mm, found none"
    )


def _blurred_disks(r: Floats, radius: float, width: float) -> tuple[Floats, Floats, Floats]:
    """The disk blurred with every function, the slope of the first, and its change with the radius."""
    big = radius / width
    low, high = max(0.0, float(r.min()) / width - 1), float(r.max()) / width + 1
    t = np.linspace(low, high, max(math.ceil((high - low) * _TABLE_STEPS), 8) + 1)
    top = 6 + 2 * math.sqrt(2 * _MOST_TERMS + 4)
    n_panels = math.ceil(top * (big + high) / _PANEL_RAD)
    nodes, weights = np.polynomial.legendre.leggauss(16)
    edges = np.linspace(0, top, n_panels + 1)
    half = edges[1] / 2
    q = ((edges[:-1] + half)[:, None] + half * nodes).ravel()
    w = np.tile(half * weights, n_panels)
    functions = np.stack([(-1) ** k * g for k, g in enumerate(laguerre(q, _MOST_TERMS + 1))], axis=1)
    rim = special.j1(big * q) * w * big
    around = special.j0(np.multiply.outer(t, q))
    disks = around @ (functions * rim[:, None])
    swell = around @ (functions[:, 0] * w * big * q * special.j0(big * q)) / width
    table = CubicSpline(t, np.column_stack([disks, swell]))
    values = table(r / width)
    slope = table.derivative()(r / width)[:, 0] / width
    return values[:, :-1], slope, values[:, -1]

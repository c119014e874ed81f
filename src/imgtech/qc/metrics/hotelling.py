"""Channelised Hotelling observer, and the statistical limit of low contrast."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from imgtech._core.validate import one_of, positive, real_image
from imgtech.geometry import ImageGrid
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._noise import noise_size
from imgtech.qc.metrics._spectrum import polynomials

Floats = npt.NDArray[np.float64]

_BARRETT = Source(document="Barrett and Myers, Foundations of Image Science", edition="2004",
                  clause="13.2.12", verified=False)  # fmt: skip
_CHAO = Source(document="Chao et al., Med Phys 27 (2000) 1425", edition="2000", verified=False)
_ORDERS = {"mean": 0, "plane": 1, "quadratic": 2}
_STRIPS = 16  # to a pixel
_FACTOR = 3.29


def channelised_hotelling(
    signal_images: npt.ArrayLike, noise_images: npt.ArrayLike, channels: npt.ArrayLike
) -> Measurement:
    r"""Detectability of a signal by the channelised Hotelling observer, from images with and without it.

    With the mean difference :math:`\Delta v` of p channel outputs and their pooled covariance S,
    :math:`D^2 = \Delta v^T S^{-1} \Delta v` of m and n images is too high on average, as the observer is
    trained on the images it reads. For normally distributed outputs it is exactly known how much:

    .. math:: d'^2 = \frac{m + n - p - 3}{m + n - 2} D^2 - \frac{p\,(m + n)}{m n}

    is free of bias, and D^2 follows a noncentral F distribution, which gives the uncertainty and an exact
    interval.

    Parameters
    ----------
    signal_images, noise_images : array_like
        Images with and without the signal, shapes ``(m, ny, nx)`` and ``(n, ny, nx)``, all independent.
    channels : array_like
        Channels ``(p, ny, nx)``, such as :func:`laguerre_gauss_channels`.

    Returns
    -------
    Measurement
        ``"d' (cho)"``, unit 1; 0 where the images show no more than chance. ``details`` hold the ends of the
        exact 95 % interval and the number of channels.

    Raises
    ------
    ValueError
        If shapes differ, there are fewer than p + 4 images in all, or the channels are not independent.

    References
    ----------
    H. H. Barrett and K. J. Myers, Foundations of Image Science (2004); A. Wunderlich et al., Exact confidence
    intervals for channelized Hotelling observer performance, IEEE Trans Med Imaging 34 (2015) 453,
    doi:10.1109/TMI.2014.2360496.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.qc.metrics import channelised_hotelling, laguerre_gauss_channels
    >>> grid = ImageGrid(shape=(32, 36), spacing_mm=(1.0, 1.0))
    >>> u = laguerre_gauss_channels(grid, center_mm=(0.0, 0.0), width_mm=7.5, n_channels=3)
    >>> noise = np.random.default_rng(1).standard_normal((400, 32, 36))
    >>> signal = 0.4 * u[0] / u[0].max()
    >>> m = channelised_hotelling(noise[:200] + signal, noise[200:], u)
    >>> truth = 0.4 * 7.5 / np.sqrt(2)            # C sqrt(pi) sigma, with sigma = 7.5 / sqrt(2 pi)
    >>> bool(abs(m.value - truth) < 2 * m.uncertainty)
    True
    """
    templates = real_image("channels", channels, 3).astype(np.float64)
    p, shape = templates.shape[0], templates.shape[1:]
    flat = templates.reshape(p, -1)
    outputs = []
    for name, images in (("signal_images", signal_images), ("noise_images", noise_images)):
        outputs.append(real_image(name, images, 3, shape).reshape(-1, flat.shape[1]) @ flat.T)
    m, n = (len(v) for v in outputs)
    if min(m, n) < 2 or m + n < p + 4:
        raise ValueError(f"there must be at least {p + 4} images, 2 of a kind, got {m} and {n}")
    difference = outputs[0].mean(axis=0) - outputs[1].mean(axis=0)
    scatter = sum((v - v.mean(axis=0)).T @ (v - v.mean(axis=0)) for v in outputs) / (m + n - 2)
    scale = np.sqrt(np.diag(scatter))
    if not (scale > 0).all() or np.linalg.cond(scatter / np.outer(scale, scale)) > 1e10:
        raise ValueError(
            "channels must be independent of each other and see noise, got a singular covariance"
        )
    square = float(difference @ np.linalg.solve(scatter, difference))
    pairs = m * n / (m + n)
    to_f = (m + n - p - 1) / ((m + n - 2) * p) * pairs
    free = (m + n - p - 3) / (m + n - 2) * square - p / pairs
    true = max(free, 0.0)
    spread = math.sqrt(float(stats.ncf.var(p, m + n - p - 1, max(pairs * true, 1e-9)))) / to_f
    spread *= (m + n - p - 3) / (m + n - 2)
    low, high = (_noncentral(to_f * square, p, m + n - p - 1, level) for level in (0.975, 0.025))
    value = math.sqrt(true)
    return Measurement(
        name="d' (cho)",
        value=value,
        uncertainty=math.sqrt(true + spread) - value if true < spread else spread / (2 * value),
        definition=_BARRETT,
        algorithm="channelised-hotelling-1",
        details={
            "95 % from": math.sqrt(low / pairs),
            "95 % to": math.sqrt(high / pairs),
            "channels": p,
        },
    )


def _noncentral(f: float, p: int, q: int, level: float) -> float:
    """Noncentrality for which F does not exceed f with a probability; 0 where none does."""

    def excess(c: float) -> float:
        return float(stats.ncf.cdf(f, p, q, c)) - level

    if excess(1e-9) <= 0:
        return 0.0
    top = p * f + 10.0
    while excess(top) > 0:
        top *= 2
    return float(optimize.brentq(excess, 1e-9, top, rtol=1e-6))


def low_contrast_limit(
    image: npt.ArrayLike, grid: ImageGrid, *, diameter_mm: float, detrend: str = "plane"
) -> Measurement:
    r"""Contrast at which a disk of a given size is told from the background with 95 % confidence.

    The statistical method: the image of a uniform object is filled with disks of this size; with the
    standard deviation s of their means the contrast limit is :math:`3.29\, s`, where threshold and means of
    background and object lie 1.645 s apart on either side. No disk is looked at by anyone.

    Parameters
    ----------
    image : array_like
        Shape ``grid.shape``: a region without structure.
    grid : ImageGrid
        The pixels, 2-D.
    diameter_mm : float
        Diameter of the disks.
    detrend : {"mean", "plane", "quadratic"}, optional
        What is taken off the means before their standard deviation, as shading would count as noise.

    Returns
    -------
    Measurement
        ``"contrast limit for 5 mm"`` in pixel values; ``details`` hold the number of disks. The uncertainty
        holds the number of disks and the correlation of neighbours.

    Raises
    ------
    ValueError
        If fewer than nine disks more than trend terms fit into the image, or a value is not finite.

    References
    ----------
    E. H. Chao et al., A statistical method of defining low contrast detectability, Med Phys 27 (2000) 1425;
    K. Paulis et al., Med Phys 2023 and IEC 61223-3-5:2019 use the same limit.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.qc.metrics import low_contrast_limit
    >>> grid = ImageGrid(shape=(200, 220), spacing_mm=(0.5, 0.5))
    >>> image = 40 + 6 * np.random.default_rng(1).standard_normal(grid.shape)
    >>> m = low_contrast_limit(image, grid, diameter_mm=5.0)
    >>> round(m.value, 1)                         # 3.29 * 6 / sqrt(84 pixels) is 2.15
    2.0
    """
    pixels = real_image("image", image, 2, grid.shape).astype(np.float64)
    order = _ORDERS[one_of("detrend", detrend, tuple(_ORDERS))]
    diameter = positive("diameter_mm", diameter_mm)
    n_rows, n_columns = (int(fov / diameter + 1e-9) for fov in grid.fov_mm)
    terms = (order + 1) * (order + 2) // 2
    if n_rows * n_columns < terms + 9 or min(n_rows, n_columns) < order + 1:
        raise ValueError(
            f"image must hold at least {terms + 9} disks of {diameter:g} mm, got {n_rows} by {n_columns}"
        )
    means = _disk_means(pixels, grid, (n_rows, n_columns), diameter)
    basis = polynomials(means.shape, order)
    rest = means.ravel() - basis @ (basis.T @ means.ravel())
    freedom = rest.size - terms
    spread = math.sqrt(float(rest @ rest) / freedom)
    if spread == 0:
        raise ValueError("image must hold noise, got none")
    size = noise_size([rest.reshape(means.shape)], [np.ones(means.shape)], window=1)
    independent = freedom / size.squared
    return Measurement(
        name=f"contrast limit for {diameter:g} mm",
        value=_FACTOR * spread,
        uncertainty=_FACTOR * spread / math.sqrt(2 * independent),
        definition=_CHAO,
        algorithm="contrast-limit-disks-1",
        degrees_of_freedom=max(independent, 1.0),
        details={"disks": rest.size, "standard deviation of the means": spread},
    )


def _disk_means(pixels: Floats, grid: ImageGrid, numbers: tuple[int, int], diameter: float) -> Floats:
    """Means over disks that fill the image, side by side and row by row.

    As in a disk region the disk is cut into strips along x, sixteen to a pixel. The sum over the part of a
    row of pixels between the ends of a strip is a difference of running sums.
    """
    (dy, dx), (ny, nx) = grid.spacing_mm, grid.shape
    sums = np.zeros((ny, nx + 2))
    np.cumsum(pixels, axis=1, out=sums[:, 1:-1])
    sums[:, -1] = sums[:, -2]
    middles_y, middles_x = (
        (fov - n * diameter) / 2 + (np.arange(n) + 0.5) * diameter
        for fov, n in zip(grid.fov_mm, numbers, strict=True)
    )
    means = np.empty(numbers)
    radius = diameter / 2
    for i, middle in enumerate(middles_y):
        first, last = int(max((middle - radius) / dy, 0)), min(math.ceil((middle + radius) / dy), ny)
        ends = (first + np.arange((last - first) * _STRIPS + 1) / _STRIPS) * dy - middle
        ends = np.clip(ends, -radius, radius)
        height, at = np.diff(ends), (ends[1:] + ends[:-1]) / 2
        half = np.sqrt(radius**2 - at**2)
        rows = np.repeat(np.arange(first, last), _STRIPS)[:, None]
        total = np.zeros(numbers[1])
        for side in (1, -1):
            x = np.clip((middles_x + side * half[:, None]) / dx, 0, nx)
            k = x.astype(np.int64)
            below = sums[rows, k]
            total += side * (height @ (below + (x - k) * (sums[rows, k + 1] - below)))
        means[i] = total * dx / float(2 * height @ half)
    return means

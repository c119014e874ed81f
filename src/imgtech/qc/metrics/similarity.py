"""How near an image comes to a reference: for reconstructions, not for scanners."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech._core.validate import positive
from imgtech.qc.roi import checked_region

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[Any]

_SMALL = 0.03
_WIDE = 1.5


def rmse(image: npt.ArrayLike, reference: npt.ArrayLike, *, region: npt.ArrayLike | None = None) -> float:
    r"""Root-mean-square error :math:`\sqrt{\sum w |x - r|^2 / \sum w}`, in the unit of the images.

    Parameters
    ----------
    image, reference : array_like
        Images of the same shape, real or complex, any number of axes.
    region : array_like, optional
        Weights w between 0 and 1; everywhere by default.

    Returns
    -------
    float
        0 for equal images.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite, or the region is empty.

    Examples
    --------
    >>> from imgtech.qc.metrics import rmse
    >>> rmse([[1.0, 2.0]], [[4.0, 6.0]])                     # sqrt((9 + 16) / 2)
    3.5355339059327378
    """
    x, r, w = _pair(image, reference, region)
    return math.sqrt(float((w * np.abs(x - r) ** 2).sum() / w.sum()))


def nrmse(
    image: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    region: npt.ArrayLike | None = None,
    fit_scale: bool = True,
) -> float:
    r"""Error relative to the reference, after the best complex scale.

    .. math:: \min_s \frac{\lVert s x - r \rVert}{\lVert r \rVert}
              = \sqrt{1 - \frac{|\langle x, r \rangle|^2}{\lVert x \rVert^2 \lVert r \rVert^2}},
              \qquad s = \frac{\langle x, r \rangle}{\lVert x \rVert^2}

    A reconstruction whose grey values have no unit (MRI) differs from its reference by an amplitude and
    a phase that mean nothing; s takes them out. For real images s is real.

    Parameters
    ----------
    image, reference : array_like
        Images of the same shape, real or complex.
    region : array_like, optional
        Weights of the inner products; everywhere by default.
    fit_scale : bool, optional
        False compares the images as they are, s = 1.

    Returns
    -------
    float
        0 for equal images; at most 1 with a fitted scale.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite, or the reference (or the image to be scaled) is 0 everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import nrmse
    >>> reference = np.array([[3.0, 4.0j], [0.0, 1.0]])
    >>> round(nrmse(2j * reference, reference), 6)
    0.0
    >>> round(nrmse(2j * reference, reference, fit_scale=False), 3)
    2.236
    """
    x, r, w = _pair(image, reference, region)
    power, own = float((w * np.abs(r) ** 2).sum()), float((w * np.abs(x) ** 2).sum())
    if power == 0 or (fit_scale and own == 0):
        raise ValueError("image and reference must differ from 0, got one that is 0 everywhere")
    scale = (w * np.conj(x) * r).sum() / own if fit_scale else 1.0
    return math.sqrt(float((w * np.abs(scale * x - r) ** 2).sum()) / power)


def psnr(
    image: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    data_range: float | None = None,
    region: npt.ArrayLike | None = None,
) -> float:
    r"""Peak signal-to-noise ratio :math:`20 \log_{10}(R / \mathrm{RMSE})` in dB.

    Parameters
    ----------
    image, reference : array_like
        Real images of the same shape.
    data_range : float, optional
        R; highest minus lowest value of the reference in the region by default.
    region : array_like, optional
        Weights between 0 and 1; everywhere by default.

    Returns
    -------
    float
        In dB.

    Raises
    ------
    ValueError
        If images are complex, equal or of different shape, or the range is not positive.

    Examples
    --------
    >>> from imgtech.qc.metrics import psnr
    >>> round(psnr([[0.1, 1.1]], [[0.0, 1.0]]), 6)
    20.0
    """
    x, r, w = _real_pair(image, reference, region)
    error = rmse(x, r, region=w)
    if error == 0:
        raise ValueError("image must differ from the reference, got equal images")
    return 20 * math.log10(_range(r, w, data_range) / error)


def ssim(
    image: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    data_range: float | None = None,
    region: npt.ArrayLike | None = None,
) -> tuple[float, Floats]:
    """Structural similarity of Wang et al. with their Gaussian window, by scikit-image.

    Window of 1.5 pixels standard deviation (11 pixels wide), K1 = 0.01, K2 = 0.03, and covariances of
    the population: the settings of the paper. Numbers of programs with other windows do not compare.

    Parameters
    ----------
    image, reference : array_like
        Real images of the same shape, at least 11 along every axis.
    data_range : float, optional
        Highest minus lowest value of the reference in the region by default. SSIM depends on it.
    region : array_like, optional
        Weights of the mean; by default all pixels 5 or more from the border.

    Returns
    -------
    (float, numpy.ndarray)
        Mean and map, 1 where the images are equal.

    Raises
    ------
    ValueError
        If images are complex, small or of different shape, or the range is not positive.

    References
    ----------
    Z. Wang et al., IEEE Trans Image Process 13 (2004) 600, doi:10.1109/TIP.2003.819861.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import ssim
    >>> reference = np.random.default_rng(1).random((30, 34))
    >>> ssim(reference, reference)[0], ssim(reference + 0.2, reference)[0] < 1
    (1.0, True)
    """
    from skimage.metrics import structural_similarity  # takes a while to import

    x, r, w = _real_pair(image, reference, region)
    if min(x.shape) < 11:
        raise ValueError(f"image must have at least 11 samples along every axis, got {x.shape}")
    if region is None:
        w = np.zeros(x.shape)
        w[(slice(5, -5),) * x.ndim] = 1
    _, found = structural_similarity(
        x, r, data_range=_range(r, w, data_range), gaussian_weights=True, sigma=_WIDE,
        use_sample_covariance=False, full=True,
    )  # fmt: skip
    return float((w * found).sum() / w.sum()), np.asarray(found, dtype=np.float64)


def structural_difference(
    image: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    sigma_px: float = _WIDE,
    data_range: float | None = None,
) -> Floats:
    r"""Map of where an image shows other structure than its reference, whatever its level and contrast.

    .. math:: D = \frac12 \left(1 - \frac{\sigma_{xr} + C}{\sigma_x \sigma_r + C}\right), \qquad
              C = \tfrac12 (0.03\, R)^2

    with local variances and covariance under a Gaussian window: the third factor of SSIM alone. Local
    offsets and positive factors (bias field, window of the scanner) do not count; a lost or added edge,
    streak or ghost does. C keeps regions without structure at 0.

    Parameters
    ----------
    image, reference : array_like
        Real images of the same shape.
    sigma_px : float, optional
        Standard deviation of the window.
    data_range : float, optional
        R; highest minus lowest value of the reference by default.

    Returns
    -------
    numpy.ndarray
        From 0 (same structure) over 1/2 (no relation) to 1 (inverted).

    Raises
    ------
    ValueError
        If images are complex or of different shape, or an argument is not positive.

    References
    ----------
    Z. Wang et al., IEEE Trans Image Process 13 (2004) 600, doi:10.1109/TIP.2003.819861, equation 10.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import structural_difference
    >>> reference = np.random.default_rng(1).standard_normal((30, 34))
    >>> bool(structural_difference(5 + 1.5 * reference, reference).max() < 1e-9)
    True
    >>> bool(structural_difference(-reference, reference).mean() > 0.9)
    True
    """
    x, r, w = _real_pair(image, reference, None)
    constant = (_SMALL * _range(r, w, data_range)) ** 2 / 2
    sigma = positive("sigma_px", sigma_px)

    def local(values: Floats) -> Floats:
        return np.asarray(ndimage.gaussian_filter(values, sigma, mode="reflect"))

    mean_x, mean_r = local(x), local(r)
    var_x = np.maximum(local(x * x) - mean_x**2, 0.0)
    var_r = np.maximum(local(r * r) - mean_r**2, 0.0)
    covariance = local(x * r) - mean_x * mean_r
    return np.clip((1 - (covariance + constant) / (np.sqrt(var_x * var_r) + constant)) / 2, 0.0, 1.0)


def _pair(
    image: npt.ArrayLike, reference: npt.ArrayLike, region: npt.ArrayLike | None
) -> tuple[Numbers, Numbers, Floats]:
    found = []
    for name, values in (("image", image), ("reference", reference)):
        array = np.asarray(values)
        if array.ndim == 0 or array.size == 0 or array.dtype.kind not in "biufc":
            raise ValueError(f"{name} must be a numeric image, got {array.dtype} of shape {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite")
        found.append(array.astype(np.complex128 if array.dtype.kind == "c" else np.float64))
    x, r = found
    if x.shape != r.shape:
        raise ValueError(f"image must have the shape {r.shape} of the reference, got {x.shape}")
    if region is None:
        return x, r, np.ones(r.shape)
    if r.ndim == 2:
        return x, r, checked_region("region", region, r.shape)
    w = np.asarray(region, dtype=np.float64)
    if w.shape != r.shape or not np.isfinite(w).all() or w.min() < 0 or w.max() > 1 or w.sum() == 0:
        raise ValueError(f"region must hold weights from 0 to 1 of shape {r.shape}, not all 0, got {w.shape}")
    return x, r, w


def _real_pair(
    image: npt.ArrayLike, reference: npt.ArrayLike, region: npt.ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    x, r, w = _pair(image, reference, region)
    for name, values in (("image", x), ("reference", r)):
        if np.iscomplexobj(values):
            raise ValueError(f"{name} must be real, got complex values; take the magnitude first")
    return x, r, w


def _range(reference: Floats, weights: Floats, data_range: float | None) -> float:
    if data_range is not None:
        return positive("data_range", data_range)
    seen = reference[weights > 0]
    return positive("range of the reference", float(seen.max() - seen.min()))

"""Clutter filters: what moves stays, what stands or moves slowly goes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.signal import firwin

from imgtech._core.validate import ComplexArray, complex_image, count, positive


def fir_filter(images: npt.ArrayLike, *, cutoff_hz: float, prf_hz: float, n_taps: int = 7) -> ComplexArray:
    r"""High-pass the frames of every pixel with a short symmetric filter of finite impulse response.

    Windowed-sinc (Hamming) taps h, with exactly nothing left of what stands still:

    .. math:: y_k = \sum_m h_m x_{k+m}, \qquad \sum_m h_m = 0, \qquad \sum_m (-1)^m h_m = \pm 1

    The response is 1 at half the frame rate and about 1/2 at the cutoff; a Doppler shift f belongs to an
    axial speed :math:`c f / 2 f_c`. Only frames for which the filter has all it needs come out.

    Parameters
    ----------
    images : array_like
        Complex images with the frames along the last axis.
    cutoff_hz : float
        Doppler frequency below which is clutter; under half of ``prf_hz``.
    prf_hz : float
        Rate of the frames.
    n_taps : int, optional
        Length of the filter, an odd number of at least 3 and at most the number of frames.

    Returns
    -------
    numpy.ndarray
        ``n_taps - 1`` frames fewer, complex64 (complex128 for double precision).

    Raises
    ------
    ValueError
        If there are too few frames, the length is even, a frequency is out of range or a value is not
        finite.

    References
    ----------
    Bjaerum, Torp and Kristoffersen 2002, "Clutter filter design for ultrasound color flow imaging",
    IEEE TUFFC 49:204, doi:10.1109/58.985705.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ultrasound import fir_filter
    >>> frames = 9.0 + np.exp(1j * np.pi * np.arange(8))  # tissue, and flow at half the frame rate
    >>> np.abs(fir_filter(frames[None], cutoff_hz=200, prf_hz=2000, n_taps=5)).round(6).tolist()
    [[1.0, 1.0, 1.0, 1.0]]
    """
    values = complex_image("images", images, (2, 3, 4))
    n, rate = values.shape[-1], positive("prf_hz", prf_hz)
    if count("n_taps", n_taps, 3) % 2 == 0 or n_taps > n:
        raise ValueError(f"n_taps must be odd and at most the number of frames {n}, got {n_taps}")
    if positive("cutoff_hz", cutoff_hz) >= rate / 2:
        raise ValueError(f"cutoff_hz must be below half of prf_hz, {rate / 2:g}, got {cutoff_hz}")
    taps = firwin(n_taps, cutoff_hz, pass_zero=False, fs=rate)
    taps = taps - taps.mean()
    taps /= np.sum(taps * (-1.0) ** np.arange(n_taps))
    out = np.zeros((*values.shape[:-1], n - n_taps + 1), dtype=values.dtype)
    for m, tap in enumerate(taps.astype(values.real.dtype)):
        out += tap * values[..., m : m + out.shape[-1]]
    return out


def polynomial_filter(images: npt.ArrayLike, *, order: int = 1) -> ComplexArray:
    """Take from the frames of every pixel the polynomial of a given order that fits them best.

    Order 0 takes the mean, order 1 a straight line as well. The result is orthogonal to all polynomials
    up to that order over the frames.

    Parameters
    ----------
    images : array_like
        Complex images with the frames along the last axis.
    order : int, optional
        Order of the polynomial; below the number of frames less one.

    Returns
    -------
    numpy.ndarray
        The filtered images, complex64 (complex128 for double precision).

    Raises
    ------
    ValueError
        If there are too few frames or a value is not finite.

    References
    ----------
    Bjaerum, Torp and Kristoffersen 2002, "Clutter filter design for ultrasound color flow imaging",
    IEEE TUFFC 49:204, doi:10.1109/58.985705.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ultrasound import polynomial_filter
    >>> frames = 3.0 + 2.0 * np.arange(6) + np.array([1, -1, 1, -1, 1, -1])
    >>> bool(np.abs(polynomial_filter(frames[None])).max() < 1.3)
    True
    """
    values = complex_image("images", images, (2, 3, 4))
    n = values.shape[-1]
    if count("order", order, 0) >= n - 1:
        raise ValueError(f"order must be below the number of frames {n} less one, got {order}")
    basis = np.linalg.qr(np.vander(np.linspace(-1, 1, n), order + 1))[0].astype(values.real.dtype)
    return values - (values @ basis) @ basis.T


def svd_filter(images: npt.ArrayLike, *, n_clutter: int = 1, n_kept: int | None = None) -> ComplexArray:
    """Take the strongest components of space and time from an ensemble of images.

    The images are written as a matrix, one row a pixel, one column a frame; its largest singular values
    belong to tissue, which is bright and moves as a whole, and its smallest to noise.

    Parameters
    ----------
    images : array_like
        Complex images with the frames along the last axis.
    n_clutter : int, optional
        Number of the largest components that go.
    n_kept : int, optional
        Number of components after these that stay; all by default.

    Returns
    -------
    numpy.ndarray
        The filtered images, complex64 (complex128 for double precision).

    Raises
    ------
    ValueError
        If fewer components remain than one, or a value is not finite.

    References
    ----------
    Demene et al. 2015, "Spatiotemporal clutter filtering of ultrafast ultrasound data highly increases
    Doppler and fUltrasound sensitivity", IEEE TMI 34:2271, doi:10.1109/TMI.2015.2428634.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ultrasound import svd_filter
    >>> still = np.outer([5.0, -2.0, 1.0], np.ones(4))
    >>> bool(np.abs(svd_filter(still)).max() < 1e-12)
    True
    """
    values = complex_image("images", images, (2, 3, 4))
    n = min(values.shape[-1], values[..., 0].size)
    first = count("n_clutter", n_clutter, 0)
    last = n if n_kept is None else min(n, first + count("n_kept", n_kept))
    if first >= n:
        raise ValueError(f"n_clutter must be below the number of components {n}, got {n_clutter}")
    matrix = values.reshape(-1, values.shape[-1]).astype(np.complex128)
    powers, times = np.linalg.eigh(matrix.conj().T @ matrix)  # small: frame by frame
    kept = times[:, np.argsort(powers)[::-1][first:last]]
    return (matrix @ kept @ kept.conj().T).reshape(values.shape).astype(values.dtype)

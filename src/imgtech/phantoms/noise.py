"""Noise of the detectors: counted photons and thermal noise of a receive coil."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import complex_image, not_negative, positive, real_image


def poisson_transmission(
    line_integrals: npt.ArrayLike,
    *,
    photons_per_channel: float,
    rng: np.random.Generator,
    count_floor: float = 0.5,
) -> npt.NDArray[np.floating[Any]]:
    r"""Return line integrals as a photon-counting detector would measure them.

    Behind the object a channel counts :math:`N \sim \mathrm{Poisson}(N_0 e^{-p})` photons and
    reports :math:`\hat p = \ln(N_0 / \max(N, f))`. For many photons the standard deviation is
    :math:`1 / \sqrt{N_0 e^{-p}}`.

    Parameters
    ----------
    line_integrals : array_like
        Line integrals :math:`p` of the attenuation, without a unit, any shape with 1 to 4 axes.
    photons_per_channel : float
        Mean count :math:`N_0` of an unattenuated channel.
    rng : numpy.random.Generator
        Source of the random numbers.
    count_floor : float, optional
        :math:`f`: counts below it, which is only the count 0 by default, are set to it before the
        logarithm.

    Returns
    -------
    numpy.ndarray
        Same shape as the input; float64 for float64, else float32.

    Raises
    ------
    ValueError
        If the input is not finite, or the photon number or the floor is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.phantoms import poisson_transmission
    >>> rng = np.random.default_rng(1)
    >>> noisy = poisson_transmission(np.full(10_000, 2.0), photons_per_channel=1e5, rng=rng)
    >>> bool(abs(noisy.std() * np.sqrt(1e5 * np.exp(-2.0)) - 1.0) < 0.03)
    True
    """
    p = real_image("line_integrals", line_integrals, (1, 2, 3, 4))
    incoming = positive("photons_per_channel", photons_per_channel)
    floor = positive("count_floor", count_floor)
    counts = rng.poisson(incoming * np.exp(-p.astype(np.float64)))
    return np.log(incoming / np.maximum(counts, floor)).astype(p.dtype)


def complex_gaussian(
    kspace: npt.ArrayLike, *, sigma: float, rng: np.random.Generator
) -> npt.NDArray[np.complexfloating[Any, Any]]:
    r"""Return k-space samples with thermal noise: independent normal real and imaginary parts.

    Parameters
    ----------
    kspace : array_like of complex
        Samples, any shape with 1 to 5 axes.
    sigma : float
        Standard deviation of the real part and of the imaginary part, each, in the unit of the
        samples. A centred orthonormal FFT keeps it.
    rng : numpy.random.Generator
        Source of the random numbers.

    Returns
    -------
    numpy.ndarray
        Same shape; complex128 for double precision input, else complex64.

    Raises
    ------
    ValueError
        If the input is not finite or sigma is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.phantoms import complex_gaussian
    >>> noise = complex_gaussian(np.zeros(20_000), sigma=3.0, rng=np.random.default_rng(1))
    >>> bool(abs(noise.imag.std() - 3.0) < 0.05)
    True
    """
    signal = complex_image("kspace", kspace, (1, 2, 3, 4, 5))
    scale = not_negative("sigma", sigma)
    noise = rng.normal(scale=scale, size=(2, *signal.shape))
    return (signal + noise[0] + 1j * noise[1]).astype(signal.dtype)

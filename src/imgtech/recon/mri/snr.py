"""Images in units of their own noise, in closed form and by replicas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.progress import progress
from imgtech._core.validate import Array, ComplexArray, FloatArray, complex_image, count
from imgtech.recon.mri.noise import cholesky_factor, whitened


def snr_units(
    images: npt.ArrayLike, *, noise_covariance: npt.ArrayLike, maps: npt.ArrayLike | None = None
) -> FloatArray:
    r"""Combine coil images of full k-space to the signal-to-noise ratio of every pixel.

    With sensitivities :math:`s` the ratio of :func:`roemer_combine`, without them that of the root sum of
    squares of whitened coils,

    .. math:: \frac{|m|}{\sigma} = \sqrt 2\, \frac{|s^H \Psi^{-1} d|}{\sqrt{s^H \Psi^{-1} s}}
              \qquad\text{or}\qquad \sqrt{2\, d^H \Psi^{-1} d},

    where :math:`\sigma` is the standard deviation of the real part of the noise (:math:`\Psi` holds that of
    both parts, hence the 2). The magnitude of noise alone is not zero: on average it reads 1.25 with maps and
    nearly :math:`\sqrt{2 n}` without, for n coils; a large ratio r reads about :math:`(n - 1/2) / r^2` of
    itself too high, with n = 1 with maps.

    Parameters
    ----------
    images : array_like
        Coil images ``(coil, y, x)`` of :func:`kspace_to_image`, from k-space that was fully sampled.
    noise_covariance : array_like
        Shape ``(coil, coil)``, of samples of the same k-space, see :func:`noise_covariance`. Noise that was
        recorded with another bandwidth or filter must be scaled to that of the data before.
    maps : array_like, optional
        Sensitivities, same shape as ``images``.

    Returns
    -------
    numpy.ndarray
        Real, shape ``(y, x)``. Pixels where all maps are zero are zero.

    Raises
    ------
    ValueError
        If a value is not finite, the shapes differ or the covariance is not positive definite.

    References
    ----------
    P. Kellman, E. R. McVeigh, Image reconstruction in SNR units: a general method for SNR measurement,
    Magnetic Resonance in Medicine 54 (2005) 1439-1447, doi:10.1002/mrm.20713.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri import snr_units
    >>> print(snr_units(np.full((1, 1, 2), 30.0), noise_covariance=[[2 * 1.5**2]]))
    [[20. 20.]]
    """
    array = complex_image("images", images, 3)
    white = whitened(array, "noise_covariance", noise_covariance)
    if maps is None:
        return np.asarray(np.sqrt(2 * np.sum(white.real**2 + white.imag**2, axis=0)))
    weights = complex_image("maps", maps, 3)
    if weights.shape != array.shape:
        raise ValueError(f"maps must have shape {array.shape} like images, got {weights.shape}")
    weights = whitened(weights.astype(array.dtype), "noise_covariance", noise_covariance)
    length = np.sqrt(np.sum(weights.real**2 + weights.imag**2, axis=0))
    return np.sqrt(array.real.dtype.type(2)) * snr_of(np.sum(weights.conj() * white, axis=0), length)


@dataclass(frozen=True, eq=False)
class Replicas(ArrayValue):
    """Image and noise of :func:`pseudo_replicas`.

    Parameters
    ----------
    image : numpy.ndarray
        The reconstruction without added noise.
    noise : numpy.ndarray
        Standard deviation of the real part of the noise, at the phase of the image, same shape.
    n_replicas : int
        How many replicas; the relative standard uncertainty of ``noise`` is one over the root of twice
        their number less one.
    """

    image: Array
    noise: FloatArray
    n_replicas: int

    @property
    def snr(self) -> FloatArray:
        """Signal-to-noise ratio, magnitude over noise; 0 where there is no noise."""
        return snr_of(self.image, self.noise)


def pseudo_replicas(
    reconstruct: Callable[[ComplexArray], Array],
    kspace: npt.ArrayLike,
    *,
    noise_covariance: npt.ArrayLike,
    rng: np.random.Generator,
    sampled: npt.ArrayLike | None = None,
    n_replicas: int = 100,
) -> Replicas:
    """Measure the noise of any reconstruction by giving it more and more noise.

    Noise of the known covariance is added to the data again and again; the standard deviation of the images
    is the noise of the reconstruction, for a reconstruction that is linear. For others it is the noise at
    this image, and holds for small noise only. At every pixel the part in phase with the image counts.

    Parameters
    ----------
    reconstruct : callable
        From k-space of the shape of ``kspace`` to an image, real or complex.
    kspace : array_like
        Shape ``(coil, ...)``.
    noise_covariance : array_like
        Shape ``(coil, coil)``, see :func:`noise_covariance`.
    rng : numpy.random.Generator
        Source of the noise.
    sampled : array_like of bool, optional
        Where samples were acquired, broadcast against ``kspace``: the others get no noise.
    n_replicas : int, optional
        Number of reconstructions, at least 2.

    Returns
    -------
    Replicas
        ``.image``, ``.noise``, ``.snr``.

    Raises
    ------
    ValueError
        If a value is not finite, the shapes do not fit or the covariance is not positive definite.

    References
    ----------
    P. M. Robson et al., Comprehensive quantification of signal-to-noise ratio and g-factor for image-based
    and k-space-based parallel imaging reconstructions, Magnetic Resonance in Medicine 60 (2008) 895-907,
    doi:10.1002/mrm.21728.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri import kspace_to_image, pseudo_replicas
    >>> kspace = np.zeros((1, 64, 64), complex)
    >>> kspace[0, 32, 32] = 6400.0
    >>> found = pseudo_replicas(lambda k: kspace_to_image(k)[0], kspace, noise_covariance=[[8.0]],
    ...                         rng=np.random.default_rng(1))
    >>> print(found.noise.mean().round(1))
    2.0
    """
    array = complex_image("kspace", kspace, (2, 3, 4, 5))
    count("n_replicas", n_replicas, 2)
    factor = cholesky_factor("noise_covariance", noise_covariance, len(array))
    where = None if sampled is None else _sampled(sampled, array.shape)
    clean = np.asarray(reconstruct(array.copy()))
    size = np.abs(clean)
    phase = np.where(size > 0, clean / np.where(size > 0, size, 1), 1)
    mean, squares = np.zeros(clean.shape), np.zeros(clean.shape)
    for number in progress(range(1, n_replicas + 1), "replicas"):
        white = rng.normal(scale=np.sqrt(0.5), size=(2, len(array), array[0].size))
        noise = (factor @ (white[0] + 1j * white[1])).reshape(array.shape)
        if where is not None:
            noise *= where
        image = np.asarray(reconstruct((array + noise).astype(array.dtype)))
        difference = (np.conj(phase) * (image - clean)).real.astype(np.float64)
        before = difference - mean
        mean += before / number
        squares += before * (difference - mean)
    noise_std = np.sqrt(squares / (n_replicas - 1))
    return Replicas(image=clean, noise=noise_std.astype(size.dtype), n_replicas=n_replicas)


def snr_of(image: npt.NDArray[Any], noise: FloatArray) -> FloatArray:
    """Magnitude over noise, 0 where there is no noise."""
    seen = noise > 0
    return np.asarray(np.where(seen, np.abs(image) / np.where(seen, noise, 1), 0))


def _sampled(sampled: npt.ArrayLike, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    array = np.asarray(sampled)
    if array.dtype != np.bool_:
        raise ValueError(f"sampled must be boolean, got {array.dtype}")
    try:
        return np.broadcast_to(array, shape)
    except ValueError as error:
        raise ValueError(f"sampled must fit the shape {shape} of kspace, got {array.shape}") from error

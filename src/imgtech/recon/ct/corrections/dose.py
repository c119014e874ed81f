"""The same scan at a lower dose: noise added to real data."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import FloatArray, not_negative, positive, real_image


def lower_dose(
    sinogram: npt.ArrayLike,
    *,
    photons_per_channel: npt.ArrayLike,
    dose_fraction: float,
    rng: np.random.Generator,
    electronic_noise_photons: float = 0.0,
) -> FloatArray:
    r"""Add the noise that a scan would have had at a fraction of its dose.

    A line integral p measured with :math:`N_0` photons before the object and electronic noise of the
    standard deviation e has the variance :math:`\sigma^2(N_0) = e^p / N_0 + e^2 e^{2p} / N_0^2`. Gaussian
    noise of the variance :math:`\sigma^2(a N_0) - \sigma^2(N_0)` is added: what is already in the scan is
    taken into account. Where few photons arrive (below about 10) the true distribution is no longer
    Gaussian and the result is too kind.

    Parameters
    ----------
    sinogram : array_like
        Line integrals of the scan, 2 or 3 axes.
    photons_per_channel : array_like of float
        :math:`N_0` of the scan: one number, or an array that broadcasts to the sinogram (a bow-tie filter,
        a modulated tube current).
    dose_fraction : float
        a, above 0 and at most 1.
    rng : numpy.random.Generator
        Source of the noise.
    electronic_noise_photons : float, optional
        e, in photons, independent of the dose.

    Returns
    -------
    numpy.ndarray
        Line integrals of the scan at the lower dose; float64 for float64, float32 otherwise.

    Raises
    ------
    ValueError
        If the sinogram is not finite, the photons are not positive or do not fit the sinogram, or the
        fraction lies outside 0 to 1.

    References
    ----------
    Yu, Shiung, Jondal and McCollough 2012, https://doi.org/10.1097/RCT.0b013e318258e891

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ct.corrections import lower_dose
    >>> noisy = lower_dose(np.full((200, 200), 2.0), photons_per_channel=1e5, dose_fraction=0.25,
    ...                    rng=np.random.default_rng(1))
    >>> round(float(noisy.std() / np.sqrt(3 * np.exp(2.0) / 1e5)), 1)
    1.0
    """
    values = real_image("sinogram", sinogram, (2, 3))
    fraction = positive("dose_fraction", dose_fraction)
    if fraction > 1:
        raise ValueError(f"dose_fraction must be at most 1, got {dose_fraction}")
    electronic = not_negative("electronic_noise_photons", electronic_noise_photons)
    photons = np.asarray(photons_per_channel, dtype=np.float64)
    positive("photons_per_channel", float(photons.min()) if photons.size else 0.0)
    try:
        photons = np.broadcast_to(photons, values.shape)
    except ValueError as error:
        raise ValueError(
            f"photons_per_channel must fit the sinogram of shape {values.shape}, got {photons.shape}"
        ) from error
    per_photon = np.exp(values.astype(np.float64)) / photons
    variance = (1 / fraction - 1) * per_photon + (1 / fraction**2 - 1) * (electronic * per_photon) ** 2
    return np.asarray(values + np.sqrt(variance) * rng.standard_normal(values.shape), dtype=values.dtype)

"""SNR of one magnitude image from its signal and the noise of the air."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special

from imgtech._core.validate import count, not_negative, one_of, real_image
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._noise import mean_uncertainty, noise_size, pixel_number, variance
from imgtech.qc.roi import checked_region

_NEMA = Source(document="NEMA MS 1", edition="2008", clause="method 4", verified=False)
_CONSTANTINIDES = Source(
    document="Constantinides et al., Magn Reson Med 38:852", edition="1997", verified=False
)


def snr_single_image(
    image: npt.ArrayLike,
    signal_region: npt.ArrayLike,
    air_region: npt.ArrayLike,
    *,
    n_channels: int = 1,
    noise_from: str = "sd",
    rounding_step: float = 0.0,
) -> Measurement:
    r"""SNR of one magnitude image; the noise is that of the air beside the object.

    In air the magnitude of n root-sum-of-squares channels follows a central chi distribution (Rayleigh
    for n = 1) of the noise :math:`\sigma` of one real or imaginary part:

    .. math:: \langle M \rangle = \beta_n \sigma, \quad \langle M^2 \rangle = 2 n \sigma^2, \quad
              \mathrm{SD}(M) = \sigma \sqrt{2n - \beta_n^2}, \quad
              \beta_n = \sqrt 2\, \Gamma(n + 1/2) / \Gamma(n)

    (n = 1: SD = 0.655 sigma, mean = 1.2533 sigma). In the object the mean magnitude is too high;
    the signal is :math:`\sqrt{\bar M^2 - (2n - 1)\sigma^2}`.

    Parameters
    ----------
    image : array_like
        Magnitude image, shape ``(ny, nx)``, not negative.
    signal_region, air_region : array_like
        Weights between 0 and 1, of the same shape. The air must be free of ghosts.
    n_channels : int, optional
        Number of receive channels joined as root sum of squares without noise correlation.
    noise_from : {"sd", "mean", "rms"}, optional
        Which statistic of the air gives the noise: its standard deviation (NEMA MS 1 method 4), its mean,
        or its root mean square (Constantinides).
    rounding_step : float, optional
        Step of the grey values if they were rounded to the nearest; its variance ``step**2 / 12``
        (Sheppard) is taken off. Values that were cut off instead of rounded have a mean that is half a
        step too low, so ``"sd"`` is the choice for them; below a noise of one step nothing helps.

    Returns
    -------
    Measurement
        ``"SNR"``, unit 1; ``details`` holds the ratio without the correction of the signal.

    Raises
    ------
    ValueError
        If shapes differ, a region is empty, a value is negative or not finite, the air is constant, or
        the signal does not stand above the noise.

    References
    ----------
    C. Constantinides, E. Atalar, E. McVeigh, Magn Reson Med 38 (1997) 852, doi:10.1002/mrm.1910380524.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import snr_single_image
    >>> rng = np.random.default_rng(1)
    >>> noise = 2.0 * (rng.standard_normal((60, 80)) + 1j * rng.standard_normal((60, 80)))
    >>> left = np.zeros((60, 80))
    >>> left[:, :40] = 1
    >>> m = snr_single_image(abs(100 * left + noise), left, 1 - left)
    >>> abs(m.value - 50) < 2 * m.uncertainty
    True
    """
    pixels = real_image("image", image, 2).astype(np.float64)
    inside = checked_region("signal_region", signal_region, pixels.shape)
    air = checked_region("air_region", air_region, pixels.shape)
    n = count("n_channels", n_channels)
    one_of("noise_from", noise_from, ("sd", "mean", "rms"))
    step = not_negative("rounding_step", rounding_step)
    if pixels.min() < 0:
        raise ValueError(f"image must be a magnitude and not negative, got {pixels.min():g}")
    beta = math.sqrt(2) * math.exp(special.gammaln(n + 0.5) - special.gammaln(n))
    mean = float(np.vdot(air, pixels) / air.sum())
    spread = variance(pixels, air) - step**2 / 12
    if spread <= 0:
        raise ValueError("air_region must hold noise above the rounding, got constant grey values")
    if noise_from == "mean":
        sigma = mean / beta
        relative = mean_uncertainty(pixels, air, noise_size([pixels], [air])) / mean
    else:
        about = mean if noise_from == "sd" else 0.0
        power = (pixels - about) ** 2
        factor = 2 * n - beta**2 if noise_from == "sd" else 2.0 * n
        moment = spread if noise_from == "sd" else spread + mean**2
        sigma = math.sqrt(moment / factor)
        relative = mean_uncertainty(power, air, noise_size([power], [air])) / moment / 2
    level = float(np.vdot(inside, pixels) / inside.sum())
    if level**2 <= (2 * n + 1) * sigma**2:
        raise ValueError(f"signal_region must stand above the noise {sigma:g}, got a mean of {level:g}")
    signal = math.sqrt(level**2 - (2 * n - 1) * sigma**2)
    size = noise_size([power if noise_from != "mean" else pixels], [air])
    ratio = signal / sigma
    return Measurement(
        name="SNR",
        value=ratio,
        uncertainty=math.hypot(
            ratio * relative, level / signal * math.sqrt(size.linear / pixel_number(inside))
        ),
        definition=_NEMA if noise_from == "sd" and n == 1 else _CONSTANTINIDES,
        algorithm=f"snr-air-{noise_from}-1",
        degrees_of_freedom=max(pixel_number(air) / size.linear - 1, 1.0),
        details={"signal": signal, "noise": sigma, "uncorrected": level / sigma, "air mean": mean},
    )

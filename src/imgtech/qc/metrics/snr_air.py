"""SNR of one magnitude image from its signal and the noise of the air."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

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
    rounding: str = "nearest",
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
        Step of the grey values, 0 for continuous ones. The noise is then the :math:`\sigma` whose rounded
        distribution has the measured statistic, with
        :math:`\langle M \rangle = d \sum_{k \ge 1} P(M \ge t_k)` and
        :math:`\langle M^2 \rangle = d^2 \sum_{k \ge 1} (2k - 1) P(M \ge t_k)`, where
        :math:`t_k = (k - 1/2) d` for values rounded to the nearest and :math:`k d` for values cut off. This
        holds below a noise of one step too.
    rounding : {"nearest", "down"}, optional
        Whether the values were rounded to the nearest step or cut off (integer truncation); in the latter
        case half a step is added to the signal.

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
    cut = one_of("rounding", rounding, ("nearest", "down")) == "down"
    step = not_negative("rounding_step", rounding_step)
    if pixels.min() < 0:
        raise ValueError(f"image must be a magnitude and not negative, got {pixels.min():g}")
    mean = float(np.vdot(air, pixels) / air.sum())
    spread = variance(pixels, air)
    if spread <= 1e-24 * mean**2:
        raise ValueError("air_region must hold noise, got constant grey values")
    if noise_from == "mean":
        power, moment = pixels, mean
    else:
        power = (pixels - (mean if noise_from == "sd" else 0.0)) ** 2
        moment = spread if noise_from == "sd" else spread + mean**2

    def statistic(sigma: float) -> float:
        first, second = _moments(sigma, n, step, cut=cut)
        return {"mean": first, "rms": second, "sd": second - first**2}[noise_from]

    # the root mean square always grows with the noise, the SD of coarsely rounded values does not
    start = math.sqrt((spread + mean**2) / (2 * n))
    start = _solve(lambda sigma: _moments(sigma, n, step, cut=cut)[1], spread + mean**2, start)
    sigma = start if noise_from == "rms" else _solve(statistic, moment, start)
    slope = (statistic(1.001 * sigma) - statistic(0.999 * sigma)) / 0.002
    size = noise_size([power], [air])
    relative = mean_uncertainty(power, air, size) / slope
    level = float(np.vdot(inside, pixels) / inside.sum()) + (step / 2 if cut else 0.0)
    if level**2 <= (2 * n + 1) * sigma**2:
        raise ValueError(f"signal_region must stand above the noise {sigma:g}, got a mean of {level:g}")
    signal = math.sqrt(level**2 - (2 * n - 1) * sigma**2)
    ratio = signal / sigma
    return Measurement(
        name="SNR",
        value=ratio,
        uncertainty=math.hypot(
            ratio * relative, level / signal * math.sqrt(size.linear / pixel_number(inside))
        ),
        definition=_NEMA if noise_from == "sd" and n == 1 else _CONSTANTINIDES,
        algorithm=f"snr-air-{noise_from}-2",
        degrees_of_freedom=max(pixel_number(air) / size.linear - 1, 1.0),
        details={"signal": signal, "noise": sigma, "uncorrected": level / sigma, "air mean": mean},
    )


def _moments(sigma: float, n: int, step: float, *, cut: bool) -> tuple[float, float]:
    """Mean and mean square of the magnitude of n channels, rounded if the step is not zero."""
    if step < 0.01 * sigma:
        beta = math.sqrt(2) * math.exp(special.gammaln(n + 0.5) - special.gammaln(n))
        first, second = beta * sigma, 2 * n * sigma**2 + step**2 / 12
        return (first - step / 2, second - step * first + step**2 / 4) if cut else (first, second)
    k = np.arange(1, math.ceil(sigma * (math.sqrt(2 * n) + 9) / step) + 2)
    above = special.gammaincc(n, ((k if cut else k - 0.5) * step) ** 2 / (2 * sigma**2))
    return step * float(above.sum()), step**2 * float((2 * k - 1) @ above)


def _solve(statistic: Callable[[float], float], moment: float, start: float) -> float:
    """The noise nearest to a first guess whose statistic is the measured one."""
    for reach in 1.02 ** np.arange(1, 500):
        low, high = start / float(reach), start * float(reach)
        if (statistic(low) - moment) * (statistic(high) - moment) <= 0:
            return float(optimize.brentq(lambda sigma: statistic(sigma) - moment, low, high, rtol=1e-12))
    raise ValueError("air_region must hold the noise of the given number of channels and rounding step")

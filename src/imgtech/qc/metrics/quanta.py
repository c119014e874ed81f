"""Noise-equivalent quanta and detective quantum efficiency."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

from imgtech._core.validate import not_negative, positive
from imgtech.qc.measurement import Source
from imgtech.qc.metrics.mtf import MTF
from imgtech.qc.metrics.nps import NPS
from imgtech.qc.metrics.spectral_curve import SpectralCurve

Floats = npt.NDArray[np.float64]

_ICRU = Source(document="ICRU Report 54", edition="1996", clause="noise-equivalent quanta", verified=False)
_IEC = Source(document="IEC 62220-1-1", edition="2015", clause="determination of the DQE", verified=False)


def neq(mtf: MTF, nps: NPS | SpectralCurve, *, mean: float | None = None) -> SpectralCurve:
    r"""Noise-equivalent quanta: how many quanta a perfect detector would need for the same image.

    .. math:: \mathrm{NEQ}(f) = \frac{S^2\, \mathrm{MTF}^2(f)}{\mathrm{NPS}(f)}

    with the mean signal S of the regions the noise was measured in. The pixel values must be
    proportional to the number of quanta.

    Parameters
    ----------
    mtf : MTF
        Presampled MTF.
    nps : NPS or SpectralCurve
        Noise power; of an NPS the radial average is used.
    mean : float, optional
        Mean signal S; of an NPS its own mean by default.

    Returns
    -------
    SpectralCurve
        ``"NEQ"`` in ``"1/mm^2"`` at the frequencies of the noise power that the MTF reaches.

    Raises
    ------
    ValueError
        If there is no mean, it is not positive, or the frequencies do not overlap.

    References
    ----------
    ICRU Report 54 (1996); R. Shaw, The equivalent quantum efficiency of the photographic process, J Photogr
    Sci 11 (1963) 199.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import BlurredEdge
    >>> from imgtech.qc.metrics import neq, noise_power_spectrum, slanted_edge_mtf
    >>> edge = BlurredEdge(angle_rad=0.05, high=100.0).image(ImageGrid.square(128, fov_mm=32.0))
    >>> counts = np.random.default_rng(1).poisson(250.0, (32, 64, 64))         # 4000 quanta per mm2
    >>> nps = noise_power_spectrum(counts, (0.25, 0.25))
    >>> m = neq(slanted_edge_mtf(edge, (0.25, 0.25)), nps).at(0.1)
    >>> abs(m.value - 4000) < 2.5 * m.uncertainty
    True
    """
    f, power, spread, common, signal = _noise(nps, mean)
    values, own, shared = _ratio(mtf, f, power, spread, signal**2)
    return SpectralCurve(
        name="NEQ",
        unit="1/mm^2",
        frequencies_per_mm=f[: len(values)],
        values=values,
        uncertainties=np.hypot(own, shared),
        common=common,
        algorithm="neq-1",
        definition=_ICRU,
    )


def dqe(
    mtf: MTF,
    nps: NPS | SpectralCurve,
    *,
    quanta_per_mm2: float,
    quanta_relative_uncertainty: float,
    mean: float | None = None,
) -> SpectralCurve:
    r"""Detective quantum efficiency: the share of the incoming quanta that the image makes use of.

    .. math:: \mathrm{DQE}(f) = \frac{S^2\, \mathrm{MTF}^2(f)}{\mathrm{NPS}(f)\, q}

    with the number q of quanta per mm2 that reach the detector: air kerma times quanta per mm2 and uGy of
    the beam quality (a table in IEC 62220-1-1). The pixel values must be proportional to the number of
    quanta, with the conversion function of the detector undone. Its uncertainty is mostly that of q, which
    all frequencies share: 3 to 5 % for a good dosimeter and beam quality.

    Parameters
    ----------
    mtf : MTF
        Presampled MTF in one direction.
    nps : NPS or SpectralCurve
        Noise power in the same direction (:func:`noise_power_along`), or the radial average.
    quanta_per_mm2 : float
        Quanta q per mm2 behind the noise images.
    quanta_relative_uncertainty : float
        Relative standard uncertainty of q.
    mean : float, optional
        Mean signal S of the noise images; of an NPS its own mean by default.

    Returns
    -------
    SpectralCurve
        ``"DQE"``, unit 1, at the frequencies of the noise power that the MTF reaches.

    Raises
    ------
    ValueError
        If a number is not positive, or the frequencies do not overlap.

    References
    ----------
    IEC 62220-1-1:2015, Medical electrical equipment - Characteristics of digital x-ray imaging devices -
    Part 1-1: Determination of the detective quantum efficiency.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import BlurredEdge
    >>> from imgtech.qc.metrics import dqe, noise_power_spectrum, slanted_edge_mtf
    >>> edge = BlurredEdge(angle_rad=0.05, high=100.0).image(ImageGrid.square(128, fov_mm=32.0))
    >>> counts = np.random.default_rng(1).poisson(250.0, (64, 64, 64))
    >>> curve = dqe(slanted_edge_mtf(edge, (0.25, 0.25)), noise_power_spectrum(counts, (0.25, 0.25)),
    ...             quanta_per_mm2=4000.0, quanta_relative_uncertainty=0.0)
    >>> round(curve.at_zero(up_to_per_mm=1.0).value, 1)
    1.0
    """
    q = positive("quanta_per_mm2", quanta_per_mm2)
    doubt = not_negative("quanta_relative_uncertainty", quanta_relative_uncertainty)
    f, power, spread, common, signal = _noise(nps, mean)
    values, own, shared = _ratio(mtf, f, power, spread, signal**2 / q)
    return SpectralCurve(
        name="DQE",
        unit="1",
        frequencies_per_mm=f[: len(values)],
        values=values,
        uncertainties=np.hypot(own, shared),
        common=math.hypot(common, doubt),
        algorithm="dqe-1",
        definition=_IEC,
    )


def _noise(nps: NPS | SpectralCurve, mean: float | None) -> tuple[Floats, Floats, Floats, float, float]:
    """Frequencies, power, its uncertainty, relative uncertainty of all together, and mean signal."""
    if isinstance(nps, NPS):
        signal = positive("mean", nps.mean if mean is None else mean)
        # the mean of all regions is known as well as the power at the lowest ring allows
        cell = (nps.frequencies_y_per_mm[1] - nps.frequencies_y_per_mm[0]) * (
            nps.frequencies_x_per_mm[1] - nps.frequencies_x_per_mm[0]
        )
        common = 2 * math.sqrt(float(nps.radial_values[0] * cell) / nps.n_regions) / signal
        return (
            nps.radial_frequencies_per_mm,
            nps.radial_values,
            nps.radial_uncertainties,
            common if mean is None else 0.0,
            signal,
        )
    if mean is None:
        raise ValueError("mean must be given with a SpectralCurve, got None")
    return nps.frequencies_per_mm, nps.values, nps.uncertainties, nps.common, positive("mean", mean)


def _ratio(
    mtf: MTF, f: Floats, power: Floats, spread: Floats, factor: float
) -> tuple[Floats, Floats, Floats]:
    """Factor times MTF^2 over noise power, with the uncertainty by the power and that by the MTF."""
    reached = f <= mtf.frequencies_per_mm[-1]
    if reached.sum() < 2 or (power[reached] <= 0).any():
        raise ValueError(
            "mtf and nps must share at least two frequencies with noise, got a curve up to "
            f"{mtf.frequencies_per_mm[-1]:g} per mm and noise from {f[0]:g} per mm"
        )
    at, noise = f[reached], power[reached]
    transfer = PchipInterpolator(mtf.frequencies_per_mm, mtf.values)(at)
    doubt = np.interp(at, mtf.frequencies_per_mm, mtf.uncertainties)
    values = factor * transfer**2 / noise
    return (
        np.asarray(values),
        np.asarray(values * spread[reached] / noise),
        np.asarray(2 * factor * transfer * doubt / noise),
    )

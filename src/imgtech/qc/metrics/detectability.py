"""Detectability of a known signal by model observers, from MTF and noise power."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from imgtech._core.validate import finite, not_negative, one_of, positive
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics.mtf import MTF
from imgtech.qc.metrics.nps import NPS

Floats = npt.NDArray[np.float64]

_TG233 = Source(document="AAPM Report 233", edition="2019", clause="detectability index", verified=False)
_ICRU = Source(document="ICRU Report 54", edition="1996", clause="ideal observer", verified=False)
_STEPS = 2000
_SMALL = 1e-4


@dataclass(frozen=True, kw_only=True)
class DiskTask:
    r"""A disk that is to be found: :math:`W(f) = C\, R\, J_1(2 \pi R f) / f`.

    Parameters
    ----------
    contrast : float
        Difference to the background in pixel values.
    diameter_mm : float
        Diameter.

    Raises
    ------
    ValueError
        If the contrast is not finite or the diameter not positive.

    Examples
    --------
    >>> from imgtech.qc.metrics import DiskTask
    >>> round(float(DiskTask(contrast=10.0, diameter_mm=4.0).spectrum([0.0])[0]), 2)        # C pi R^2
    125.66
    """

    contrast: float
    diameter_mm: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "contrast", finite("contrast", self.contrast))
        object.__setattr__(self, "diameter_mm", positive("diameter_mm", self.diameter_mm))

    def spectrum(self, frequencies_per_mm: npt.ArrayLike) -> Floats:
        """Fourier transform at radial frequencies, in pixel values times mm2."""
        a = np.pi * self.diameter_mm * np.asarray(frequencies_per_mm, dtype=np.float64)
        safe = np.maximum(np.abs(a), 1e-9)
        return np.asarray(self.contrast * np.pi * self.diameter_mm**2 / 4 * 2 * special.j1(safe) / safe)


@dataclass(frozen=True, kw_only=True)
class GaussianTask:
    r"""A Gaussian that is to be found: :math:`W(f) = 2 \pi C \sigma^2 e^{-2 \pi^2 \sigma^2 f^2}`.

    Parameters
    ----------
    contrast : float
        Peak above the background in pixel values.
    sigma_mm : float
        Standard deviation.

    Raises
    ------
    ValueError
        If the contrast is not finite or sigma not positive.

    Examples
    --------
    >>> from imgtech.qc.metrics import GaussianTask
    >>> round(float(GaussianTask(contrast=10.0, sigma_mm=2.0).spectrum([0.0])[0]), 1)
    251.3
    """

    contrast: float
    sigma_mm: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "contrast", finite("contrast", self.contrast))
        object.__setattr__(self, "sigma_mm", positive("sigma_mm", self.sigma_mm))

    def spectrum(self, frequencies_per_mm: npt.ArrayLike) -> Floats:
        """Fourier transform at radial frequencies, in pixel values times mm2."""
        f = np.asarray(frequencies_per_mm, dtype=np.float64)
        square = self.sigma_mm**2
        return np.asarray(2 * np.pi * self.contrast * square * np.exp(-2 * np.pi**2 * square * f**2))


@dataclass(frozen=True, kw_only=True)
class EyeFilter:
    r"""Contrast sensitivity of the eye, :math:`E = \rho^n e^{-c \rho^2}` at :math:`\rho` cycles per degree.

    With c put so that it peaks where it should, :math:`c = n / (2 \rho_0^2)`.

    Parameters
    ----------
    distance_mm : float
        Viewing distance.
    magnification : float
        Length on the display over length in the object.
    exponent : float, optional
        n.
    peak_per_degree : float, optional
        Frequency :math:`\rho_0` of the highest sensitivity in cycles per degree.

    Raises
    ------
    ValueError
        If a number is not positive.

    References
    ----------
    A. E. Burgess, Statistically defined backgrounds: performance of a modified nonprewhitening observer
    model, J Opt Soc Am A 11 (1994) 1237, doi:10.1364/JOSAA.11.001237.

    Examples
    --------
    >>> from imgtech.qc.metrics import EyeFilter
    >>> eye = EyeFilter(distance_mm=500.0, magnification=1.0)
    >>> best = 4.0 / (500.0 * 3.14159 / 180)            # 4 cycles per degree
    >>> bool(eye(best) > eye(0.9 * best) and eye(best) > eye(1.1 * best))
    True
    """

    distance_mm: float
    magnification: float
    exponent: float = 1.3
    peak_per_degree: float = 4.0

    def __post_init__(self) -> None:
        for name in ("distance_mm", "magnification", "exponent", "peak_per_degree"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))

    def __call__(self, frequencies_per_mm: npt.ArrayLike) -> Floats:
        """Sensitivity at frequencies in the object, without a unit; only its shape counts."""
        f = np.asarray(frequencies_per_mm, dtype=np.float64)
        rho = f / self.magnification * self.distance_mm * math.pi / 180
        c = self.exponent / (2 * self.peak_per_degree**2)
        return np.asarray(rho**self.exponent * np.exp(-c * rho**2))


def detectability_index(
    task: DiskTask | GaussianTask,
    mtf: MTF,
    nps: NPS,
    *,
    observer: str = "npw",
    eye: EyeFilter | None = None,
    internal_noise: float = 0.0,
) -> Measurement:
    r"""Detectability index of a known signal in noise.

    With task W, transfer function T, noise power N, eye filter E and internal noise :math:`N_i`, integrated
    over the frequency plane up to the highest ring of the noise power:

    .. math::

        d'^2_\mathrm{NPW} = \frac{\left[\int W^2 T^2\right]^2}{\int W^2 T^2 N}, \qquad
        d'^2_\mathrm{NPWE} = \frac{\left[\int W^2 T^2 E^2\right]^2}
        {\int W^2 T^2 (E^4 N + E^2 N_i)}, \qquad
        d'^2_\mathrm{PW} = \int \frac{W^2 T^2}{N}

    ``"npw"`` matches the signal and ignores that noise is correlated, ``"npwe"`` looks through a human eye,
    ``"pw"`` is the ideal (Hotelling) observer, who takes the correlation out first. A signal in a real
    image is compared with d' of about 3 for a sure detection.

    Parameters
    ----------
    task : DiskTask or GaussianTask
        What is to be found.
    mtf : MTF
        Transfer function, for the contrast and dose of the task (:func:`disk_mtf`), mean over all directions.
    nps : NPS
        Noise power in the same pixel values; its radial average is used.
    observer : {"npw", "npwe", "pw"}, optional
        Model observer.
    eye : EyeFilter, optional
        Needed for ``"npwe"``, not allowed otherwise.
    internal_noise : float, optional
        :math:`N_i`, in the unit of the noise power; only for ``"npwe"``.

    Returns
    -------
    Measurement
        ``"d' (npw)"`` and the like, unit 1. The uncertainty holds the noise of every ring and the covariance
        of the MTF.

    Raises
    ------
    ValueError
        If the frequencies do not overlap, an argument is out of range, or the eye filter is missing.

    References
    ----------
    E. Samei et al., AAPM Report 233, doi:10.1002/mp.13763; ICRU Report 54 (1996); S. Richard and J. H.
    Siewerdsen, Med Phys 35 (2008) 5043, doi:10.1118/1.2988161.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import BlurredDisk
    >>> from imgtech.qc.metrics import DiskTask, detectability_index, disk_mtf, noise_power_spectrum
    >>> grid = ImageGrid(shape=(80, 90), spacing_mm=(0.5, 0.5))
    >>> rod = BlurredDisk(center_mm=(0.0, 0.0), radius_mm=8.0, sigma_mm=0.5, high=100.0).image(grid)
    >>> ttf = disk_mtf(rod, grid, center_mm=(0.0, 0.0), radius_mm=8.0)
    >>> nps = noise_power_spectrum(8 * np.random.default_rng(1).standard_normal((20, 64, 64)), (0.5, 0.5))
    >>> round(detectability_index(DiskTask(contrast=10.0, diameter_mm=3.0), ttf, nps).value)
    5
    """
    one_of("observer", observer, ("npw", "npwe", "pw"))
    inner = not_negative("internal_noise", internal_noise)
    if (eye is None) == (observer == "npwe"):
        raise ValueError(f"eye must be given for the observer npwe and no other, got {eye!r} for {observer}")
    if inner and observer != "npwe":
        raise ValueError(f"internal_noise must be 0 for the observer {observer}, got {inner}")
    rings = nps.radial_frequencies_per_mm
    highest = min(float(mtf.frequencies_per_mm[-1]), float(rings[-1]))
    if highest <= rings[0]:
        raise ValueError(
            f"mtf must reach the noise power from {rings[0]:g} per mm on, got up to {highest:g} per mm"
        )
    f = np.linspace(0, highest, _STEPS + 1)
    step = np.full(f.size, f[1])
    step[[0, -1]] /= 2
    signal = task.spectrum(f) ** 2 * 2 * np.pi * f * step
    seen = np.ones_like(f) if eye is None else eye(f) ** 2
    relative = (nps.radial_uncertainties / np.maximum(nps.radial_values, 1e-100)) ** 2

    def index(transfer: Floats, power: Floats) -> float:
        t = np.interp(f, mtf.frequencies_per_mm, transfer) ** 2
        n = _joined(f, rings, power)
        if observer == "pw":
            # one over a noisy mean is too high by its relative variance
            bias = np.interp(f, rings, np.minimum(relative, 0.3))
            return math.sqrt(float((signal * t / n * (1 - bias)).sum()))
        top = float((signal * t * seen).sum())
        return top / math.sqrt(float((signal * t * (seen**2 * n + seen * inner)).sum()))

    value = index(mtf.values, nps.radial_values)
    by_noise = _changes(lambda p: index(mtf.values, p), nps.radial_values, np.diag(nps.radial_uncertainties))
    by_mtf = _changes(lambda t: index(t, nps.radial_values), mtf.values, mtf.modes)
    return Measurement(
        name=f"d' ({observer})",
        value=value,
        uncertainty=float(np.hypot(by_noise, by_mtf)),
        definition=_ICRU if observer == "pw" else _TG233,
        algorithm=f"detectability-{observer}-1",
        details={"by noise power": by_noise, "by MTF": by_mtf, "highest frequency (1/mm)": highest},
    )


def _joined(f: Floats, rings: Floats, power: Floats) -> Floats:
    """Noise power between the rings, and below the first on the line through the first two."""
    start = power[0] - (power[1] - power[0]) / (rings[1] - rings[0]) * rings[0]
    floor = 1e-6 * float(power.max())
    return np.interp(f, np.append(0.0, rings), np.maximum(np.append(start, power), floor))


def _changes(index: Callable[[Floats], float], values: Floats, modes: Floats) -> float:
    """Root of the sum of squared changes of the index by every mode."""
    changes = [(index(values + _SMALL * m) - index(values - _SMALL * m)) / (2 * _SMALL) for m in modes.T]
    return float(np.hypot.reduce(np.asarray(changes)))

"""A noise power spectrum and the numbers that sum it up."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import count, finite, floats, positive
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._peak import smooth_peak

Floats = npt.NDArray[np.float64]

_ICRU = Source(document="ICRU Report 87", edition="2012", clause="equation 11", verified=False)
_TG233 = Source(document="AAPM Report 233", edition="2019", clause="noise power spectrum", verified=False)
_ALGORITHM = "nps-finite-region-corrected-2"


@dataclass(frozen=True, kw_only=True, eq=False)
class NPS(ArrayValue):
    """A noise power spectrum with its radial average and standard uncertainties.

    Parameters
    ----------
    frequencies_y_per_mm, frequencies_x_per_mm : numpy.ndarray
        Spatial frequencies of the rows and columns of ``values``, rising through 0.
    values : numpy.ndarray
        Noise power, shape ``(ny, nx)``, in squared pixel values times mm2.
    radial_frequencies_per_mm, radial_values, radial_uncertainties : numpy.ndarray
        Mean frequency, mean and standard uncertainty of every ring around frequency 0.
    mean : float
        Mean pixel value of the regions.
    n_regions : int
        Number of regions that were averaged.
    definition : Source
        The document that defines it.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite or frequencies do not rise.
    """

    frequencies_y_per_mm: Floats
    frequencies_x_per_mm: Floats
    values: Floats
    radial_frequencies_per_mm: Floats
    radial_values: Floats
    radial_uncertainties: Floats
    mean: float
    n_regions: int
    definition: Source = _ICRU

    def __post_init__(self) -> None:
        names = ("radial_frequencies_per_mm", "radial_values", "radial_uncertainties")
        for name in ("frequencies_y_per_mm", "frequencies_x_per_mm", *names):
            object.__setattr__(self, name, floats(name, getattr(self, name)))
        object.__setattr__(self, "values", floats("values", self.values, 2))
        finite("mean", self.mean)
        count("n_regions", self.n_regions)
        fy, fx, fr = self.frequencies_y_per_mm, self.frequencies_x_per_mm, self.radial_frequencies_per_mm
        if min(fy.size, fx.size, fr.size) < 2 or any((np.diff(f) <= 0).any() for f in (fy, fx, fr)):
            raise ValueError("frequencies must rise and be at least two")
        if self.values.shape != (fy.size, fx.size):
            raise ValueError(f"values must have shape {(fy.size, fx.size)}, got {self.values.shape}")
        if not fr.size == self.radial_values.size == self.radial_uncertainties.size:
            raise ValueError("the radial arrays must have the same length")

    def variance(self) -> Measurement:
        r"""The integral of the spectrum, which is the variance of a pixel.

        Returns
        -------
        Measurement
            ``"noise variance"`` in squared pixel values. With n regions and cells of
            :math:`\Delta u \Delta v` its squared uncertainty is
            :math:`\frac{2}{n} \sum \mathrm{NPS}^2 (\Delta u \Delta v)^2`: correlated noise is allowed for.
        """
        cell = self._cell()
        total = float(self.values.sum()) * cell
        square = 2 * float(np.vdot(self.values, self.values)) * cell**2 / (self.n_regions + 1)
        return self._measured("noise variance", total, math.sqrt(square), "1", _freedom(total, square))

    def at(self, frequency_per_mm: float) -> Measurement:
        """The radial average at a frequency, interpolated between the rings.

        Parameters
        ----------
        frequency_per_mm : float
            Between the lowest and the highest ring.

        Returns
        -------
        Measurement
            ``"NPS at 0.2 per mm"`` in ``"mm^2"`` times squared pixel values.

        Raises
        ------
        ValueError
            If the frequency lies outside the rings.
        """
        f = self.radial_frequencies_per_mm
        if not f[0] <= finite("frequency_per_mm", frequency_per_mm) <= f[-1]:
            raise ValueError(
                f"frequency_per_mm must lie between {f[0]:g} and {f[-1]:g}, got {frequency_per_mm}"
            )
        i = min(int(np.searchsorted(f, frequency_per_mm, side="right")), f.size - 1)
        part = (frequency_per_mm - f[i - 1]) / (f[i] - f[i - 1])
        share = np.array([1 - part, part])
        value = float(share @ self.radial_values[i - 1 : i + 1])
        square = float((share**2) @ self.radial_uncertainties[i - 1 : i + 1] ** 2)
        name = f"NPS at {frequency_per_mm:g} per mm"
        return self._measured(name, value, math.sqrt(square), "mm^2", _freedom(value, square))

    def peak_frequency(self) -> Measurement:
        """The frequency at which the radial average is highest, drift at the low end left out.

        A polynomial of fourth order is fitted to the rings around the peak; the uncertainty is that of its
        slope there divided by its curvature.

        Returns
        -------
        Measurement
            ``"NPS peak frequency"`` in ``"1/mm"``.

        Raises
        ------
        ValueError
            If the spectrum has no peak between its lowest and highest frequency.
        """
        peak, spread = smooth_peak(
            self.radial_frequencies_per_mm, self.radial_values, self.radial_uncertainties
        )
        found = self._measured("NPS peak frequency", peak, spread, "1/mm", math.inf, _TG233)
        return replace(found, algorithm=f"{found.algorithm}, peak-3")

    def mean_frequency(self) -> Measurement:
        r"""The mean frequency of the radial average.

        .. math:: \bar f = \int_0^{f_K} f\, \mathrm{NPS}(f)\, df \Big/ \int_0^{f_K} \mathrm{NPS}(f)\, df

        up to the highest ring :math:`f_K`; below the first ring the spectrum continues in a straight line
        through the first two.

        Returns
        -------
        Measurement
            ``"NPS mean frequency"`` in ``"1/mm"``.
        """
        f = np.concatenate([[0.0], self.radial_frequencies_per_mm])
        step = np.diff(f)
        low, high = step * (2 * f[:-1] + f[1:]) / 6, step * (f[:-1] + 2 * f[1:]) / 6
        weights = (np.append(step, 0.0) + np.append(0.0, step))[1:] / 2
        moments = (np.append(low, 0.0) + np.append(0.0, high))[1:]
        # the value at frequency 0 lies on the line through the first two rings
        ahead = f[1] / step[1]
        line = np.array([1 + ahead, -ahead])
        weights[:2] += step[0] / 2 * line
        moments[:2] += low[0] * line
        total = float(weights @ self.radial_values)
        mean = float(moments @ self.radial_values) / total
        effect = (moments - mean * weights) / total
        spread = float(np.sqrt(effect**2 @ self.radial_uncertainties**2))
        return self._measured("NPS mean frequency", mean, spread, "1/mm", math.inf, _TG233)

    def normalised(self) -> NPS:
        """The normalised spectrum NNPS: divided by the square of the mean pixel value.

        Returns
        -------
        NPS
            With a mean of 1, in mm2. The uncertainty of the mean, from the power at the lowest ring, is
            added to that of every ring.

        Raises
        ------
        ValueError
            If the mean is not positive.
        """
        square = positive("mean", self.mean) ** 2
        doubt = 2 * math.sqrt(float(self.radial_values[0]) * self._cell() / self.n_regions / square)
        return replace(
            self,
            values=self.values / square,
            radial_values=self.radial_values / square,
            radial_uncertainties=np.hypot(self.radial_uncertainties, doubt * self.radial_values) / square,
            mean=1.0,
        )

    def _cell(self) -> float:
        fy, fx = self.frequencies_y_per_mm, self.frequencies_x_per_mm
        return float((fy[1] - fy[0]) * (fx[1] - fx[0]))

    def _measured(
        self, name: str, value: float, spread: float, unit: str, freedom: float, source: Source | None = None
    ) -> Measurement:
        return Measurement(
            name=name,
            value=value,
            unit=unit,
            uncertainty=spread,
            definition=source or self.definition,
            algorithm=_ALGORITHM,
            degrees_of_freedom=freedom,
            details={"regions": self.n_regions, "mean pixel value": self.mean},
        )


def _freedom(value: float, square: float) -> float:
    """Degrees of freedom of the chi-square distribution with this mean and variance."""
    return max(2 * value**2 / max(square, 1e-300), 1.0)

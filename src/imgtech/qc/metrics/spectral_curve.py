"""A quantity against spatial frequency, with standard uncertainties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import finite, floats
from imgtech.qc.measurement import Measurement, Source

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class SpectralCurve(ArrayValue):
    """A quantity measured at rising spatial frequencies: a noise power spectrum, NEQ or DQE.

    Parameters
    ----------
    name : str
        What it is.
    unit : str
        Unit of the values.
    frequencies_per_mm, values, uncertainties : numpy.ndarray
        Rising frequencies, values and standard uncertainties; errors at different frequencies are
        independent, except for ``common``.
    common : float
        Relative standard uncertainty that all values share (of a fluence, of a gain).
    algorithm : str
        Name and version of the algorithm.
    definition : Source
        The document that defines the quantity.

    Raises
    ------
    ValueError
        If the arrays differ in length, are not finite, or the frequencies do not rise.
    """

    name: str
    unit: str
    frequencies_per_mm: Floats
    values: Floats
    uncertainties: Floats
    algorithm: str
    definition: Source
    common: float = 0.0

    def __post_init__(self) -> None:
        for name in ("frequencies_per_mm", "values", "uncertainties"):
            object.__setattr__(self, name, floats(name, getattr(self, name)))
        f = self.frequencies_per_mm
        if f.size < 2 or (np.diff(f) <= 0).any():
            raise ValueError("frequencies_per_mm must rise and be at least two")
        if not f.size == self.values.size == self.uncertainties.size:
            raise ValueError("frequencies_per_mm, values and uncertainties must have the same length")

    def at(self, frequency_per_mm: float) -> Measurement:
        """The value at a frequency, interpolated in a straight line.

        Parameters
        ----------
        frequency_per_mm : float
            Between the lowest and the highest frequency.

        Returns
        -------
        Measurement
            ``"DQE at 0.5 per mm"`` and the like.

        Raises
        ------
        ValueError
            If the frequency lies outside the curve.
        """
        f = self.frequencies_per_mm
        if not f[0] <= finite("frequency_per_mm", frequency_per_mm) <= f[-1]:
            raise ValueError(
                f"frequency_per_mm must lie between {f[0]:g} and {f[-1]:g}, got {frequency_per_mm}"
            )
        i = min(int(np.searchsorted(f, frequency_per_mm, side="right")), f.size - 1)
        part = (frequency_per_mm - f[i - 1]) / (f[i] - f[i - 1])
        share = np.array([1 - part, part])
        value = float(share @ self.values[i - 1 : i + 1])
        square = float(share**2 @ self.uncertainties[i - 1 : i + 1] ** 2)
        return self._measured(f"{self.name} at {frequency_per_mm:g} per mm", value, square)

    def at_zero(self, *, up_to_per_mm: float) -> Measurement:
        r"""The value that the lowest frequencies run to at frequency 0.

        A Gaussian, :math:`\ln y = a + b f^2`, is fitted to the values up to a frequency, weighted as if each
        ring had cells in proportion to its frequency; the result is :math:`e^a`. Symmetric spectra have
        no term in f, and the logarithm of a transfer function has little in f to the fourth.

        Parameters
        ----------
        up_to_per_mm : float
            Highest frequency of the fit.

        Returns
        -------
        Measurement
            ``"DQE at 0"`` and the like.

        Raises
        ------
        ValueError
            If fewer than four values lie below the frequency, or one is not positive.
        """
        chosen = self.frequencies_per_mm <= finite("up_to_per_mm", up_to_per_mm)
        if chosen.sum() < 4:
            raise ValueError(f"up_to_per_mm must leave at least 4 values, got {chosen.sum()}")
        f, y = self.frequencies_per_mm[chosen], self.values[chosen]
        if (y <= 0).any():
            raise ValueError("values must be positive below up_to_per_mm")
        relative = self.uncertainties[chosen] / y
        terms = np.stack([np.ones(f.size), f**2], axis=1)
        weighted = terms.T * np.maximum(f, f[f > 0].min())
        effect = (np.linalg.inv(weighted @ terms) @ weighted)[0]
        value = float(np.exp(effect @ np.log(y)))
        return self._measured(f"{self.name} at 0", value, float(((effect * relative * value) ** 2).sum()))

    def _measured(self, name: str, value: float, square: float) -> Measurement:
        return Measurement(
            name=name,
            value=value,
            unit=self.unit,
            uncertainty=float(np.sqrt(square + (self.common * value) ** 2)),
            definition=self.definition,
            algorithm=self.algorithm,
        )

"""Noise power spectrum of regions that hold nothing but noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import fft

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import count, finite, floats, one_of, positive, real_image
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._peak import smooth_peak

Floats = npt.NDArray[np.float64]

_ICRU = Source(document="ICRU Report 87", edition="2012", clause="equation 11", verified=False)
_TG233 = Source(document="AAPM Report 233", edition="2019", clause="noise power spectrum", verified=False)
_ALGORITHM = "nps-finite-region-corrected-1"
_ORDERS = {"mean": 0, "plane": 1, "quadratic": 2}
_SMALLEST = 8
_DOUBT = 0.5


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
        radial = ("radial_frequencies_per_mm", "radial_values", "radial_uncertainties")
        for name in ("frequencies_y_per_mm", "frequencies_x_per_mm", *radial):
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
        """The frequency at which the radial average is highest.

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
        return self._measured("NPS peak frequency", peak, spread, "1/mm", math.inf, _TG233)

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


def noise_power_spectrum(
    regions: npt.ArrayLike, spacing_mm: tuple[float, float], *, detrend: str = "mean"
) -> NPS:
    r"""Two-dimensional noise power spectrum of regions without structure.

    .. math:: \mathrm{NPS}(u, v) = \frac{\Delta x \Delta y}{N_x N_y}
              \frac{\langle |\mathrm{FFT}(I - \mathrm{trend})|^2 \rangle}{1 - L(u, v)}

    The trend is a polynomial fitted to every region by itself; the fit takes noise with it. With
    :math:`B_k` the spectra of the polynomials, made orthonormal, the share of white noise it takes is
    :math:`L = \sum_k |B_k(u, v)|^2 / (N_x N_y)`, which is divided out cell by cell. At frequency 0 all is
    taken (L = 1): there the straight line through the first two rings is put in. The sum over all cells
    is then the variance of a pixel, including what the fit took.

    A region of N pixels holds only N - k pairs of pixels k apart, which blurs the spectrum of correlated
    noise (by 1 to 2 % for 64 pixels). The autocovariance up to a sixteenth of the region is divided by
    (N - k) / N along either axis; the variance does not change by this.

    Rings are as wide as the larger of the two frequency steps and end where they would be cut by the edge
    of the spectrum. A cell of one region scatters by 100 %, opposite cells being equal; the uncertainty
    of a ring follows from the number of cells and regions, joined by half of what the trend took there,
    as that share is exact only where the spectrum is flat.

    Parameters
    ----------
    regions : array_like
        One region ``(ny, nx)`` or several ``(n, ny, nx)`` of at least 8 by 8 pixels. They are taken as
        independent: with overlapping regions the uncertainties come out too small.
    spacing_mm : (float, float)
        Pixel size along y and x.
    detrend : {"mean", "plane", "quadratic"}, optional
        What is taken off every region: its mean, or a polynomial of order 1 or 2 in x and y.

    Returns
    -------
    NPS
        Spectrum, radial average and methods for variance, peak and mean frequency.

    Raises
    ------
    ValueError
        If a region is smaller than 8 by 8 pixels, holds no noise, or an argument is out of range.

    References
    ----------
    ICRU Report 87, Radiation Dose and Image-Quality Assessment in Computed Tomography (2012), equation
    11; E. Samei et al., AAPM Report 233, doi:10.1002/mp.13763; IEC 62220-1-1:2015.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import noise_power_spectrum
    >>> regions = 40 + 3 * np.random.default_rng(1).standard_normal((16, 64, 60))
    >>> nps = noise_power_spectrum(regions, (0.5, 0.4), detrend="plane")
    >>> m = nps.variance()
    >>> abs(m.value - 9) < 2 * m.uncertainty
    True
    >>> white = nps.at(0.6)                     # white noise: variance times area of a pixel
    >>> abs(white.value - 9 * 0.5 * 0.4) < 2 * white.uncertainty
    True
    """
    stack = real_image("regions", regions, (2, 3)).astype(np.float64, copy=False)
    stack = stack[None] if stack.ndim == 2 else stack
    dy, dx = (positive("spacing_mm", d) for d in spacing_mm)
    order = _ORDERS[one_of("detrend", detrend, tuple(_ORDERS))]
    n, ny, nx = stack.shape
    if min(ny, nx) < _SMALLEST:
        raise ValueError(f"regions must have at least {_SMALLEST} rows and columns, got {ny} by {nx}")
    basis = _polynomials((ny, nx), order)
    flat = stack.reshape(n, -1)
    noise = (flat - (flat @ basis) @ basis.T).reshape(stack.shape)
    power = (np.abs(fft.rfft2(noise)) ** 2).mean(axis=0)
    taken = (np.abs(fft.rfft2(basis.T.reshape(-1, ny, nx))) ** 2).sum(axis=0) / (ny * nx)
    taken[0, 0] = 0.0
    values = _whole(power / (1 - taken), nx) * (dy * dx / (ny * nx))
    fy, fx = (fft.fftshift(fft.fftfreq(m, d)) for m, d in ((ny, dy), (nx, dx)))
    middle = (ny // 2, nx // 2)
    values[middle] = 0.0
    if not values.any():
        raise ValueError("regions must hold noise, got none")
    longer = values + _finite_size(values)
    rings, mean, spread = _radial(longer, values, fy, fx, n)
    guess = _radial(values * _whole(taken, nx), values, fy, fx, n)[1]
    spread = np.hypot(spread, _DOUBT * guess)
    values = longer
    slope = (mean[1] - mean[0]) / (rings[1] - rings[0])
    values[middle] = max(mean[0] - slope * rings[0], 0.0)
    return NPS(
        frequencies_y_per_mm=fy,
        frequencies_x_per_mm=fx,
        values=values,
        radial_frequencies_per_mm=rings,
        radial_values=mean,
        radial_uncertainties=spread,
        mean=float(stack.mean()),
        n_regions=n,
    )


def _polynomials(shape: tuple[int, int], order: int) -> Floats:
    """Orthonormal polynomials in x and y up to an order, one a column."""
    y, x = (np.linspace(-1, 1, m) for m in shape)
    powers = [(i, total - i) for total in range(order + 1) for i in range(total + 1)]
    terms = np.stack([np.outer(y**i, x**j).ravel() for i, j in powers], axis=1)
    return np.asarray(np.linalg.qr(terms)[0])


def _whole(half: Floats, nx: int) -> Floats:
    """The full spectrum with frequency 0 in the middle from the half that a real FFT gives."""
    full = np.empty((half.shape[0], nx))
    full[:, : half.shape[1]] = half
    rest = nx - half.shape[1]
    full[:, half.shape[1] :] = np.roll(half[::-1], 1, axis=0)[:, rest:0:-1]
    return np.asarray(fft.fftshift(full))


def _finite_size(values: Floats) -> Floats:
    """What the spectrum lacks because a region of N pixels holds only N - k pairs of pixels k apart.

    Lags up to a sixteenth of the region are restored in full, those above an eighth not at all. Lag zero,
    the variance, stays as it is.
    """
    share = np.ones((1, 1))
    reach = np.ones((1, 1))
    for axis, n in enumerate(values.shape):
        lag = np.abs(fft.fftfreq(n))
        taper = np.clip(2 - 16 * lag, 0.0, 1.0)
        shape = (-1, 1) if axis == 0 else (1, -1)
        share = share * (1 - lag).reshape(shape)
        reach = reach * (np.sin(np.pi / 2 * taper) ** 2).reshape(shape)
    covariance = fft.ifft2(fft.ifftshift(values))
    return np.asarray(fft.fftshift(fft.fft2(covariance * (1 / share - 1) * reach).real))


def _radial(
    values: Floats, scatter: Floats, fy: Floats, fx: Floats, n_regions: int
) -> tuple[Floats, Floats, Floats]:
    """Mean frequency, mean and standard uncertainty of the rings that are not cut, without frequency 0.

    ``scatter`` is the standard deviation of a cell of one region.
    """
    step = float(max(fy[1] - fy[0], fx[1] - fx[0]))
    radius = np.hypot(fy[:, None], fx)
    ring = np.rint(radius / step).astype(np.int64)
    n_rings = int(min(-fy[0], -fx[0]) / step + 1e-9)
    inside = (ring > 0) & (ring < n_rings)
    index = ring[inside] - 1
    cells = np.bincount(index)
    frequency = np.bincount(index, radius[inside]) / cells
    mean = np.bincount(index, values[inside]) / cells
    square = 2 * np.bincount(index, scatter[inside] ** 2) / (n_regions + 1) / cells**2
    return frequency, mean, np.sqrt(square)


def _freedom(value: float, square: float) -> float:
    """Degrees of freedom of the chi-square distribution with this mean and variance."""
    return max(2 * value**2 / max(square, 1e-300), 1.0)

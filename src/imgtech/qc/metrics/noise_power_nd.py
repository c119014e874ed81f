"""Noise power spectra of lines and of volumes, and cuts through those of images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import count, each, floats, one_of, positive, real_image
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._spectrum import finite_size, polynomials, taken_back
from imgtech.qc.metrics.nps import NPS
from imgtech.qc.metrics.spectral_curve import SpectralCurve

Floats = npt.NDArray[np.float64]

_ORDERS = {"mean": 0, "plane": 1, "quadratic": 2}
_DOUBT = 0.25
_ROUNDING = 1e-24
_ICRU = Source(document="ICRU Report 87", edition="2012", clause="equation 11", verified=False)
_IEC = Source(document="IEC 62220-1-1", edition="2015", clause="noise power spectrum", verified=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class VolumeNPS(ArrayValue):
    """A three-dimensional noise power spectrum.

    Parameters
    ----------
    frequencies_per_mm : tuple of numpy.ndarray
        Spatial frequencies along z, y and x, rising through 0.
    values : numpy.ndarray
        Noise power, shape ``(nz, ny, nx)``, in squared pixel values times mm3.
    n_regions : int
        Number of volumes that were averaged.
    """

    frequencies_per_mm: tuple[Floats, Floats, Floats]
    values: Floats
    n_regions: int

    def __post_init__(self) -> None:
        axes = tuple(floats("frequencies_per_mm", f) for f in self.frequencies_per_mm)
        object.__setattr__(self, "frequencies_per_mm", axes)
        object.__setattr__(self, "values", floats("values", self.values, 3))
        count("n_regions", self.n_regions)
        if self.values.shape != tuple(f.size for f in axes):
            raise ValueError(f"values must have shape {tuple(f.size for f in axes)}, got {self.values.shape}")

    def __hash__(self) -> int:
        return hash((self.values.tobytes(), self.n_regions))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, VolumeNPS):
            return NotImplemented
        return (
            np.array_equal(self.values, other.values)
            and self.n_regions == other.n_regions
            and all(map(np.array_equal, self.frequencies_per_mm, other.frequencies_per_mm))
        )

    def variance(self) -> Measurement:
        """The integral of the spectrum, which is the variance of a voxel.

        Returns
        -------
        Measurement
            ``"noise variance"`` in squared pixel values.
        """
        cell = math.prod(float(f[1] - f[0]) for f in self.frequencies_per_mm)
        total = float(self.values.sum()) * cell
        square = 2 * float((self.values**2).sum()) * cell**2 / (self.n_regions + 1)
        return Measurement(
            name="noise variance",
            value=total,
            uncertainty=math.sqrt(square),
            definition=_ICRU,
            algorithm="nps-volume-1",
            degrees_of_freedom=max(2 * total**2 / max(square, 1e-300), 1.0),
        )

    def slice_spectrum(self) -> Floats:
        """Two-dimensional spectrum of a single slice, the integral over the frequencies along z.

        Returns
        -------
        numpy.ndarray
            Shape ``(ny, nx)``, in squared pixel values times mm2.
        """
        f = self.frequencies_per_mm[0]
        return np.asarray(self.values.sum(axis=0) * (f[1] - f[0]))


def volume_noise_power(
    volumes: npt.ArrayLike, spacing_mm: tuple[float, float, float], *, detrend: str = "mean"
) -> VolumeNPS:
    r"""Three-dimensional noise power spectrum of volumes without structure.

    .. math:: \mathrm{NPS} = \frac{\Delta x \Delta y \Delta z}{N_x N_y N_z}
              \langle |\mathrm{FFT}(I - \mathrm{trend})|^2 \rangle

    with what the fit of the trend took given back and the finite size corrected, as in
    :func:`noise_power_spectrum`; frequency 0 gets the mean of its six neighbours.

    Parameters
    ----------
    volumes : array_like
        One volume ``(nz, ny, nx)`` or several ``(n, nz, ny, nx)`` of at least 8 voxels along every axis.
    spacing_mm : (float, float, float)
        Voxel size along z, y and x.
    detrend : {"mean", "plane", "quadratic"}, optional
        What is taken off every volume.

    Returns
    -------
    VolumeNPS
        The spectrum.

    Raises
    ------
    ValueError
        If a volume is too small or holds no noise, or an argument is out of range.

    References
    ----------
    ICRU Report 87 (2012), equation 11; J. H. Siewerdsen et al., A framework for noise-power spectrum
    analysis of multidimensional images, Med Phys 29 (2002) 2655, doi:10.1118/1.1513158.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import volume_noise_power
    >>> noise = 3 * np.random.default_rng(1).standard_normal((4, 16, 20, 18))
    >>> m = volume_noise_power(noise, (1.0, 0.5, 0.4)).variance()
    >>> abs(m.value - 9) < 2 * m.uncertainty
    True
    """
    stack = real_image("volumes", volumes, (3, 4)).astype(np.float64, copy=False)
    stack = stack[None] if stack.ndim == 3 else stack
    steps = each("spacing_mm", spacing_mm, 3, positive)
    axes, values, _ = _spectrum("volumes", stack, steps, detrend)
    z, y, x = (m // 2 for m in values.shape)
    near = [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]
    values[z, y, x] = float(np.mean([values[z + i, y + j, x + k] for i, j, k in near]))
    return VolumeNPS(frequencies_per_mm=(axes[0], axes[1], axes[2]), values=values, n_regions=len(stack))


def line_noise_power(lines: npt.ArrayLike, spacing_mm: float, *, detrend: str = "mean") -> SpectralCurve:
    r"""One-dimensional noise power spectrum of lines without structure.

    .. math:: \mathrm{NPS}(f) = \frac{\Delta x}{N} \langle |\mathrm{FFT}(I - \mathrm{trend})|^2 \rangle

    at the positive frequencies, with the corrections of :func:`noise_power_spectrum`. A parabola takes most
    of the lowest frequency with it: its value is then in doubt by 10 %, and carries that. Integrated over
    positive and negative frequencies it is the variance of a sample. For lines across an image that were
    summed over a width w (synthesised slit), w times it is a cut through the two-dimensional spectrum for
    frequencies along the slit near 0.

    Parameters
    ----------
    lines : array_like
        One line ``(nx,)`` is not enough to know its uncertainty: several ``(n, nx)`` of at least 8 samples,
        independent of each other.
    spacing_mm : float
        Distance of the samples.
    detrend : {"mean", "plane", "quadratic"}, optional
        What is taken off every line: mean, straight line or parabola.

    Returns
    -------
    SpectralCurve
        ``"NPS"`` in ``"mm"`` times squared pixel values.

    Raises
    ------
    ValueError
        If lines are too few, too short or hold no noise, or an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import line_noise_power
    >>> lines = 3 * np.random.default_rng(1).standard_normal((400, 64))
    >>> m = line_noise_power(lines, 0.5).at(0.4)            # white: variance times spacing
    >>> abs(m.value - 4.5) < 2 * m.uncertainty
    True
    """
    stack = real_image("lines", lines, 2).astype(np.float64, copy=False)
    if len(stack) < 2:
        raise ValueError(f"lines must be at least 2, got {len(stack)}")
    axes, values, doubt = _spectrum("lines", stack, (positive("spacing_mm", spacing_mm),), detrend)
    middle = values.size // 2
    positive_side = slice(middle + 1, None)
    found = values[positive_side]
    return SpectralCurve(
        name="NPS",
        unit="mm",
        frequencies_per_mm=axes[0][positive_side],
        values=found,
        uncertainties=np.hypot(found / math.sqrt(len(stack) + 1), doubt[positive_side]),
        algorithm="nps-lines-1",
        definition=_ICRU,
    )


def noise_power_along(nps: NPS, axis: str, *, n_lines: int = 7) -> SpectralCurve:
    """Noise power along an axis of the frequency plane, as IEC 62220-1-1 reads it.

    The mean over a number of lines of the spectrum on either side of the axis, the axis itself left out, at
    their distance from frequency 0.

    Parameters
    ----------
    nps : NPS
        From :func:`noise_power_spectrum`.
    axis : {"x", "y"}
        Direction of the frequencies.
    n_lines : int, optional
        Lines on either side; 7 in the standard.

    Returns
    -------
    SpectralCurve
        ``"NPS along x"`` in ``"mm^2"`` times squared pixel values.

    Raises
    ------
    ValueError
        If the spectrum has too few lines, or an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import noise_power_along, noise_power_spectrum
    >>> regions = 3 * np.random.default_rng(1).standard_normal((32, 64, 60))
    >>> m = noise_power_along(noise_power_spectrum(regions, (0.5, 0.4)), "x").at(0.4)
    >>> abs(m.value - 1.8) < 2 * m.uncertainty
    True
    """
    one_of("axis", axis, ("x", "y"))
    values = nps.values if axis == "x" else nps.values.T
    across, along = nps.frequencies_y_per_mm, nps.frequencies_x_per_mm
    if axis == "y":
        across, along = along, across
    lines, middle = count("n_lines", n_lines), across.size // 2
    if lines > (across.size - 1) // 2:
        raise ValueError(f"n_lines must be at most {(across.size - 1) // 2}, got {lines}")
    rows = [middle + s * i for i in range(1, lines + 1) for s in (-1, 1)]
    start = along.size // 2 + 1
    # opposite cells of the plane are equal: each positive frequency has as many cells as rows
    picked = values[rows, start:]
    f = np.hypot(across[rows][:, None], along[start:]).mean(axis=0)
    return SpectralCurve(
        name=f"NPS along {axis}",
        unit="mm^2",
        frequencies_per_mm=f,
        values=picked.mean(axis=0),
        uncertainties=np.sqrt((picked**2).sum(axis=0) / (nps.n_regions + 1)) / len(rows),
        algorithm="nps-axis-lines-1",
        definition=_IEC,
    )


def _spectrum(
    name: str, stack: Floats, steps: tuple[float, ...], detrend: str
) -> tuple[list[Floats], Floats, Floats]:
    """Frequencies, spectrum and what of it is in doubt, for regions of any number of axes.

    Frequency 0 lies in the middle.
    """
    order = _ORDERS[one_of("detrend", detrend, tuple(_ORDERS))]
    shape = stack.shape[1:]
    if min(shape) < 8:
        raise ValueError(f"{name} must have at least 8 samples along every axis, got {shape}")
    size = math.prod(shape)
    basis = polynomials(shape, order)
    flat = stack.reshape(len(stack), -1)
    noise = (flat - (flat @ basis) @ basis.T).reshape(stack.shape)
    axes = tuple(range(1, stack.ndim))
    power = fft.fftshift((np.abs(fft.fftn(noise, axes=axes)) ** 2).mean(axis=0)) * (math.prod(steps) / size)
    power[tuple(m // 2 for m in shape)] = 0.0
    if power.sum() <= _ROUNDING * math.prod(steps) * float(np.vdot(flat, flat)) / len(stack):
        raise ValueError(f"{name} must hold noise, got none")
    frequencies = [fft.fftshift(fft.fftfreq(m, d)) for m, d in zip(shape, steps, strict=True)]
    terms = fft.fftshift(fft.fftn(basis.T.reshape(-1, *shape), axes=axes), axes=axes) / math.sqrt(size)
    grids = np.meshgrid(*frequencies, indexing="ij")
    radius = np.sqrt(sum((g**2 for g in grids), start=np.zeros(shape)))
    restored = taken_back(power, terms, radius, max(float(f[1] - f[0]) for f in frequencies))
    values = restored + finite_size(restored)
    if values.ndim == 1:
        middle = values.size // 2
        values[middle] = max(2 * values[middle + 1] - values[middle + 2], 0.0)
    return frequencies, values, _DOUBT * np.abs(restored - power)

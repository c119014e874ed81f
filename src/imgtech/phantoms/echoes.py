"""Point scatterers and the echoes they send to a probe, in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import count, finite, floats, one_of, positive
from imgtech.geometry import MatrixArray
from imgtech.geometry._points import points3
from imgtech.geometry.probes import Probe
from imgtech.geometry.transmits import Transmits
from imgtech.phantoms._kernels_echoes import binned_echoes, gaussian_echoes

_REACH = {np.dtype(np.float32): 6.5, np.dtype(np.float64): 8.5}  # exp(-reach^2 / 2): 7e-10 and 2e-16
_LARGEST_TURN_RAD = 2.5  # of the highest frequency in a bin
_MOST_POWERS = 64
_CROWD = 40.0  # one pulse by itself costs as much as this many products of a trace


@dataclass(frozen=True, kw_only=True)
class GaussianPulse:
    r"""The received pulse of one point: a cosine under a Gaussian, its peak at time 0.

    .. math:: p(t) = e^{-t^2 / 2\sigma^2} \cos(2 \pi f_c t), \qquad
              \sigma = \frac{\sqrt{2 \ln 2}}{\pi\, b\, f_c}

    so that the amplitude spectrum falls to one half (-6.02 dB) at :math:`f_c (1 \pm b / 2)`.

    Parameters
    ----------
    center_hz : float
        Centre frequency :math:`f_c`.
    fractional_bandwidth : float, optional
        Full width :math:`b` of the spectrum at half its height, as a fraction of the centre frequency.

    Raises
    ------
    ValueError
        If a number is not positive, or the bandwidth reaches 2 (the spectrum would cross zero).

    Examples
    --------
    >>> from imgtech.phantoms import GaussianPulse
    >>> pulse = GaussianPulse(center_hz=5e6, fractional_bandwidth=0.6)
    >>> pulse.waveform([0.0, 0.1e-6]).round(3)
    array([ 1.   , -0.726])
    """

    center_hz: float
    fractional_bandwidth: float = 0.6

    def __post_init__(self) -> None:
        bandwidth = positive("fractional_bandwidth", self.fractional_bandwidth)
        if bandwidth >= 2:
            raise ValueError(f"fractional_bandwidth must be below 2, got {bandwidth}")
        object.__setattr__(self, "center_hz", positive("center_hz", self.center_hz))
        object.__setattr__(self, "fractional_bandwidth", bandwidth)

    @property
    def sigma_s(self) -> float:
        """Standard deviation of the Gaussian envelope in seconds."""
        return float(np.sqrt(2 * np.log(2)) / (np.pi * self.fractional_bandwidth * self.center_hz))

    def waveform(self, times_s: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Value of the pulse at the given times, an array of any shape."""
        t = np.asarray(times_s, dtype=np.float64)
        envelope = np.exp(-0.5 * (t / self.sigma_s) ** 2)
        return np.asarray(envelope * np.cos(2 * np.pi * self.center_hz * t))


@dataclass(frozen=True, eq=False)
class Scatterers(ArrayValue):
    r"""Point scatterers in front of a probe.

    Parameters
    ----------
    positions_mm : array_like of float
        Positions as ``(z, x)``, shape ``(n, 2)``: depth below the probe, then place along it; or as
        ``(z, y, x)``, shape ``(n, 3)``.
    amplitudes : array_like of float
        Strength of each point's echo, shape ``(n,)``; the sign is a reversal of phase.

    Raises
    ------
    ValueError
        If the shapes do not fit, a value is not finite, or a depth is not positive.

    Examples
    --------
    >>> from imgtech.geometry import LinearArray, PlaneWaves
    >>> from imgtech.phantoms import GaussianPulse, Scatterers
    >>> probe = LinearArray(n_elements=16, pitch_mm=0.3)
    >>> waves = PlaneWaves.from_degrees([-5, 5], sampling_hz=20e6, start_s=10e-6)
    >>> point = Scatterers([[12.0, 0.4]], [1.0])
    >>> point.echoes(probe, waves, pulse=GaussianPulse(center_hz=5e6), n_samples=200).shape
    (2, 16, 200)
    """

    positions_mm: npt.NDArray[np.float64]
    amplitudes: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        positions = floats("positions_mm", self.positions_mm, ndim=2)
        amplitudes = floats("amplitudes", self.amplitudes)
        if positions.shape not in ((amplitudes.size, 2), (amplitudes.size, 3)):
            raise ValueError(
                f"positions_mm must have shape ({amplitudes.size}, 2) as (z, x), or 3 as (z, y, x), for "
                f"{amplitudes.size} amplitudes, got {positions.shape}"
            )
        if (positions[:, 0] <= 0).any():
            raise ValueError(f"positions_mm must have positive depths z, got {float(positions[:, 0].min())}")
        object.__setattr__(self, "positions_mm", positions)
        object.__setattr__(self, "amplitudes", amplitudes)

    @property
    def n_scatterers(self) -> int:
        """Number of points."""
        return len(self.amplitudes)

    def __add__(self, other: Scatterers) -> Scatterers:
        """Both sets of points together."""
        if not isinstance(other, Scatterers):
            return NotImplemented
        return Scatterers(
            np.concatenate([self.positions_mm, other.positions_mm]),
            np.concatenate([self.amplitudes, other.amplitudes]),
        )

    def echoes(
        self,
        probe: Probe,
        waves: Transmits,
        *,
        pulse: GaussianPulse,
        n_samples: int,
        sound_speed_m_s: float = 1540.0,
        spreading: bool = False,
        directivity: str = "none",
        dtype: npt.DTypeLike = np.float32,
    ) -> npt.NDArray[np.floating[Any]]:
        r"""Channel data that the probe records, in closed form.

        .. math:: s_{ke}(t) = \sum_n \frac{a_n}{g_{ne}}\, p(t - \tau_{nke}), \qquad
                  \tau_{nke} = \frac{d_k(p_n) + r_{ne}}{c} + t_{pulse}

        with :math:`d_k` the way of the wave, ``waves.paths_mm``, for a plane wave
        :math:`z_n \cos\theta_k + x_n \sin\theta_k`; :math:`r_{ne}` the distance from point n to the centre
        of element e, and :math:`g = 1`, or :math:`g = r_{ne} / \mathrm{mm}` with ``spreading``. Delays are
        continuous, never rounded to a sample. Time zero and :math:`t_{pulse}` are those of the waves.

        Elements are points unless ``directivity`` gives them their width: 'rigid' takes the mean over the
        width of the element (both widths of a matrix element) by Gauss-Legendre quadrature, which is the
        closed-form pattern :math:`\mathrm{sinc}(w \sin\vartheta / \lambda)` at every frequency; 'soft'
        multiplies by the cosine of the angle to the normal as well. Transmits are ideal waves. Single
        scattering, no attenuation. A pulse counts as zero beyond 6.5 (float32) or 8.5 (float64) standard
        deviations. Echoes of many points are summed by bins of their arrival, in each of which the pulse is a
        power series (:func:`pulse_series`) exact to what counts as zero.

        Parameters
        ----------
        probe : LinearArray, ConvexArray, MatrixArray or ElementArray
            The receiving elements.
        waves : PlaneWaves, SphericalWaves, PointSources or Photoacoustic
            The transmits and the clock of the recording.
        pulse : GaussianPulse
            Waveform of one echo.
        n_samples : int
            Samples of each trace.
        sound_speed_m_s : float, optional
            Speed of sound.
        spreading : bool, optional
            Divide each echo by its way back in millimetres (a spherical wave; the amplitude is then
            that at 1 mm). The wave on the way out does not spread.
        directivity : {'none', 'rigid', 'soft'}, optional
            Whether elements have their width, and a soft baffle.
        dtype : dtype_like, optional
            float32 or float64.

        Returns
        -------
        numpy.ndarray
            RF ``(transmit, element, sample)``.

        Raises
        ------
        ValueError
            If a number is not positive, ``directivity`` is unknown or ``dtype`` is neither float32 nor
            float64.
        """
        try:
            kind = np.dtype(dtype)
        except TypeError as error:
            raise ValueError(f"dtype must be float32 or float64, got {dtype!r}") from error
        if kind not in _REACH:
            raise ValueError(f"dtype must be float32 or float64, got {kind}")
        speed_mm_s = 1e3 * positive("sound_speed_m_s", sound_speed_m_s)
        shape = (waves.n_transmits, probe.n_elements, count("n_samples", n_samples))
        rf = np.empty(shape, dtype=kind)
        one_of("directivity", directivity, ("none", "rigid", "soft"))
        shortest_mm = speed_mm_s / (pulse.center_hz + 3 / (2 * np.pi * pulse.sigma_s))
        places, shares = _parts(probe, shortest_mm if directivity != "none" else np.inf)
        work = 1.0 * self.n_scatterers * shares.size * shape[0] * shape[1]
        work *= 2 * _REACH[kind] * pulse.sigma_s * waves.sampling_hz
        points = points3("positions_mm", self.positions_mm)
        where = (
            points,
            self.amplitudes,
            np.ascontiguousarray(waves.paths_mm(points)),
            places,
            np.ascontiguousarray(probe.normals),
            shares,
            directivity == "soft",
            np.asarray(waves.start_s),
            speed_mm_s,
        )
        step, table = pulse_series(pulse, waves.sampling_hz, _REACH[kind])
        if self.n_scatterers * shares.size * _CROWD > n_samples * step * table.shape[1]:
            rate_hz = step * waves.sampling_hz
            binned_echoes.sized(work)(*where, rate_hz, waves.pulse_delay_s, step, table, spreading, rf)
            return rf
        gaussian_echoes.sized(work)(
            *where,
            waves.sampling_hz,
            waves.pulse_delay_s,
            pulse.center_hz,
            pulse.sigma_s,
            _REACH[kind],
            spreading,
            rf,
        )
        return rf


def pulse_series(
    pulse: GaussianPulse, sampling_hz: float, reach: float
) -> tuple[int, npt.NDArray[np.float64]]:
    r"""Power series of a pulse in the part of a bin by which it comes after the middle of its bin.

    With bins of h, :math:`p(kh - fh) = \sum_p c_{kp} f^p` for f from -1/2 to 1/2, where

    .. math:: c_{k0} = p(kh), \quad c_{k,p+1} = \frac{b_k c_{kp} - (h/\sigma)^2 c_{k,p-1}}{p + 1}, \quad
              b_k = k (h/\sigma)^2 - 2 \pi i f_c h

    of complex pulses (the recurrence of Hermite polynomials), until a term is smaller than what counts as
    zero beyond ``reach`` standard deviations. Bins are whole parts of a sample, so small that the series is
    short.

    Returns
    -------
    int, numpy.ndarray
        Bins a sample, and the coefficients ``(2 n_before + 1, n_powers)``, n_powers even.
    """
    highest = 2 * np.pi * pulse.center_hz + 3 / pulse.sigma_s
    step = max(1, int(np.ceil(highest / sampling_hz / _LARGEST_TURN_RAD)))
    h = 1 / (step * sampling_hz)
    n_before = int(np.ceil(reach * pulse.sigma_s / h)) + 1
    k = np.arange(-n_before, n_before + 1)
    square = (h / pulse.sigma_s) ** 2
    turn = k * square - 2j * np.pi * pulse.center_hz * h
    before, now = (
        np.zeros(k.size, dtype=complex),
        np.exp(-0.5 * k**2 * square) * np.exp(2j * np.pi * pulse.center_hz * h * k),
    )
    terms = []
    for p in range(_MOST_POWERS):
        terms.append(now.real)
        if p % 2 and np.abs(now).max() * 0.5**p < np.exp(-0.5 * reach**2):
            break
        before, now = now, (turn * now - square * before) / (p + 1)
    return step, np.ascontiguousarray(np.stack(terms, axis=1))


def _parts(probe: Probe, wavelength_mm: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Points ``(element, part, 3)`` that stand for the surface of the elements, and their shares."""
    places, normals = probe.positions_mm, probe.normals
    if not np.isfinite(wavelength_mm):
        return np.ascontiguousarray(places[:, None]), np.ones(1)
    assert probe.element_width_mm is not None
    nodes, weights = np.polynomial.legendre.leggauss(
        4 + int(np.ceil(3 * probe.element_width_mm / wavelength_mm))
    )
    across = np.stack([-normals[:, 2], 0 * normals[:, 0], normals[:, 0]], axis=1)  # in the (x, z) plane
    offsets = 0.5 * probe.element_width_mm * nodes
    row = places[:, None] + offsets[:, None] * across[:, None]
    if not isinstance(probe, MatrixArray):
        return np.ascontiguousarray(row), weights / 2
    square = row[:, :, None] + offsets[:, None] * np.array([0.0, 1.0, 0.0])
    return np.ascontiguousarray(square.reshape(len(places), -1, 3)), np.outer(weights, weights).ravel() / 4


def wires(
    *, depths_mm: npt.ArrayLike, lateral_mm: npt.ArrayLike = (0.0,), amplitude: float = 1.0
) -> Scatterers:
    """Wires across the image plane: one point at every depth and lateral place.

    Parameters
    ----------
    depths_mm : array_like of float
        Depths z of the rows of wires.
    lateral_mm : array_like of float, optional
        Places x of the columns of wires.
    amplitude : float, optional
        Strength of every wire.

    Returns
    -------
    Scatterers
        ``len(depths_mm) * len(lateral_mm)`` points, row by row.

    Raises
    ------
    ValueError
        If a value is not finite or a depth is not positive.

    Examples
    --------
    >>> from imgtech.phantoms import wires
    >>> wires(depths_mm=[10, 20], lateral_mm=[-5, 5]).positions_mm.tolist()
    [[10.0, -5.0], [10.0, 5.0], [20.0, -5.0], [20.0, 5.0]]
    """
    z, x = np.meshgrid(floats("depths_mm", depths_mm), floats("lateral_mm", lateral_mm), indexing="ij")
    return Scatterers(
        np.stack([z.ravel(), x.ravel()], axis=1), np.full(z.size, finite("amplitude", amplitude))
    )

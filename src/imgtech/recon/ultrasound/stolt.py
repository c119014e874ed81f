"""f-k migration: plane-wave beamforming in the Fourier domain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import fft

from imgtech._core.jit import thread_count
from imgtech._core.validate import ComplexArray, count, not_negative, of_kind, positive, real_image
from imgtech.geometry import ImageGrid, LinearArray, PlaneWaves
from imgtech.recon.ultrasound.delays import pixels_mm

_TAPS = 8  # samples of the spectrum that one point of the image spectrum is interpolated from
_BETA = 2.34 * _TAPS


def stolt_migration(
    rf: npt.ArrayLike,
    probe: LinearArray,
    waves: PlaneWaves,
    grid: ImageGrid,
    *,
    f_number: float = 1.75,
    sound_speed_m_s: float = 1540.0,
    padding: int = 2,
) -> ComplexArray:
    r"""Migrate plane-wave RF data by mapping their spectrum onto that of the image.

    The echo of a wave along the unit vector s of a point p arrives as a wave with wave vector k,
    :math:`|k| = \omega / c`. So the component K of the image is the component
    :math:`k_x = K_x - (\omega / c) s_x` of the data at

    .. math:: \frac{\omega}{c} = \frac{|K|^2}{2 K \cdot s}

    The steering enters as a shift of every trace, so only :math:`\omega` is interpolated, with a
    Kaiser-Bessel kernel in a spectrum of twice the length. The weights are those of the plain sum over
    the elements in stationary phase, :math:`\sqrt{2 \pi z / (k \cos^3 \vartheta)}` for a wave that returns
    under the angle :math:`\vartheta`, so the image is that of :func:`delay_and_sum` of the analytic signal
    with a boxcar window, up to effects of the order of a wavelength over the depth. Returning angles beyond
    :math:`\sin \vartheta = \lambda / 2p`, with p the pitch, alias and do not take part.

    Parameters
    ----------
    rf : array_like
        Real data ``(transmit, element, sample)``; integers become float32.
    probe : LinearArray
        The elements.
    waves : PlaneWaves
        Angles without elevation, sampling frequency, time of the first sample and pulse delay.
    grid : ImageGrid
        Image pixels ``(z, x)``.
    f_number : float, optional
        Waves that return steeper than :math:`\tan \vartheta = 1 / 2F` do not take part; 0 takes all.
    sound_speed_m_s : float, optional
        Speed of sound.
    padding : int, optional
        The aperture is continued by zeros to at least this many times its width, so that echoes do not
        come back in from the other side.

    Returns
    -------
    numpy.ndarray
        Complex compound image ``(z, x)``.

    Raises
    ------
    ValueError
        If the data do not fit the probe and the waves, a value is not finite, the waves leave the plane
        or a number is out of range.

    References
    ----------
    Garcia et al. 2013, "Stolt's f-k migration for plane wave ultrasound imaging", IEEE TUFFC 60:1853,
    doi:10.1109/TUFFC.2013.2771; Lu 1997, doi:10.1109/58.585200 (the exact map for steered waves).

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid, LinearArray, PlaneWaves
    >>> from imgtech.phantoms import GaussianPulse, wires
    >>> from imgtech.recon.ultrasound import stolt_migration
    >>> probe = LinearArray(n_elements=64, pitch_mm=0.3)
    >>> waves = PlaneWaves.from_degrees([0], sampling_hz=20e6)
    >>> rf = wires(depths_mm=[15.0]).echoes(probe, waves, pulse=GaussianPulse(center_hz=5e6), n_samples=600)
    >>> grid = ImageGrid(shape=(41, 41), spacing_mm=(0.1, 0.1), center_mm=(15.0, 0.0))
    >>> image = np.abs(stolt_migration(rf, probe, waves, grid))
    >>> [int(i) for i in np.unravel_index(image.argmax(), image.shape)]
    [20, 20]
    """
    traces = real_image("rf", rf, 3)
    of_kind("probe", probe, LinearArray)
    of_kind("waves", waves, PlaneWaves)
    of_kind("grid", grid, ImageGrid)
    if traces.shape[:2] != (waves.n_transmits, probe.n_elements):
        raise ValueError(
            f"rf must have {waves.n_transmits} transmits and {probe.n_elements} elements as its first axes, "
            f"got shape {traces.shape}"
        )
    if grid.ndim != 2:
        raise ValueError(f"grid must have two axes (z, x), got shape {grid.shape}")
    if np.any(waves.elevations_rad):
        raise ValueError("waves must stay in the (x, z) plane, got an elevation")
    z, x = pixels_mm(grid)
    speed_mm_s = 1e3 * positive("sound_speed_m_s", sound_speed_m_s)
    n_samples = traces.shape[2]
    n_t = 2 * fft.next_fast_len(n_samples)
    n_x = fft.next_fast_len(count("padding", padding) * probe.n_elements)
    omega_step = 2 * np.pi * waves.sampling_hz / n_t
    omega = omega_step * np.arange(n_t // 2)  # positive frequencies: the analytic signal
    kx = np.asarray(2 * np.pi * np.fft.fftfreq(n_x, probe.pitch_mm), dtype=np.float64)
    kz, k_step = _depth_frequencies(z, float(omega[-1]) / speed_mm_s, n_samples, waves, speed_mm_s)
    total = np.zeros((kz.size, n_x), dtype=np.complex128)
    steepest = np.inf if not_negative("f_number", f_number) == 0 else 0.5 / f_number
    steer = np.stack([np.cos(waves.angles_rad), np.sin(waves.angles_rad)], axis=1)
    for shot, (cosine, sine), start in zip(traces, steer, np.asarray(waves.start_s), strict=True):
        middle_s = start - waves.pulse_delay_s + n_samples / 2 / waves.sampling_hz
        spectrum = fft.fft(shot * _blur_inverse(n_samples, n_t), n_t, axis=1, workers=thread_count())
        spectrum = spectrum[:, : omega.size] * np.exp(1j * omega / waves.sampling_hz * n_samples / 2)
        spectrum *= np.exp(1j * omega / speed_mm_s * sine * probe.elements_mm[:, None])
        spectrum = fft.fft(spectrum, n_x, axis=0, workers=thread_count())
        spectrum *= np.exp(-1j * kx * probe.elements_mm[0])[:, None]
        steering = (float(cosine), float(sine))
        total = total + _map(
            spectrum, kx, kz, steering, speed_mm_s, omega_step, float(middle_s), float(steepest)
        )
    columns = np.exp(1j * np.outer(kx, x)) / n_x
    scale = 2 * speed_mm_s / (waves.sampling_hz * probe.pitch_mm) * np.exp(0.25j * np.pi)
    rows = np.exp(1j * np.outer(z, kz)) * (scale * k_step * np.sqrt(2 * np.pi * z)[:, None])
    image = rows @ (total @ columns)
    return image.astype(np.result_type(traces.dtype, np.complex64))


def _depth_frequencies(
    z: npt.NDArray[np.float64], top: float, n_samples: int, waves: PlaneWaves, speed_mm_s: float
) -> tuple[npt.NDArray[np.float64], float]:
    """Depth frequencies of the image: up to twice the largest wave number, fine enough for its depth."""
    reach = n_samples / waves.sampling_hz + abs(float(np.max(waves.start_s)))
    depth_mm = max(float(z[-1]), reach * speed_mm_s / 2)
    n = fft.next_fast_len(int(np.ceil(2 * top * 1.25 * 2 * depth_mm / (2 * np.pi))))
    step = 2 * top / n
    return step * (np.arange(n) + 0.5), step / (2 * np.pi)


def _map(
    spectrum: npt.NDArray[np.complexfloating],
    kx: npt.NDArray[np.float64],
    kz: npt.NDArray[np.float64],
    steer: tuple[float, float],
    speed_mm_s: float,
    omega_step: float,
    middle_s: float,
    steepest: float,
) -> npt.NDArray[np.complex128]:
    """Read the data spectrum at the frequency that belongs to every component of the image."""
    cosine, sine = steer
    out = np.zeros((kz.size, kx.size), dtype=np.complex128)
    n_omega = spectrum.shape[1]
    for j, k in enumerate(kx):
        along = kz * cosine + k * sine
        squared = kz**2 + k**2
        with np.errstate(divide="ignore", invalid="ignore"):
            wave = np.where(along > 0, squared / (2 * along), np.inf)  # omega / c
        back = kz - wave * cosine  # depth part of the wave that returns
        place = wave * speed_mm_s / omega_step
        good = (back > 0) & (place >= _TAPS) & (place < n_omega - _TAPS)
        good &= np.abs(k - wave * sine) <= steepest * np.where(good, back, 0.0)
        if not good.any():
            continue
        w = wave[good]
        jacobian = np.abs(kz[good] / along[good] - squared[good] * cosine / (2 * along[good] ** 2))
        value = _interpolate(spectrum[j], place[good])
        weight = jacobian * w / np.sqrt(back[good] ** 3)  # 1 / sqrt(k cos^3) with cos = back / k
        out[good, j] = value * weight * np.exp(-1j * w * speed_mm_s * middle_s)
    return out


def _interpolate(
    row: npt.NDArray[np.complexfloating], place: npt.NDArray[np.float64]
) -> npt.NDArray[np.complex128]:
    """Kaiser-Bessel interpolation at fractional indices; the traces were divided by its transform."""
    base = np.floor(place).astype(np.int64) - _TAPS // 2 + 1
    total = np.zeros(place.size, dtype=np.complex128)
    for k in range(_TAPS):
        index = base + k
        u = 2 * (place - index) / _TAPS
        total += np.i0(_BETA * np.sqrt(np.maximum(1 - u**2, 0))) * row[index]
    return total


def _blur_inverse(n_samples: int, n_t: int) -> npt.NDArray[np.float64]:
    """One over the transform of the kernel, at the samples counted from the middle of the trace."""
    t = (np.arange(n_samples) - n_samples / 2) / n_t
    root = np.sqrt(np.maximum(_BETA**2 - (np.pi * _TAPS * t) ** 2, 0) + 0j)
    root = np.maximum(root.real, 1e-9)
    return np.asarray(root / (_TAPS * np.sinh(root)))

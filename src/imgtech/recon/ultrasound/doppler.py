"""Colour, power, spectral and vector Doppler of beamformed IQ ensembles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import FloatArray, complex_image, count, floats, positive, real_image
from imgtech.recon.ultrasound._windows import odd_window, window_mean


@dataclass(frozen=True, kw_only=True, eq=False)
class DopplerMap(ArrayValue):
    """What an ensemble tells about motion along the beam, pixel by pixel.

    Parameters
    ----------
    velocity_m_s : numpy.ndarray
        Velocity towards the probe.
    uncertainty_m_s : numpy.ndarray
        Standard uncertainty of it from the scatter of the frames.
    power : numpy.ndarray
        Mean squared amplitude.
    coherence : numpy.ndarray
        Correlation from frame to frame, from 0 to 1.
    limit_m_s : float
        Largest velocity without aliasing.
    """

    velocity_m_s: FloatArray
    uncertainty_m_s: FloatArray
    power: FloatArray
    coherence: FloatArray
    limit_m_s: float


def color_doppler(
    images: npt.ArrayLike,
    *,
    center_hz: float,
    prf_hz: float,
    sound_speed_m_s: float = 1540.0,
    window: tuple[int, int] = (1, 1),
) -> DopplerMap:
    r"""Velocity along the beam by the autocorrelation of Kasai.

    .. math:: R = \sum_n z_{n+1} z_n^*, \qquad v = \frac{c\, f_{prf}}{4 \pi f_c} \arg R

    summed over the frames and a window of pixels. Positive velocities come towards the probe. Above
    :math:`c f_{prf} / 4 f_c` they alias. The uncertainty follows from the scatter of the products about
    their mean, :math:`u(\arg R) = \sqrt{\sum (\mathrm{Im}\, p_n e^{-i \arg R})^2}\,/\,|R|` with
    :math:`p_n` the products of the window, and takes neighbouring frames to be independent. It does not
    hold what the aperture does: elements that look under an angle of :math:`\beta` see
    :math:`(1 + \cos\beta) / 2` of a velocity along z, so a boxcar of f-number F reads low by about
    :math:`1 / 48 F^2` (2 % at F = 1).

    Parameters
    ----------
    images : array_like
        Complex images ``(z, x, frame)`` from :func:`delay_and_sum` of IQ data, clutter removed.
    center_hz : float
        Frequency of the echoes.
    prf_hz : float
        Frames a second.
    sound_speed_m_s : float, optional
        Speed of sound.
    window : tuple of int, optional
        Pixels (z, x) that are averaged, odd numbers.

    Returns
    -------
    DopplerMap
        Maps ``(z, x)``.

    Raises
    ------
    ValueError
        If there are fewer than 3 frames, a value is not finite or a number is out of range.

    References
    ----------
    Kasai et al. 1985, "Real-time two-dimensional blood flow imaging using an autocorrelation technique",
    IEEE Trans. Son. Ultrason. 32:458, doi:10.1109/T-SU.1985.31615.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ultrasound import color_doppler
    >>> frames = np.exp(0.5j * np.arange(8)) * np.ones((3, 4, 1))
    >>> flow = color_doppler(frames, center_hz=5e6, prf_hz=4e3, sound_speed_m_s=1500)
    >>> float(flow.velocity_m_s[1, 2].round(5))  # 1500 * 4000 / (4 pi 5e6) * 0.5
    0.04775
    """
    values = complex_image("images", images, 3)
    if values.shape[-1] < 3:
        raise ValueError(f"images must have at least 3 frames, got shape {values.shape}")
    scale = positive("sound_speed_m_s", sound_speed_m_s) * positive("prf_hz", prf_hz)
    scale /= 4 * np.pi * positive("center_hz", center_hz)
    size = odd_window(window)
    here, after = values[..., :-1], values[..., 1:]
    products = after * here.conj()
    lag = window_mean(products.mean(-1), size)
    squares = window_mean((np.abs(products) ** 2).mean(-1), size)
    second = window_mean((products**2).mean(-1), size)
    energy = window_mean(0.5 * (np.abs(here) ** 2 + np.abs(after) ** 2).mean(-1), size)
    phase = np.angle(lag)
    across = 0.5 * (squares - (second * np.exp(-2j * phase)).real)  # mean of Im(p exp(-i phase))^2
    size_of_lag = np.maximum(np.abs(lag), np.finfo(values.real.dtype).tiny)
    spread = np.sqrt(np.maximum(across, 0) / (products.shape[-1] * size[0] * size[1])) / size_of_lag
    real = values.real.dtype
    return DopplerMap(
        velocity_m_s=(scale * phase).astype(real),
        uncertainty_m_s=(scale * spread).astype(real),
        power=power_doppler(values),
        coherence=np.divide(np.abs(lag), energy, out=np.zeros_like(energy), where=energy > 0).astype(real),
        limit_m_s=float(np.pi * scale),
    )


def power_doppler(images: npt.ArrayLike) -> FloatArray:
    """Mean squared amplitude over the frames.

    Parameters
    ----------
    images : array_like
        Complex images with the frames along the last axis, clutter removed.

    Returns
    -------
    numpy.ndarray
        Power, without the last axis.

    Raises
    ------
    ValueError
        If a value is not finite.

    Examples
    --------
    >>> from imgtech.recon.ultrasound import power_doppler
    >>> power_doppler([[3j, 4.0]]).tolist()
    [12.5]
    """
    values = complex_image("images", images, (2, 3, 4))
    return np.asarray(np.mean(values.real**2 + values.imag**2, axis=-1))


def vector_doppler(
    velocities_m_s: npt.ArrayLike, transmit_angles_rad: npt.ArrayLike, receive_angles_rad: npt.ArrayLike = 0.0
) -> FloatArray:
    r"""Velocity in the plane from colour Doppler under several angles, by least squares.

    A wave that runs along :math:`\theta_k` and returns along :math:`\beta_k` sees

    .. math:: v_k = -\tfrac12 \left[ v_z (\cos\theta_k + \cos\beta_k) + v_x (\sin\theta_k + \sin\beta_k)
              \right]

    Parameters
    ----------
    velocities_m_s : array_like
        Velocities towards the probe, one map an angle, ``(angle, ...)``.
    transmit_angles_rad : array_like of float
        Steering of the transmits, at least two different ones unless the receive angles differ.
    receive_angles_rad : array_like of float, optional
        Steering of the receive apertures.

    Returns
    -------
    numpy.ndarray
        ``(2, ...)``: velocity along z (away from the probe) and along x.

    Raises
    ------
    ValueError
        If the numbers do not fit or all angles are the same.

    References
    ----------
    Yiu and Yu 2016, "Least-squares multi-angle Doppler estimators for plane-wave vector flow imaging",
    IEEE TUFFC 63:1733, doi:10.1109/TUFFC.2016.2582514.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ultrasound import vector_doppler
    >>> seen = [-0.5 * 0.3 * np.sin(a) for a in (-0.2, 0.2)]
    >>> (vector_doppler(seen, [-0.2, 0.2]).round(9) + 0.0).tolist()
    [0.0, 0.3]
    """
    maps = real_image("velocities_m_s", velocities_m_s, (1, 2, 3, 4))
    transmit = floats("transmit_angles_rad", np.atleast_1d(transmit_angles_rad))
    receive = floats("receive_angles_rad", np.atleast_1d(receive_angles_rad))
    if len(transmit) != len(maps) or len(receive) not in (1, len(maps)):
        raise ValueError(
            f"transmit_angles_rad and receive_angles_rad must hold {len(maps)} angles, got "
            f"{len(transmit)} and {len(receive)}"
        )
    design = -0.5 * np.stack([np.cos(transmit) + np.cos(receive), np.sin(transmit) + np.sin(receive)], axis=1)
    if np.linalg.matrix_rank(design, tol=1e-6) < 2:
        raise ValueError("transmit_angles_rad must hold at least two different angles")
    flat = np.linalg.pinv(design) @ maps.reshape(len(maps), -1)
    return flat.reshape(2, *maps.shape[1:]).astype(maps.dtype)


def spectral_doppler(
    signal: npt.ArrayLike,
    *,
    center_hz: float,
    prf_hz: float,
    sound_speed_m_s: float = 1540.0,
    n_window: int = 64,
    step: int = 8,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Power against velocity and time: Hann-windowed spectra of slow-time IQ data.

    Parameters
    ----------
    signal : array_like
        Complex values ``(frame,)`` of one gate, or ``(pixel, frame)``, whose spectra are averaged.
    center_hz : float
        Frequency of the echoes.
    prf_hz : float
        Frames a second.
    sound_speed_m_s : float, optional
        Speed of sound.
    n_window : int, optional
        Frames a spectrum.
    step : int, optional
        Frames from one spectrum to the next.

    Returns
    -------
    power : numpy.ndarray
        Power ``(velocity, time)``.
    velocities_m_s : numpy.ndarray
        Velocities towards the probe.
    times_s : numpy.ndarray
        Times of the middle of each window from the first frame.

    Raises
    ------
    ValueError
        If the window is longer than the signal, a value is not finite or a number is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ultrasound import spectral_doppler
    >>> tone = np.exp(2j * np.pi * 0.125 * np.arange(200))
    >>> power, velocities, times = spectral_doppler(tone, center_hz=5e6, prf_hz=8e3, sound_speed_m_s=1500)
    >>> float(velocities[power[:, 3].argmax()])  # 1 kHz
    0.15
    """
    values = np.atleast_2d(complex_image("signal", signal, (1, 2)))
    n = count("n_window", n_window, 2)
    if n > values.shape[1]:
        raise ValueError(f"n_window must be at most the {values.shape[1]} frames, got {n_window}")
    starts = np.arange(0, values.shape[1] - n + 1, count("step", step))
    hann = np.hanning(n + 2)[1:-1].astype(values.real.dtype)
    hann /= np.sqrt(np.sum(hann**2))
    pieces = np.stack([values[:, k : k + n] * hann for k in starts])
    power = np.fft.fftshift(np.mean(np.abs(np.fft.fft(pieces, axis=-1)) ** 2, axis=1), axes=-1).T
    shift_hz = np.fft.fftshift(np.fft.fftfreq(n, 1 / positive("prf_hz", prf_hz)))
    velocities = (
        shift_hz * positive("sound_speed_m_s", sound_speed_m_s) / (2 * positive("center_hz", center_hz))
    )
    return power.astype(values.real.dtype), velocities, (starts + (n - 1) / 2) / prf_hz

"""Channel data before beamforming: gain over time, coded pulses, harmonics by pulse inversion."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import fft

from imgtech._core.validate import Array, FloatArray, any_image, any_shape, not_negative, positive, real_image
from imgtech.geometry.transmits import Transmits


def time_gain(
    data: npt.ArrayLike,
    waves: Transmits,
    *,
    attenuation_db_per_mm_mhz: float,
    frequency_hz: float,
    sound_speed_m_s: float = 1540.0,
    limit_db: float = 60.0,
) -> Array:
    r"""Time-gain compensation: amplify echoes by what the way there and back has taken.

    The gain at time t after time zero is :math:`\alpha f\, c\, t` in decibels, with the attenuation
    :math:`\alpha` one way: a depth of :math:`ct / 2` is passed twice. Below time zero it is 0 dB, and it
    stops at ``limit_db``.

    Parameters
    ----------
    data : array_like
        RF or IQ ``(transmit, element, sample)`` or with frames behind.
    waves : PlaneWaves, SphericalWaves, PointSources or Photoacoustic
        Sampling frequency and time of the first sample.
    attenuation_db_per_mm_mhz : float
        Attenuation of the medium, not negative; soft tissue about 0.05.
    frequency_hz : float
        Frequency of the echoes.
    sound_speed_m_s : float, optional
        Speed of sound.
    limit_db : float, optional
        Largest gain.

    Returns
    -------
    numpy.ndarray
        Amplified data, of the precision of the input.

    Raises
    ------
    ValueError
        If a number is out of range or the transmits do not fit the waves.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import PlaneWaves
    >>> from imgtech.recon.ultrasound import time_gain
    >>> waves = PlaneWaves.from_degrees([0], sampling_hz=1e6)
    >>> settings = {"attenuation_db_per_mm_mhz": 0.05, "frequency_hz": 4e6, "sound_speed_m_s": 1500}
    >>> gained = time_gain(np.ones((1, 1, 101)), waves, **settings)
    >>> float(20 * np.log10(gained[0, 0, 100]).round(6))  # 100 us, 150 mm in all
    30.0
    """
    values = any_image("data", data, (3, 4))
    if values.shape[0] != waves.n_transmits:
        raise ValueError(f"data must have {waves.n_transmits} transmits, got shape {values.shape}")
    slope = not_negative("attenuation_db_per_mm_mhz", attenuation_db_per_mm_mhz)
    slope *= (
        1e-6 * positive("frequency_hz", frequency_hz) * 1e3 * positive("sound_speed_m_s", sound_speed_m_s)
    )
    times_s = np.asarray(waves.start_s)[:, None] + np.arange(values.shape[2]) / waves.sampling_hz
    gain = 10 ** (np.clip(slope * times_s, 0, positive("limit_db", limit_db)) / 20)
    shape = (len(gain), 1, values.shape[2]) + (1,) * (values.ndim - 3)
    return values * gain.reshape(shape).astype(values.real.dtype)


def compress_pulse(data: npt.ArrayLike, code: npt.ArrayLike) -> Array:
    r"""Pulse compression of coded excitation: correlate every trace with the code.

    .. math:: y_i = \frac{\sum_k s_{i + k}\, q_k^*}{\sum_k |q_k|^2}

    An echo that begins at sample i with amplitude a gives a peak of a at i: time counts from the beginning
    of the code, so ``pulse_delay_s`` is that of the code's first sample.

    Parameters
    ----------
    data : array_like
        RF or IQ ``(transmit, element, sample)`` or with frames behind.
    code : array_like
        The emitted code, sampled like the data.

    Returns
    -------
    numpy.ndarray
        Compressed data of the same shape.

    Raises
    ------
    ValueError
        If the code is empty, zero, longer than a trace or complex for real data.

    References
    ----------
    Misaridis and Jensen 2005, "Use of modulated excitation signals in medical ultrasound. Part I", IEEE
    TUFFC 52:177, doi:10.1109/TUFFC.2005.1406545.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ultrasound import compress_pulse
    >>> barker = np.array([1, 1, 1, -1, 1.0])
    >>> trace = np.zeros((1, 1, 20))
    >>> trace[0, 0, 7:12] = 3 * barker
    >>> int(compress_pulse(trace, barker).argmax()), float(compress_pulse(trace, barker).max().round(9))
    (7, 3.0)
    """
    values = any_image("data", data, (3, 4))
    pulse = any_image("code", code, (1,))
    if pulse.size > values.shape[2]:
        raise ValueError(f"code must be at most {values.shape[2]} samples long, got {pulse.size}")
    energy = float(np.sum(np.abs(pulse) ** 2, dtype=np.float64))
    if energy == 0:
        raise ValueError("code must not be zero")
    if np.iscomplexobj(pulse) and not np.iscomplexobj(values):
        raise ValueError("code must be real for real data")
    n = fft.next_fast_len(values.shape[2] + pulse.size)
    spectrum = fft.fft(values, n, axis=2)
    shape = (n,) + (1,) * (values.ndim - 3)
    spectrum *= fft.fft(pulse, n).conj().reshape(shape) / energy
    out = fft.ifft(spectrum, axis=2)[:, :, : values.shape[2]]
    return np.ascontiguousarray(out if np.iscomplexobj(values) else out.real).astype(values.dtype)


def pulse_inversion(positive_data: npt.ArrayLike, negative_data: npt.ArrayLike) -> Array:
    """Half the sum of the echoes of a pulse and of its inverse: the even harmonics alone.

    What the medium answers linearly changes sign with the pulse and goes; the second harmonic stays with
    its amplitude. Half the difference would be the odd part.

    Parameters
    ----------
    positive_data, negative_data : array_like
        Data of the pulse and of its inverse, of the same shape.

    Returns
    -------
    numpy.ndarray
        Harmonic data.

    Raises
    ------
    ValueError
        If the shapes differ or a value is not finite.

    References
    ----------
    Simpson, Chin and Burns 1999, "Pulse inversion Doppler", IEEE TUFFC 46:372, doi:10.1109/58.753026.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ultrasound import pulse_inversion
    >>> pulse = np.cos(np.arange(6.0))[None, None]
    >>> echo = lambda p: 2 * p + 0.5 * p**2
    >>> np.allclose(pulse_inversion(echo(pulse), echo(-pulse)), 0.5 * pulse**2)
    True
    """
    plus = any_image("positive_data", positive_data, (3, 4))
    minus = any_image("negative_data", negative_data, (3, 4))
    if plus.shape != minus.shape:
        raise ValueError(f"negative_data must have shape {plus.shape}, got {minus.shape}")
    return np.asarray((plus + minus) / 2)


def unalias(velocity_m_s: npt.ArrayLike, limit_m_s: float, *, reference_m_s: npt.ArrayLike) -> FloatArray:
    """Velocities moved by whole multiples of twice the limit, to lie nearest to a reference.

    Parameters
    ----------
    velocity_m_s : array_like
        Aliased velocities, as of :func:`color_doppler`.
    limit_m_s : float
        The largest velocity without aliasing, ``DopplerMap.limit_m_s``.
    reference_m_s : array_like
        What is known about the velocity: a number or a map, for instance a smooth one or one measured at
        a higher frame rate.

    Returns
    -------
    numpy.ndarray
        Velocities, within the limit of the reference.

    Raises
    ------
    ValueError
        If a value is not finite or the limit is not positive.

    Examples
    --------
    >>> from imgtech.recon.ultrasound import unalias
    >>> unalias([[-0.4, 0.3]], 0.5, reference_m_s=0.7).round(9).tolist()
    [[0.6, 0.3]]
    """
    seen = real_image("velocity_m_s", velocity_m_s, (1, 2, 3))
    near = any_shape("reference_m_s", reference_m_s)
    try:
        near = np.broadcast_to(near, seen.shape)
    except ValueError as error:
        raise ValueError(
            f"reference_m_s must be a number or fit shape {seen.shape}, got {near.shape}"
        ) from error
    period = 2 * positive("limit_m_s", limit_m_s)
    return np.asarray(seen + period * np.rint((near - seen) / period), dtype=seen.dtype)

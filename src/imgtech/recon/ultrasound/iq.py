"""From radio-frequency traces to complex baseband (IQ)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import fft

from imgtech._core.validate import ComplexArray, positive, real_image
from imgtech.geometry.transmits import Transmits

_ROLL_OFF = 0.5  # the filter falls from 1 to 0 between 0.5 and 1.5 times half the bandwidth


def rf_to_iq(
    rf: npt.ArrayLike, waves: Transmits, *, center_hz: float, bandwidth_hz: float | None = None
) -> ComplexArray:
    r"""Demodulate RF data: shift the band at ``center_hz`` to zero and keep it alone.

    .. math:: \mathrm{iq}(t) = 2\, \mathrm{LP}\left[\mathrm{rf}(t)\, e^{-2 \pi i f_c t}\right]

    The clock t is that of the waves, ``start_s + i / sampling_hz``: the carrier has phase zero at time
    zero whatever the first sample. So :math:`\mathrm{iq}(t)\, e^{2 \pi i f_c t}` is the analytic signal
    at t, and ``abs(iq)`` the envelope of the RF. The low-pass has no phase: a raised cosine in frequency,
    1 below a quarter of the bandwidth, 1/2 at half of it, 0 above three quarters. The traces are padded
    with zeros, so the end of a trace does not leak into its beginning.

    Undersampled RF works as long as the wanted band and its mirror image stay apart: the two lie
    :math:`\delta = |2 f_c - m f_s|` from each other (m the nearest whole number), and the bandwidth may
    be at most :math:`0.8\,\delta`.

    Parameters
    ----------
    rf : array_like
        Real data ``(transmit, element, sample)`` or ``(transmit, element, sample, frame)``; integers
        become float32.
    waves : PlaneWaves, SphericalWaves, PointSources or Photoacoustic
        Sampling frequency and time of the first sample of every transmit.
    center_hz : float
        Frequency that goes to zero, best the centre of the band.
    bandwidth_hz : float, optional
        Width of the band kept, between the points of half amplitude. By default ``center_hz``, or
        :math:`0.8\,\delta` where that is less.

    Returns
    -------
    numpy.ndarray
        IQ data of the same shape and sampling, complex64 (complex128 for float64 input).

    Raises
    ------
    ValueError
        If a value is not finite, the transmits do not fit the waves, or the bandwidth is more than the
        sampling allows.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import PlaneWaves
    >>> from imgtech.recon.ultrasound import rf_to_iq
    >>> waves = PlaneWaves.from_degrees([0], sampling_hz=20e6, start_s=3e-6)
    >>> t = 3e-6 + np.arange(400) / 20e6
    >>> iq = rf_to_iq(np.cos(2 * np.pi * 5e6 * t + 0.5)[None, None], waves, center_hz=5e6)
    >>> bool(np.isclose(np.angle(iq[0, 0, 200]), 0.5, atol=1e-3))
    True
    """
    traces = real_image("rf", rf, (3, 4))
    if traces.shape[0] != waves.n_transmits:
        raise ValueError(f"rf must have {waves.n_transmits} transmits, got shape {traces.shape}")
    center_hz = positive("center_hz", center_hz)
    fs = waves.sampling_hz
    apart_hz = abs(2 * center_hz - round(2 * center_hz / fs) * fs)
    widest_hz = apart_hz / (1 + _ROLL_OFF / 2)
    if widest_hz < 1e-6 * fs:
        raise ValueError(
            f"center_hz must not be a multiple of half the sampling frequency {fs}, got {center_hz}"
        )
    if bandwidth_hz is None:
        bandwidth_hz = min(center_hz, widest_hz)
    elif positive("bandwidth_hz", bandwidth_hz) > widest_hz:
        raise ValueError(
            f"bandwidth_hz must be at most {widest_hz:.6g} at sampling {fs:.6g} Hz and center "
            f"{center_hz:.6g} Hz (band and mirror image would overlap), got {bandwidth_hz!r}"
        )

    n = traces.shape[2]
    real = traces.dtype
    tail = (1,) * (traces.ndim - 3)
    times = np.asarray(waves.start_s)[:, None] + np.arange(n) / fs
    turns = center_hz * times
    carrier = 2 * np.exp(-2j * np.pi * (turns - np.rint(turns)))
    carrier = carrier.astype(np.result_type(real, np.complex64)).reshape(waves.n_transmits, 1, n, *tail)
    padded = fft.next_fast_len(n + int(np.ceil(8 * fs / bandwidth_hz)))
    gain = _low_pass(fft.fftfreq(padded, 1 / fs), bandwidth_hz / 2).astype(real).reshape(padded, *tail)
    spectrum = fft.fft(traces * carrier, padded, axis=2, overwrite_x=True)
    spectrum *= gain
    return np.ascontiguousarray(fft.ifft(spectrum, axis=2, overwrite_x=True)[:, :, :n])


def _low_pass(frequencies_hz: npt.NDArray[np.float64], half_hz: float) -> npt.NDArray[np.float64]:
    place = (np.abs(frequencies_hz) / half_hz - (1 - _ROLL_OFF)) / (2 * _ROLL_OFF)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * np.clip(place, 0, 1)))

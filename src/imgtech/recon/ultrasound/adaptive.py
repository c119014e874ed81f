"""Beamformers that look at how the elements agree: coherence factors, SLSC, F-DMAS and Capon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import Array, ComplexArray, FloatArray, count, not_negative, one_of, positive
from imgtech.geometry import LayeredMedium
from imgtech.geometry.probes import Probe
from imgtech.geometry.scan_grids import Pixels
from imgtech.geometry.transmits import Transmits
from imgtech.recon.ultrasound import _kernels_capon, _kernels_lines
from imgtech.recon.ultrasound._layers import check_medium
from imgtech.recon.ultrasound._lines import (
    Lines,
    channel_data,
    check_record,
    complex_channel_data,
    lines_of,
)

COHERENCE_KINDS = ("cf", "gcf", "phase", "sign")


class Beam(TypedDict, total=False):
    """Settings shared with :func:`delay_and_sum`."""

    f_number: float
    sound_speed_m_s: float
    center_hz: float | None
    interpolation: str
    medium: LayeredMedium | None


def coherence_factor(
    data: npt.ArrayLike,
    probe: Probe,
    waves: Transmits,
    grid: Pixels,
    *,
    kind: str = "cf",
    n_frequencies: int = 1,
    sensitivity: float = 1.0,
    **beam: Unpack[Beam],
) -> FloatArray:
    r"""How well the elements of the aperture agree, from 0 to 1: a weight for the delay-and-sum image.

    With s the N delayed signals of the aperture:

    * ``cf``: :math:`|\sum s_e|^2 / (N \sum |s_e|^2)`;
    * ``gcf``: the part of the energy of the spectrum of s over the aperture in its lowest spatial
      frequencies :math:`-M \ldots M`, with M ``n_frequencies``; for M = 0 it is ``cf``;
    * ``phase``: :math:`1 - \gamma\, \sigma(\varphi) / \sigma_0`, not below 0, with the standard deviation
      of the phases (the smaller of the one of :math:`\varphi` and of phases turned by :math:`\pi`) and
      :math:`\sigma_0 = \pi / \sqrt 3`;
    * ``sign``: :math:`|1 - \sqrt{1 - \bar b^2}|^\gamma` with :math:`\bar b` the mean sign of the RF.

    Parameters
    ----------
    data : array_like
        Channel data ``(transmit, element, sample)``; complex for ``phase``.
    probe, waves, grid : as for :func:`delay_and_sum`
        Elements, transmits and pixels. The transmits are added before the elements are compared.
    kind : {'cf', 'gcf', 'phase', 'sign'}, optional
        Which factor.
    n_frequencies : int, optional
        M of the generalised factor.
    sensitivity : float, optional
        :math:`\gamma` of the phase and sign factors.
    **beam
        ``f_number``, ``sound_speed_m_s``, ``center_hz``, ``interpolation`` and ``medium`` of
        :func:`delay_and_sum`.

    Returns
    -------
    numpy.ndarray
        Factors of the shape of the grid; 0 where nothing was recorded.

    Raises
    ------
    ValueError
        As :func:`delay_and_sum`, or if ``kind`` is unknown or needs complex data.

    References
    ----------
    Li and Li 2003 (gcf), doi:10.1109/TUFFC.2003.1182117; Camacho, Parrilla and Fritsch 2009 (phase and
    sign), doi:10.1109/TUFFC.2009.1128.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid, LinearArray, PlaneWaves
    >>> from imgtech.recon.ultrasound import coherence_factor
    >>> probe = LinearArray(n_elements=8, pitch_mm=0.3)
    >>> waves = PlaneWaves.from_degrees([0], sampling_hz=20e6)
    >>> grid = ImageGrid(shape=(3, 2), spacing_mm=(0.1, 0.2), center_mm=(3.0, 0.0))
    >>> coherence_factor(np.ones((1, 8, 200)), probe, waves, grid, f_number=0)[1].tolist()
    [1.0, 1.0]
    """
    one_of("kind", kind, COHERENCE_KINDS)
    m = 0 if kind == "cf" else count("n_frequencies", n_frequencies, 0)
    gamma = positive("sensitivity", sensitivity)
    check = complex_channel_data if kind == "phase" else channel_data
    traces = check(data, probe, waves, (3,))
    lines = _lines(traces, probe, waves, grid, beam)
    out = np.zeros((len(lines.points_mm), grid.shape[0]), dtype=traces.real.dtype)
    for part, s, inside in _aligned(lines, traces):
        n = inside.sum(-1)
        if kind == "phase":
            out[part] = np.maximum(1 - gamma * _phase_spread(s, inside, n) * np.sqrt(3) / np.pi, 0) * (n > 0)
        elif kind == "sign":
            mean = np.sum(np.sign(s.real), axis=-1) / np.maximum(n, 1)
            out[part] = np.abs(1 - np.sqrt(np.maximum(1 - mean**2, 0))) ** gamma
        else:
            out[part] = _low_part(s, inside, n, m)
    return out.T.reshape(grid.shape)


def delay_multiply_and_sum(
    data: npt.ArrayLike, probe: Probe, waves: Transmits, grid: Pixels, **beam: Unpack[Beam]
) -> ComplexArray:
    r"""Filtered delay-multiply-and-sum of complex data: the sum over all pairs of elements.

    .. math:: b = \sum_{i < j} \hat s_i \hat s_j, \qquad \hat s = \sqrt{|s|}\; e^{i \arg s}

    For analytic signals the products hold the second harmonic alone, so the band-pass that real RF needs
    around twice the frequency is not needed. The value has the dimension of s and twice its phase.

    Parameters
    ----------
    data : array_like
        Complex channel data ``(transmit, element, sample)``: IQ with ``center_hz`` or analytic.
    probe, waves, grid : as for :func:`delay_and_sum`
        Elements, transmits and pixels.
    **beam
        ``f_number``, ``sound_speed_m_s``, ``center_hz``, ``interpolation`` and ``medium`` of
        :func:`delay_and_sum`.

    Returns
    -------
    numpy.ndarray
        Complex image of the shape of the grid.

    Raises
    ------
    ValueError
        As :func:`delay_and_sum`, or if the data are real.

    References
    ----------
    Matrone et al. 2015, "The delay multiply and sum beamforming algorithm in ultrasound B-mode medical
    imaging", IEEE TMI 34:940, doi:10.1109/TMI.2014.2371235.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid, LinearArray, PlaneWaves
    >>> from imgtech.recon.ultrasound import delay_multiply_and_sum
    >>> probe = LinearArray(n_elements=4, pitch_mm=0.3)
    >>> waves = PlaneWaves.from_degrees([0], sampling_hz=20e6)
    >>> grid = ImageGrid(shape=(1, 1), spacing_mm=(0.1, 0.2), center_mm=(3.0, 0.0))
    >>> data = 5j * np.ones((1, 4, 200))
    >>> delay_multiply_and_sum(data, probe, waves, grid, f_number=0).round(6).item()  # 6 pairs of 5
    (-30+0j)
    """
    traces = complex_channel_data(data, probe, waves, (3,))
    lines = _lines(traces, probe, waves, grid, beam)
    out = np.zeros((len(lines.points_mm), grid.shape[0]), dtype=traces.dtype)
    for part, s, _ in _aligned(lines, traces):
        root = s / np.sqrt(np.maximum(np.abs(s), np.finfo(s.real.dtype).tiny))
        out[part] = (root.sum(-1) ** 2 - (root**2).sum(-1)) / 2
    return out.T.reshape(grid.shape)


def slsc(
    data: npt.ArrayLike,
    probe: Probe,
    waves: Transmits,
    grid: Pixels,
    *,
    max_lag: int = 10,
    n_kernel: int = 1,
    **beam: Unpack[Beam],
) -> FloatArray:
    r"""Short-lag spatial coherence: the mean correlation of elements up to a distance.

    .. math:: \hat R(m) = \frac{1}{N - m} \sum_i \frac{\mathrm{Re} \sum_k s_i s_{i+m}^*}
              {\sqrt{\sum_k |s_i|^2 \sum_k |s_{i+m}|^2}}, \qquad b = \frac1M \sum_{m=1}^{M} \hat R(m)

    with k over a kernel of pixels along depth and the elements counted inside the aperture.

    Parameters
    ----------
    data : array_like
        Channel data ``(transmit, element, sample)``.
    probe, waves, grid : as for :func:`delay_and_sum`
        Elements, transmits and pixels.
    max_lag : int, optional
        M above, in elements.
    n_kernel : int, optional
        Pixels of the kernel, an odd number.
    **beam
        ``f_number``, ``sound_speed_m_s``, ``center_hz``, ``interpolation`` and ``medium`` of
        :func:`delay_and_sum`.

    Returns
    -------
    numpy.ndarray
        Coherence from -1 to 1, of the shape of the grid; 0 where no two elements are open.

    Raises
    ------
    ValueError
        As :func:`delay_and_sum`, or if a number is out of range.

    References
    ----------
    Lediju et al. 2011, "Short-lag spatial coherence of backscattered echoes", IEEE TUFFC 58:1377,
    doi:10.1109/TUFFC.2011.1957.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid, LinearArray, PlaneWaves
    >>> from imgtech.recon.ultrasound import slsc
    >>> probe = LinearArray(n_elements=8, pitch_mm=0.3)
    >>> waves = PlaneWaves.from_degrees([0], sampling_hz=20e6)
    >>> grid = ImageGrid(shape=(1, 1), spacing_mm=(0.1, 0.2), center_mm=(3.0, 0.0))
    >>> slsc(np.ones((1, 8, 200)), probe, waves, grid, max_lag=3, f_number=0).item()
    1.0
    """
    m = count("max_lag", max_lag)
    if count("n_kernel", n_kernel) % 2 == 0:
        raise ValueError(f"n_kernel must be odd, got {n_kernel}")
    traces = channel_data(data, probe, waves, (3,))
    lines = _lines(traces, probe, waves, grid, beam)
    out = np.zeros((len(lines.points_mm), grid.shape[0]), dtype=traces.real.dtype)
    for part, s, inside in _aligned(lines, traces):
        power = _sum_along(np.abs(s) ** 2, n_kernel)
        total = np.zeros(s.shape[:2])
        for lag in range(1, min(m, s.shape[2] - 1) + 1):
            pairs = inside[..., lag:] & inside[..., :-lag]
            both = _sum_along((s[..., lag:] * s[..., :-lag].conj()).real, n_kernel)
            scale = np.sqrt(power[..., lag:] * power[..., :-lag])
            known = pairs & (scale > 0)
            ratio = np.divide(both, scale, out=np.zeros_like(both), where=known)
            total += ratio.sum(-1) / np.maximum(pairs.sum(-1), 1)
        out[part] = total / min(m, max(s.shape[2] - 1, 1))
    return out.T.reshape(grid.shape)


def capon(
    data: npt.ArrayLike,
    probe: Probe,
    waves: Transmits,
    grid: Pixels,
    *,
    subarray: float = 0.5,
    loading: float = 0.01,
    forward_backward: bool = True,
    n_average: int = 1,
    **beam: Unpack[Beam],
) -> ComplexArray:
    r"""Capon's minimum-variance beamformer.

    For every pixel the weights of least power that let the focus pass,
    :math:`w = R^{-1} 1 / (1^T R^{-1} 1)`. The covariance R is averaged over subarrays of the aperture,
    forwards and backwards, and over pixels along depth; its diagonal is loaded with ``loading`` times its
    mean. The value is the mean over the subarrays, times the number of elements, so that an echo that all
    elements agree on has the value of :func:`delay_and_sum` with a boxcar. Large loading gives the mean of
    plain sums over the subarrays: a window that falls to both ends.

    Parameters
    ----------
    data : array_like
        Complex channel data ``(transmit, element, sample)``: IQ with ``center_hz`` or analytic.
    probe, waves, grid : as for :func:`delay_and_sum`
        Elements, transmits and pixels. Elements should be evenly spaced.
    subarray : float, optional
        Length of the subarrays as a part of the aperture, above 0, at most 1.
    loading : float, optional
        Diagonal loading as a part of the mean of the diagonal.
    forward_backward : bool, optional
        Average R with its mirror image.
    n_average : int, optional
        Pixels along depth over which R is averaged, an odd number.
    **beam
        ``f_number``, ``sound_speed_m_s``, ``center_hz``, ``interpolation`` and ``medium`` of
        :func:`delay_and_sum`.

    Returns
    -------
    numpy.ndarray
        Complex image of the shape of the grid.

    Raises
    ------
    ValueError
        As :func:`delay_and_sum`, or if the data are real or a number is out of range.

    References
    ----------
    Synnevag, Austeng and Holm 2009, "Benefits of minimum-variance beamforming in medical ultrasound
    imaging", IEEE TUFFC 56:1868, doi:10.1109/TUFFC.2009.1263.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid, LinearArray, PlaneWaves
    >>> from imgtech.recon.ultrasound import capon
    >>> probe = LinearArray(n_elements=8, pitch_mm=0.3)
    >>> waves = PlaneWaves.from_degrees([0], sampling_hz=20e6)
    >>> grid = ImageGrid(shape=(1, 1), spacing_mm=(0.1, 0.2), center_mm=(3.0, 0.0))
    >>> abs(capon(2j * np.ones((1, 8, 200)), probe, waves, grid, f_number=0)).round(6).item()
    16.0
    """
    if positive("subarray", subarray) > 1:
        raise ValueError(f"subarray must be at most 1, got {subarray}")
    if count("n_average", n_average) % 2 == 0:
        raise ValueError(f"n_average must be odd, got {n_average}")
    diagonal = not_negative("loading", loading)
    traces = complex_channel_data(data, probe, waves, (3,))
    lines = _lines(traces, probe, waves, grid, beam)
    out = np.zeros((len(lines.points_mm), grid.shape[0]), dtype=traces.dtype)
    for part, s, inside in _aligned(lines, traces):
        work = s.size * s.shape[2]
        _kernels_capon.capon_pixels.sized(work)(
            s,
            inside,
            float(subarray),
            diagonal,
            forward_backward,
            n_average // 2,
            out[part],
        )
    return out.T.reshape(grid.shape)


def _lines(traces: Array, probe: Probe, waves: Transmits, grid: Pixels, beam: Beam) -> Lines:
    """The problem of :func:`delay_and_sum` with its own defaults and a boxcar."""
    speed_m_s = beam.get("sound_speed_m_s", 1540.0)
    medium = beam.get("medium")
    check_record(traces, probe, waves, grid, speed_m_s, medium)
    check_medium(medium, probe, waves)
    return lines_of(
        traces,
        probe,
        waves,
        grid,
        f_number=beam.get("f_number", 1.75),
        window="boxcar",
        sound_speed_m_s=speed_m_s,
        center_hz=beam.get("center_hz"),
        interpolation=beam.get("interpolation", "linear"),
        medium=medium,
    )


def _aligned(lines: Lines, traces: Array) -> Iterator[tuple[slice, Array, npt.NDArray[np.bool_]]]:
    """Blocks of lines with their delayed signals ``(line, pixel, element)`` and the aperture."""
    n_transmits, n_elements = traces.shape[:2]
    for part, arguments in lines.blocks(n_elements * 4 + n_transmits):
        n_lines, _, n = arguments[2].shape
        out = np.zeros((n_lines, n, n_elements, lines.traces.shape[2]), dtype=lines.traces.dtype)
        mask = np.empty((n_lines, n, n_elements), dtype=np.float32)
        _kernels_lines.align_lines.sized(out.size * n_transmits)(*arguments, out, mask)
        signals = out.view(traces.dtype)[..., 0] if np.iscomplexobj(traces) else out[..., 0]
        yield part, signals, mask > 0


def _low_part(s: Array, inside: npt.NDArray[np.bool_], n: Array, m: int) -> Array:
    """Part of the energy over the aperture in the spatial frequencies -m to m."""
    energy = n * np.sum(np.abs(s) ** 2, axis=-1)
    place = np.cumsum(inside, axis=-1) - 1
    low = np.zeros(energy.shape)
    for k in range(-m, m + 1):
        wave = np.exp(-2j * np.pi * k * place / np.maximum(n, 1)[..., None]) if k else 1.0
        low += (np.abs(np.sum(s * wave, axis=-1)) ** 2) * (2 * abs(k) < np.maximum(n, 1))
    return np.divide(low, energy, out=np.zeros(energy.shape), where=energy > 0).clip(0, 1)


def _phase_spread(s: Array, inside: npt.NDArray[np.bool_], n: Array) -> Array:
    phase = np.angle(s)
    turned = phase - np.pi * np.where(phase < 0, -1, 1)
    known = np.maximum(n, 1)[..., None]
    spreads = []
    for angle in (phase, turned):
        mean = np.sum(angle * inside, axis=-1, keepdims=True) / known
        spreads.append(np.sqrt(np.sum((angle - mean) ** 2 * inside, axis=-1) / known[..., 0]))
    return np.minimum(*spreads)


def _sum_along(values: Array, n: int) -> Array:
    """Sum over ``n`` pixels along the line, cut at its ends."""
    if n == 1:
        return values
    padded = np.pad(values, ((0, 0), (n // 2 + 1, n // 2), (0, 0)))
    total = np.cumsum(padded, axis=1)
    return total[:, n:] - total[:, :-n]

"""Delay-and-sum beamforming of channel data."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import Array, ComplexArray, FloatArray, not_negative, positive, real_image
from imgtech.geometry import ImageGrid, LayeredMedium, LinearArray, PlaneWaves
from imgtech.geometry.probes import Probe
from imgtech.geometry.scan_grids import Pixels
from imgtech.geometry.transmits import Transmits
from imgtech.recon.ultrasound import _kernels, _kernels_frames, _kernels_lines, _kernels_window
from imgtech.recon.ultrasound._layers import check_medium
from imgtech.recon.ultrasound._lines import Lines, channel_data, check_record, lines_of
from imgtech.recon.ultrasound.apodization import window_terms
from imgtech.recon.ultrasound.delays import pixels_mm


def delay_and_sum(
    data: npt.ArrayLike,
    probe: Probe,
    waves: Transmits,
    grid: Pixels,
    *,
    f_number: float = 1.75,
    window: str = "boxcar",
    sound_speed_m_s: float = 1540.0,
    center_hz: float | None = None,
    compound: bool = True,
    interpolation: str = "linear",
    directivity: str = "none",
    frequency_hz: float | None = None,
    receive_weights: npt.ArrayLike | None = None,
    transmit_weights: npt.ArrayLike | None = None,
    medium: LayeredMedium | None = None,
) -> FloatArray | ComplexArray:
    r"""Beamform channel data: the sum of all elements and transmits at the time of flight of each pixel.

    .. math:: b(p) = \sum_k \sum_e w_k\, w_e(p)\; s_{ke}(\tau_{ke})\; e^{2 \pi i f_c \tau_{ke}}, \qquad
              \tau_{ke} = \frac{d_k(p) + |p - p_e|}{c} + t_{pulse}

    with :math:`d_k` the way of the transmit, ``waves.paths_mm``; for a plane wave
    :math:`x \sin\theta_k + z \cos\theta_k`. Times before the first and after the last sample add
    nothing. The rotation is there for IQ data only. The weights are those of :func:`aperture_weights`,
    with depth and lateral distance measured along and across the direction in which the element looks.
    It is a plain sum: an echo of amplitude 1 seen by n elements in m transmits gives ``n * m`` times the
    weights, and the number of elements grows with depth until the aperture is the whole probe.

    Three kinds of data:

    * real RF: the image is real and oscillates along depth, so the grid needs at least four samples a
      wavelength there;
    * complex and no ``center_hz``: the analytic signal of the RF, interpolated as it is;
    * complex with ``center_hz``: IQ data of that demodulation frequency in the convention of
      :func:`rf_to_iq` (phase zero at time zero), rotated to each delay.

    Parameters
    ----------
    data : array_like
        Channel data ``(transmit, element, sample)``, or ``(transmit, element, sample, frame)`` for an
        ensemble: all frames share the delays and cost little more than one. Integers become float32.
    probe : LinearArray, ConvexArray, MatrixArray or ElementArray
        The receiving elements.
    waves : PlaneWaves, SphericalWaves, PointSources or Photoacoustic
        The transmits, sampling frequency, time of the first sample and pulse delay.
    grid : ImageGrid, PolarGrid or ScanLines
        Image pixels: Cartesian ``(z, x)`` or ``(z, y, x)``, ``(range, angle)`` or ``(sample, line)``.
        Depths must not be negative under a straight row with plane waves; elsewhere an element does not
        hear what lies behind it, unless the f-number is 0.
    f_number : float, optional
        Depth divided by the width of the receive aperture; 0 takes every element.
    window : {'boxcar', 'hann', 'hamming', 'blackman', 'tukey'}, optional
        Window over the receive aperture.
    sound_speed_m_s : float, optional
        Speed of sound.
    center_hz : float, optional
        Demodulation frequency of IQ data.
    compound : bool, optional
        Sum the transmits; with False each keeps its own image.
    interpolation : {'linear', 'nearest', 'cubic', 'lanczos'}, optional
        Between samples: the nearest one, a line, the cubic through four samples (Keys, a = -1/2), or six
        samples under a Lanczos window whose weights are scaled to a sum of 1. What lies outside the
        record is taken as zero.
    directivity : {'none', 'rigid', 'soft'}, optional
        Further weight of an element at an angle of :math:`\vartheta` from its normal:
        :math:`\mathrm{sinc}(w \sin\vartheta / \lambda)`, times :math:`\cos\vartheta` for a soft baffle.
    frequency_hz : float, optional
        Frequency of the directivity; ``center_hz`` by default.
    receive_weights, transmit_weights : array_like, optional
        Your own weights, multiplied with the others: one an element (transmit), or ``(element, *image)``
        (``(transmit, *image)``).
    medium : LayeredMedium, optional
        Layers and lens that bend the ways of plane waves, point sources and echoes. ``sound_speed_m_s``
        is then the speed with which the plane waves were steered, and the probe must lie at depth 0.

    Returns
    -------
    numpy.ndarray
        Image of the shape of the grid, with a leading transmit axis unless ``compound`` and a trailing
        frame axis if the data have one. Real for real data, else complex; single precision unless the
        data are double.

    Raises
    ------
    ValueError
        If shapes do not fit the probe and the waves; the data hold less than two samples a trace, values
        that are not finite or no echo of the grid at all; ``center_hz`` is given with real data; or a
        number is out of range.

    References
    ----------
    Perrot et al. 2021, "So you think you can DAS?", Ultrasonics 111:106309,
    doi:10.1016/j.ultras.2020.106309. Selfridge et al. 1980, "A theory for the radiation pattern of a
    narrow-strip acoustic transducer", Appl. Phys. Lett. 37:35, doi:10.1063/1.91692.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid, LayeredMedium, LinearArray, PlaneWaves
    >>> from imgtech.recon.ultrasound import delay_and_sum
    >>> probe = LinearArray(n_elements=8, pitch_mm=0.3)
    >>> waves = PlaneWaves.from_degrees([0], sampling_hz=20e6)
    >>> grid = ImageGrid(shape=(5, 4), spacing_mm=(0.1, 0.2), center_mm=(3.0, 0.0))
    >>> float(delay_and_sum(np.ones((1, 8, 200)), probe, waves, grid, f_number=0)[2, 1])
    8.0
    """
    traces = channel_data(data, probe, waves)
    check_record(traces, probe, waves, grid, sound_speed_m_s, medium)
    check_medium(medium, probe, waves)
    plain = interpolation == "linear" and directivity == "none" and medium is None
    if not (plain and receive_weights is None and transmit_weights is None and is_flat(probe, waves, grid)):
        lines = lines_of(
            traces,
            probe,
            waves,
            grid,
            f_number=f_number,
            window=window,
            sound_speed_m_s=sound_speed_m_s,
            center_hz=center_hz,
            interpolation=interpolation,
            directivity=directivity,
            frequency_hz=frequency_hz,
            medium=medium,
        )
        return _any_geometry(lines, traces, grid, receive_weights, transmit_weights, compound)
    assert isinstance(probe, LinearArray)
    assert isinstance(waves, PlaneWaves)
    assert isinstance(grid, ImageGrid)
    if center_hz is not None and not np.iscomplexobj(traces):
        raise ValueError(f"center_hz must be absent for real data, got {center_hz!r}")
    z, x = pixels_mm(grid)
    flat, cosines = window_terms(window)
    per_mm = waves.sampling_hz / (1e3 * positive("sound_speed_m_s", sound_speed_m_s))
    turns = 0.0 if center_hz is None else positive("center_hz", center_hz) / waves.sampling_hz
    f_number = not_negative("f_number", f_number)

    ensemble = traces.ndim == 4
    values = _as_values(traces)
    n_out = 1 if compound else waves.n_transmits
    start = np.asarray(waves.start_s)
    zero = (waves.pulse_delay_s - start) * waves.sampling_hz  # sample of an echo with no way to go
    windowed = not ensemble and _window_fits(values, waves, grid, per_mm)
    tiled = ensemble and _kernels_window.HAS_AVX512 and traces.dtype == np.complex64
    block = _kernels_window.LANES if windowed else _kernels_frames.TILE if tiled else 1
    depths = _whole_blocks(z, grid.spacing_mm[0], block)
    along = np.cos(waves.angles_rad)[:, None] * per_mm * depths + zero[:, None]
    across = np.sin(waves.angles_rad) * per_mm
    geometry = (along, across, x, probe.elements_mm, depths, (f_number, flat, *cosines), per_mm)
    rotation = (turns, turns * waves.sampling_hz * start) if np.iscomplexobj(traces) else ()
    shared = (_common_step(grid.spacing_mm[1], x.size, probe),) if windowed else ()
    work = x.size * z.size * values[:, :, 0].size
    if tiled:
        image = np.empty((n_out, z.size, x.size, values.shape[3]), dtype=values.dtype)
        _kernels_frames.sum_frames_complex.sized(work)(values, *geometry, *rotation, image)
        image = image.view(traces.dtype)
        return image[0] if compound else image
    out = np.zeros((x.size, n_out, z.size, *values.shape[3:]), dtype=values.dtype)
    if np.iscomplexobj(traces):
        single = _kernels_window.sum_complex if windowed else _kernels.sum_complex
        add = _kernels.sum_frames_complex if ensemble else single
    else:
        single = _kernels_window.sum_real if windowed else _kernels.sum_real
        add = _kernels.sum_frames_real if ensemble else single
    add.sized(work)(values, *geometry, *rotation, *shared, out)
    return _as_image(out, traces, compound)


def _any_geometry(
    lines: Lines,
    traces: Array,
    grid: Pixels,
    receive_weights: npt.ArrayLike | None,
    transmit_weights: npt.ArrayLike | None,
    compound: bool,
) -> Array:
    """The sum along lines of pixels, block by block."""
    n_transmits, n_elements = traces.shape[:2]
    n_lines, _, n = lines.points_mm.shape
    receive = _weight_table("receive_weights", receive_weights, n_elements, grid)
    transmit = _weight_table("transmit_weights", transmit_weights, n_transmits, grid)
    n_out, n_values = 1 if compound else n_transmits, lines.traces.shape[2]
    out = np.zeros((n_lines, n_out, n, n_values), dtype=lines.traces.dtype)
    complex_data = np.iscomplexobj(traces)
    for part, arguments in lines.blocks(n_transmits):
        tables = [
            np.ascontiguousarray(np.broadcast_to(table, (len(table), n_lines, n))[:, part])
            for table in (receive, transmit)
        ]
        work = arguments[1][0].size * n_transmits * n_elements * n_values
        _kernels_lines.sum_lines.sized(work)(*arguments, *tables, complex_data, out[part])
    image = np.ascontiguousarray(out.transpose(1, 2, 0, 3))
    if complex_data:
        image = image.view(traces.dtype)
    image = image.reshape(n_out, *grid.shape, *traces.shape[3:])
    return image[0] if compound else image


def _weight_table(name: str, weights: npt.ArrayLike | None, n: int, grid: Pixels) -> npt.NDArray[np.float64]:
    """Weights ``(n, line or 1, pixel or 1)``, or an empty table."""
    if weights is None:
        return np.zeros((0, 1, 1))
    table = np.asarray(weights)
    if table.shape not in ((n,), (n, *grid.shape)):
        raise ValueError(f"{name} must have shape {(n,)} or {(n, *grid.shape)}, got {table.shape}")
    table = np.asarray(real_image(name, table, table.ndim), dtype=np.float64)
    if table.ndim == 1:
        return table[:, None, None]
    return table.reshape(n, grid.shape[0], -1).swapaxes(1, 2)


def is_flat(probe: Probe, waves: Transmits, grid: Pixels) -> bool:
    """Whether the kernels for a straight row, plane waves and a Cartesian grid will do."""
    straight = isinstance(probe, LinearArray) and isinstance(grid, ImageGrid) and grid.ndim == 2
    return straight and isinstance(waves, PlaneWaves) and not np.any(waves.elevations_rad)


def _window_fits(values: Array, waves: PlaneWaves, grid: ImageGrid, per_mm: float) -> bool:
    """Whether a block of depths reads so few samples that the AVX-512 kernels can fetch them at once."""
    cosines = np.cos(waves.angles_rad)
    samples = (_kernels_window.LANES - 1) * grid.spacing_mm[0] * per_mm * (1.0 + cosines.max())
    fits = samples + 2.0 < _kernels_window.SPAN and cosines.min() >= 0.0
    return _kernels_window.HAS_AVX512 and values.dtype == np.float32 and bool(fits)


def _whole_blocks(
    depths_mm: npt.NDArray[np.float64], spacing_mm: float, block: int
) -> npt.NDArray[np.float64]:
    """Depths, carried on evenly to a whole number of blocks."""
    more = np.arange(1, 1 + -depths_mm.size % block)
    return np.concatenate([depths_mm, depths_mm[-1] + spacing_mm * more])


def _common_step(spacing_mm: float, n_columns: int, probe: LinearArray) -> tuple[int, int, float]:
    """Column spacing and pitch as whole multiples of one length, (0, 0, 0.0) where that saves nothing."""
    ratio = Fraction(spacing_mm / probe.pitch_mm).limit_denominator(16)
    a, b = ratio.numerator, ratio.denominator
    if a == 0 or 4 * (a * n_columns + b * probe.n_elements) > n_columns * probe.n_elements:
        return 0, 0, 0.0
    step_mm = spacing_mm / a
    if abs(b * step_mm - probe.pitch_mm) * probe.n_elements > 1e-10:
        return 0, 0, 0.0
    return a, b, step_mm


def _as_values(traces: Array) -> Array:
    """Contiguous real numbers: complex traces get real and imaginary part side by side, last.

    Kernels are compiled for arrays that may be written to, so a read-only array is copied.
    """
    traces = np.ascontiguousarray(traces)
    if not traces.flags.writeable:
        traces = traces.copy()
    if not np.iscomplexobj(traces):
        return traces
    real = traces.real.dtype
    if traces.ndim == 4:
        return traces.view(real)
    return traces[..., None].view(real)


def _as_image(out: Array, traces: Array, compound: bool) -> Array:
    if np.iscomplexobj(traces):
        out = out.view(traces.dtype)
        if traces.ndim == 3:
            out = out[..., 0]
    image = np.ascontiguousarray(np.moveaxis(out, 0, 2))
    return image[0] if compound else image

"""The speed of sound at which the echoes of all elements agree best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import count, floats, not_negative, of_kind, positive
from imgtech.geometry import ImageGrid
from imgtech.geometry.probes import Probe
from imgtech.geometry.transmits import Transmits
from imgtech.recon.ultrasound._lines import complex_channel_data
from imgtech.recon.ultrasound.das import delay_and_sum


@dataclass(frozen=True, kw_only=True, eq=False)
class SoundSpeed(ArrayValue):
    """An estimated speed of sound.

    Parameters
    ----------
    value_m_s : float
        The speed at which coherence is largest.
    uncertainty_m_s : float
        Standard uncertainty from the scatter between columns of the image.
    trials_m_s, coherence : numpy.ndarray
        The curve: speeds that were tried and the coherence of the whole image at each.
    """

    value_m_s: float
    uncertainty_m_s: float
    trials_m_s: npt.NDArray[np.float64]
    coherence: npt.NDArray[np.float64]


def estimate_sound_speed(
    data: npt.ArrayLike,
    probe: Probe,
    waves: Transmits,
    grid: ImageGrid,
    *,
    trials_m_s: npt.ArrayLike,
    center_hz: float | None = None,
    f_number: float = 1.0,
    n_blocks: int = 8,
) -> SoundSpeed:
    r"""Estimate the mean speed of sound above a region by maximising coherence.

    Each trial speed c beamforms the region once; the coherence

    .. math:: C(c) = \frac{\sum_p |\sum_{ke} s_{ke}|^2}{\sum_p \sum_{ke} |s_{ke}|^2}

    over its pixels p is largest where the wavefronts of all elements and transmits fit. Depths move with
    the trial, so that the same echoes are looked at, and the f-number does, so that the same elements take
    part: both hold as given at the middle of the trials. A
    parabola through the highest three trials gives the maximum. The region is split into blocks of
    columns; leaving out one after the other gives the uncertainty (jackknife). A layered medium gives the
    speed whose wavefronts are curved most alike, near the mean over the depth.

    Parameters
    ----------
    data : array_like
        Complex channel data ``(transmit, element, sample)``: IQ with ``center_hz`` or analytic.
    probe, waves : as for :func:`delay_and_sum`
        Elements and transmits.
    grid : ImageGrid
        Region ``(z, x)`` with scatterers; pixels need not be finer than half a resolution cell.
    trials_m_s : array_like of float
        Speeds to try: at least 3, evenly spaced, ascending.
    center_hz : float, optional
        Demodulation frequency of IQ data.
    f_number : float, optional
        F-number of the receive aperture: the smaller, the more the curvature tells.
    n_blocks : int, optional
        Blocks of columns for the uncertainty, at least 2.

    Returns
    -------
    SoundSpeed
        Value, uncertainty and the curve.

    Raises
    ------
    ValueError
        If the data are not complex, the trials are not evenly spaced, the coherence is largest at
        an end of the trials, or nothing was recorded.

    References
    ----------
    Ali, Telichko, Wang and others 2022, "Local sound speed estimation for pulse-echo ultrasound in layered
    media", IEEE TUFFC 69:500, doi:10.1109/TUFFC.2021.3124479 (coherence against speed).

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid, LinearArray, PlaneWaves
    >>> from imgtech.phantoms import GaussianPulse, speckle
    >>> from imgtech.recon.ultrasound import estimate_sound_speed, rf_to_iq
    >>> probe = LinearArray(n_elements=64, pitch_mm=0.3)
    >>> waves = PlaneWaves.from_degrees([-5, 0, 5], sampling_hz=20e6)
    >>> tissue = speckle(((8, 20), (-7, 7)), density_per_mm2=10, rng=np.random.default_rng(1))
    >>> rf = tissue.echoes(
    ...     probe, waves, pulse=GaussianPulse(center_hz=5e6), n_samples=700, sound_speed_m_s=1500
    ... )
    >>> iq = rf_to_iq(rf, waves, center_hz=5e6)
    >>> grid = ImageGrid(shape=(96, 64), spacing_mm=(0.07, 0.15), center_mm=(14.0, 0.0))
    >>> found = estimate_sound_speed(
    ...     iq, probe, waves, grid, trials_m_s=np.arange(1440, 1581, 10.0), center_hz=5e6
    ... )
    >>> bool(abs(found.value_m_s - 1500) < 3)
    True
    """
    trials = floats("trials_m_s", trials_m_s)
    step = positive("the step of trials_m_s", float(trials[-1] - trials[0]) / max(1, trials.size - 1))
    if trials.size < 3 or np.abs(np.diff(trials) - step).max() > 1e-6 * step or trials[0] <= 0:
        raise ValueError(
            f"trials_m_s must be at least 3 evenly spaced positive speeds, got {trials.tolist()}"
        )
    f_number = not_negative("f_number", f_number)
    traces = complex_channel_data(data, probe, waves, (3,))
    of_kind("grid", grid, ImageGrid)
    if grid.ndim != 2:
        raise ValueError(f"grid must have two axes (z, x), got shape {grid.shape}")
    if count("n_blocks", n_blocks, 2) > grid.shape[1]:
        raise ValueError(f"n_blocks must be at most the {grid.shape[1]} columns of the grid, got {n_blocks}")
    blocks = np.array_split(np.arange(grid.shape[1]), n_blocks)
    squares = traces.real**2 + traces.imag**2
    middle = (trials[0] + trials[-1]) / 2
    coherent = np.empty((trials.size, len(blocks)))
    single = np.empty_like(coherent)
    for k, speed in enumerate(trials):
        scaled = _scaled(grid, speed / middle)
        settings = {"f_number": f_number * float(speed) / middle, "sound_speed_m_s": float(speed)}
        image = delay_and_sum(traces, probe, waves, scaled, center_hz=center_hz, **settings)
        power = delay_and_sum(squares, probe, waves, scaled, **settings)
        columns = np.asarray((image.real**2 + image.imag**2).sum(axis=0, dtype=np.float64))
        below = np.asarray(power.sum(axis=0, dtype=np.float64))
        coherent[k] = [columns[b].sum() for b in blocks]
        single[k] = [below[b].sum() for b in blocks]
    if single.sum() == 0:
        raise ValueError("grid must lie where echoes were recorded, got no signal")
    whole = coherent.sum(1) / single.sum(1)
    value = _peak(trials, whole)
    left_out = [
        _peak(trials, (coherent.sum(1) - coherent[:, b]) / (single.sum(1) - single[:, b]))
        for b in range(len(blocks))
    ]
    n = len(blocks)
    spread = np.sqrt((n - 1) / n * np.sum((np.array(left_out) - np.mean(left_out)) ** 2))
    return SoundSpeed(value_m_s=value, uncertainty_m_s=float(spread), trials_m_s=trials, coherence=whole)


def _scaled(grid: ImageGrid, factor: float) -> ImageGrid:
    """The same pixels with all depths times a factor."""
    assert grid.center_mm is not None
    return ImageGrid(
        shape=grid.shape,
        spacing_mm=(grid.spacing_mm[0] * factor, grid.spacing_mm[1]),
        center_mm=(grid.center_mm[0] * factor, grid.center_mm[1]),
    )


def _peak(trials: npt.NDArray[np.float64], curve: npt.NDArray[np.float64]) -> float:
    k = int(np.argmax(curve))
    if k in (0, trials.size - 1):
        raise ValueError(f"trials_m_s must enclose the speed, coherence is largest at {trials[k]} m/s")
    left, top, right = curve[k - 1 : k + 2]
    return float(trials[k] + (trials[1] - trials[0]) * 0.5 * (left - right) / (left - 2 * top + right))

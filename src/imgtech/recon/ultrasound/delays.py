"""Times of flight: wave to pixel, pixel to element."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import positive
from imgtech.geometry import ImageGrid, LayeredMedium, PointSources
from imgtech.geometry.probes import Probe
from imgtech.geometry.scan_grids import Pixels
from imgtech.geometry.transmits import Transmits
from imgtech.recon.ultrasound._layers import check_medium, transmit_times
from imgtech.recon.ultrasound._lines import pixel_points_mm


def transmit_delays(
    waves: Transmits,
    grid: Pixels,
    *,
    sound_speed_m_s: float = 1540.0,
    medium: LayeredMedium | None = None,
) -> npt.NDArray[np.float64]:
    r"""When the wave of each transmit reaches each pixel, ``waves.paths_mm`` over the speed.

    Through a layered medium a wave follows Snell's law: a plane wave keeps its slowness along the layers,
    the sine of its angle over ``sound_speed_m_s``, and the way of a point source is the fastest one.

    Parameters
    ----------
    waves : PlaneWaves, SphericalWaves, PointSources or Photoacoustic
        The transmits; time zero of plane waves is the moment a wavefront passes ``x = 0, z = 0``.
    grid : ImageGrid, PolarGrid or ScanLines
        Image pixels.
    sound_speed_m_s : float, optional
        Speed of sound; with a medium, the one with which plane waves were steered.
    medium : LayeredMedium, optional
        Layers and lens over a probe that lies flat at depth 0.

    Returns
    -------
    numpy.ndarray
        Seconds, shape ``(transmit, *grid.shape)``, float64. ``pulse_delay_s`` and ``start_s`` are not in it.

    Raises
    ------
    ValueError
        If the speed is not positive or the medium does not go with the probe or the waves.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid, PlaneWaves
    >>> from imgtech.recon.ultrasound import transmit_delays
    >>> grid = ImageGrid(shape=(1, 1), spacing_mm=(1.0, 1.0), center_mm=(15.4, 3.0))
    >>> transmit_delays(PlaneWaves.from_degrees([0], sampling_hz=20e6), grid).tolist()
    [[[1e-05]]]
    """
    speed_mm_s = 1e3 * positive("sound_speed_m_s", sound_speed_m_s)
    check_medium(medium, None, waves)
    return transmit_times(waves, pixel_points_mm(grid), speed_mm_s, medium)


def receive_delays(
    probe: Probe,
    grid: Pixels,
    *,
    sound_speed_m_s: float = 1540.0,
    medium: LayeredMedium | None = None,
) -> npt.NDArray[np.float64]:
    """How long an echo runs from each pixel to each element: the distance divided by the speed.

    Through a layered medium it takes the fastest way (Fermat), exact to 1e-9 of the time.

    Parameters
    ----------
    probe : LinearArray, ConvexArray, MatrixArray or ElementArray
        The receiving elements.
    grid : ImageGrid, PolarGrid or ScanLines
        Image pixels.
    sound_speed_m_s : float, optional
        Speed of sound; not used with a medium.
    medium : LayeredMedium, optional
        Layers and lens over a probe that lies flat at depth 0.

    Returns
    -------
    numpy.ndarray
        Seconds, shape ``(element, *grid.shape)``, float64.

    Raises
    ------
    ValueError
        If the speed is not positive or the medium does not go with the probe or the waves.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid, LinearArray
    >>> from imgtech.recon.ultrasound import receive_delays
    >>> grid = ImageGrid(shape=(1, 1), spacing_mm=(1.0, 1.0), center_mm=(4.0, 3.0))
    >>> receive_delays(LinearArray(n_elements=1, pitch_mm=0.3), grid, sound_speed_m_s=1500).item()
    3.3333333333333333e-06
    """
    speed_mm_s = 1e3 * positive("sound_speed_m_s", sound_speed_m_s)
    points = pixel_points_mm(grid)
    if medium is not None:
        check_medium(medium, probe, None)
        return transmit_times(PointSources.from_elements(probe, sampling_hz=1.0), points, speed_mm_s, medium)
    return np.stack([np.linalg.norm(points - place, axis=-1) for place in probe.positions_mm]) / speed_mm_s


def pixels_mm(grid: ImageGrid) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Depths and lateral places of the pixels of a ``(z, x)`` grid that lies in front of the probe."""
    z, x = grid.coordinates_mm
    if z[0] < 0:
        raise ValueError(f"grid must not reach above the probe (z < 0), got a first depth of {z[0]} mm")
    return z, x

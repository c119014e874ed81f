"""Ultrasound channel data as the readers hand them over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import positive
from imgtech.geometry.probes import Probe
from imgtech.geometry.transmits import Transmits


@dataclass(frozen=True, kw_only=True, eq=False)
class ChannelData(ArrayValue):
    """RF or IQ of every element of a probe, with where and when it was recorded.

    Parameters
    ----------
    data : numpy.ndarray
        RF ``(transmit, element, sample)``, or ``(transmit, element, sample, frame)``, in the number
        format of the file. Complex numbers are IQ at ``center_hz`` with phase zero at time zero.
    probe : LinearArray, ConvexArray, MatrixArray or ElementArray
        The elements.
    waves : PlaneWaves, SphericalWaves, PointSources or Photoacoustic
        The transmits and their clock.
    center_hz : float
        Centre frequency of the probe.
    sound_speed_m_s : float
        Speed of sound that the file states, or that was given to the reader.
    bandwidth_hz : float, optional
        Full width of the band, where the file states it.
    prf_hz : float, optional
        Rate of the frames, or of the transmits where there is one a frame, where the file states it.
    scatterers_mm : numpy.ndarray, optional
        Positions ``(n, 2)`` as ``(z, x)`` of the points behind a simulation.

    Raises
    ------
    ValueError
        If the data do not fit the probe and the waves or a number is not positive.
    """

    data: npt.NDArray[Any]
    probe: Probe
    waves: Transmits
    center_hz: float
    sound_speed_m_s: float
    bandwidth_hz: float | None = None
    prf_hz: float | None = None
    scatterers_mm: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        expected = (self.waves.n_transmits, self.probe.n_elements)
        if self.data.ndim not in (3, 4) or self.data.shape[:2] != expected:
            raise ValueError(
                "data must be (transmit, element, sample) or (transmit, element, sample, frame) with "
                f"{expected[0]} transmits and {expected[1]} elements, got shape {self.data.shape}"
            )
        data = np.ascontiguousarray(self.data).view()
        data.setflags(write=False)
        object.__setattr__(self, "data", data)
        for name in ("center_hz", "sound_speed_m_s", "bandwidth_hz", "prf_hz"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, positive(name, value))

"""Ultrasound probes and transmits: where the elements are and when the waves start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import count, finite, floats, positive
from imgtech.geometry._points import set_clock
from imgtech.geometry.grid import sample_positions


@dataclass(frozen=True, kw_only=True)
class LinearArray:
    """A flat row of elements along x at depth z = 0, looking towards positive z.

    Element e sits at ``x = center_mm + (e - (n_elements - 1) / 2) * pitch_mm``.

    Parameters
    ----------
    n_elements : int
        Number of elements.
    pitch_mm : float
        Distance between the centres of neighbouring elements.
    element_width_mm : float, optional
        Width of the active surface of one element; the pitch by default.
    center_mm : float, optional
        Position of the middle of the row on the x axis.

    Raises
    ------
    ValueError
        If a size is not positive, the centre is not finite, or the width exceeds the pitch.

    Examples
    --------
    >>> from imgtech.geometry import LinearArray
    >>> LinearArray(n_elements=3, pitch_mm=0.3, center_mm=1.0).elements_mm
    array([0.7, 1. , 1.3])
    """

    n_elements: int
    pitch_mm: float
    element_width_mm: float | None = None
    center_mm: float = 0.0

    def __post_init__(self) -> None:
        pitch = positive("pitch_mm", self.pitch_mm)
        width = (
            pitch if self.element_width_mm is None else positive("element_width_mm", self.element_width_mm)
        )
        if width > pitch:
            raise ValueError(f"element_width_mm must not exceed pitch_mm {pitch}, got {width}")
        object.__setattr__(self, "n_elements", count("n_elements", self.n_elements))
        object.__setattr__(self, "pitch_mm", pitch)
        object.__setattr__(self, "element_width_mm", width)
        object.__setattr__(self, "center_mm", finite("center_mm", self.center_mm))

    @property
    def elements_mm(self) -> npt.NDArray[np.float64]:
        """x position of every element, shape ``(n_elements,)``."""
        return sample_positions(self.n_elements, self.pitch_mm, self.center_mm)

    @property
    def positions_mm(self) -> npt.NDArray[np.float64]:
        """Centres of the elements ``(n_elements, 3)`` as ``(z, y, x)``."""
        return np.stack([0 * self.elements_mm, 0 * self.elements_mm, self.elements_mm], axis=1)

    @property
    def normals(self) -> npt.NDArray[np.float64]:
        """Unit vectors ``(n_elements, 3)`` along which the elements look, as ``(z, y, x)``."""
        return np.tile([1.0, 0.0, 0.0], (self.n_elements, 1))


@dataclass(frozen=True, kw_only=True, eq=False)
class PlaneWaves(ArrayValue):
    r"""Steered plane-wave transmits and the clock of their recordings.

    Time zero of a transmit is the moment its wavefront passes the origin ``x = 0, z = 0``. A wave
    steered by :math:`\theta` runs along :math:`(\sin\theta, \cos\theta)` in ``(x, z)``: positive angles
    towards positive x. It reaches a point at :math:`t = (x \sin\theta + z \cos\theta) / c`. Sample i was
    taken at ``start_s + i / sampling_hz``, and the echo of a point peaks ``pulse_delay_s`` after the
    geometric time of flight there and back.

    Parameters
    ----------
    angles_rad : array_like of float
        Steering angles, shape ``(n_transmits,)``.
    sampling_hz : float
        Sampling frequency of the channel data.
    start_s : array_like of float, optional
        Time of the first sample: one number, or one a transmit.
    pulse_delay_s : float, optional
        Time from the start of the emitted pulse to the peak of the received one.
    elevations_rad : array_like of float, optional
        Steering out of the (x, z) plane, for volumes: the wave runs along
        :math:`(\cos\theta\cos\phi, \sin\phi, \sin\theta\cos\phi)` in ``(z, y, x)``.

    Raises
    ------
    ValueError
        If a number is not finite, the sampling frequency is not positive, an angle lies at or beyond
        90 degrees, or ``start_s`` does not fit the angles.

    Examples
    --------
    >>> from imgtech.geometry import PlaneWaves
    >>> waves = PlaneWaves.from_degrees([-8, 0, 8], sampling_hz=20e6, start_s=3e-6)
    >>> waves.n_transmits
    3
    """

    angles_rad: npt.NDArray[np.float64]
    sampling_hz: float
    start_s: npt.NDArray[np.float64] | float = 0.0
    pulse_delay_s: float = 0.0
    elevations_rad: npt.NDArray[np.float64] | float = 0.0

    def __post_init__(self) -> None:
        angles = floats("angles_rad", self.angles_rad)
        if (np.abs(angles) >= np.pi / 2).any():
            raise ValueError(f"angles_rad must lie within +-pi/2, got {angles.tolist()}")
        elevations = floats("elevations_rad", np.atleast_1d(self.elevations_rad))
        if elevations.size not in (1, angles.size) or (np.abs(elevations) >= np.pi / 2).any():
            raise ValueError(
                f"elevations_rad must hold 1 or {angles.size} values within +-pi/2, got {elevations.tolist()}"
            )
        elevations = np.broadcast_to(elevations, angles.shape).copy()
        elevations.setflags(write=False)
        object.__setattr__(self, "angles_rad", angles)
        object.__setattr__(self, "elevations_rad", elevations)
        set_clock(self, angles.size)

    @classmethod
    def from_degrees(
        cls,
        angles_deg: npt.ArrayLike,
        *,
        sampling_hz: float,
        start_s: npt.ArrayLike = 0.0,
        pulse_delay_s: float = 0.0,
    ) -> PlaneWaves:
        """Transmits steered by the given angles in degrees."""
        return cls(
            angles_rad=np.deg2rad(floats("angles_deg", angles_deg)),
            sampling_hz=sampling_hz,
            start_s=np.asarray(start_s, dtype=np.float64),
            pulse_delay_s=pulse_delay_s,
        )

    @property
    def n_transmits(self) -> int:
        """Number of transmits."""
        return len(self.angles_rad)

    @property
    def directions(self) -> npt.NDArray[np.float64]:
        """Unit vectors ``(transmit, 3)`` along which the waves run, as ``(z, y, x)``."""
        flat = np.cos(self.elevations_rad)
        return np.stack(
            [np.cos(self.angles_rad) * flat, np.sin(self.elevations_rad), np.sin(self.angles_rad) * flat],
            axis=1,
        )

    def paths_mm(self, points_mm: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Way from time zero to points ``(..., 3)``, shape ``(transmit, ...)``: negative before it."""
        return np.moveaxis(np.asarray(points_mm @ self.directions.T), -1, 0)

"""Fan beams: rays from a point source to a flat or curved row of channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import count, finite, floats
from imgtech.geometry._beams import assign, check_fan, detector_row, even_angles, source_and_detector
from imgtech.geometry.grid import sample_positions

Detector = Literal["flat", "curved"]


@dataclass(frozen=True, kw_only=True, eq=False)
class FanBeam(ArrayValue):
    r"""Rays from a point source that turns about the origin: a sinogram ``(view, channel)``.

    At view angle :math:`\beta` the source sits at :math:`R (\sin\beta, -\cos\beta)` in ``(x, y)`` with
    :math:`R` the distance of the source from the axis, and the detector faces it on the other side of
    the axis; channels run along :math:`(\cos\beta, \sin\beta)`. At :math:`\beta = 0`::

                y
                |
        --------+--------   detector, positions u grow with x
         \      |      /
          \     |     /     fan angle g > 0 on the side of x > 0
        ---\----o----/----> x      o: rotation axis
            \   |   /
             \  |  /
              \ | /
                S           source at (0, -R); beta > 0 turns it counter-clockwise

    The ray of fan angle :math:`\gamma` at view :math:`\beta` is the ray of a :class:`ParallelBeam` with

    .. math:: \theta = \beta - \gamma, \qquad s = R \sin\gamma .

    A channel at position :math:`u` on the detector, at the distance :math:`L` from the source, has
    :math:`\gamma = \arctan(u / L)` on a flat detector and :math:`\gamma = u / L` on a curved one, an arc
    about the source on which u is arc length. Channel j sits at
    ``detector_offset_mm + (j - (n_channels - 1) / 2) * channel_spacing_mm``.

    Parameters
    ----------
    source_axis_mm : float
        :math:`R`, distance of the source from the rotation axis.
    source_detector_mm : float
        :math:`L`, distance of the source from the detector, at least ``source_axis_mm``.
    detector : {"flat", "curved"}, optional
        Form of the detector.
    angles_rad : array_like of float
        View angles, shape ``(n_views,)``, in any order.
    n_channels : int
        Number of detector channels.
    channel_spacing_mm : float
        Distance between the centres of neighbouring channels at the detector; arc length if curved.
    detector_offset_mm : float, optional
        Position of the middle of the detector relative to the ray through the axis.
    channel_width_mm : float, optional
        Sensitive width of a channel; the spacing by default. Simulations average over it.

    Raises
    ------
    ValueError
        If an angle or the offset is not finite, a size or a distance is not positive, the detector lies
        between source and axis or has an unknown form, or a curved one reaches 90 degrees.

    Examples
    --------
    >>> from imgtech.geometry import FanBeam
    >>> beam = FanBeam.full_turn(
    ...     source_axis_mm=400.0, source_detector_mm=500.0, n_views=4, n_channels=3, channel_spacing_mm=0.5
    ... )
    >>> beam.channels_mm, beam.ray_positions_mm.round(3)
    (array([-0.5,  0. ,  0.5]), array([-0.4,  0. ,  0.4]))
    """

    source_axis_mm: float
    source_detector_mm: float
    angles_rad: npt.NDArray[np.float64]
    n_channels: int
    channel_spacing_mm: float
    detector: Detector = "flat"
    detector_offset_mm: float = 0.0
    channel_width_mm: float | None = None

    def __post_init__(self) -> None:
        angles = {"angles_rad": floats("angles_rad", self.angles_rad)}
        assign(self, source_and_detector(self) | angles | detector_row(self, "channel", "channel_width_mm"))
        check_fan(self.half_fan_rad)

    @classmethod
    def full_turn(
        cls,
        *,
        source_axis_mm: float,
        source_detector_mm: float,
        n_views: int,
        n_channels: int,
        channel_spacing_mm: float,
        detector: Detector = "flat",
        detector_offset_mm: float = 0.0,
        start_rad: float = 0.0,
    ) -> FanBeam:
        """Views evenly over 360 degrees: angle k is ``start_rad + k * 2 * pi / n_views``."""
        return cls(
            source_axis_mm=source_axis_mm,
            source_detector_mm=source_detector_mm,
            angles_rad=even_angles(n_views, start_rad, 2 * np.pi),
            n_channels=n_channels,
            channel_spacing_mm=channel_spacing_mm,
            detector=detector,
            detector_offset_mm=detector_offset_mm,
        )

    @classmethod
    def short_scan(
        cls,
        *,
        source_axis_mm: float,
        source_detector_mm: float,
        n_views: int,
        n_channels: int,
        channel_spacing_mm: float,
        detector: Detector = "flat",
        detector_offset_mm: float = 0.0,
        start_rad: float = 0.0,
    ) -> FanBeam:
        """Views evenly over 180 degrees plus the fan, ``2 * half_fan_rad``, both ends included."""
        one = cls(
            source_axis_mm=source_axis_mm,
            source_detector_mm=source_detector_mm,
            angles_rad=np.asarray([finite("start_rad", start_rad)]),
            n_channels=n_channels,
            channel_spacing_mm=channel_spacing_mm,
            detector=detector,
            detector_offset_mm=detector_offset_mm,
        )
        end_rad = start_rad + np.pi + 2 * one.half_fan_rad
        return cls(
            source_axis_mm=source_axis_mm,
            source_detector_mm=source_detector_mm,
            angles_rad=np.linspace(start_rad, end_rad, count("n_views", n_views, minimum=2)),
            n_channels=n_channels,
            channel_spacing_mm=channel_spacing_mm,
            detector=detector,
            detector_offset_mm=detector_offset_mm,
        )

    @classmethod
    def from_degrees(
        cls,
        angles_deg: npt.ArrayLike,
        *,
        source_axis_mm: float,
        source_detector_mm: float,
        n_channels: int,
        channel_spacing_mm: float,
        detector: Detector = "flat",
        detector_offset_mm: float = 0.0,
    ) -> FanBeam:
        """Views at the given angles in degrees."""
        return cls(
            source_axis_mm=source_axis_mm,
            source_detector_mm=source_detector_mm,
            angles_rad=np.deg2rad(floats("angles_deg", angles_deg)),
            n_channels=n_channels,
            channel_spacing_mm=channel_spacing_mm,
            detector=detector,
            detector_offset_mm=detector_offset_mm,
        )

    @property
    def n_views(self) -> int:
        """Number of views."""
        return len(self.angles_rad)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a sinogram, ``(n_views, n_channels)``."""
        return self.n_views, self.n_channels

    @property
    def channels_mm(self) -> npt.NDArray[np.float64]:
        """Position of every channel on the detector, shape ``(n_channels,)``."""
        return sample_positions(self.n_channels, self.channel_spacing_mm, self.detector_offset_mm)

    @property
    def ray_positions_mm(self) -> npt.NDArray[np.float64]:
        """Distance of the ray of every channel from the axis, with its sign: s, shape ``(n_channels,)``."""
        return np.asarray(self.source_axis_mm * np.sin(self.fan_angles_rad(self.channels_mm)))

    @property
    def axis_spacing_mm(self) -> float:
        """Channel spacing scaled down to the rotation axis."""
        return self.channel_spacing_mm * self.source_axis_mm / self.source_detector_mm

    @property
    def half_fan_rad(self) -> float:
        """Fan angle of the edge of the detector that is farther out."""
        reach_mm = abs(self.detector_offset_mm) + self.n_channels * self.channel_spacing_mm / 2
        return float(self.fan_angles_rad(reach_mm))

    def fan_angles_rad(self, positions_mm: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Fan angle of positions u on the detector, of any shape."""
        ratio = np.asarray(positions_mm, dtype=np.float64) / self.source_detector_mm
        return np.asarray(np.arctan(ratio) if self.detector == "flat" else ratio)

"""CT beams: where every ray of a sinogram runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import floats
from imgtech.geometry._beams import assign, detector_row, even_angles
from imgtech.geometry.grid import sample_positions


@dataclass(frozen=True, kw_only=True, eq=False)
class ParallelBeam(ArrayValue):
    r"""Parallel rays: a sinogram ``(view, channel)`` of line integrals.

    The ray of view angle :math:`\theta` at detector position :math:`s` holds the points with
    :math:`x \cos\theta + y \sin\theta = s`; it runs along :math:`(-\sin\theta, \cos\theta)` in
    ``(x, y)``. The rotation axis is the origin. Channel j sits at
    ``detector_offset_mm + (j - (n_channels - 1) / 2) * channel_spacing_mm``.

    Parameters
    ----------
    angles_rad : array_like of float
        View angles, shape ``(n_views,)``, in any order and not necessarily equidistant.
    n_channels : int
        Number of detector channels.
    channel_spacing_mm : float
        Distance between the centres of neighbouring channels.
    detector_offset_mm : float, optional
        Position of the middle of the detector relative to the rotation axis.
    channel_width_mm : float, optional
        Sensitive width of a channel; the spacing by default. Simulations average over it.

    Raises
    ------
    ValueError
        If an angle or the offset is not finite, or a size or a distance is not positive.

    Examples
    --------
    >>> from imgtech.geometry import ParallelBeam
    >>> beam = ParallelBeam.half_turn(n_views=4, n_channels=3, channel_spacing_mm=0.5)
    >>> beam.channels_mm
    array([-0.5,  0. ,  0.5])
    """

    angles_rad: npt.NDArray[np.float64]
    n_channels: int
    channel_spacing_mm: float
    detector_offset_mm: float = 0.0
    channel_width_mm: float | None = None

    def __post_init__(self) -> None:
        row = detector_row(self, "channel", "channel_width_mm")
        assign(self, row | {"angles_rad": floats("angles_rad", self.angles_rad)})

    @classmethod
    def half_turn(
        cls,
        *,
        n_views: int,
        n_channels: int,
        channel_spacing_mm: float,
        detector_offset_mm: float = 0.0,
        start_rad: float = 0.0,
    ) -> ParallelBeam:
        """Views evenly over 180 degrees: angle k is ``start_rad + k * pi / n_views``."""
        return cls(
            angles_rad=even_angles(n_views, start_rad, np.pi),
            n_channels=n_channels,
            channel_spacing_mm=channel_spacing_mm,
            detector_offset_mm=detector_offset_mm,
        )

    @classmethod
    def from_degrees(
        cls,
        angles_deg: npt.ArrayLike,
        *,
        n_channels: int,
        channel_spacing_mm: float,
        detector_offset_mm: float = 0.0,
    ) -> ParallelBeam:
        """Views at the given angles in degrees."""
        return cls(
            angles_rad=np.deg2rad(floats("angles_deg", angles_deg)),
            n_channels=n_channels,
            channel_spacing_mm=channel_spacing_mm,
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
        """Detector position of every channel, shape ``(n_channels,)``."""
        return sample_positions(self.n_channels, self.channel_spacing_mm, self.detector_offset_mm)

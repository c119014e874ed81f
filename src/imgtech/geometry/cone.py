"""Cone beams: rays from a point source on a circle or a helix to a flat or curved detector."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import count, finite, floats, positive
from imgtech.geometry._beams import assign, check_fan, detector_row, even_angles, source_and_detector
from imgtech.geometry.cone_vectors import ConeVectors
from imgtech.geometry.fan import Detector
from imgtech.geometry.grid import sample_positions

Floats = npt.NDArray[np.float64]


class ConeKeywords(TypedDict, total=False):
    """What every constructor of :class:`ConeBeam` takes besides its views: fields of that class."""

    source_axis_mm: float
    source_detector_mm: float
    n_channels: int
    channel_spacing_mm: float
    n_rows: int
    row_spacing_mm: float
    detector: Detector
    detector_offset_mm: float
    row_offset_mm: float
    channel_width_mm: float | None
    row_height_mm: float | None
    focal_shift_mm: Floats | tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class ConeBeam(ArrayValue):
    r"""Rays from a point source that turns about the z axis: data ``(view, row, channel)``.

    In the plane it is a :class:`FanBeam`: at view angle :math:`\beta` the source sits at
    :math:`R (\sin\beta, -\cos\beta)` in ``(x, y)``, at the height ``source_z_mm`` of the view, and the
    detector faces it on the other side of the axis. Channels run along :math:`(\cos\beta, \sin\beta)`,
    rows along +z; source and detector move along z together::

            z (rows, v)
            |     ______
            |    |      |  detector: channels u to the right at beta = 0, seen from the source
            |    |______|
            o----------------> x
           /
          /   S: source at (x, y) = (0, -R) for beta = 0
         S

    A channel at u has the fan angle :math:`\gamma = \arctan(u / L)` on a flat detector and
    :math:`\gamma = u / L` on a curved one, a cylinder about the line through the source along z, on which
    u is arc length. On both, a row at v lies v above the source. Channel j sits at
    ``detector_offset_mm + (j - (n_channels - 1) / 2) * channel_spacing_mm``, row i at
    ``row_offset_mm + (i - (n_rows - 1) / 2) * row_spacing_mm``.

    Parameters
    ----------
    source_axis_mm : float
        :math:`R`, distance of the source from the rotation axis.
    source_detector_mm : float
        :math:`L`, distance of the source from the detector, at least ``source_axis_mm``.
    angles_rad : array_like of float
        View angles, shape ``(n_views,)``. Those of a helix go on growing past a full turn.
    n_channels, n_rows : int
        Number of detector elements along u and along v.
    channel_spacing_mm, row_spacing_mm : float
        Distances between the centres of neighbours at the detector; arc length along u if curved.
    detector : {"flat", "curved"}, optional
        Form of the detector.
    detector_offset_mm, row_offset_mm : float, optional
        u and v of the middle of the detector.
    channel_width_mm, row_height_mm : float, optional
        Sensitive size of an element; the spacings by default. Simulations average over it.
    source_z_mm : array_like of float, optional
        Height of source and detector: one number, or one a view.
    focal_shift_mm : array_like of float, optional
        Shift of the focal spot against the position above, as a flying focal spot makes it, one
        ``(z, y, x)`` or one a view, in the frame that turns along: y points from the source through the
        axis to the detector, x along the channels. The detector stays where it is.

    Raises
    ------
    ValueError
        If a number is not finite, a size or a distance is not positive, the detector lies between source
        and axis or has an unknown form, a curved one reaches 90 degrees, or heights or shifts do not fit
        the number of views.

    Examples
    --------
    >>> from imgtech.geometry import ConeBeam
    >>> beam = ConeBeam.full_turn(
    ...     n_views=4, source_axis_mm=400.0, source_detector_mm=500.0, n_channels=3,
    ...     channel_spacing_mm=0.5, n_rows=2, row_spacing_mm=0.75,
    ... )
    >>> beam.shape, beam.rows_mm
    ((4, 2, 3), array([-0.375,  0.375]))
    """

    source_axis_mm: float
    source_detector_mm: float
    angles_rad: Floats
    n_channels: int
    channel_spacing_mm: float
    n_rows: int
    row_spacing_mm: float
    detector: Detector = "flat"
    detector_offset_mm: float = 0.0
    row_offset_mm: float = 0.0
    channel_width_mm: float | None = None
    row_height_mm: float | None = None
    source_z_mm: Floats | float = 0.0
    focal_shift_mm: Floats | tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        angles = floats("angles_rad", self.angles_rad)
        checked: dict[str, object] = {**source_and_detector(self), "angles_rad": angles}
        checked |= detector_row(self, "channel", "channel_width_mm")
        checked |= detector_row(self, "row", "row_height_mm")
        checked["source_z_mm"] = _per_view("source_z_mm", self.source_z_mm, (len(angles),))
        checked["focal_shift_mm"] = _per_view("focal_shift_mm", self.focal_shift_mm, (len(angles), 3))
        assign(self, checked)
        check_fan(self.half_fan_rad)

    @classmethod
    def full_turn(cls, *, n_views: int, start_rad: float = 0.0, **rest: Unpack[ConeKeywords]) -> ConeBeam:
        """Views evenly over 360 degrees: angle k is ``start_rad + k * 2 * pi / n_views``."""
        return cls(angles_rad=even_angles(n_views, start_rad, 2 * np.pi), **rest)

    @classmethod
    def short_scan(cls, *, n_views: int, start_rad: float = 0.0, **rest: Unpack[ConeKeywords]) -> ConeBeam:
        """Views evenly over 180 degrees plus the fan, ``2 * half_fan_rad``, both ends included."""
        one = cls(angles_rad=np.asarray([finite("start_rad", start_rad)]), **rest)
        end_rad = start_rad + np.pi + 2 * one.half_fan_rad
        return cls(angles_rad=np.linspace(start_rad, end_rad, count("n_views", n_views, minimum=2)), **rest)

    @classmethod
    def from_degrees(
        cls, angles_deg: npt.ArrayLike, *, source_z_mm: Floats | float = 0.0, **rest: Unpack[ConeKeywords]
    ) -> ConeBeam:
        """Views at the given angles in degrees, at one height or one a view."""
        return cls(angles_rad=np.deg2rad(floats("angles_deg", angles_deg)), source_z_mm=source_z_mm, **rest)

    @classmethod
    def helical(
        cls,
        *,
        pitch_mm: float,
        n_turns: float,
        n_views_per_turn: int,
        start_rad: float = 0.0,
        center_z_mm: float = 0.0,
        **rest: Unpack[ConeKeywords],
    ) -> ConeBeam:
        """Views evenly along a helix that rises by ``pitch_mm`` a turn while the angle grows.

        View k of n has the angle ``start_rad + k * 2 * pi / n_views_per_turn`` and the height
        ``center_z_mm + (k - (n - 1) / 2) * pitch_mm / n_views_per_turn``, with n the whole number nearest
        to ``n_turns * n_views_per_turn``. A negative pitch goes down.
        """
        per_turn = count("n_views_per_turn", n_views_per_turn)
        k = np.arange(max(1, round(positive("n_turns", n_turns) * per_turn)))
        rise_mm = finite("pitch_mm", pitch_mm) / per_turn
        return cls(
            angles_rad=np.asarray(
                finite("start_rad", start_rad) + k * (2 * np.pi / per_turn), dtype=np.float64
            ),
            source_z_mm=sample_positions(len(k), rise_mm, finite("center_z_mm", center_z_mm)),
            **rest,
        )

    @property
    def n_views(self) -> int:
        """Number of views."""
        return len(self.angles_rad)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the data, ``(n_views, n_rows, n_channels)``."""
        return self.n_views, self.n_rows, self.n_channels

    @property
    def channels_mm(self) -> Floats:
        """u of every channel, shape ``(n_channels,)``."""
        return sample_positions(self.n_channels, self.channel_spacing_mm, self.detector_offset_mm)

    @property
    def rows_mm(self) -> Floats:
        """v of every row, shape ``(n_rows,)``."""
        return sample_positions(self.n_rows, self.row_spacing_mm, self.row_offset_mm)

    @property
    def magnification(self) -> float:
        """Distance of the detector over distance of the axis, both from the source."""
        return self.source_detector_mm / self.source_axis_mm

    @property
    def half_fan_rad(self) -> float:
        """Fan angle of the edge of the detector that is farther out."""
        reach_mm = abs(self.detector_offset_mm) + self.n_channels * self.channel_spacing_mm / 2
        return float(self.fan_angles_rad(reach_mm))

    def fan_angles_rad(self, positions_mm: npt.ArrayLike) -> Floats:
        """Fan angle of positions u on the detector, of any shape, for a focal spot that is not shifted."""
        ratio = np.asarray(positions_mm, dtype=np.float64) / self.source_detector_mm
        return np.asarray(np.arctan(ratio) if self.detector == "flat" else ratio)

    def views(self, which: slice | npt.ArrayLike) -> ConeBeam:
        """Return the same scan with some of its views: a slice, indices, or a mask."""
        chosen = which if isinstance(which, slice) else np.asarray(which)
        return replace(
            self,
            angles_rad=self.angles_rad[chosen],
            source_z_mm=np.asarray(self.source_z_mm)[chosen],
            focal_shift_mm=np.asarray(self.focal_shift_mm)[chosen],
        )

    def vectors(self) -> ConeVectors:
        """Return the same scan as source, detector and directions of every view in ``(z, y, x)``."""
        cos, sin, zero = np.cos(self.angles_rad), np.sin(self.angles_rad), np.zeros(self.n_views)
        along, across = np.stack([zero, cos, -sin], axis=1), np.stack([zero, sin, cos], axis=1)
        up = np.broadcast_to([1.0, 0.0, 0.0], along.shape)
        height = np.asarray(self.source_z_mm)[:, None] * up
        shift_z, shift_y, shift_x = np.asarray(self.focal_shift_mm).T[:, :, None]
        return ConeVectors(
            sources_mm=height
            - self.source_axis_mm * along
            + shift_z * up
            + shift_y * along
            + shift_x * across,
            detectors_mm=height + (self.source_detector_mm - self.source_axis_mm) * along,
            channel_directions=across,
            row_directions=up,
            n_channels=self.n_channels,
            n_rows=self.n_rows,
            channel_spacing_mm=self.channel_spacing_mm,
            row_spacing_mm=self.row_spacing_mm,
            detector_offset_mm=self.detector_offset_mm,
            row_offset_mm=self.row_offset_mm,
            channel_width_mm=self.channel_width_mm,
            row_height_mm=self.row_height_mm,
            radius_mm=self.source_detector_mm if self.detector == "curved" else None,
        )


def _per_view(name: str, values: npt.ArrayLike, shape: tuple[int, ...]) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    if array.shape not in (shape, shape[1:], (1, *shape[1:])):
        raise ValueError(f"{name} must have shape {shape[1:]} or {shape}, got {array.shape}")
    array = np.broadcast_to(array, shape).copy()
    array.setflags(write=False)
    return array

"""Cone-beam scans, one set of vectors a view: where any ray of any of them runs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import count, finite, floats, positive
from imgtech.geometry.grid import sample_positions

Floats = npt.NDArray[np.float64]
_VECTORS = ("sources_mm", "detectors_mm", "channel_directions", "row_directions")
_UNIT_WITHIN = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class ConeVectors(ArrayValue):
    r"""Point source and detector placed freely in every view: data ``(view, row, channel)``.

    Vectors are ``(z, y, x)``. A flat detector holds the points

    .. math:: P(u, v) = D + u \, \hat u + v \, \hat v

    and the ray of a channel at u and a row at v runs from the source S to P. A curved detector of the
    radius :math:`\rho` is a cylinder whose axis is parallel to :math:`\hat v`; u is arc length on it:

    .. math:: P(u, v) = D + \rho \sin(u / \rho) \, \hat u + \rho (\cos(u / \rho) - 1) \, \hat n
              + v \, \hat v, \qquad \hat n = \hat v \times \hat u \text{ in } (x, y, z) .

    Channel j sits at ``detector_offset_mm + (j - (n_channels - 1) / 2) * channel_spacing_mm``, row i at
    ``row_offset_mm + (i - (n_rows - 1) / 2) * row_spacing_mm``. :meth:`ConeBeam.vectors` gives the
    vectors of any :class:`ConeBeam`; anything else, a tilted axis or a detector out of true, is written
    down here.

    Parameters
    ----------
    sources_mm : array_like of float
        Source position S of every view, shape ``(n_views, 3)``.
    detectors_mm : array_like of float
        The point D of the detector at u = 0, v = 0, shape ``(n_views, 3)``.
    channel_directions, row_directions : array_like of float
        Unit vectors :math:`\hat u` and :math:`\hat v` along growing channels and rows, ``(n_views, 3)``.
    n_channels, n_rows : int
        Number of detector elements along u and v.
    channel_spacing_mm, row_spacing_mm : float
        Distances between the centres of neighbours at the detector.
    detector_offset_mm, row_offset_mm : float, optional
        u and v of the middle of the detector.
    channel_width_mm, row_height_mm : float, optional
        Sensitive size of an element; the spacings by default. Simulations average over it.
    radius_mm : float, optional
        :math:`\rho` of a curved detector; flat without it.

    Raises
    ------
    ValueError
        If arrays do not have the same shape ``(n_views, 3)``, a direction does not have length 1, the
        two directions of a view are not at right angles, a source lies on its detector's point D, a
        number is not finite, or a size or a distance is not positive.

    Examples
    --------
    >>> from imgtech.geometry import ConeVectors
    >>> one = ConeVectors(
    ...     sources_mm=[[0.0, -400.0, 0.0]], detectors_mm=[[0.0, 200.0, 0.0]],
    ...     channel_directions=[[0.0, 0.0, 1.0]], row_directions=[[1.0, 0.0, 0.0]],
    ...     n_channels=3, n_rows=2, channel_spacing_mm=0.5, row_spacing_mm=2.0,
    ... )
    >>> origins, directions = one.rays()
    >>> directions[0, 1, 2].tolist()
    [1.0, 600.0, 0.5]
    """

    sources_mm: Floats
    detectors_mm: Floats
    channel_directions: Floats
    row_directions: Floats
    n_channels: int
    n_rows: int
    channel_spacing_mm: float
    row_spacing_mm: float
    detector_offset_mm: float = 0.0
    row_offset_mm: float = 0.0
    channel_width_mm: float | None = None
    row_height_mm: float | None = None
    radius_mm: float | None = None

    def __post_init__(self) -> None:
        for name in _VECTORS:
            vectors = floats(name, getattr(self, name), 2)
            if vectors.shape[1] != 3 or (name != "sources_mm" and vectors.shape != self.sources_mm.shape):
                raise ValueError(f"{name} must have shape (n_views, 3), got {vectors.shape}")
            object.__setattr__(self, name, vectors)
        for name in _VECTORS[2:]:
            length = np.linalg.norm(getattr(self, name), axis=1)
            if (np.abs(length - 1.0) > _UNIT_WITHIN).any():
                raise ValueError(f"{name} must be unit vectors, got a length of {_farthest(length, 1.0)!r}")
        cosine = (self.channel_directions * self.row_directions).sum(axis=1)
        if (np.abs(cosine) > _UNIT_WITHIN).any():
            raise ValueError(
                "channel_directions and row_directions must be at right angles, "
                f"got a scalar product of {_farthest(cosine, 0.0)!r}"
            )
        if (np.linalg.norm(self.detectors_mm - self.sources_mm, axis=1) == 0).any():
            raise ValueError("detectors_mm must not lie at sources_mm, got a distance of 0")
        for name in ("n_channels", "n_rows"):
            object.__setattr__(self, name, count(name, getattr(self, name)))
        for name in ("channel_spacing_mm", "row_spacing_mm"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))
        for name in ("detector_offset_mm", "row_offset_mm"):
            object.__setattr__(self, name, finite(name, getattr(self, name)))
        for name, spacing in (
            ("channel_width_mm", "channel_spacing_mm"),
            ("row_height_mm", "row_spacing_mm"),
        ):
            size = getattr(self, name)
            size = getattr(self, spacing) if size is None else size
            object.__setattr__(self, name, positive(name, size))
        if self.radius_mm is not None:
            object.__setattr__(self, "radius_mm", positive("radius_mm", self.radius_mm))

    @property
    def n_views(self) -> int:
        """Number of views."""
        return len(self.sources_mm)

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

    def columns_mm(self, positions_mm: npt.ArrayLike) -> Floats:
        """Points P(u, 0) of the detector in every view, for n positions u: shape ``(n_views, n, 3)``.

        Adding v times the row direction of the view gives P(u, v). Every ray of imgtech's cone beams
        ends at a point that comes from here.
        """
        u = floats("positions_mm", positions_mm)[:, None]
        base, along = self.detectors_mm[:, None, :], self.channel_directions[:, None, :]
        if self.radius_mm is None:
            return np.asarray(base + u * along)
        # (z, y, x) is a left-handed order: the cross product of (x, y, z) comes out with the other sign
        normal = np.cross(self.channel_directions, self.row_directions)[:, None, :]
        angle = u / self.radius_mm
        return np.asarray(base + self.radius_mm * (np.sin(angle) * along + (np.cos(angle) - 1.0) * normal))

    def views(self, which: slice | npt.ArrayLike) -> ConeVectors:
        """Return the same scan with some of its views: a slice, indices, or a mask."""
        chosen = which if isinstance(which, slice) else np.asarray(which)
        return replace(self, **{name: getattr(self, name)[chosen] for name in _VECTORS})

    def rays(self, views: slice = slice(None)) -> tuple[Floats, Floats]:
        """Rays through the centres of all detector elements.

        Parameters
        ----------
        views : slice, optional
            Which views; all by default.

        Returns
        -------
        origins_mm : numpy.ndarray
            Sources, shape ``(n, 1, 1, 3)`` for n views.
        directions : numpy.ndarray
            Vectors from the source to the element, in mm, shape ``(n, n_rows, n_channels, 3)``.
        """
        origins = self.sources_mm[views, None, None, :]
        columns = self.columns_mm(self.channels_mm)[views, None, :, :]
        rows = self.rows_mm[:, None, None] * self.row_directions[views, None, None, :]
        return origins, columns + rows - origins


def _farthest(values: Floats, target: float) -> float:
    return float(values[np.argmax(np.abs(values - target))])

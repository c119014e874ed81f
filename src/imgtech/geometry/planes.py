"""Where a slice lies in the patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import finite, floats

_UNIT = 1e-3  # deviation of a product of directions that single precision in a header leaves
_REAL_FIRST = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class SlicePlane(ArrayValue):
    r"""Centre and directions of an image plane in patient coordinates.

    The coordinates are those of DICOM (Image Plane Module, PS3.3 C.7.6.2): x grows to the patient's left
    hand, y to the back and z to the head. The point ``(y, x)`` of an image grid, in millimetres, lies at
    ``center_mm + x * row + y * column``.

    Parameters
    ----------
    center_mm : array_like of float
        Where the origin of the image grid lies, three numbers.
    row : array_like of float
        Unit vector along a row of pixels, in which x grows.
    column : array_like of float
        Unit vector along a column of pixels, in which y grows.

    Raises
    ------
    ValueError
        If there are not three numbers each, one is not finite, or the two directions are not unit vectors
        at right angles.

    Examples
    --------
    >>> from imgtech.geometry import SlicePlane
    >>> plane = SlicePlane(center_mm=(0, 30, -12), row=(1, 0, 0), column=(0, 0, -1))
    >>> plane.normal
    array([0., 1., 0.])
    >>> plane.position_mm(2.0, 5.0)
    array([  5.,  30., -14.])
    """

    center_mm: npt.NDArray[np.float64]
    row: npt.NDArray[np.float64]
    column: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("center_mm", "row", "column"):
            vector = floats(name, getattr(self, name))
            if vector.shape != (3,):
                raise ValueError(f"{name} must have 3 numbers, got {vector.tolist()}")
            object.__setattr__(self, name, vector)
        products = np.stack([self.row, self.column]) @ np.stack([self.row, self.column]).T
        if not np.allclose(products, np.eye(2), atol=_UNIT):
            raise ValueError(
                "row and column must be unit vectors at right angles, got "
                f"{self.row.tolist()} and {self.column.tolist()}"
            )

    @classmethod
    def from_quaternion(cls, quaternion: npt.ArrayLike, center_mm: npt.ArrayLike) -> SlicePlane:
        """A plane whose column, row and normal are the turned axes x, y and z, as Siemens stores it.

        Parameters
        ----------
        quaternion : array_like of float
            Four numbers, the real part first; its length does not matter.
        center_mm : array_like of float
            Centre of the slice.

        Returns
        -------
        SlicePlane
            The phase-encoding direction is the column, the readout direction the row.

        Raises
        ------
        ValueError
            If there are not four finite numbers or all are zero.

        Examples
        --------
        >>> SlicePlane.from_quaternion([1, 0, 0, 1], (0, 0, 0)).column.round(12)
        array([0., 1., 0.])
        """
        q = floats("quaternion", quaternion)
        if q.shape != (_REAL_FIRST,) or not q.any():
            raise ValueError(f"quaternion must have four numbers that are not all zero, got {q.tolist()}")
        w, x, y, z = q / np.linalg.norm(q)
        first = [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)]
        second = [2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)]
        return cls(center_mm=floats("center_mm", center_mm), row=np.asarray(second), column=np.asarray(first))

    @property
    def normal(self) -> npt.NDArray[np.float64]:
        """Unit vector at right angles to the plane: row cross column."""
        return np.cross(self.row, self.column) + 0.0

    def position_mm(self, y_mm: float, x_mm: float) -> npt.NDArray[np.float64]:
        """Patient coordinates of a point of the image grid.

        Parameters
        ----------
        y_mm, x_mm : float
            The point.

        Returns
        -------
        numpy.ndarray
            Three coordinates, millimetres.

        Raises
        ------
        ValueError
            If a number is not finite.
        """
        y, x = finite("y_mm", y_mm), finite("x_mm", x_mm)
        return np.asarray(self.center_mm + x * self.row + y * self.column)

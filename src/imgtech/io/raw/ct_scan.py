"""What a reader of raw CT data returns: projections, their rays, and what corrects them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import FloatArray, one_of, real_image
from imgtech.geometry import ConeBeam, FanBeam, ParallelBeam

Quantity = Literal["line integrals", "counts"]


@dataclass(frozen=True, kw_only=True, eq=False)
class CtScan(ArrayValue):
    """Projections of one or more slices, the rays they were taken along, and the fields to correct them.

    Parameters
    ----------
    sinogram : numpy.ndarray
        Line integrals (dimensionless) or detector counts: ``(slice, view, channel)``, of a cone beam
        ``(view, row, channel)``.
    beam : ParallelBeam, FanBeam or ConeBeam
        The rays of each slice, or of the whole cone.
    quantity : {"line integrals", "counts"}, optional
        What the numbers are.
    flats, darks : numpy.ndarray, optional
        Counts without object, and without rays: ``(repeat, slice, channel)``, of a cone beam
        ``(repeat, row, channel)``.
    header : mapping, optional
        What else the file says, by its own names.

    Raises
    ------
    ValueError
        If the sinogram does not have the shape of the beam or holds NaN or infinity, the fields do not
        have the slices and channels of the sinogram, or the quantity is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ParallelBeam
    >>> from imgtech.io.raw import CtScan
    >>> beam = ParallelBeam.half_turn(n_views=4, n_channels=3, channel_spacing_mm=0.5)
    >>> CtScan(sinogram=np.ones((2, 4, 3)), beam=beam).quantity
    'line integrals'
    """

    sinogram: FloatArray
    beam: ParallelBeam | FanBeam | ConeBeam
    quantity: Quantity = "line integrals"
    flats: FloatArray | None = None
    darks: FloatArray | None = None
    header: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        one_of("quantity", self.quantity, ("line integrals", "counts"))
        stack = _read_only(real_image("sinogram", self.sinogram, 3, self.beam.shape))
        object.__setattr__(self, "sinogram", stack)
        for name in ("flats", "darks"):
            counts = getattr(self, name)
            if counts is not None:
                slices = stack.shape[1 if isinstance(self.beam, ConeBeam) else 0]
                shape = (slices, stack.shape[2])
                object.__setattr__(self, name, _read_only(real_image(name, counts, 3, shape)))
        object.__setattr__(self, "header", MappingProxyType(dict(self.header)))


def _read_only(values: FloatArray) -> npt.NDArray[Any]:
    array = np.array(values)
    array.setflags(write=False)
    return array

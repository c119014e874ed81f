"""Media of flat layers under a probe, and the lens in front of its elements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import floats, not_negative, positive


@dataclass(frozen=True, kw_only=True, eq=False)
class LayeredMedium(ArrayValue):
    """Flat layers at right angles to depth, each with its own speed of sound.

    Sound takes the fastest way (Fermat), so it is bent at each interface by Snell's law. A lens lies
    between the elements and their depth in the probe: every way begins and ends with a layer of its
    thickness, on top of the layers below.

    Parameters
    ----------
    speeds_m_s : array_like of float
        Speed of sound of each layer, the one at the probe first.
    interfaces_mm : array_like of float, optional
        Depths at which one layer ends and the next begins, ascending; one fewer than layers.
    lens_mm : float, optional
        Thickness of the lens.
    lens_speed_m_s : float, optional
        Speed of sound of the lens; needed where it has a thickness.

    Raises
    ------
    ValueError
        If a speed is not positive, the interfaces do not fit the speeds, do not ascend or do not lie below
        the probe, the thickness is negative or the speed of a lens is missing.

    Examples
    --------
    Fat over muscle behind a silicone lens.

    >>> from imgtech.geometry import LayeredMedium
    >>> medium = LayeredMedium(
    ...     speeds_m_s=[1450, 1580], interfaces_mm=[12.0], lens_mm=0.8, lens_speed_m_s=1000.0
    ... )
    >>> medium.n_layers
    2
    """

    speeds_m_s: npt.NDArray[np.float64]
    interfaces_mm: npt.NDArray[np.float64] | tuple[float, ...] = ()
    lens_mm: float = 0.0
    lens_speed_m_s: float | None = None

    def __post_init__(self) -> None:
        speeds = floats("speeds_m_s", self.speeds_m_s)
        if speeds.size == 0 or (speeds <= 0).any():
            raise ValueError(f"speeds_m_s must be positive, got {speeds.tolist()}")
        interfaces = np.zeros(0)
        if np.size(self.interfaces_mm):
            interfaces = floats("interfaces_mm", self.interfaces_mm)
        if interfaces.size != speeds.size - 1 or (np.diff(interfaces, prepend=0.0) <= 0).any():
            raise ValueError(
                f"interfaces_mm must be {speeds.size - 1} ascending depths above 0, got {interfaces.tolist()}"
            )
        for array in (speeds, interfaces):
            array.setflags(write=False)
        object.__setattr__(self, "speeds_m_s", speeds)
        object.__setattr__(self, "interfaces_mm", interfaces)
        object.__setattr__(self, "lens_mm", not_negative("lens_mm", self.lens_mm))
        if self.lens_speed_m_s is not None:
            object.__setattr__(self, "lens_speed_m_s", positive("lens_speed_m_s", self.lens_speed_m_s))
        elif self.lens_mm > 0:
            raise ValueError("lens_speed_m_s must be given with lens_mm")

    @property
    def n_layers(self) -> int:
        """Number of layers below the probe, the lens not counted."""
        return len(self.speeds_m_s)

    @property
    def legs(self) -> npt.NDArray[np.float64]:
        """Rows of (thickness, s/mm) of the lens, then of (first depth, s/mm) of each layer."""
        assert isinstance(self.interfaces_mm, np.ndarray)
        lens = self.speeds_m_s[0] if self.lens_speed_m_s is None else self.lens_speed_m_s
        first = np.concatenate([[self.lens_mm, -np.inf], self.interfaces_mm])
        return np.stack([first, 1e-3 / np.concatenate([[lens], self.speeds_m_s])], axis=1)

"""The drawing of an ultrasound phantom: wires, cysts and grey-scale targets in speckle."""

from __future__ import annotations

import math
from dataclasses import dataclass

from imgtech._core.validate import finite, positive
from imgtech.phantoms.placed import pair, positive_pair

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class UsTarget:
    """A round target, seen as a disk: a cyst without echoes or a piece of other brightness.

    Parameters
    ----------
    center_mm : (float, float)
        ``(v, u)`` of its middle: v down from the surface, u across.
    radius_mm : float
        Radius.
    contrast_db : float
        Power of its echoes against the tissue around; ``-inf`` for a cyst without echoes.

    Raises
    ------
    ValueError
        If the radius is not positive, a place not finite, or the contrast no number.
    """

    center_mm: Point
    radius_mm: float
    contrast_db: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "center_mm", pair("center_mm", self.center_mm))
        positive("radius_mm", self.radius_mm)
        if self.contrast_db != -math.inf:
            finite("contrast_db", self.contrast_db)

    @property
    def amplitude(self) -> float:
        """Amplitude of its scatterers against those of the tissue."""
        return 0.0 if self.contrast_db == -math.inf else 10 ** (self.contrast_db / 20)

    @property
    def kind(self) -> str:
        """``"cyst"`` or ``"target"``."""
        return "cyst" if self.contrast_db == -math.inf else "target"


@dataclass(frozen=True, kw_only=True)
class UsDrawing:
    """What is known of an ultrasound phantom; places ``(v, u)``: v down from the surface, u across.

    Parameters
    ----------
    name : str
        Which phantom.
    wires_mm : tuple of (float, float)
        Wires across the image plane. Three or more of one u are a column, of one v a row.
    targets : tuple of UsTarget
        Cysts and grey-scale targets.
    uniform_mm : (float, float, float, float)
        A rectangle of plain tissue: middle ``(v, u)``, height and width.
    sound_speed_m_s : float
        Speed of sound at the temperature of use.

    Raises
    ------
    ValueError
        If there are fewer than five wires, two lie at one place, or a number is out of range.
    """

    name: str
    wires_mm: tuple[Point, ...]
    targets: tuple[UsTarget, ...]
    uniform_mm: tuple[float, float, float, float]
    sound_speed_m_s: float = 1540.0

    def __post_init__(self) -> None:
        wires = tuple(pair("wires_mm", wire) for wire in self.wires_mm)
        if len(wires) < 5 or len(set(wires)) < len(wires):
            raise ValueError(f"wires_mm must be five or more places, each once, got {self.wires_mm}")
        for target in self.targets:
            if not isinstance(target, UsTarget):
                raise ValueError(f"targets must be UsTarget, got {target!r}")
        if len(self.uniform_mm) != 4:
            raise ValueError(f"uniform_mm must be (v, u, height, width), got {self.uniform_mm}")
        pair("uniform_mm", self.uniform_mm[:2])
        positive_pair("uniform_mm", self.uniform_mm[2:])
        positive("sound_speed_m_s", self.sound_speed_m_s)
        object.__setattr__(self, "wires_mm", wires)

    @property
    def columns(self) -> tuple[tuple[int, ...], ...]:
        """Numbers of the wires of every column, by depth."""
        return self._groups(1)

    @property
    def rows(self) -> tuple[tuple[int, ...], ...]:
        """Numbers of the wires of every row, from left to right."""
        return self._groups(0)

    def _groups(self, axis: int) -> tuple[tuple[int, ...], ...]:
        found = []
        for place in sorted({wire[axis] for wire in self.wires_mm}):
            same = [i for i, wire in enumerate(self.wires_mm) if wire[axis] == place]
            if len(same) >= 3:
                found.append(tuple(sorted(same, key=lambda i: self.wires_mm[i][1 - axis])))
        return tuple(found)


_COLUMN = tuple((10.0 * k, 0.0) for k in range(1, 7))
_ROWS = ((20.0, -12.0), (20.0, 8.0), (20.0, 18.0), (50.0, -8.0), (50.0, 12.0), (50.0, 22.0))
_CYST = -math.inf


def us_drawing() -> UsDrawing:
    """A general-purpose phantom of the usual kind, of a layout of its own.

    A column of six wires 10 mm apart, two rows of four at 20 and 50 mm that tell left from right, two cysts
    without echoes, four grey-scale targets of -6, -3, 3 and 6 dB, and plain tissue between.

    Returns
    -------
    UsDrawing
        50 mm wide and 70 mm deep.

    Examples
    --------
    >>> from imgtech.phantoms.twins import us_drawing
    >>> drawing = us_drawing()
    >>> [drawing.wires_mm[i] for i in drawing.rows[0]]
    [(20.0, -12.0), (20.0, 0.0), (20.0, 8.0), (20.0, 18.0)]
    """
    places = [
        ((35.0, -12.0), 3.5, -6.0),
        ((35.0, 12.0), 3.5, _CYST),
        ((35.0, 22.0), 3.5, 6.0),
        ((64.0, -12.0), 3.5, -3.0),
        ((64.0, 11.0), 4.0, _CYST),
        ((64.0, 22.0), 3.5, 3.0),
    ]
    return UsDrawing(
        name="multi-purpose",
        wires_mm=_COLUMN + _ROWS,
        targets=tuple(UsTarget(center_mm=c, radius_mm=r, contrast_db=k) for c, r, k in places),
        uniform_mm=(43.0, 15.5, 6.0, 22.0),
    )

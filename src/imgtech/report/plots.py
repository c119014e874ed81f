"""Line plots as vector drawings that take their colours from the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import floats

_WIDTH, _HEIGHT = 460.0, 250.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 12.0, 14.0, 42.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve(ArrayValue):
    """A line of a plot.

    Parameters
    ----------
    label : str
        Its name in the legend.
    x, y : array_like of float
        Points, equally many.
    dashed : bool, optional
        Whether the line is dashed, as the truth is.

    Raises
    ------
    ValueError
        If a point is not finite or x and y differ in length.
    """

    label: str
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    dashed: bool = False

    def __post_init__(self) -> None:
        x, y = floats("x", self.x), floats("y", self.y)
        if x.size != y.size:
            raise ValueError(f"x and y must have the same length, got {x.size} and {y.size}")
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", y)


def line_plot(
    curves: Sequence[Curve], *, x_label: str, y_label: str, y_range: tuple[float, float] | None = None
) -> str:
    """Draw curves as an SVG element.

    Parameters
    ----------
    curves : sequence of Curve
        At least one.
    x_label, y_label : str
        What the axes show, with unit.
    y_range : tuple of float, optional
        Ends of the y axis; the range of the curves by default.

    Returns
    -------
    str
        The element; all text in it is escaped.

    Raises
    ------
    ValueError
        If there is no curve.

    Examples
    --------
    >>> from imgtech.report import Curve, line_plot
    >>> line = Curve(label="truth", x=[0.0, 1.0], y=[1.0, 0.0], dashed=True)
    >>> line_plot([line], x_label="f / (1/mm)", y_label="MTF")[:4]
    '<svg'
    """
    if not curves:
        raise ValueError("curves must not be empty")
    x_low, x_high = _widened(min(c.x.min() for c in curves), max(c.x.max() for c in curves), 0.0)
    if y_range is None:
        y_low, y_high = _widened(min(c.y.min() for c in curves), max(c.y.max() for c in curves), 0.06)
    else:
        y_low, y_high = y_range

    def to_x(value: float) -> float:
        return _LEFT + (value - x_low) / (x_high - x_low) * (_WIDTH - _LEFT - _RIGHT)

    def to_y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - y_low) / (y_high - y_low) * (_HEIGHT - _TOP - _BOTTOM)

    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = [f'<svg class="plot" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img">']
    for tick in _ticks(y_low, y_high):
        y = to_y(tick)
        parts.append(f'<line class="rule" x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in _ticks(x_low, x_high):
        x = to_x(tick)
        parts.append(f'<line class="rule" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{tick:g}</text>')
    for number, curve in enumerate(curves):
        points = " ".join(
            f"{to_x(x):.1f},{to_y(min(max(y, y_low), y_high)):.1f}"
            for x, y in zip(curve.x, curve.y, strict=True)
        )
        style = f"curve c{number % 4}" + (" dashed" if curve.dashed else "")
        parts.append(f'<polyline class="{style}" points="{points}"/>')
        x0, y0 = right - 132, _TOP + 12 + 16 * number
        parts.append(f'<line class="{style}" x1="{x0}" x2="{x0 + 22}" y1="{y0}" y2="{y0}"/>')
        parts.append(f'<text x="{x0 + 28}" y="{y0 + 4}">{escape(curve.label)}</text>')
    middle_x, middle_y = (_LEFT + right) / 2, (_TOP + bottom) / 2
    parts.append(f'<text x="{middle_x}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>')
    turned = f'transform="translate(14 {middle_y}) rotate(-90)"'
    parts.append(f'<text {turned} text-anchor="middle">{escape(y_label)}</text>')
    return "".join(parts) + "</svg>"


def _widened(low: float, high: float, share: float) -> tuple[float, float]:
    room = (high - low) * share if high > low else 0.5
    return float(low - room), float(high + room)


def _ticks(low: float, high: float) -> list[float]:
    """Four to eight round numbers between the ends."""
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 10) + 0.0 for i in range(first, math.floor(high / step + 1e-9) + 1)]

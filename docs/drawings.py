"""The drawings of the conventions page, made anew with every build."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse, Rectangle

from imgtech.geometry import ImageGrid, LinearArray, ParallelBeam

INK, BLUE, RED, GREY = "#222222", "#1f6fb2", "#c2402b", "#9a9a9a"


def draw_all(folder: Path) -> None:
    """Write every drawing as SVG into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    mpl.rcParams["svg.hashsalt"] = "imgtech"
    for name, draw, size in (
        ("grid", _grid, (6.4, 4.2)),
        ("parallel-beam", _parallel_beam, (5.6, 5.2)),
        ("plane-wave", _plane_wave, (6.4, 4.4)),
        ("kspace", _kspace, (6.4, 2.6)),
    ):
        figure, axes = plt.subplots(figsize=size, layout="constrained")
        draw(axes)
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        plt.close(figure)


def _arrow(axes: Axes, tail: tuple[float, float], head: tuple[float, float], color: str = INK) -> None:
    style = {"arrowstyle": "-|>", "color": color, "lw": 1.4, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=head, xytext=tail, arrowprops=style)


def _grid(axes: Axes) -> None:
    grid = ImageGrid(shape=(3, 4), spacing_mm=(10.0, 10.0), center_mm=(15.0, 20.0))
    y, x = grid.coordinates_mm
    for row, yy in enumerate(y):
        for column, xx in enumerate(x):
            axes.add_patch(Rectangle((xx - 5, yy - 5), 10, 10, fill=False, ec=GREY))
            axes.plot(xx, yy, "o", color=BLUE, ms=4)
            axes.text(xx, yy + 2.4, f"[{row}, {column}]", ha="center", va="center", fontsize=8, color=BLUE)
    axes.plot(20, 15, "+", color=RED, ms=14, mew=2)
    axes.text(20.8, 12.4, "center_mm = (15, 20)", color=RED, fontsize=9)
    _arrow(axes, (-6, -6), (44, -6))
    _arrow(axes, (-6, -6), (-6, 34))
    axes.text(45, -6, "x (columns)", va="center")
    axes.text(-6, 36.5, "y (rows)", ha="center")
    axes.plot(-6, -6, "s", color=INK, ms=5)
    axes.set(xlim=(-12, 62), ylim=(40, -10), aspect="equal")
    axes.set_axis_off()


def _parallel_beam(axes: Axes) -> None:
    angle = np.deg2rad(30)
    beam = ParallelBeam(angles_rad=[angle], n_channels=9, channel_spacing_mm=9.0, detector_offset_mm=4.0)
    along, across = np.array([-np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), np.sin(angle)])
    axes.add_patch(Ellipse((10, -8), 44, 30, angle=20, fc="#dfe9f3", ec=BLUE))
    for s in beam.channels_mm:
        start, end = s * across - 62 * along, s * across + 56 * along
        axes.plot([start[0], end[0]], [start[1], end[1]], color=GREY, lw=0.8)
        axes.plot(*end, "s", color=INK, ms=5)
    first, last = beam.channels_mm[[0, -1]]
    tip = 62 * along
    _arrow(axes, tuple(tip - 44 * across), tuple(tip + 56 * across))
    axes.text(*(tip + 59 * across), "s", fontsize=12, va="center")
    axes.text(*(first * across + 68 * along + [-4, 4]), "channel 0", fontsize=8, ha="right")
    axes.text(*(last * across + 66 * along), f"channel {beam.n_channels - 1}", fontsize=8, ha="right")
    ray = beam.channels_mm[6] * across
    _arrow(axes, tuple(ray - 62 * along), tuple(ray + 30 * along), RED)
    axes.text(*(ray - 58 * along + [3, 0]), "ray (−sin θ, cos θ)", color=RED, fontsize=9)
    _arrow(axes, (0, 0), (62, 0))
    _arrow(axes, (0, 0), (0, 62))
    axes.text(64, 0, "x", va="center")
    axes.text(0, 65, "y", ha="center")
    _arrow(axes, (0, 0), tuple(40 * across), BLUE)
    axes.text(*(43 * across + [0, -5]), "(cos θ, sin θ)", color=BLUE, fontsize=9)
    bow = np.linspace(0, angle, 20)
    axes.plot(24 * np.cos(bow), 24 * np.sin(bow), color=BLUE)
    axes.text(27, 6, "θ", color=BLUE)
    axes.plot(0, 0, "o", color=INK, ms=6)
    axes.text(-4, -9, "rotation axis", ha="right", fontsize=9)
    axes.set(xlim=(-85, 85), ylim=(88, -72), aspect="equal")
    axes.set_axis_off()


def _plane_wave(axes: Axes) -> None:
    probe, angle = LinearArray(n_elements=9, pitch_mm=4.0), np.deg2rad(18)
    for e, x in enumerate(probe.elements_mm):
        axes.add_patch(Rectangle((x - 1.6, -2), 3.2, 2, color=INK))
        if e in (0, probe.n_elements - 1):
            axes.text(x, -3.2, f"element {e}", ha="center", fontsize=8)
    way, front = np.array([np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), -np.sin(angle)])
    for distance in (0, 8, 16, 24):
        a, b = distance * way - 24 * front, distance * way + 24 * front
        axes.plot([a[0], b[0]], [a[1], b[1]], color=BLUE, lw=1.2, ls="-" if distance else "--")
    axes.text(-23, 9.8, "t = 0", color=BLUE, fontsize=9)
    _arrow(axes, (0, 0), tuple(20 * way), BLUE)
    axes.text(*(20 * way + [1, 0]), "steering θ > 0", color=BLUE, fontsize=9)
    axes.plot([0, 0], [0, 32], color=GREY, lw=0.8, ls=":")
    point, element = np.array([12.0, 27.0]), probe.elements_mm[1]
    axes.plot(*point, "o", color=RED)
    formula = "point: t = (x sin θ + z cos θ)/c + |point − element|/c"
    axes.text(point[0] + 1, point[1] + 1.6, formula, color=RED, fontsize=8)
    _arrow(axes, tuple(point), (element, 0.2), RED)
    _arrow(axes, (-34, 0), (38, 0))
    _arrow(axes, (-34, 0), (-34, 34))
    axes.text(39, 0, "x", va="center")
    axes.text(-34, 36.5, "z", ha="center")
    axes.set(xlim=(-40, 62), ylim=(39, -6), aspect="equal")
    axes.set_axis_off()


def _kspace(axes: Axes) -> None:
    for row, n in enumerate((6, 5)):
        positions = np.arange(n) - n // 2
        axes.plot(positions, np.full(n, row), "o", color=BLUE, ms=9)
        axes.plot(0, row, "o", color=RED, ms=9)
        for i, k in enumerate(positions):
            axes.text(k, row - 0.28, f"{i}", ha="center", fontsize=8, color=INK)
        axes.text(-4.2, row, f"n = {n}", va="center")
    axes.axvline(0, color=GREY, lw=0.8, ls=":")
    axes.text(0, -0.75, "k = 0: sample n // 2", color=RED, ha="center", fontsize=9)
    _arrow(axes, (-3.6, 1.55), (3.6, 1.55))
    axes.text(3.7, 1.55, "k in units of 1 / (n · spacing)", va="center", fontsize=9)
    axes.set(xlim=(-5, 7), ylim=(1.9, -1.1))
    axes.set_axis_off()

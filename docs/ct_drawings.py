"""Drawings of the CT beams: fan, cone and helix, made from the beams themselves."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse

from imgtech.geometry import ConeBeam

INK, BLUE, RED, GREY = "#222222", "#1f6fb2", "#c2402b", "#9a9a9a"
NEAR_MM, FAR_MM = 62.0, 112.0


def draw_beams(folder: Path) -> None:
    """Write every drawing as SVG into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    mpl.rcParams["svg.hashsalt"] = "imgtech"
    figure, axes = plt.subplots(1, 2, figsize=(11, 5.6), layout="constrained")
    _fan(axes[0], "flat")
    _fan(axes[1], "curved")
    figure.savefig(folder / "fan-beam.svg", metadata={"Date": None})
    plt.close(figure)
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    _cone(axes[0])
    _helix(axes[1])
    figure.savefig(folder / "cone-beam.svg", metadata={"Date": None})
    plt.close(figure)


def _arrow(axes: Axes, tail: np.ndarray, head: np.ndarray, color: str = INK) -> None:
    style = {"arrowstyle": "-|>", "color": color, "lw": 1.4, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=tuple(head), xytext=tuple(tail), arrowprops=style)


def _fan(axes: Axes, detector: str) -> None:
    beta = np.deg2rad(25)
    beam = ConeBeam(
        source_axis_mm=NEAR_MM, source_detector_mm=FAR_MM, angles_rad=[beta], n_channels=9,
        channel_spacing_mm=10.0, n_rows=1, row_spacing_mm=1.0, detector=detector, detector_offset_mm=8.0,
    )  # fmt: skip
    vectors = beam.vectors()
    source = vectors.sources_mm[0, [2, 1]]
    origins, directions = vectors.rays()
    ends = (origins + directions)[0, 0][:, [2, 1]]
    axes.add_patch(Ellipse((4, -3), 40, 28, angle=20, fc="#dfe9f3", ec=BLUE))
    for end in ends:
        axes.plot(*zip(source, end, strict=True), color=GREY, lw=0.8)
        axes.plot(*end, "s", color=INK, ms=5)
    reach = np.linspace(beam.channels_mm[0] - 8, beam.channels_mm[-1] + 12, 60)
    row = vectors.columns_mm(reach)[0][:, [2, 1]]
    axes.plot(*row.T, color=INK, lw=1.2)
    _arrow(axes, row[-4], row[-1])
    axes.text(*np.add(row[-1], (4, 3)), "u", fontsize=12)
    foot = vectors.columns_mm([0.0])[0, 0, [2, 1]]
    axes.plot(*zip(source, foot, strict=True), color=BLUE, lw=1.2, ls="--")
    axes.plot(*foot, "|", color=BLUE, ms=14, mew=2)
    axes.text(*(np.add(foot, (-3, 8))), "u = 0", color=BLUE, fontsize=9, ha="right")
    axes.text(*np.add(ends[0], (-6, -8)), "channel 0", fontsize=8, ha="right", va="bottom")
    _arrow(axes, source, source + 0.97 * (ends[6] - source), RED)
    axes.text(*(source + 0.42 * (ends[6] - source) + [5, 0]), "ray (β, γ)", color=RED, fontsize=9)
    way, ray = np.arctan2(*(foot - source)[::-1]), np.arctan2(*(ends[6] - source)[::-1])
    bow = np.linspace(way, ray, 20)
    axes.plot(source[0] + 34 * np.cos(bow), source[1] + 34 * np.sin(bow), color=RED)
    axes.text(*(np.add(source, (24, 38))), "γ > 0", color=RED, fontsize=9)
    axes.plot(
        *zip(
            np.add(source, (23, 36)), source + 34 * np.array([np.cos(ray), np.sin(ray)]) + [1, 0], strict=True
        ),
        color=RED,
        lw=0.6,
    )
    axes.plot(*source, "o", color=INK, ms=8)
    axes.text(*(np.add(source, (5, -3))), "S = R (sin β, −cos β)", fontsize=9)
    _arrow(axes, np.zeros(2), np.array([72.0, 0.0]))
    _arrow(axes, np.zeros(2), np.array([0.0, 84.0]))
    axes.text(74, 0, "x", va="center")
    axes.text(0, 90, "y", ha="center")
    axes.plot([0, 0], [0, -58], color=GREY, lw=0.8, ls=":")
    bow = np.linspace(-np.pi / 2, -np.pi / 2 + beta, 20)
    axes.plot(50 * np.cos(bow), 50 * np.sin(bow), color=BLUE)
    axes.text(8, -54, "β > 0", color=BLUE, fontsize=9, ha="center", va="bottom")
    axes.plot(0, 0, "o", color=INK, ms=6)
    axes.text(-4, -4, "axis", ha="right", fontsize=9)
    form = "arctan(u / L)" if detector == "flat" else "u / L"
    axes.set_title(f"{detector} detector: γ = {form}", fontsize=10)
    axes.set(xlim=(-95, 95), ylim=(95, -72), aspect="equal")
    axes.set_axis_off()


def _cone(axes: Axes) -> None:
    """From the side at β = 0: y to the right, z up."""
    beam = ConeBeam(
        source_axis_mm=NEAR_MM, source_detector_mm=FAR_MM, angles_rad=[0.0], n_channels=1,
        channel_spacing_mm=1.0, n_rows=6, row_spacing_mm=9.0, row_offset_mm=6.0, source_z_mm=8.0,
    )  # fmt: skip
    origins, directions = beam.vectors().rays()
    source, ends = origins[0, 0, 0, [1, 0]], (origins + directions)[0, :, 0][:, [1, 0]]
    axes.axvline(0, color=INK, lw=1.2)
    axes.text(2, 55, "rotation axis, z", fontsize=9)
    for number, end in enumerate(ends):
        axes.plot(*zip(source, end, strict=True), color=GREY, lw=0.8)
        axes.plot(*end, "s", color=INK, ms=5)
        if number in (0, beam.n_rows - 1):
            axes.text(end[0] + 3, end[1], f"row {number}", fontsize=8, va="center")
    axes.plot(*source, "o", color=INK, ms=8)
    axes.text(source[0], source[1] + 5, "S", fontsize=11, ha="center")
    foot = np.array([FAR_MM - NEAR_MM, source[1]])
    axes.plot(*zip(source, foot, strict=True), color=BLUE, ls="--", lw=1.2)
    axes.text(foot[0] + 3, foot[1] - 2, "v = 0", color=BLUE, fontsize=9, va="top")
    _arrow(axes, np.array([foot[0] + 22, -18]), np.array([foot[0] + 22, 44]))
    axes.text(foot[0] + 25, 42, "v", fontsize=12)
    axes.plot([-NEAR_MM, 0], [0, 0], color=GREY, ls=":", lw=0.8)
    axes.text(-4, -2, "z = 0", color=GREY, fontsize=9, ha="right", va="top")
    _arrow(axes, np.array([-14.0, 0.0]), np.array([-14.0, source[1]]), RED)
    axes.text(-17, 2.5, "source_z_mm", color=RED, fontsize=9, ha="right")
    axes.annotate("", xy=(0, -24), xytext=(-NEAR_MM, -24), arrowprops={"arrowstyle": "<->", "color": INK})
    axes.text(-NEAR_MM / 2, -28, "R", ha="center", va="top")
    axes.annotate(
        "", xy=(foot[0], -36), xytext=(-NEAR_MM, -36), arrowprops={"arrowstyle": "<->", "color": INK}
    )
    axes.text(-8, -40, "L", ha="center", va="top")
    axes.set_title("cone from the side, β = 0: y to the right", fontsize=10)
    axes.set(xlim=(-75, 90), ylim=(-48, 62), aspect="equal")
    axes.set_axis_off()


def _helix(axes: Axes) -> None:
    """The source seen from the side while the gantry turns: pitch and height."""
    beam = ConeBeam.helical(
        pitch_mm=24.0, n_turns=3.0, n_views_per_turn=90, source_axis_mm=NEAR_MM, source_detector_mm=FAR_MM,
        n_channels=1, channel_spacing_mm=1.0, n_rows=1, row_spacing_mm=1.0,
    )  # fmt: skip
    source = beam.vectors().sources_mm
    lean = 0.22
    x, z = source[:, 2], source[:, 0] + lean * source[:, 1]
    front = source[:, 1] < 0
    for part, style in ((front, "-"), (~front, ":")):
        axes.plot(np.where(part, x, np.nan), np.where(part, z, np.nan), color=BLUE, ls=style, lw=1.4)
    axes.axvline(0, color=INK, lw=1.2)
    axes.text(3, 58, "z", fontsize=11)
    axes.plot(x[0], z[0], "o", color=INK, ms=8)
    axes.text(x[0] + 2, z[0] - 9, "view 0: β = 0, y = −R", fontsize=9)
    _arrow(axes, np.array([x[6], z[6]]), np.array([x[9], z[9]]), BLUE)
    axes.text(x[6], z[6] + 5, "β grows", color=BLUE, fontsize=9)
    side = x.max() + 8
    low = z[22]
    axes.annotate("", xy=(side, low + 24), xytext=(side, low), arrowprops={"arrowstyle": "<->", "color": RED})
    axes.text(side + 3, low + 12, "pitch_mm > 0", color=RED, fontsize=9, va="center")
    axes.plot([-12, 12], [0, 0], color=GREY, lw=0.8)
    axes.text(-15, 0, "center_z_mm", color=GREY, fontsize=9, ha="right", va="center")
    axes.set_title("helix: the source, seen from the front and a little above", fontsize=10)
    axes.set(xlim=(-75, 120), ylim=(-66, 64), aspect="equal")
    axes.set_axis_off()

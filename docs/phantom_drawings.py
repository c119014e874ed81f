"""Drawings of CT phantoms for the protocol pages, made from the same data as the twins."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Rectangle

from imgtech.phantoms.twins import (
    AcrCtDrawing,
    BarGroup,
    CatPhanDrawing,
    acr_ct_drawing,
    catphan_drawing,
)
from imgtech.qc.protocols._acr_ct_items import BAR_ROI_MM, CNR_ROI_MM
from imgtech.qc.protocols._acr_ct_items import INSERT_ROI_MM as INSERT_200_MM
from imgtech.qc.protocols._acr_ct_items import uniform_field as acr_uniform_field
from imgtech.qc.protocols._catphan_items import INSERT_ROI_MM, LINES, uniform_field_of
from imgtech.qc.protocols._ct_uniform import SIDES, UniformField
from imgtech.qc.protocols.ct_water import water_field

INK, BLUE, RED, GREY = "#222222", "#1f6fb2", "#c2402b", "#9a9a9a"


def draw_phantoms(folder: Path) -> None:
    """Write every drawing as SVG into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    mpl.rcParams["svg.hashsalt"] = "imgtech"
    drawing = catphan_drawing("504")
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.6), layout="constrained")
    _sensitometry(axes[0], drawing)
    _bars(axes[1], drawing)
    uniform(axes[2], uniform_field_of(drawing), 75.0, drawing.uniformity.name)
    _low_contrast(axes[3], drawing)
    figure.savefig(folder / "catphan-504.svg", metadata={"Date": None})
    plt.close(figure)
    acr = acr_ct_drawing()
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.6), layout="constrained")
    _acr_numbers(axes[0], acr)
    _acr_contrast(axes[1], acr)
    uniform(axes[2], acr_uniform_field(acr), 100.0, acr.uniformity.name)
    for v, u in acr.beads:
        axes[2].plot(u, v, "k.", ms=3)
    _frame(axes[3], 100.0, acr.resolution.name)
    _patterns(axes[3], acr.bars, 0.74)
    for group in acr.bars:
        axes[3].add_patch(Circle(group.center_mm[::-1], BAR_ROI_MM, fill=False, ec=BLUE))
    figure.savefig(folder / "acr-ct.svg", metadata={"Date": None})
    plt.close(figure)
    figure, axes = plt.subplots(figsize=(3.4, 3.6), layout="constrained")
    uniform(axes, water_field(100.0, 30.0), 100.0, "water, 200 mm")
    figure.savefig(folder / "ct-water.svg", metadata={"Date": None})
    plt.close(figure)


def _frame(axes: Axes, radius: float, title: str) -> None:
    axes.add_patch(Circle((0, 0), radius, fill=False, ec=INK))
    axes.set(xlim=(-radius - 4, radius + 4), ylim=(radius + 4, -radius - 4), aspect="equal", title=title)
    axes.set_axis_off()


def _sensitometry(axes: Axes, drawing: CatPhanDrawing) -> None:
    _frame(axes, 75.0, drawing.sensitometry.name)
    for insert in drawing.inserts:
        v, u = insert.center_mm
        axes.add_patch(Circle((u, v), insert.radius_mm, fc="#dfe9f3", ec=INK))
        axes.add_patch(Circle((u, v), INSERT_ROI_MM, fill=False, ec=BLUE))
        away = insert.radius_mm + 4.0
        axes.text(u, v + (away if v > -1 else -away), insert.name, ha="center", va="center", fontsize=6)
    for v, u in drawing.holes:
        axes.add_patch(Circle((u, v), 1.5, color=INK))
    for a, b in LINES.values():
        ends = drawing.holes[a], drawing.holes[b]
        axes.plot([p[1] for p in ends], [p[0] for p in ends], color=RED, lw=0.8)
    for (v, u), (dv, du) in drawing.ramps:
        axes.annotate(
            "", xy=(u + 24 * du, v + 24 * dv), xytext=(u - 24 * du, v - 24 * dv),
            arrowprops={"arrowstyle": "-|>", "color": BLUE},
        )  # fmt: skip


def _bars(axes: Axes, drawing: CatPhanDrawing) -> None:
    _frame(axes, 75.0, f"{drawing.resolution.name} line pairs")
    _patterns(axes, drawing.bars, 1.25)


def _patterns(axes: Axes, bars: tuple[BarGroup, ...], out: float) -> None:
    for group in bars:
        width = 5.0 / group.per_cm
        for i in range(group.n_bars):
            step = (2 * i - group.n_bars + 1) * width
            v = group.center_mm[0] + step * math.sin(group.angle_rad)
            u = group.center_mm[1] + step * math.cos(group.angle_rad)
            axes.add_patch(
                Rectangle(
                    (u - width / 2, v - group.height_mm / 2), width, group.height_mm,
                    angle=math.degrees(group.angle_rad), rotation_point="center", color=INK,
                )
            )  # fmt: skip
        v, u = group.center_mm
        axes.text(out * u, out * v, str(group.per_cm), fontsize=6, ha="center", va="center")


def _acr_numbers(axes: Axes, drawing: AcrCtDrawing) -> None:
    _frame(axes, 100.0, drawing.numbers.name)
    for insert in drawing.inserts:
        v, u = insert.center_mm
        axes.add_patch(Circle((u, v), insert.radius_mm, fc="#dfe9f3", ec=INK))
        axes.add_patch(Circle((u, v), INSERT_200_MM, fill=False, ec=BLUE))
        below = 0.0 if insert.radius_mm > 20 else insert.radius_mm + 5.0
        axes.text(u, v + (below if v > 0 else -below), insert.name, ha="center", va="center", fontsize=6)


def _acr_contrast(axes: Axes, drawing: AcrCtDrawing) -> None:
    _frame(axes, 100.0, drawing.low_contrast.name)
    v, u = drawing.large_rod.center_mm
    axes.add_patch(Circle((u, v), drawing.large_rod.diameter_mm / 2, fc="#dfe9f3", ec=INK))
    for (v, u), word in ((drawing.large_rod.center_mm, "rod"), (drawing.background_mm, "background")):
        axes.add_patch(Circle((u, v), CNR_ROI_MM, fill=False, ec=BLUE))
        side = "left" if word == "rod" else "right"
        axes.text(u, v + 18, word, ha=side, va="center", fontsize=6)


def uniform(axes: Axes, field: UniformField, radius: float, title: str) -> None:
    """Regions of a uniform module."""
    _frame(axes, radius, title)
    for r, color in ((field.roi_mm, BLUE), (field.noise_mm, RED)):
        axes.add_patch(Circle((0, 0), r, fill=False, ec=color))
    axes.add_patch(Circle((0, 0), field.radius_mm, fill=False, ec=GREY, ls=":"))
    half = field.square_mm
    axes.add_patch(Rectangle((-half, -half), 2 * half, 2 * half, fill=False, ec=GREY, ls="--"))
    for side, degrees in SIDES.items():
        turn = math.radians(degrees)
        u, v = field.distance_mm * math.cos(turn), field.distance_mm * math.sin(turn)
        axes.add_patch(Circle((u, v), field.roi_mm, fill=False, ec=BLUE))
        axes.text(u, v, side, fontsize=6, ha="center", va="center")


def _low_contrast(axes: Axes, drawing: CatPhanDrawing) -> None:
    _frame(axes, 75.0, drawing.low_contrast.name)
    for rod in drawing.rods:
        v, u = rod.center_mm
        measured = rod.percent == 1.0 and rod.diameter_mm >= 5.0
        axes.add_patch(
            Circle(
                (u, v),
                rod.diameter_mm / 2,
                fc="#dfe9f3" if measured else "none",
                ec=BLUE if measured else GREY,
            )
        )
        if rod.diameter_mm == 15.0:
            axes.text(0.68 * u, 0.68 * v, f"{rod.percent:g} %", fontsize=7, ha="center", va="center")

"""Drawings of MR phantoms for the protocol pages, made from the same data as the twins."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Rectangle
from matplotlib.patches import Polygon as MplPolygon

from imgtech.phantoms.twins import (
    AcrMriDrawing,
    MrTwin,
    ScanPlane,
    acr_mri,
    acr_mri_drawing,
    array_holes,
    plane_section,
    spoke_centers,
)
from imgtech.phantoms.twins.acr_mri import SPOKE_DIAMETERS_MM
from imgtech.qc.pose import Box
from imgtech.qc.protocols._acr_mri_drawing import RAMP_ROWS_MM, UNIFORM_SHIFT_MM, slice_1
from imgtech.qc.protocols.mr_magnet import PLATE_OFFSET_MM, ROD_STEP_MM

INK, BLUE, GREY = "#222222", "#1f6fb2", "#9a9a9a"


def draw_mr_phantoms(folder: Path) -> None:
    """Write every drawing as SVG into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    mpl.rcParams["svg.hashsalt"] = "imgtech"
    for model in ("large", "medium"):
        drawing = acr_mri_drawing(model)
        figure, axes = plt.subplots(1, 3, figsize=(11, 4.1), layout="constrained")
        _first(axes[0], drawing)
        _seventh(axes[1], drawing)
        _sheet(axes[2], drawing, 11)
        figure.savefig(folder / f"acr-mri-{model}.svg", metadata={"Date": None})
        plt.close(figure)
        figure, axes = plt.subplots(figsize=(4.6, 3.8), layout="constrained")
        _sagittal(axes, model)
        figure.savefig(folder / f"acr-mri-{model}-sagittal.svg", metadata={"Date": None})
        plt.close(figure)
    figure, axes = plt.subplots(figsize=(3.8, 3.8), layout="constrained")
    _plates(axes)
    figure.savefig(folder / "mr-magnet.svg", metadata={"Date": None})
    plt.close(figure)
    figure, axes = plt.subplots(1, 2, figsize=(7.6, 3.8), layout="constrained")
    _uniform(axes[0])
    _frame(axes[1], 80.0, "stability")
    _rectangle(axes[1], (0.0, 0.0), (71.4, 71.4), fill=False, ec=BLUE)
    axes[1].text(0, 0, "21 x 21 pixels", ha="center", va="center")
    figure.savefig(folder / "mr-uniform.svg", metadata={"Date": None})
    plt.close(figure)


def _frame(axes: Axes, radius: float, title: str) -> None:
    axes.add_patch(Circle((0, 0), radius, fill=False, ec=INK))
    axes.set(xlim=(-radius - 4, radius + 4), ylim=(radius + 4, -radius - 4), aspect="equal", title=title)
    axes.set_axis_off()


def _rectangle(axes: Axes, center: tuple[float, float], size: tuple[float, float], **how: object) -> None:
    (v, u), (height, width) = center, size
    axes.add_patch(Rectangle((u - width / 2, v - height / 2), width, height, **how))


def _first(axes: Axes, drawing: AcrMriDrawing) -> None:
    _frame(axes, drawing.radius_mm, "slice 1")
    for shape in slice_1(drawing):
        if isinstance(shape, Box):
            _rectangle(axes, shape.center_mm, shape.size_mm, fc="#d9d9d9", ec=INK)
        else:
            v, u = shape.center_mm
            axes.add_patch(Circle((u, v), shape.outer_mm, fc="#d9d9d9", ec=INK))
            axes.add_patch(Circle((u, v), shape.inner_mm, fc="white", ec=INK))
    height = RAMP_ROWS_MM[1] - RAMP_ROWS_MM[0]
    for side in (-1, 1):
        _rectangle(axes, (side * sum(RAMP_ROWS_MM) / 2, 0.0), (height, 50.0), fc="white", ec=BLUE)
    for diameter, shared in drawing.arrays:
        for upper in (True, False):
            for row in array_holes(diameter, shared, upper=upper):
                for v, u in row:
                    axes.add_patch(Circle((u, v), diameter / 2, color="white"))


def _seventh(axes: Axes, drawing: AcrMriDrawing) -> None:
    _frame(axes, drawing.radius_mm, "slice 7")
    radius = (drawing.uniform_area_mm2 / 3.14159265) ** 0.5
    axes.add_patch(Circle((0, UNIFORM_SHIFT_MM), radius, fill=False, ec=BLUE))
    axes.add_patch(Circle((30, 20), (100 / 3.14159265) ** 0.5, fill=False, ec=BLUE))
    axes.text(30, 32, "1 cm²", fontsize=8, ha="center", va="center")
    axes.text(0, UNIFORM_SHIFT_MM - 20, f"{drawing.uniform_area_mm2 / 100:.0f} cm²", ha="center")


def _sheet(axes: Axes, drawing: AcrMriDrawing, role: int) -> None:
    _frame(axes, drawing.radius_mm, f"slice {role}")
    v0, u0 = drawing.sheet_center_mm
    axes.add_patch(Circle((u0, v0), drawing.sheet_outer_mm, fc="#d9d9d9", ec=INK))
    axes.add_patch(Circle((u0, v0), drawing.sheet_radius_mm, fc="white", ec=INK))
    for i, (spoke, diameter) in enumerate(zip(spoke_centers(role), SPOKE_DIAMETERS_MM, strict=True)):
        for v, u in spoke:
            axes.add_patch(Circle((u0 + u, v0 + v), diameter / 2, fc="#dfe9f3", ec=BLUE))
        v, u = spoke[2]
        axes.text(u0 + 1.5 * u, v0 + 1.5 * v, str(i + 1), fontsize=7, ha="center", va="center")


def _sagittal(axes: Axes, model: str) -> None:
    """The section along the axis, what covers the ends, and the lines of the length."""
    drawing = acr_mri_drawing(model)
    plane = ScanPlane(point_mm=(0.0, 1.0, 0.0), along_y=(0.0, 0.0, 1.0), along_x=(1.0, 0.0, 0.0))
    twin = acr_mri(model)
    small = ("hole", "cell", "spoke", "bar of", "ramp", "inside", "chimney")
    for name, solid in twin.solids.items():
        if any(word in name for word in small) and name != "ramp block":
            continue
        one = MrTwin(name=name, solids={name: solid})
        try:
            (shape,) = plane_section(one, plane, thickness_mm=0.1, n_steps=1).shapes
        except ValueError:
            continue
        corners = [(x + shape.center_mm[1], y + shape.center_mm[0]) for y, x in shape.corners_mm]
        light = "white" if solid.signal > 0 else "#d9d9d9"
        axes.add_patch(MplPolygon(corners, fc=light, ec=INK, lw=0.8))
    low, high = drawing.foot_mm, drawing.foot_mm + drawing.length_mm
    for v in (-34, -26, -18, -10, 10, 18, 26, 34):
        axes.annotate("", (v, low), (v, high), arrowprops={"arrowstyle": "<->", "color": BLUE, "lw": 0.8})
    for role in (1, 11):
        axes.text(drawing.radius_mm + 2, drawing.roles_mm[role], f"slice {role}", fontsize=7, va="center")
    axes.text(65, (low + high) / 2 + 5, f"{drawing.length_mm:.0f} mm", ha="center", color=BLUE)
    edge = drawing.radius_mm + 4
    axes.set(xlim=(-edge, edge + 22), ylim=(low - 4, high + 4), aspect="equal", title="sagittal localizer")
    axes.set_axis_off()


def _uniform(axes: Axes) -> None:
    """A bottle in its image: the inner 75 % of the area, and the air in the corners."""
    _frame(axes, 80.0, "SNR")
    axes.add_patch(Circle((0, 0), 80.0 * 0.75**0.5, fill=False, ec=BLUE))
    axes.text(0, 0, "75 % of the area", ha="center", va="center")
    axes.set(xlim=(-128, 128), ylim=(128, -128))
    _rectangle(axes, (0.0, 0.0), (250.0, 250.0), fill=False, ec=GREY)
    for v in (-102.0, 102.0):
        for u in (-102.0, 102.0):
            _rectangle(axes, (v, u), (40.0, 40.0), fill=False, ec=BLUE)
            axes.text(u, v, "air", ha="center", va="center")


def _plates(axes: Axes) -> None:
    _frame(axes, 91.0, "slice width")
    for v in (-ROD_STEP_MM, 0.0, ROD_STEP_MM):
        for u in (-ROD_STEP_MM, 0.0, ROD_STEP_MM):
            axes.add_patch(Circle((u, v), 2.6, color=INK))
    for side in (-1, 1):
        _rectangle(axes, (side * PLATE_OFFSET_MM, 0.0), (26.0, 25.0), fc=GREY, ec=INK)
        _rectangle(axes, (side * PLATE_OFFSET_MM, 0.0), (18.0, 114.0), fill=False, ec=BLUE)

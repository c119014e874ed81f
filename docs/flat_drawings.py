"""Drawings of flat and nuclear medicine phantoms for the protocol pages, from the data of the twins."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Polygon, Rectangle

from imgtech.geometry import ImageGrid
from imgtech.phantoms.twins import (
    FlatBar,
    FlatTwin,
    Placement,
    edge_plate,
    four_slits,
    jaszczak,
    leeds_tor18,
    nema_body,
    planar_drawing,
    qc3,
    quadrant_bars,
)
from imgtech.phantoms.twins.emission import JASZCZAK_SPHERES_MM, NEMA_SPHERES_MM

INK, BLUE, RED, GREY = "#222222", "#1f6fb2", "#c2402b", "#9a9a9a"


def draw_flat(folder: Path) -> None:
    """Write every drawing as SVG into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    mpl.rcParams["svg.hashsalt"] = "imgtech"
    figure, axes = plt.subplots(figsize=(4.6, 3.4), layout="constrained")
    _field(axes, 1.0, "#e9edf2", INK, "lit field")
    _field(axes, 0.95, "none", BLUE, "useful field, 95 %")
    _field(axes, 0.95 * 0.75, "none", RED, "central field, 75 % of it")
    axes.legend(loc="lower center", ncols=3, fontsize=6, frameon=False)
    axes.set(xlim=(-275, 275), ylim=(230, -200), aspect="equal")
    axes.set_axis_off()
    _save(figure, folder / "gamma-flood.svg")
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 4.2), layout="constrained")
    _shapes(axes[0], quadrant_bars(), 175.0, "quadrant bars")
    for sy in (-1, 1):
        for sx in (-1, 1):
            axes[0].add_patch(Rectangle((82 * sx - 60, 82 * sy - 60), 120, 120, fill=False, ec=BLUE, lw=1.5))
    _shapes(axes[1], four_slits(), 120.0, "four slits")
    for side in (-50, 50):
        axes[1].add_patch(Rectangle((side - 25, -32), 50, 64, fill=False, ec=BLUE))
        axes[1].add_patch(Rectangle((-32, side - 25), 64, 50, fill=False, ec=RED))
    _save(figure, folder / "gamma-bars.svg")
    figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    _grey(axes[0], leeds_tor18(unit_mm=76.0), 96.0, "Leeds TOR 18")
    for k, (v, u) in enumerate(planar_drawing("leeds").disks, 1):
        axes[0].add_patch(Circle((76 * u, 76 * v), 0.75 * 0.054 * 76, fill=False, ec=BLUE))
        axes[0].text(
            67 / 76 * 76 * u, 67 / 76 * 76 * v, str(k), fontsize=6, color=BLUE, ha="center", va="center"
        )
    _grey(axes[1], qc3(unit_mm=21.0), 68.0, "QC-3")
    for name, patch in planar_drawing("qc3").patches.items():
        if name.startswith("patch"):
            axes[1].text(
                21 * patch.center[1], 21 * patch.center[0], name[-1], color=RED, ha="center", va="center"
            )
    _grey(axes[2], edge_plate(), 95.0, "opaque plate")
    _save(figure, folder / "planar-xray.svg")
    grid = ImageGrid(shape=(320, 340), spacing_mm=(1.0, 1.0))
    figure, axes = plt.subplots(1, 2, figsize=(8.6, 3.6), layout="constrained")
    for ax, make, sizes, title in (
        (axes[0], nema_body, NEMA_SPHERES_MM, "NEMA body"),
        (axes[1], jaszczak, JASZCZAK_SPHERES_MM, "Jaszczak"),
    ):
        image = make(grid, [0.0], sigma_mm=2.5)[0]
        ax.imshow(image, cmap="gray_r", extent=(-170, 170, 160, -160), rasterized=True)
        for k, d in enumerate(sizes):
            at = 57.2 * math.cos(k * math.pi / 3), 57.2 * math.sin(k * math.pi / 3)
            ax.add_patch(Circle(at, d / 2, fill=False, ec=BLUE))
            ax.text(at[0], at[1] - d / 2 - 5, f"{d:g}", fontsize=6, color=BLUE, ha="center")
        ax.set(title=title)
        ax.set_axis_off()
    _save(figure, folder / "spheres.svg")


def _save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _field(axes: Axes, scale: float, face: str, edge: str, label: str) -> None:
    h, w, cut = 190.0, 260.0, 55.0
    corners = [(w - cut, -h), (w, cut - h), (w, h - cut), (w - cut, h)]
    corners += [(-x, -y) for x, y in corners]
    axes.add_patch(Polygon([(scale * x, scale * y) for x, y in corners], fc=face, ec=edge, label=label))


def _grey(axes: Axes, twin: FlatTwin, half: float, title: str) -> None:
    grid = ImageGrid(shape=(400, 400), spacing_mm=(half / 200, half / 200))
    image = twin.image(grid, sigma_mm=half / 400, placement=Placement())
    axes.imshow(image, cmap="gray", extent=(-half, half, half, -half), rasterized=True)
    axes.set(title=title)
    axes.set_axis_off()


def _shapes(axes: Axes, twin: FlatTwin, half: float, title: str) -> None:
    for shape in twin.shapes.values():
        v, u = shape.center_mm
        color = INK if shape.value < 0 else GREY
        if isinstance(shape, FlatBar):
            h, w = shape.size_mm
            place, turn = (u - w / 2, v - h / 2), math.degrees(shape.angle_rad)
            axes.add_patch(Rectangle(place, w, h, angle=turn, rotation_point="center", fc=color))
        else:
            axes.add_patch(Circle((u, v), shape.radius_mm, fc="none", ec=color))
    axes.set(xlim=(-half, half), ylim=(half, -half), aspect="equal", title=title)
    axes.set_axis_off()

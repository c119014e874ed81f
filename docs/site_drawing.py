"""The drawing of a site's own phantom, from the description on its protocol page."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import yaml
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Rectangle

from imgtech.geometry import ImageGrid
from imgtech.io import series_from_grid
from imgtech.phantoms import Ellipse, Phantom
from imgtech.phantoms import Rectangle as Plate
from imgtech.qc.protocols import site
from imgtech.qc.site_phantom import SitePhantom, site_phantom

INK, BLUE, RED, GREY, FACE = "#222222", "#1f6fb2", "#c2402b", "#9a9a9a", "#e9edf2"
PAGE = Path(__file__).parent / "protocols" / "site.md"
TURN_RAD, CENTER_MM = math.radians(7.0), (-6.0, 9.0)


def draw_site(folder: Path) -> None:
    """Write the drawing as SVG into ``folder``: the frame of the description, and a scan of the phantom."""
    folder.mkdir(parents=True, exist_ok=True)
    mpl.rcParams["svg.hashsalt"] = "imgtech"
    described = site_phantom(yaml.safe_load(PAGE.read_text().split("```yaml\n")[1].split("```")[0]))
    figure, axes = plt.subplots(1, 2, figsize=(10.4, 5.2), layout="constrained")
    _frame(axes[0], described)
    _scan(axes[1], described)
    figure.savefig(folder / "site.svg", metadata={"Date": None})
    plt.close(figure)


def _frame(axes: Axes, described: SitePhantom) -> None:
    radius = sum(described.find.size_mm) / 4
    axes.add_patch(Circle((0, 0), radius, fc=FACE, ec=INK))
    for name, region in described.regions.items():
        v, u = region.center_mm
        if region.kind == "rectangle":
            height, width = region.size_mm
            axes.add_patch(Rectangle((u - width / 2, v - height / 2), width, height, fc="none", ec=BLUE))
            label = v + height / 2 + 6
        else:
            inner, outer = region.size_mm
            for r in region.size_mm:
                axes.add_patch(Circle((u, v), r, fc="none", ec=BLUE))
            away = outer + 9 if v >= 0 else -outer - 6
            label = v + ((inner + outer) / 2 if outer > 15 else away)
        box = {"fc": FACE, "ec": "none", "pad": 1}
        axes.text(u, label, name, fontsize=8, color=BLUE, ha="center", va="center", bbox=box, zorder=4)
    marker = described.find.marker
    if marker is not None:
        v, u = marker.center_mm
        axes.add_patch(Circle((u, v), marker.size_mm[1], fc="none", ec=RED, ls="--"))
        axes.text(u, v - marker.size_mm[1] - 5, "marker", fontsize=8, color=RED, ha="center", va="center")
    for head, label, at in (((0, 1.22), "v", (7, 1.2)), ((1.22, 0), "u", (0, 0))):
        tip = (head[0] * radius, head[1] * radius)
        axes.annotate("", xy=tip, xytext=(0, 0), arrowprops={"arrowstyle": "-|>", "color": GREY}, zorder=2)
        place = (at[0], at[1] * radius) if label == "v" else (tip[0] + 5, 0)
        axes.text(*place, label, color=GREY, va="center")
    axes.set(xlim=(-1.2 * radius, 1.35 * radius), ylim=(1.3 * radius, -1.15 * radius), aspect="equal")
    axes.set(title="as described: (v, u) from the middle")
    axes.set_axis_off()


def _scan(axes: Axes, described: SitePhantom) -> None:
    c, s = math.cos(TURN_RAD), math.sin(TURN_RAD)

    def at(v: float, u: float) -> tuple[float, float]:
        return CENTER_MM[0] + u * s + v * c, CENTER_MM[1] + u * c - v * s

    phantom = Phantom(
        shapes=(
            Ellipse(semi_axes_mm=(100.0, 100.0), center_mm=at(0, 0), value=1000.0),
            Ellipse(semi_axes_mm=(12.0, 12.0), center_mm=at(0, 60), value=300.0),
            Ellipse(semi_axes_mm=(12.0, 12.0), center_mm=at(-60, 0), value=-120.0),
            Plate(size_mm=(30.0, 40.0), center_mm=at(60, -10), angle_rad=TURN_RAD, value=200.0),
        )
    )
    grid = ImageGrid(shape=(480, 500), spacing_mm=(0.52, 0.5))
    noise = np.random.default_rng(1).standard_normal(grid.shape)
    report = site(
        series_from_grid(phantom.image(grid) - 1000 + 6 * noise, grid, modality="CT"), phantom=described
    )
    picture = report.pictures[0]
    axes.imshow(picture.pixels, cmap="gray", vmin=-300, vmax=500, aspect=0.52 / 0.5, rasterized=True)
    for outline in picture.outlines:
        rows, columns = zip(*(*outline.points, outline.points[0]), strict=True)
        axes.plot(columns, rows, color="#5bb0f0", lw=1)
    axes.set(title="found in a scan, turned by 7 degrees")
    axes.set_axis_off()

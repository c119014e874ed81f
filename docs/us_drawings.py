"""Drawings of the ultrasound phantoms for the protocol pages, from the twins."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Circle, Rectangle

from imgtech.geometry import ImageGrid
from imgtech.phantoms.twins import Placement, UsAirTwin, UsTwin, us_drawing

BLUE, RED = "#4aa3ff", "#ff6a55"
BOX = {"fc": "#000000", "ec": "none", "alpha": 0.6, "pad": 0.8}


def draw_ultrasound(folder: Path) -> None:
    """Write every drawing as SVG into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    mpl.rcParams["svg.hashsalt"] = "imgtech"
    figure, axes = plt.subplots(figsize=(5.6, 6.6), layout="constrained")
    grid = ImageGrid(shape=(750, 250), spacing_mm=(0.1, 0.22), center_mm=(37.5, 5.0))
    image = UsTwin().images(grid, placement=Placement(), rng=np.random.default_rng(1))[0]
    extent = (-22.5, 32.5, 75.0, 0.0)
    axes.imshow(
        20 * np.log10(image), cmap="gray", vmin=-25, vmax=45, extent=extent, rasterized=True, aspect="equal"
    )
    drawing = us_drawing()
    for v, u in drawing.wires_mm:
        axes.plot(u, v, "+", color=BLUE, ms=7)
        axes.text(u + 1.2, v - 1.0, f"({v:g}, {u:g})", color=BLUE, fontsize=7, bbox=BOX)
    for target in drawing.targets:
        v, u = target.center_mm
        axes.add_patch(Circle((u, v), 0.7 * target.radius_mm, fill=False, ec=RED))
        for more in (1.4, 4.0):
            axes.add_patch(Circle((u, v), target.radius_mm + more, fill=False, ec=RED, ls=":", lw=0.7))
        label = "cyst" if target.kind == "cyst" else f"{target.contrast_db:+g} dB"
        axes.text(u, v, label, color=RED, fontsize=7, ha="center", va="center", bbox=BOX)
    v, u, height, width = drawing.uniform_mm
    axes.add_patch(Rectangle((u - width / 2, v - height / 2), width, height, fill=False, ec=BLUE, ls="--"))
    axes.text(u, v, "speckle SNR", color=BLUE, fontsize=7, ha="center", va="center", bbox=BOX)
    axes.set(xlabel="u (mm)", ylabel="depth v (mm)")
    figure.savefig(folder / "us-multipurpose.svg", metadata={"Date": None})
    plt.close(figure)
    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    twin = UsAirTwin(gains_db={40: -40.0, 90: -5.0})
    grid = ImageGrid(shape=(500, 384), spacing_mm=(0.05, 0.1), center_mm=(12.7, 0.0))
    image = twin.image(grid, rng=np.random.default_rng(1))
    axes.imshow(
        20 * np.log10(image), cmap="gray", vmin=-10, vmax=50, extent=(-0.5, 127.5, 25.2, 0.2), aspect="auto",
        rasterized=True,
    )  # fmt: skip
    for element, word in ((40, "dead"), (90, "weak")):
        axes.annotate(
            word, (element, 17.0), (element, 23.0), color=RED, ha="center",
            arrowprops={"arrowstyle": "->", "color": RED}, bbox=BOX,
        )  # fmt: skip
    axes.axhline(twin.reach_mm(grid), color=BLUE, ls="--")
    axes.text(1, twin.reach_mm(grid) - 0.4, "depth of reverberations", color=BLUE, fontsize=8, bbox=BOX)
    axes.set(xlabel="element", ylabel="depth (mm)")
    figure.savefig(folder / "us-in-air.svg", metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    draw_ultrasound(Path())

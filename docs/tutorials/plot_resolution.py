"""
One blur seen by four objects
=============================

An edge, a wire, a disk and groups of bars show the same blur. Their modulation transfer functions have to
agree, and here the true curve is known.
"""

# %%
# The pictures
# ------------
# All objects are blurred by the same Gaussian and averaged over the pixels in closed form; noise is added.

import math

import matplotlib.pyplot as plt
import numpy as np

from imgtech.geometry import ImageGrid
from imgtech.phantoms import BlurredBars, BlurredDisk, BlurredEdge, BlurredPoint
from imgtech.qc.metrics import (
    bar_contrast,
    bar_modulation,
    disk_mtf,
    droege_morin_mtf,
    fit_edge,
    slanted_edge_mtf,
    wire_mtf,
)
from imgtech.qc.roi import rectangle_region

rng = np.random.default_rng(4)
spacing, sigma = (0.3, 0.3), 0.32
grid = ImageGrid(shape=(160, 150), spacing_mm=spacing, center_mm=(0.4, -0.3))
edge = BlurredEdge(angle_rad=math.radians(4), position_mm=0.2, high=100.0, sigma_mm=sigma)
wire = BlurredPoint(position_mm=(0.5, -0.1), sigma_mm=(sigma, sigma), total=400.0)
disk = BlurredDisk(center_mm=(0.5, -0.1), radius_mm=9.0, sigma_mm=sigma, high=100.0)
bars = BlurredBars(angle_rad=0.1, period_mm=2.0, n_bars=14, high=100.0, sigma_mm=sigma)

noise = 2.0
pictures = {
    name: thing.image(grid, dtype=np.float64) + noise * rng.standard_normal(grid.shape)
    for name, thing in {"edge": edge, "wire": wire, "disk": disk, "bars": bars}.items()
}
extent = (
    *(grid.coordinates_mm[1][[0, -1]] + (-0.15, 0.15)),
    *(grid.coordinates_mm[0][[-1, 0]] + (0.15, -0.15)),
)
figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
for axis, (name, picture) in zip(axes, pictures.items(), strict=True):
    axis.imshow(picture, cmap="gray", extent=extent)
    axis.set(title=name, xlabel="x / mm")
axes[0].set_ylabel("y / mm")

# %%
# Four curves
# -----------
# Nothing but the image and the spacing goes in: the edge finds its own angle, the disk its own radius. Each
# group of bars gives one frequency.

curves = {
    "edge": slanted_edge_mtf(pictures["edge"], spacing),
    "wire": wire_mtf(pictures["wire"], spacing),
    "disk": disk_mtf(pictures["disk"], grid, center_mm=(0.0, 0.0), radius_mm=8.5),
}
frequencies = np.linspace(0.1, 1.1, 12)
groups = []
everywhere = np.ones(grid.shape)
for f in frequencies:
    group = BlurredBars(
        angle_rad=0.1, period_mm=1 / f, n_bars=math.ceil(60 * f) + 2, high=100.0, sigma_mm=sigma
    )
    image = group.image(grid, dtype=np.float64) + noise * rng.standard_normal(grid.shape)
    plain = noise * rng.standard_normal(grid.shape)
    region = rectangle_region(grid, center_mm=(0.4, -0.3), size_mm=(30.0, int(35 * f) / f), angle_rad=0.1)
    groups.append(
        bar_modulation(
            np.concatenate([image, plain]),
            np.concatenate([region, 0 * everywhere]),
            np.concatenate([0 * everywhere, everywhere]),
        )
    )
step = np.where(grid.coordinates_mm[1] > 0, 100.0, 0.0) * everywhere + noise * rng.standard_normal(grid.shape)
left, right = (np.zeros(grid.shape) for _ in range(2))
left[:, :60], right[:, -60:] = 1, 1
curves["bars"] = droege_morin_mtf(frequencies, groups, bar_contrast(step, right, left))

figure, (axis, rest) = plt.subplots(2, 1, figsize=(8, 7), sharex=True, layout="constrained")
f = np.linspace(0, 1.6, 200)
axis.plot(f, edge.mtf(f, spacing_mm=spacing), "k", lw=3, alpha=0.35, label="truth")
for name, m in curves.items():
    shown = m.frequencies_per_mm <= 1.6
    f, values = m.frequencies_per_mm[shown], m.values[shown]
    error = values - edge.mtf(f, spacing_mm=spacing)
    line = axis.plot(f, values, "o" if name == "bars" else "-", label=name)[0]
    spread = m.uncertainties[shown]
    if name == "bars":
        rest.errorbar(f, error, spread, fmt="o", color=line.get_color())
    else:
        rest.plot(f, error, color=line.get_color())
        rest.fill_between(f, error - spread, error + spread, color=line.get_color(), alpha=0.2, lw=0)
axis.set(ylabel="MTF", ylim=(0, 1.05))
axis.legend()
rest.axhline(0, color="k", lw=0.8)
rest.set(xlabel="frequency / (1/mm)", ylabel="measured minus truth", ylim=(-0.012, 0.012))

for name, m in curves.items():
    m50 = m.at(0.5)
    print(f"{name:5} MTF50 = {m50.value:.4f} +- {m50.uncertainty:.4f} per mm")

# %%
# Rows are not profiles
# ---------------------
# One row of a slanted edge samples the edge once a pixel. By their distances from the fitted line all pixels
# together sample it hundreds of times a pixel, which is what the fit uses.

line = fit_edge(pictures["edge"], spacing)
distances = line.distances_mm(grid.shape, spacing)
near = np.abs(distances) < 2
figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
axis.plot(distances[near], pictures["edge"][near], ".", ms=2, alpha=0.4, label="all pixels")
row = np.abs(distances[80]) < 2
axis.plot(distances[80][row], pictures["edge"][80][row], "s-", label="one row")
axis.set(xlabel="distance from the edge / mm", ylabel="pixel value")
axis.legend()

plt.show()

"""
MRI: spirals, balls of spokes and uneven fields
===============================================

Trajectories other than a raster need three things: the area that each sample stands for, a transform that
takes samples anywhere, and, as their readouts are long, a map of the field. All k-space here comes from
closed forms and, for the uneven field, from a direct sum over points finer than the pixels.
"""

# %%
# Where the samples lie
# ---------------------
# Spokes in golden-angle order, a spiral as fast as the gradients allow
# (:func:`~imgtech.geometry.spiral`), one whose density falls outwards, and the lines of an echo-planar scan,
# which are read there and back (:func:`~imgtech.geometry.echo_planar`).

import matplotlib.pyplot as plt
import numpy as np

from imgtech.geometry import ImageGrid, Trajectory, echo_planar, kooshball, spiral, stacked
from imgtech.phantoms import Ellipse, Ellipsoid, Phantom
from imgtech.recon.mri import (
    OffResonanceNufft,
    conjugate_phase,
    gridding,
    pipe_menon_density,
    voronoi_density,
)
from imgtech.recon.solvers import conjugate_gradient

limits = {"dwell_s": 5e-6, "max_gradient_mt_per_m": 28.0, "max_slew_t_per_m_s": 120.0}
trajectories = {
    "golden angle": Trajectory.radial(21, 64, spacing_mm=4.0, golden=True),
    "spiral": spiral(6, fov_mm=200.0, spacing_mm=4.0, **limits),
    "variable density": spiral(6, fov_mm=240.0, edge_fov_mm=100.0, spacing_mm=4.0, **limits),
    "echo planar": echo_planar((24, 24), spacing_mm=(4.0, 4.0)),
}
fig, axes = plt.subplots(1, 4, figsize=(12, 3.3), layout="constrained")
for axis, (name, trajectory) in zip(axes, trajectories.items(), strict=True):
    lines = trajectory.positions_per_mm.reshape(-1, trajectory.shape[-1], 2)
    for number, line in enumerate(lines):
        axis.plot(line[:, 1], line[:, 0], lw=0.8, color=plt.cm.viridis(number / len(lines)))
    axis.set(title=name, aspect="equal", xlabel="kx / (1/mm)")
axes[0].set_ylabel("ky / (1/mm)")

# %%
# What each sample stands for
# ---------------------------
# :func:`~imgtech.recon.mri.voronoi_density` measures the area nearest to each sample;
# :func:`~imgtech.recon.mri.pipe_menon_density` finds weights by iterations, in space too. Both are calibrated
# in the centre of k-space, where areas alone would change the value of an extended object.

grid = ImageGrid(shape=(96, 96), spacing_mm=(1.9, 1.9), center_mm=(3.0, -4.0))
disk = Phantom(
    shapes=(
        Ellipse(value=1.0, center_mm=(6.0, -8.0), semi_axes_mm=(62.0, 62.0)),
        Ellipse(value=-0.5, center_mm=(30.0, 10.0), semi_axes_mm=(9.0, 14.0), angle_rad=0.5),
        Ellipse(value=0.5, center_mm=(-22.0, -30.0), semi_axes_mm=(8.0, 5.0)),
    )
)
y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
flat = (np.hypot(y - 6, x + 8) < 55) & (np.hypot(y - 30, x - 10) > 22) & (np.hypot(y + 22, x + 30) > 16)
spokes = Trajectory.radial(240, 192, spacing_mm=1.9, golden=True)
shots = spiral(12, fov_mm=190.0, spacing_mm=1.9, **limits)
fig, axes = plt.subplots(1, 4, figsize=(12, 3.8), layout="constrained")
pictures = [
    ("spokes, Voronoi", spokes, voronoi_density(spokes, 190.0)),
    ("spokes, Pipe-Menon", spokes, pipe_menon_density(spokes, 190.0)),
    ("spiral, Voronoi", shots, voronoi_density(shots, 190.0)),
    ("spiral, Pipe-Menon", shots, pipe_menon_density(shots, 190.0)),
]
for axis, (name, trajectory, density) in zip(axes, pictures, strict=True):
    image = gridding(disk.kspace(trajectory), trajectory, grid, density=density)
    axis.imshow(image.real, cmap="gray", vmin=0, vmax=1.6)
    axis.set_title(f"{name}\nmean {image[flat].real.mean():.4f}, truth 1")
    axis.axis("off")

# %%
# Through space
# -------------
# Spokes over a ball (:func:`~imgtech.geometry.kooshball`) and a stack of stars
# (:func:`~imgtech.geometry.stacked`), gridded by the same function.

volume = ImageGrid(shape=(40, 44, 44), spacing_mm=(4.0, 4.0, 4.0), center_mm=(2.0, 0.0, -1.0))
ball = Phantom(
    shapes=(
        Ellipsoid(value=1.0, center_mm=(4.0, -3.0, 2.0), semi_axes_mm=(52.0, 60.0, 56.0)),
        Ellipsoid(value=-0.6, center_mm=(14.0, 20.0, 10.0), semi_axes_mm=(14.0, 12.0, 18.0)),
    )
)
through = {
    "ball of 3000 spokes": kooshball(3000, 48, spacing_mm=4.0),
    "stack of 40 stars": stacked(Trajectory.radial(72, 48, spacing_mm=4.0), 40, spacing_mm=4.0),
}
fig, axes = plt.subplots(1, 4, figsize=(12, 3.6), layout="constrained")
for pair, (name, trajectory) in zip(axes.reshape(2, 2), through.items(), strict=True):
    density = pipe_menon_density(trajectory, (160.0, 190.0, 190.0))
    image = gridding(ball.kspace(trajectory), trajectory, volume, density=density).real
    pair[0].imshow(image[22], cmap="gray", vmin=0, vmax=1.2)
    pair[0].set_title(f"{name}, z = {volume.coordinates_mm[0][22]:.0f} mm")
    pair[1].imshow(image[:, 22], cmap="gray", vmin=0, vmax=1.2)
    pair[1].set_title(f"y = {volume.coordinates_mm[1][22]:.0f} mm")
for axis in axes:
    axis.axis("off")

# %%
# An uneven field
# ---------------
# A spiral of three shots reads for ten milliseconds. Where the field makes the spins turn faster the image
# blurs; with a map of that frequency :func:`~imgtech.recon.mri.conjugate_phase` turns every pixel back, and
# :class:`~imgtech.recon.mri.OffResonanceNufft` in a conjugate-gradient solver is right where the field has
# a gradient, too. The signal is summed over points 1 mm apart, each turning by itself.


def frequency_hz(y_mm, x_mm):
    return 130 * np.exp(-((y_mm - 20) ** 2 + (x_mm + 25) ** 2) / (2 * 35.0**2)) - 0.5 * x_mm


few = spiral(3, fov_mm=150.0, spacing_mm=2.2, **limits)
times_s = 2e-3 + np.arange(few.shape[1]) * limits["dwell_s"]
points = ImageGrid(shape=(130, 130), spacing_mm=(1.0, 1.0), center_mm=(6.0, -8.0))
values = disk.image(points, dtype=np.float64)
py, px = (a[values != 0] for a in np.meshgrid(*points.coordinates_mm, indexing="ij"))
hertz, values = frequency_hz(py, px), values[values != 0]
data = np.empty(few.shape, complex)
for shot, k in enumerate(few.positions_per_mm):
    for part in np.array_split(np.arange(len(k)), 8):
        turns = np.outer(k[part, 0], py) + np.outer(k[part, 1], px) + np.outer(times_s[part], hertz)
        data[shot, part] = np.exp(-2j * np.pi * turns) @ values

small = ImageGrid(shape=(76, 76), spacing_mm=(2.0, 2.0), center_mm=(6.0, -8.0))
field = frequency_hz(*np.meshgrid(*small.coordinates_mm, indexing="ij"))
density = voronoi_density(few, 150.0)
operator = OffResonanceNufft(few, small, field, times_s)
images = {
    "field ignored": gridding(data, few, small, density=density),
    "conjugate phase": conjugate_phase(
        data, few, small, frequency_hz=field, times_s=times_s, density=density
    ),
    "iterative": conjugate_gradient(operator, data, weights=density, n_iter=10).image,
}
fig, axes = plt.subplots(1, 4, figsize=(12, 3.3), layout="constrained")
shown = axes[0].imshow(field, cmap="coolwarm", vmin=-140, vmax=140)
axes[0].set_title("frequency / Hz")
fig.colorbar(shown, ax=axes[0])
for axis, (name, image) in zip(axes[1:], images.items(), strict=True):
    axis.imshow(np.abs(image), cmap="gray", vmin=0, vmax=1.6)
    axis.set_title(name)
for axis in axes:
    axis.axis("off")
print(f"readout {1e3 * (times_s[-1] - times_s[0]):.1f} ms, {operator.n_segments} segments")

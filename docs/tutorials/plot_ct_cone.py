"""
CT: cone beam and helix
=======================

A flat panel that turns once about an object, and a multi-row scanner whose table moves meanwhile: the two
ways from cone-beam projections to a volume, and where a circle, unlike a helix, cannot see everything.
"""

# %%
# An object
# ---------
# An ellipsoid of water with two lesions and three denser discs, one above the other. Every ray through them
# is known in closed form, and each reading is the mean over a detector element.

import matplotlib.pyplot as plt
import numpy as np

from imgtech.geometry import ConeBeam, ImageGrid
from imgtech.phantoms import Cylinder, Ellipsoid, Phantom
from imgtech.recon.ct import fdk, to_hounsfield, wfbp

WATER_PER_MM = 0.0192
body = Ellipsoid(value=WATER_PER_MM, semi_axes_mm=(44.0, 34.0, 40.0), center_mm=(0.0, 1.0, -2.0))
lesions = (
    Ellipsoid(value=0.06 * WATER_PER_MM, semi_axes_mm=(7.0, 7.0, 9.0), center_mm=(5.0, -16.0, 9.0)),
    Ellipsoid(value=-0.06 * WATER_PER_MM, semi_axes_mm=(12.0, 6.0, 6.0), center_mm=(-4.0, 15.0, -14.0)),
)
discs = tuple(
    Cylinder(
        value=0.25 * WATER_PER_MM, length_mm=3.0, semi_axes_mm=(11.0, 11.0), center_mm=(7.0 * k, 4.0, 10.0)
    )
    for k in (-2, 0, 2)
)
phantom = Phantom(shapes=(body, *lesions, *discs))

# %%
# One turn of a flat panel
# ------------------------
# The panel is a tenth of a millimetre off centre and the source at the height z = 0. ``fdk`` chooses the
# weights from that geometry: a full turn here, a short scan or a shifted panel in the same way.

panel = ConeBeam.full_turn(
    n_views=180,
    source_axis_mm=250.0,
    source_detector_mm=400.0,
    n_channels=124,
    channel_spacing_mm=1.4,
    n_rows=124,
    row_spacing_mm=1.4,
    detector_offset_mm=0.1,
)
grid = ImageGrid(shape=(72, 70, 76), spacing_mm=(1.25, 1.25, 1.25), center_mm=(0.0, 1.0, -2.0))
projections = phantom.projections(panel)
circular = to_hounsfield(fdk(projections, panel, grid, window="shepp-logan"), WATER_PER_MM)

fig, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
u_mm, v_mm = panel.channels_mm, panel.rows_mm
for axis, view in zip(axes, (0, 45, 90), strict=True):
    axis.imshow(projections[view], cmap="gray", origin="lower", extent=(u_mm[0], u_mm[-1], v_mm[0], v_mm[-1]))
    axis.set(title=f"{np.rad2deg(panel.angles_rad[view]):.0f} degrees", xlabel="channel u / mm")
axes[0].set_ylabel("row v / mm")

# %%
# A helix
# -------
# Sixteen rows of a curved detector, pitch 1: the table moves by the height of all rows at the axis while the
# source turns once. ``wfbp`` sorts the rays to parallel ones and takes, for each voxel and direction, the
# mean over all rows that see it. Slices near the ends of a helix, which some direction does not see, come
# back as 0; here the helix is longer than the grid.

rows = {"n_rows": 16, "row_spacing_mm": 1.6}
collimation_mm = 16 * 1.6 * 300.0 / 540.0
helix = ConeBeam.helical(
    pitch_mm=collimation_mm,
    n_turns=9,
    n_views_per_turn=120,
    source_axis_mm=300.0,
    source_detector_mm=540.0,
    detector="curved",
    n_channels=121,
    channel_spacing_mm=1.56,
    detector_offset_mm=0.3,
    **rows,
)
helical = to_hounsfield(wfbp(phantom.projections(helix), helix, grid, window="shepp-logan"), WATER_PER_MM)

fig = plt.figure(figsize=(6, 4.2), layout="constrained")
axis = fig.add_subplot(projection="3d")
for beam, name, color in ((panel, "circle", "tab:blue"), (helix, "helix", "tab:red")):
    z_mm, y_mm, x_mm = beam.vectors().sources_mm.T
    axis.plot(x_mm, y_mm, z_mm, color=color, label=name)
axis.set(xlabel="x / mm", ylabel="y / mm", zlabel="z / mm", title="Where the source runs")
axis.legend()

# %%
# What the circle misses
# ----------------------
# In the plane of the source both are right. Above and below it the rays of the circle pass the discs ever
# more slanted: their flat faces smear, and the value of the body falls a little. The helix sees every disc
# from its own height. The fine ripples in the slice come from the small number of views.

truth = to_hounsfield(phantom.image(grid), WATER_PER_MM)
volumes = {"truth": truth, "fdk, one turn": circular, "wfbp, helix": helical}
z_mm, y_mm, x_mm = grid.coordinates_mm
row = int(np.argmin(np.abs(y_mm - 4.0)))
middle = int(np.argmin(np.abs(z_mm - 5.0)))
fig, axes = plt.subplots(2, 3, figsize=(10, 6.4), layout="constrained")
for column, (name, volume) in enumerate(volumes.items()):
    axes[0, column].imshow(
        volume[:, row], cmap="gray", vmin=-150, vmax=350, origin="lower",
        extent=(x_mm[0], x_mm[-1], z_mm[0], z_mm[-1]),
    )  # fmt: skip
    axes[0, column].set(title=name, xlabel="x / mm")
    axes[1, column].imshow(
        volume[middle], cmap="gray", vmin=-100, vmax=100, extent=(x_mm[0], x_mm[-1], y_mm[-1], y_mm[0])
    )
    axes[1, column].set(xlabel="x / mm")
axes[0, 0].set_ylabel("z / mm")
axes[1, 0].set_ylabel(f"y / mm, slice at z = {z_mm[middle]:.1f} mm")

# %%
# Along the axis
# --------------
# A line along z through the discs.

place = int(np.argmin(np.abs(x_mm - 10.0)))
fig, axis = plt.subplots(figsize=(7.5, 3.2), layout="constrained")
for (name, volume), style in zip(volumes.items(), ("k", "tab:blue", "tab:red"), strict=True):
    axis.plot(z_mm, volume[:, row, place], style, lw=1.2, label=name)
axis.set(xlabel="z / mm", ylabel="HU", ylim=(-200, 400), title="Through the discs")
axis.legend()

# %%
# How right
# ---------
# The mean of a piece of water near the plane of the source and far from it.

z, y, x = np.meshgrid(z_mm, y_mm, x_mm, indexing="ij")
flat = (np.hypot(y + 4.0, x + 16.0) < 6.0) & (np.abs(truth) < 0.5)
for name, low, high in (("near the plane", 0.0, 3.0), ("25 to 30 mm away", 25.0, 30.0)):
    here = flat & (np.abs(z) >= low) & (np.abs(z) < high)
    figures = ", ".join(f"{title} {volume[here].mean():6.2f} HU" for title, volume in volumes.items())
    print(f"{name:17} {figures}")

# %%
# Slab by slab
# ------------
# A grid may be any part of a volume. Slabs of few slices bound the memory, and projections may stay in a file
# that is mapped into memory: the values are those of the whole.

part = ImageGrid(shape=(10, 70, 76), spacing_mm=grid.spacing_mm, center_mm=(z_mm[20:30].mean(), 1.0, -2.0))
slab = to_hounsfield(fdk(projections, panel, part, window="shepp-logan"), WATER_PER_MM)
print(f"largest difference {np.abs(slab - circular[20:30]).max():.3f} HU")

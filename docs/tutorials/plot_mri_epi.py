"""
MRI: an echo-planar scan and its ghost
======================================

Echo-planar imaging reads its lines to and fro under a gradient that is still rising when sampling begins.
Two things stand between its raw data and an image: the samples are not even, and every other line ran
backwards, with a phase of its own. Both are simulated here in closed form, and both are undone.
"""

# %%
# The readout
# -----------
# 130 samples, taken while a trapezoidal gradient rises, stays and falls, cover the k-space of 80 pixels of
# 2.5 mm. :func:`~imgtech.geometry.trapezoid_positions` gives their places; on the ramps they lie closer.

import matplotlib.pyplot as plt
import numpy as np

from imgtech.geometry import Trajectory, delayed_positions, trapezoid_positions
from imgtech.phantoms import CoilSensitivities, Ellipse, Phantom, complex_gaussian
from imgtech.recon.mri import cartesian, correct_ghost, ghost_phase, regrid_readout

n_lines, n_pixels, spacing_mm = 80, 80, 2.5
positions = trapezoid_positions(
    130, ramp_up_s=160e-6, flat_s=240e-6, ramp_down_s=160e-6, first_s=34e-6, dwell_s=3.8e-6, span_per_mm=0.4
)
fig, axis = plt.subplots(figsize=(7, 2.6), layout="constrained")
axis.plot(positions, ".", ms=3)
axis.set(xlabel="sample", ylabel="position (1/mm)", title="Samples of one readout")

# %%
# The raw data
# ------------
# Even lines run forwards, odd ones backwards. The gradient lags behind the sampling by 0.4 dwell times, and
# the main field adds a phase of 0.3 rad between the two directions.

bottle = Phantom(
    shapes=(
        Ellipse(value=1.0, semi_axes_mm=(62.0, 70.0), center_mm=(4.0, -3.0)),
        Ellipse(value=-0.7, semi_axes_mm=(9.0, 34.0), center_mm=(-14.0, 2.0), angle_rad=0.15),
        Ellipse(value=-0.9, semi_axes_mm=(14.0, 14.0), center_mm=(28.0, -24.0)),
    )
)
coils = CoilSensitivities.ring(n_coils=4, radius_mm=150.0)
backwards = np.arange(n_lines) % 2 == 1
ky = (np.arange(n_lines) - n_lines // 2) / (n_lines * spacing_mm)
lagging = delayed_positions(positions, -0.4)
kx = np.where(backwards[:, None], -lagging, lagging)
where = np.stack([np.broadcast_to(ky[:, None], kx.shape), kx], axis=-1)
raw = bottle.kspace(Trajectory(positions_per_mm=where), coils)
raw = raw * np.exp(1j * np.where(backwards, -0.15, 0.15))[:, None].astype(np.complex64)
raw = complex_gaussian(raw, sigma=4.0, rng=np.random.default_rng(5))

# %%
# Even lines, without and with the phase between the directions
# -------------------------------------------------------------
# :func:`~imgtech.recon.mri.regrid_readout` finds the even samples by least squares; a backward line lies at
# minus its positions. What is left is a ghost half a field of view away.
# :func:`~imgtech.recon.mri.ghost_phase` finds the phase that makes the image simplest. Its slope tells the
# lag of the gradient, with which the lines are regridded once more: on the ramps a lag is not a shift.


def even_lines(delay: float) -> np.ndarray:
    """All lines on the even raster."""
    moved = delayed_positions(positions, delay)
    out = np.empty((coils.n_coils, n_lines, n_pixels), np.complex64)
    for sign, chosen in ((1, ~backwards), (-1, backwards)):
        out[:, chosen] = regrid_readout(
            raw[:, chosen], sign * moved, n_pixels=n_pixels, spacing_mm=spacing_mm
        )
    return out


ghosted = even_lines(0.0)
first = ghost_phase(ghosted, backwards, spacing_mm=spacing_mm)
lag = -first.slope_rad_per_mm / (4 * np.pi * np.diff(positions).max())
again = even_lines(lag)
second = ghost_phase(again, backwards, spacing_mm=spacing_mm)
corrected = correct_ghost(again, backwards, second, spacing_mm=spacing_mm)
print(f"lag of the gradient: {lag:+.3f} dwell times (put in: -0.400)")
print(f"phase between the directions: {second.constant_rad:+.3f} rad (put in: +0.300)")

images = [cartesian(k, spacing_mm=(spacing_mm, spacing_mm), combine="rss") for k in (ghosted, corrected)]
fig, axes = plt.subplots(1, 4, figsize=(11, 3.3), layout="constrained")
for axis, image, title in zip(axes[::2], images, ["regridded only", "both corrected"], strict=True):
    axis.imshow(image, cmap="gray")
    axis.set(title=title, xticks=[], yticks=[])
for axis, image in zip(axes[1::2], images, strict=True):
    axis.imshow(image, cmap="gray", vmax=0.1 * images[1].max())
    axis.set(title="the same, ten times brighter", xticks=[], yticks=[])

# %%
# How much ghost is left
# ----------------------

y, x = np.meshgrid(*[(np.arange(80) - 40) * spacing_mm] * 2, indexing="ij")
inside = np.hypot((y - 4) / 62, (x + 3) / 70) < 0.95
ghost = (np.roll(inside, n_lines // 2, axis=0)) & (np.hypot((y - 4) / 62, (x + 3) / 70) > 1.1)
for image, name in zip(images, ["regridded only", "corrected"], strict=True):
    print(
        f"{name}: {100 * image[ghost].mean() / image[inside].mean():.1f} % of the object where the ghost lies"
    )

# %%
# A scanner's own file takes the same way with one command, ``imgtech recon mri meas.dat``, which says at each
# step what it found and chose.

plt.show()

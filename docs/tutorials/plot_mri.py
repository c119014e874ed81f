"""
MRI: from k-space to an image
=============================

A head phantom whose k-space is known in closed form is received by six coils, with noise. We
reconstruct it, remove the readout oversampling, look at what a k-space window does to the ringing of
the edges, and measure how right the values are.
"""

# %%
# Where everything is
# -------------------
# The image is to have 160 x 160 pixels of 1.4 mm. The readout is sampled twice as densely as needed, as
# scanners do, so the acquired raster has 320 samples along x and sees twice the field of view.
# :meth:`~imgtech.geometry.ImageGrid.fft` puts pixel ``n // 2`` of every axis at the origin, which is where
# a centred Fourier transform has it.

import matplotlib.pyplot as plt
import numpy as np

from imgtech.geometry import ImageGrid, Trajectory
from imgtech.phantoms import CoilSensitivities, complex_gaussian, shepp_logan
from imgtech.recon.mri import cartesian

spacing_mm = (1.4, 1.4)
acquired = ImageGrid.fft((160, 320), spacing_mm=spacing_mm)
wanted = ImageGrid.fft((160, 160), spacing_mm=spacing_mm)

# %%
# The raw data
# ------------
# The signal of coil c at position k is the integral of sensitivity times object times
# :math:`e^{-2 \pi i k r}`. Nothing is sampled on a grid first, so the reconstruction meets real Gibbs
# ringing.

head = shepp_logan(radius_mm=100.0, contrast="modified", attenuation_per_mm=1.0)
coils = CoilSensitivities.ring(n_coils=6, radius_mm=170.0)
rng = np.random.default_rng(7)
clean = head.kspace(Trajectory.of_grid(acquired), coils)
kspace = complex_gaussian(clean, sigma=4.0, rng=rng)

fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
axes[0].imshow(np.log10(np.abs(kspace[0]) + 1), cmap="magma", aspect="auto")
axes[0].set(title="k-space of coil 0, log scale", xlabel="read sample", ylabel="phase line")
full = cartesian(kspace, spacing_mm=spacing_mm, combine="rss")
axes[1].imshow(full, cmap="gray")
axes[1].set(title="All of it: twice the field of view in x", xlabel="pixel", ylabel="pixel")

# %%
# Coil images and their combination
# ---------------------------------
# ``crop`` keeps the middle 160 columns: the oversampling is gone, the pixels stay as large as they were.
# ``combine="rss"`` takes the root of the sum of squares over the coils.

images = cartesian(kspace, spacing_mm=spacing_mm, crop=(160, 160))
combined = cartesian(kspace, spacing_mm=spacing_mm, crop=(160, 160), combine="rss")

fig, axes = plt.subplots(1, 4, figsize=(11, 3.3), layout="constrained")
for axis, picture, title in zip(
    axes, [*np.abs(images[:3]), combined], ["coil 0", "coil 1", "coil 2", "root sum of squares"], strict=True
):
    axis.imshow(picture, cmap="gray")
    axis.set_title(title)
    axis.axis("off")

# %%
# The root of the sum of squares carries the shading of the coils. With their sensitivities known, the
# least-squares combination :math:`\sum_c s_c^* m_c / \sum_c |s_c|^2` gives the object's own values: the grey
# of the brain is 0.2 and the rim 1. Where they are not known, ``combine="adaptive"`` finds them in the
# coil images, up to the shading, and gives a complex image with nearly the best signal-to-noise ratio.

maps = coils.maps(wanted)
flat = (np.conj(maps) * images).sum(0).real / (np.abs(maps) ** 2).sum(0)
y, x = np.meshgrid(*wanted.coordinates_mm, indexing="ij")
brain = np.hypot(y - 46, x) < 7
print(f"brain: {flat[brain].mean():.4f} +- {flat[brain].std() / np.sqrt(brain.sum()):.4f}, truth 0.2")

# %%
# Ringing, resolution and noise: the window decides
# -------------------------------------------------
# Cutting k-space off at its border makes the edges ring. A window lowers the outer samples: less ringing
# and less noise, for a wider edge.
# The profiles are drawn on an eight times finer grid (see the next section).

air = np.hypot(y, x) > 105
finer = ImageGrid.fft((8 * 160, 8 * 160), spacing_mm=(1.4 / 8, 1.4 / 8))
row = finer.shape[0] // 2 + 128  # y = 22.4 mm
fig, axis = plt.subplots(figsize=(9, 3.6), layout="constrained")
for name in ("none", "tukey", "hamming", "hann"):
    exact = cartesian(
        head.kspace(Trajectory.of_grid(wanted)), spacing_mm=spacing_mm, window=name, zero_fill=finer.shape
    )
    noisy = cartesian(kspace[0], spacing_mm=spacing_mm, crop=(160, 160), window=name)
    axis.plot(finer.coordinates_mm[1], exact[row].real, label=name)
    print(f"{name:8s} noise in air {noisy[air].real.std():.5f}")
axis.plot(finer.coordinates_mm[1], head.image(finer)[row], "k:", label="truth")
axis.set(xlabel="x / mm", ylabel="value", title="One row without noise", xlim=(-80, -20))
axis.legend(ncols=5, fontsize=8)

# %%
# Zero filling
# ------------
# Padding k-space with zeros draws the same image on finer pixels. It adds no resolution and moves nothing:
# the centre stays in the centre for even and odd sizes.

small = cartesian(kspace[:, 40:120, 80:240], spacing_mm=(2.8, 2.8), crop=(80, 80), combine="rss")
fine = cartesian(
    kspace[:, 40:120, 80:240], spacing_mm=(2.8, 2.8), zero_fill=(320, 640), crop=(320, 320), combine="rss"
)
fig, axes = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
for axis, picture, title in zip(axes, (small, fine), ("80 x 80", "zero-filled to 320 x 320"), strict=True):
    axis.imshow(picture, cmap="gray")
    axis.set_title(title)
    axis.axis("off")

# %%
# With data of your own
# ---------------------
# A Bruker ParaVision folder needs one line more; :func:`~imgtech.recon.mri.paravision_images` follows the
# vendor's steps to the stored integers::
#
#     from imgtech.io.raw import read_bruker
#
#     scan = read_bruker("study/7")
#     image = cartesian(scan.kspace, spacing_mm=scan.spacing_mm, combine="rss")
#
# On the command line: ``imgtech recon mri study/7 --out pictures``.

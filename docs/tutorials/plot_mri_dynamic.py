"""
MRI: a series of images from few samples
========================================

A body with a part that changes its brightness in a rhythm, taken with a third of the lines in every frame.
Frame by frame little can be done; the frames together have few time courses, and that is enough.
"""

# %%
# The data
# --------
# The k-space of both disks is known in closed form, for four coils; every frame has its own random lines.

import matplotlib.pyplot as plt
import numpy as np

from imgtech.geometry import ImageGrid, Trajectory
from imgtech.phantoms import CoilSensitivities, complex_gaussian, uniform_disk
from imgtech.recon.mri import kspace_to_image, locally_low_rank, low_rank_plus_sparse, spirit

rng = np.random.default_rng(5)
n_frames, shape = 20, (64, 72)
grid = ImageGrid.fft(shape, spacing_mm=(2.0, 2.0))
coils = CoilSensitivities.ring(n_coils=4, radius_mm=100.0)
raster = Trajectory.of_grid(grid)
body = uniform_disk(radius_mm=48.0, value=1.0, center_mm=(2.0, -3.0))
heart = uniform_disk(radius_mm=13.0, value=1.0, center_mm=(-12.0, 10.0))
course = 0.6 + 0.5 * np.sin(2 * np.pi * 2 * np.arange(n_frames) / n_frames)
# in units of the orthonormal transform: the body has the value 1
unit = 1 / (2.0 * 2.0 * np.sqrt(shape[0] * shape[1]))
still, beating = (unit * thing.kspace(raster, coils) for thing in (body, heart))
clean = still[:, None] + course[:, None, None] * beating[:, None]
kspace = complex_gaussian(clean, sigma=0.02, rng=rng)
sampled = rng.random((n_frames, shape[0])) < 0.25
sampled[:, 28:36] = True
maps = coils.maps(grid)
truth = (maps.conj()[:, None] * kspace_to_image(clean)).sum(0) / (np.abs(maps) ** 2).sum(0)
print(f"{100 * sampled.mean():.0f} % of the lines")

# %%
# Frame by frame, locally low rank, low rank plus sparse
# ------------------------------------------------------
# The strengths are pure numbers: data in other units give the same images in those units.

plain = locally_low_rank(kspace, sampled, maps, regularization=0.0, n_iter=40).image
local = locally_low_rank(kspace, sampled, maps, regularization=0.005, n_iter=80)
parts = low_rank_plus_sparse(kspace, sampled, maps, low_rank=0.01, sparse=0.01, n_iter=80)

series = {"frame by frame": plain, "locally low rank": local.image, "low rank + sparse": parts.image}
fig, axes = plt.subplots(2, 4, figsize=(11, 5.4), layout="constrained")
column = 36 + 5
for axis, (title, images) in zip(axes.T, {"truth": truth, **series}.items(), strict=True):
    axis[0].imshow(np.abs(images[2]), cmap="gray", vmin=0, vmax=2.2)
    axis[1].imshow(np.abs(images[:, :, column]).T, cmap="gray", vmin=0, vmax=2.2, aspect="auto")
    axis[0].set_title(title)
    axis[1].set(xlabel="frame", ylabel="y / pixel")
    error = np.linalg.norm(images - truth) / np.linalg.norm(truth)
    print(f"{title}: error {100 * error:.1f} %")

# %%
# What is background, what moves
# ------------------------------

fig, axes = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
axes[0].imshow(np.abs(parts.low_rank[2]), cmap="gray")
axes[0].set_title("low rank, frame 2")
axes[1].imshow(np.abs(parts.sparse[2]), cmap="gray")
axes[1].set_title("sparse, frame 2")
axes[2].semilogy(local.residuals, label="locally low rank")
axes[2].semilogy(parts.residuals, label="low rank + sparse")
axes[2].set(title="what is left of the data", xlabel="iteration")
axes[2].legend()

# %%
# One frame of any pattern: SPIRiT
# --------------------------------
# Without time there is less to go by. SPIRiT needs no sensitivities: it learns in the full centre how
# the samples of all coils hang together, here for random samples.

pattern = rng.random(shape) < 0.45
pattern[22:42, 26:46] = True
one = complex_gaussian(clean[:, 2], sigma=0.004, rng=rng)
filled = spirit(one, pattern)
fig, axes = plt.subplots(1, 3, figsize=(10, 3.3), layout="constrained")
axes[0].imshow(pattern, cmap="gray")
axes[0].set_title(f"samples: {100 * pattern.mean():.0f} %")
for axis, data, title in (
    (axes[1], one * pattern, "zero-filled"),
    (axes[2], filled.kspace, "SPIRiT"),
):
    axis.imshow(np.sqrt((np.abs(kspace_to_image(data)) ** 2).sum(0)), cmap="gray")
    axis.set_title(title)
    print(f"{title}: {100 * np.linalg.norm(data - clean[:, 2]) / np.linalg.norm(clean[:, 2]):.1f} %")
plt.show()

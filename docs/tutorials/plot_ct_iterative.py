"""
CT: iterative reconstruction from few views
===========================================

Sixty views of a head with photon noise, from closed forms. We hold what the iterative methods make of them
against filtered back-projection and the truth, and look at how the error falls, stops falling, and rises
again.
"""

# %%
# The scan
# --------
# A full scan of this size takes some 290 views. With 60, filtered back-projection shows streaks whatever the
# window; we take the window that happens to come closest to the truth, which nobody knows in practice.

import matplotlib.pyplot as plt
import numpy as np

from imgtech.geometry import ImageGrid, ParallelBeam
from imgtech.phantoms import poisson_transmission, shepp_logan
from imgtech.recon.ct import cgls, fbp, os_sart, osem, pwls, sirt, tv

beam = ParallelBeam.half_turn(n_views=60, n_channels=185, channel_spacing_mm=1.3, detector_offset_mm=0.3)
grid = ImageGrid(shape=(150, 140), spacing_mm=(1.5, 1.4), center_mm=(2.0, -3.0))
head = shepp_logan(radius_mm=100.0, contrast="modified", center_mm=(1.0, -2.0))
clean = head.sinogram(beam)
sinogram = poisson_transmission(clean, photons_per_channel=1e5, rng=np.random.default_rng(4))
truth = head.image(grid)


def error(image):
    """Root-mean-square error in per cent of the skull."""
    return 100 * float(np.sqrt(np.mean((image - truth) ** 2)) / truth.max())


plain = fbp(sinogram, beam, grid)
best = min((fbp(sinogram, beam, grid, window=name) for name in ("shepp-logan", "cosine", "hann")), key=error)
print(f"FBP: ramp {error(plain):.2f} %, best window {error(best):.2f} %")

# %%
# Least squares, and when to stop
# -------------------------------
# SIRT, OS-SART and CGLS all go towards the image that fits the data best. The residual falls all the way; the
# error has a minimum, because in the end the noise is fitted. OS-SART gets there ten times sooner than SIRT,
# CGLS sooner still. The *discrepancy* rule stops where the residual is as large as the noise.

noise_norm = float(np.linalg.norm(sinogram - clean))
counts = {
    "SIRT": (sirt, (1, 3, 10, 30, 100)),
    "OS-SART, 10 subsets": (os_sart, (1, 2, 4, 8, 20)),
    "OS-SART, not negative": (os_sart, (1, 2, 4, 8, 20)),
    "CGLS": (cgls, (1, 2, 4, 6, 9, 12, 16, 30)),
}
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for name, (method, numbers) in counts.items():
    more = {"non_negative": True} if "negative" in name else {}
    results = [method(sinogram, beam, grid, n_iter=n, **more) for n in numbers]
    left.semilogx(numbers, [error(result.image) for result in results], "o-", ms=3, label=name)
    residuals = results[-1].residuals
    right.loglog(np.arange(1, len(residuals)), residuals[1:], label=name)
left.axhline(error(best), color="k", ls="--", lw=1, label="FBP, best window")
left.axhline(error(plain), color="k", ls=":", lw=1, label="FBP, ramp")
left.set(xlabel="iteration (pass over the views)", ylabel="rms error / % of the skull", ylim=(0, 20))
left.legend(fontsize=8)
right.axhline(noise_norm, color="k", ls="--", lw=1, label="norm of the noise")
right.set(xlabel="iteration (pass over the views)", ylabel="norm of the residual")
right.legend(fontsize=8)

stopped = cgls(sinogram, beam, grid, discrepancy=noise_norm, n_iter=60)
print(f"CGLS stopped by {stopped.stopped_by} after {stopped.n_iter}: {error(stopped.image):.2f} %")

# %%
# Saying what is known
# --------------------
# Plain least squares knows nothing of the object. From zero it ends between the FBP of the plain ramp and
# that of the best window; a few steps from an FBP image make that a little better. Attenuation is not
# negative, which alone halves the error here. Flat regions between edges are what a Huber penalty and total
# variation ask for.

images = {
    "truth": truth,
    "FBP, best window": best,
    "CGLS from zero": stopped.image,
    "CGLS from FBP, 3 steps": cgls(sinogram, beam, grid, initial=best, n_iter=3).image,
    "OS-SART, not negative": os_sart(sinogram, beam, grid, n_iter=20, non_negative=True).image,
    "OSEM": osem(np.maximum(sinogram, 0), beam, grid).image,
    "PWLS, Huber": pwls(
        sinogram, beam, grid, strength=0.1, edge_per_mm2=1e-4, non_negative=True, n_iter=60
    ).image,
    "total variation": tv(sinogram, beam, grid, strength=0.05, non_negative=True, n_iter=100).image,
}
y_mm, x_mm = grid.coordinates_mm
extent = (x_mm[0], x_mm[-1], y_mm[-1], y_mm[0])
fig, axes = plt.subplots(2, 4, figsize=(11, 6.2), layout="constrained")
for axis in axes.flat:
    axis.axis("off")
for axis, (name, image) in zip(axes.flat, images.items(), strict=False):
    axis.imshow(image, cmap="gray", vmin=-0.001, vmax=0.009, extent=extent)
    axis.set_title(name if image is truth else f"{name}\n{error(image):.2f} %", fontsize=10)
    print(f"{name:24} {error(image):5.2f} %")

# %%
# How total variation converges
# -----------------------------
# The primal-dual method shows nothing useful for the first ten steps, and is at its end after some hundred.
# How strong the penalty is decides more than how long it runs.

fig, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
for strength in (0.005, 0.05, 0.5):
    numbers = (10, 20, 40, 100)
    errors = [
        error(tv(sinogram, beam, grid, strength=strength, non_negative=True, n_iter=n).image) for n in numbers
    ]
    axis.semilogx(numbers, errors, "o-", ms=3, label=f"strength {strength:g}")
axis.axhline(error(best), color="k", ls="--", lw=1, label="FBP, best window")
axis.set(xlabel="iteration", ylabel="rms error / % of the skull", ylim=(0, 12))
axis.legend(fontsize=8)

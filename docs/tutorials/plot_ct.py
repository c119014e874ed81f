"""
CT: from line integrals to Hounsfield units
===========================================

A head phantom is projected in closed form, with the noise of a photon-counting detector. We reconstruct it
with several windows, convert to Hounsfield units, and hold a profile and the noise against the truth.
"""

# %%
# Where everything is
# -------------------
# A beam says where the rays run, a grid where the pixels are; both in millimetres, with the rotation axis at
# the origin. The detector is shifted by a quarter of a channel, and the image does not sit on the axis.

import matplotlib.pyplot as plt
import numpy as np

from imgtech.geometry import ImageGrid, ParallelBeam
from imgtech.phantoms import poisson_transmission, shepp_logan
from imgtech.recon.ct import butterworth, fbp, to_hounsfield, window_response

WATER_PER_MM = 0.0192  # about 70 keV
beam = ParallelBeam.half_turn(n_views=480, n_channels=367, channel_spacing_mm=0.7, detector_offset_mm=0.175)
grid = ImageGrid(shape=(320, 260), spacing_mm=(0.75, 0.75), center_mm=(2.0, -3.0))

# %%
# The raw data
# ------------
# Every channel holds the mean of the line integrals over its width, and then the logarithm of a photon count.

head = shepp_logan(radius_mm=115.0)
clean = head.sinogram(beam)
sinogram = poisson_transmission(clean, photons_per_channel=2e6, rng=np.random.default_rng(4))

fig, axis = plt.subplots(figsize=(7, 3.4), layout="constrained")
shown = axis.imshow(
    sinogram,
    cmap="gray",
    aspect="auto",
    extent=(beam.channels_mm[0], beam.channels_mm[-1], 180, 0),
)
axis.set(title="Sinogram", xlabel="detector position s / mm", ylabel="view angle / degrees")
fig.colorbar(shown, label="line integral")

# %%
# Windows
# -------
# The ramp amplifies what is fine, noise included. A window takes some of it back. A window is a name or a
# function of the frequency relative to Nyquist.

windows = {
    "ram-lak": "ram-lak",
    "shepp-logan": "shepp-logan",
    "hann": "hann",
    "butterworth": butterworth(order=4, cutoff=0.5),
}
u = np.linspace(0, 1, 200)
fig, axis = plt.subplots(figsize=(6, 3), layout="constrained")
for name, window in windows.items():
    axis.plot(u, u * window_response(window, u), label=name)
axis.set(xlabel="frequency / Nyquist", ylabel="ramp x window", title="What each view is filtered with")
axis.legend()

# %%
# Images in Hounsfield units
# --------------------------
# ``fbp`` returns attenuation in 1/mm; :func:`~imgtech.recon.ct.to_hounsfield` puts water at 0 and vacuum at
# -1000.

images = {
    name: to_hounsfield(fbp(sinogram, beam, grid, window=window), WATER_PER_MM)
    for name, window in windows.items()
}
truth = to_hounsfield(head.image(grid), WATER_PER_MM)
y_mm, x_mm = grid.coordinates_mm
extent = (x_mm[0], x_mm[-1], y_mm[-1], y_mm[0])

fig, axes = plt.subplots(1, 5, figsize=(12, 3.4), layout="constrained", sharey=True)
for axis, (name, image) in zip(axes, (images | {"truth": truth}).items(), strict=True):
    axis.imshow(image, cmap="gray", vmin=-60, vmax=160, extent=extent)
    axis.set(title=name, xlabel="x / mm")
axes[0].set_ylabel("y / mm")

# %%
# A profile against the truth
# ---------------------------
# Along a row through the three small tumours. The bare ramp follows the edges more closely, the Hann window
# is quieter in between.

row = int(np.argmin(np.abs(y_mm - 0.605 * 115.0)))
fig, axis = plt.subplots(figsize=(8, 3.4), layout="constrained")
axis.plot(x_mm, truth[row], "k", lw=1.5, label="truth (mean over each pixel)")
for name in ("ram-lak", "hann"):
    axis.plot(x_mm, images[name][row], lw=0.9, label=name)
axis.set(xlim=(-60, 60), ylim=(20, 220), xlabel="x / mm", ylabel="HU", title=f"Row at y = {y_mm[row]:.1f} mm")
axis.legend()

# %%
# How right, how noisy
# --------------------
# In a flat region the mean must be that of the object, whatever the window; the standard deviation is the
# price of sharpness.

y, x = np.meshgrid(y_mm, x_mm, indexing="ij")
flat = np.hypot(y + 48.0, x) < 11.0
print(f"truth       mean {truth[flat].mean():7.2f} HU")
for name, image in images.items():
    print(f"{name:11} mean {image[flat].mean():7.2f} HU   standard deviation {image[flat].std():6.2f} HU")

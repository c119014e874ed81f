r"""
Phantoms: one object, three kinds of data
=========================================

A phantom in imgtech is a handful of shapes with formulas. The same object gives its own image, its
sinogram and its k-space, each in closed form: nothing is sampled on a grid on the way, so a
reconstruction can be compared with the truth and not with another approximation.
"""

# %%
# An object
# ---------
# Positions are given in the order of image axes, ``(y, x)``, in millimetres; angles turn from x towards
# y. Values of shapes that overlap add. Here is a disk with an off-centre insert, a bar, a wedge and a
# soft spot.

import matplotlib.pyplot as plt
import numpy as np

from imgtech.geometry import ImageGrid, ParallelBeam, Trajectory
from imgtech.phantoms import Ellipse, Gaussian, Phantom, Polygon, Rectangle

phantom = Phantom(
    shapes=(
        Ellipse(value=1.0, semi_axes_mm=(85.0, 70.0)),
        Ellipse(value=-0.5, center_mm=(-30.0, -25.0), semi_axes_mm=(14.0, 22.0), angle_rad=0.5),
        Rectangle(value=0.6, center_mm=(35.0, -15.0), size_mm=(8.0, 60.0), angle_rad=-0.3),
        Polygon(value=0.8, center_mm=(-20.0, 30.0), corners_mm=((-22.0, 0.0), (14.0, -16.0), (10.0, 18.0))),
        Gaussian(value=0.7, center_mm=(36.0, 34.0), sigma_mm=(7.0, 7.0)),
    )
)

# %%
# Its image
# ---------
# Every pixel is the mean over its area, exactly, so the edges are gray and not jagged and the image keeps
# the mass of the object whatever the pixel size.

grid = ImageGrid.square(256, fov_mm=200.0)
image = phantom.image(grid)

# %%
# Its sinogram
# ------------
# The ray of view angle :math:`\theta` at detector position :math:`s` holds the points with
# :math:`x \cos\theta + y \sin\theta = s`. Every channel reads the mean over its width, exactly.

beam = ParallelBeam.half_turn(n_views=240, n_channels=256, channel_spacing_mm=200.0 / 256)
sinogram = phantom.sinogram(beam)

# %%
# Its k-space
# -----------
# The MRI signal :math:`S(k) = \int m(r)\, e^{-2 \pi i\, k \cdot r}\, dr` on a Cartesian raster.

trajectory = Trajectory.of_grid(grid)
kspace = phantom.kspace(trajectory)

# %%
# The three beside one another
# ----------------------------

figure, axes = plt.subplots(1, 3, figsize=(11.0, 3.9), layout="constrained")
half = 100.0
axes[0].imshow(image, cmap="gray", extent=(-half, half, half, -half))
axes[0].set(title="image", xlabel="x in mm", ylabel="y in mm")
axes[1].imshow(sinogram, cmap="gray", extent=(-half, half, 180.0, 0.0), aspect="auto")
axes[1].set(title="sinogram", xlabel="detector position in mm", ylabel="view angle in degrees")
nyquist = 0.5 / grid.spacing_mm[0]
axes[2].imshow(np.log10(np.abs(kspace) + 0.1), cmap="magma", extent=(-nyquist, nyquist, nyquist, -nyquist))
axes[2].set(title="k-space, log of the magnitude", xlabel="kx in 1/mm", ylabel="ky in 1/mm")
plt.show()

# %%
# They are the same object
# ------------------------
# The mass of the object is the sum of its pixels, the sum of any of its projections, and its signal in
# the middle of k-space.

masses = {
    "pixels": image.sum(dtype=np.float64) * grid.spacing_mm[0] * grid.spacing_mm[1],
    "one projection": sinogram[57].sum(dtype=np.float64) * beam.channel_spacing_mm,
    "middle of k-space": kspace[128, 128].real,
}
for name, mass in masses.items():
    print(f"{name:18s} {mass:10.3f} mm^2")

# %%
# And the one-dimensional Fourier transform of a projection is a line through k-space at the same angle,
# the theorem that computed tomography rests on.

view = 57
angle = beam.angles_rad[view]
k = np.linspace(-0.15, 0.15, 301)
along = Trajectory(positions_per_mm=np.stack([k * np.sin(angle), k * np.cos(angle)], axis=-1))
line = phantom.kspace(along)
waves = np.exp(-2j * np.pi * k[:, None] * beam.channels_mm)
transformed = waves @ sinogram[view] * beam.channel_spacing_mm / np.sinc(k * beam.channel_width_mm)

figure, axis = plt.subplots(figsize=(7.0, 3.2), layout="constrained")
axis.plot(k, line.real, color="0.75", linewidth=5, label="line through k-space")
axis.plot(k, transformed.real, color="tab:red", linewidth=1.2, label="transform of the projection")
axis.set(xlabel="k in 1/mm", ylabel="real part in mm²", title=f"view at {np.degrees(angle):.1f} degrees")
axis.legend()
plt.show()

# %%
largest = np.abs(line - transformed).max() / np.abs(line).max()
print(f"largest difference: {largest:.1e} of the peak")

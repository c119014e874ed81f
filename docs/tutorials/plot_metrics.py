"""
Image quality with an uncertainty
=================================

Every metric of imgtech comes with a standard uncertainty and with the clause it follows. Here three of
them meet images whose truth is known: the signal-to-noise ratio, the uniformity of the ACR phantom text,
and the modulation transfer function of a slanted edge.
"""

# %%
# Signal-to-noise ratio
# ---------------------
# Two images of the same shaded object differ only by noise, so their difference gives the noise and the
# shading cancels. Interpolated noise has fewer independent pixels; the interval grows as it should.

import math

import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage

from imgtech.geometry import ImageGrid
from imgtech.phantoms import BlurredEdge
from imgtech.qc.metrics import percent_integral_uniformity, slanted_edge_mtf, snr_two_images
from imgtech.qc.roi import disk_region

rng = np.random.default_rng(7)
grid = ImageGrid(shape=(180, 192), spacing_mm=(1.1, 1.0), center_mm=(2.0, -3.0))
phantom = disk_region(grid, center_mm=(4.0, -6.0), radius_mm=80.0)
inside = disk_region(grid, center_mm=(4.0, -6.0), radius_mm=70.0)

for blur_px in (0.0, 1.0):
    pair = []
    for _ in range(2):
        noise = rng.standard_normal(grid.shape)
        if blur_px:
            noise = ndimage.gaussian_filter(noise, blur_px, mode="wrap") * math.sqrt(4 * math.pi) * blur_px
        pair.append(100 * phantom + 2 * noise)
    snr = snr_two_images(pair[0], pair[1], inside)
    low, high = snr.interval()
    print(f"noise blurred by {blur_px} px: SNR {snr.value:.1f}, 95 % from {low:.1f} to {high:.1f}, truth 50")

# %%
# Uniformity
# ----------
# The ACR text slides a disk of 1 cm2 over the phantom and compares its highest with its lowest mean.
# Noise alone drives these extremes apart. The raw number is there, and beside it the one with the bias of
# noise taken off, which agrees with the truth at any SNR.

slope = 1e-3
reach = 70.0 - math.sqrt(100 / math.pi)
truth = 100 * (1 - slope * reach)
x = grid.coordinates_mm[1] + 6.0
levels = np.array([10, 15, 20, 30, 50, 80, 120])
raw, corrected, spread = [], [], []
for level in levels:
    image = phantom * (1 + slope * x) + rng.standard_normal(grid.shape) / level
    piu = percent_integral_uniformity(image, grid, inside)
    raw.append(piu.details["acr value"])
    corrected.append(piu.value)
    spread.append(1.96 * piu.uncertainty)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
low_y, low_x = piu.details["lowest y (mm)"], piu.details["lowest x (mm)"]
high_y, high_x = piu.details["highest y (mm)"], piu.details["highest x (mm)"]
y, x = grid.coordinates_mm
left.imshow(
    image, cmap="gray", extent=(x[0] - 0.5, x[-1] + 0.5, y[-1] + 0.55, y[0] - 0.55), vmin=0.85, vmax=1.1
)
for place, colour in (((low_x, low_y), "tab:blue"), ((high_x, high_y), "tab:orange")):
    left.add_patch(plt.Circle(place, math.sqrt(100 / math.pi), fill=False, color=colour, linewidth=2))
left.add_patch(plt.Circle((-6.0, 4.0), 70.0, fill=False, color="white", linestyle="--"))
left.set(xlabel="x (mm)", ylabel="y (mm)", title="lowest and highest disk")
right.axhline(truth, color="black", linewidth=1, label="truth")
right.plot(levels, raw, "s", color="tab:gray", label="ACR text, raw")
right.errorbar(levels, corrected, spread, fmt="o", color="tab:blue", capsize=3, label="noise taken off, 95 %")
right.set(xlabel="SNR of a pixel", ylabel="PIU (%)", title="percent integral uniformity")
right.legend()
plt.show()

# %%
# Sharpness
# ---------
# The edge may lie at any angle; it is found, and the line spread function across it is fitted to the pixels
# as they are. The band is the 95 % interval of the curve, the dashed line the closed form.

edge = BlurredEdge(angle_rad=math.radians(-4.0), position_mm=0.3, low=80.0, high=180.0, sigma_mm=0.16)
patch = ImageGrid(shape=(128, 90), spacing_mm=(0.2, 0.2))
image = edge.image(patch, dtype=np.float64) + 12 * rng.standard_normal(patch.shape)
mtf = slanted_edge_mtf(image, patch.spacing_mm)
mtf50 = mtf.at(0.5)
low, high = mtf50.interval()
print(f"MTF50 = {mtf50.value:.3f} per mm, 95 % from {low:.3f} to {high:.3f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained", width_ratios=(1, 2))
left.imshow(image, cmap="gray", extent=(-9.0, 9.0, 12.8, -12.8))
left.set(xlabel="x (mm)", ylabel="y (mm)", title="slanted edge")
f = mtf.frequencies_per_mm
right.fill_between(f, mtf.values - 1.96 * mtf.uncertainties, mtf.values + 1.96 * mtf.uncertainties, alpha=0.3)
right.plot(f, mtf.values, label="measured")
right.plot(f, edge.mtf(f, spacing_mm=patch.spacing_mm), "k--", linewidth=1, label="closed form")
right.errorbar(
    mtf50.value, 0.5, xerr=1.96 * mtf50.uncertainty, fmt="o", color="tab:red", capsize=3, label="MTF50"
)
right.set(xlabel="spatial frequency (1/mm)", ylabel="MTF", ylim=(-0.05, 1.05))
right.legend()
plt.show()

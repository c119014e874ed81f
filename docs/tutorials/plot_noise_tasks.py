"""
Noise power, and what can be seen in it
=======================================

Two images with the same standard deviation can hide very different things. The noise power spectrum tells
them apart; with it and the transfer function the detectability of a disk follows.
"""

# %%
# The same standard deviation
# ---------------------------
# White noise, noise of a ramp filter (as in CT) and low-pass noise, all with a standard deviation of 10.

import matplotlib.pyplot as plt
import numpy as np

from imgtech.geometry import ImageGrid
from imgtech.phantoms import BlurredEdge
from imgtech.qc.metrics import DiskTask, detectability_index, noise_power_spectrum, slanted_edge_mtf

rng = np.random.default_rng(11)
spacing, n = (0.5, 0.5), 1024
f = np.fft.fftfreq(n, spacing[0])
radius = np.hypot(f[:, None], f)
shapes = {
    "white": lambda f: np.ones_like(f),
    "ramp": lambda f: f * np.exp(-((f / 0.45) ** 2)),
    "low pass": lambda f: np.exp(-((f / 0.3) ** 2)),
}
fields, truths = {}, {}
for name, shape in shapes.items():
    power = shape(radius)
    scale = 100 / (power.sum() / (n * spacing[0]) ** 2)
    gain = np.sqrt(scale * power) / spacing[0]
    fields[name] = np.fft.ifft2(np.fft.fft2(rng.standard_normal((n, n))) * gain).real
    truths[name] = lambda f, shape=shape, scale=scale: scale * shape(f)

figure, axes = plt.subplots(1, 3, figsize=(11, 4.6), layout="constrained")
for axis, (name, field) in zip(axes, fields.items(), strict=True):
    axis.imshow(field[:128, :128], cmap="gray", vmin=-30, vmax=30, extent=(0, 64, 64, 0))
    axis.set(title=f"{name}, SD {field.std():.1f}", xlabel="x / mm")
axes[0].set_ylabel("y / mm")

# %%
# Their spectra
# -------------
# The field is cut into 256 regions with a curved background each, which the spectrum takes off and accounts
# for. Lines are the closed forms.

spectra = {}
figure, axis = plt.subplots(figsize=(8, 4.5), layout="constrained")
y, x = np.mgrid[-1:1:64j, -1:1:64j]
for name, field in fields.items():
    regions = field.reshape(16, 64, 16, 64).transpose(0, 2, 1, 3).reshape(-1, 64, 64)
    nps = noise_power_spectrum(1000 + 40 * x**2 - 25 * x * y + regions, spacing, detrend="quadratic")
    spectra[name] = nps
    rings = nps.radial_frequencies_per_mm
    dots = axis.errorbar(rings, nps.radial_values, nps.radial_uncertainties, fmt=".", label=name)
    axis.plot(rings, truths[name](rings), color=dots[0].get_color(), lw=1)
    total = nps.variance()
    print(f"{name:8} variance {total.value:.2f} +- {total.uncertainty:.2f} from the sum of the spectrum")
axis.set(xlabel="frequency / (1/mm)", ylabel="noise power / mm$^2$", ylim=(0, None))
axis.legend()
peak = spectra["ramp"].peak_frequency()
print(
    f"peak of the ramp noise {peak.value:.3f} +- {peak.uncertainty:.3f} per mm, truth {0.45 / np.sqrt(2):.3f}"
)

# %%
# What can be seen
# ----------------
# Disks of contrast 4 through the transfer function of an edge image. A prewhitening observer takes the
# correlation of the noise out; the plain matched filter does not. In white noise both are the same.

grid = ImageGrid(shape=(256, 200), spacing_mm=spacing)
edge = BlurredEdge(angle_rad=0.07, position_mm=0.3, high=400.0, sigma_mm=0.45)
image = edge.image(grid, dtype=np.float64) + 4 * rng.standard_normal(grid.shape)
mtf = slanted_edge_mtf(image, spacing)

diameters = np.array([1.0, 1.5, 2.0, 3.0, 4.0, 6.0])
figure, axis = plt.subplots(figsize=(8, 4.5), layout="constrained")
for name, nps in spectra.items():
    for observer, style in (("npw", "o-"), ("pw", "s--")):
        found = [
            detectability_index(DiskTask(diameter_mm=d, contrast=4.0), mtf, nps, observer=observer)
            for d in diameters
        ]
        axis.errorbar(
            diameters,
            [m.value for m in found],
            [m.uncertainty for m in found],
            fmt=style,
            color=f"C{list(spectra).index(name)}",
            label=f"{name}, {'matched filter' if observer == 'npw' else 'prewhitening'}",
        )
axis.set(xlabel="diameter of the disk / mm", ylabel="detectability index d'")
axis.legend()

plt.show()

"""
Ultrasound: from channel data to a B-mode picture
=================================================

Wires and tissue with two cysts are insonified by plane waves from seven directions. The echoes are known
in closed form; we demodulate them, beamform, compound, and measure how sharp the wires are.
"""

# %%
# The probe and the waves
# -----------------------
# Element e of a :class:`~imgtech.geometry.LinearArray` sits at ``center + (e - (n - 1) / 2) * pitch`` on
# the x axis, at depth z = 0. Time zero of every transmit is the moment its wavefront passes the origin;
# positive angles run towards positive x. Recording starts 5 microseconds later.

import matplotlib.pyplot as plt
import numpy as np

from imgtech.geometry import ImageGrid, LinearArray, PlaneWaves
from imgtech.phantoms import GaussianPulse, speckle, wires
from imgtech.recon.ultrasound import delay_and_sum, envelope, log_compress, rf_to_iq

probe = LinearArray(n_elements=128, pitch_mm=0.3)
waves = PlaneWaves.from_degrees(
    [-12, -8, -4, 0, 4, 8, 12], sampling_hz=20e6, start_s=5e-6, pulse_delay_s=0.4e-6
)
pulse = GaussianPulse(center_hz=5e6, fractional_bandwidth=0.65)

# %%
# The object and its echoes
# -------------------------
# Tissue is a cloud of weak points, dense enough for speckle; the cysts hold none. Five wires stand out.
# ``echoes`` adds one pulse for every point, transmit and element, at its exact time of flight.

rng = np.random.default_rng(3)
cysts = [(18.0, -6.0, 3.0), (28.0, -6.0, 3.0)]  # z, x, radius in mm
tissue = speckle(((6, 36), (-14, 14)), density_per_mm2=15, rng=rng, cysts_mm=cysts)
targets = wires(depths_mm=[10.0, 15.0, 20.0, 25.0, 30.0], lateral_mm=[5.0], amplitude=25.0)
rf = (tissue + targets).echoes(probe, waves, pulse=pulse, n_samples=1000)
print(f"{tissue.n_scatterers} points, RF {rf.shape} (transmit, element, sample)")

# %%
# Demodulate
# ----------
# The band around 5 MHz moves to zero. The phase of the IQ data refers to time zero, not to the first
# sample, so the beamformer can rotate every sample to its own delay.

iq = rf_to_iq(rf, waves, center_hz=5e6)

# %%
# Beamform: one wave, then seven
# ------------------------------
# At each pixel the samples of all elements inside the f-number cone are added at the time of flight. With
# ``compound=False`` every transmit keeps its own image; their sum is the compound. Side lobes and clutter
# differ from angle to angle and average out, so the cysts become black.

grid = ImageGrid(shape=(421, 225), spacing_mm=(0.07, 0.125), center_mm=(21.0, 0.0))
images = delay_and_sum(iq, probe, waves, grid, f_number=1.75, center_hz=5e6, compound=False)
single, compound = images[3], images.sum(axis=0)

z, x = grid.coordinates_mm
fig, axes = plt.subplots(1, 2, figsize=(9, 5.2), sharey=True, layout="constrained")
for axis, image, title in zip(axes, (single, compound), ("one plane wave", "seven compounded"), strict=True):
    shown = axis.imshow(
        log_compress(envelope(image), dynamic_range_db=55),
        cmap="gray",
        extent=(x[0], x[-1], z[-1], z[0]),
    )
    axis.set(title=title, xlabel="x / mm")
axes[0].set_ylabel("depth z / mm")
fig.colorbar(shown, ax=axes, label="dB", shrink=0.8)
plt.show()

# %%
# How dark are the cysts?
# -----------------------
# Mean power inside each cyst against the tissue at the same depth.

zz, xx = np.meshgrid(z, x, indexing="ij")
for depth, place, radius in cysts:
    inside = np.hypot(zz - depth, xx - place) < 0.7 * radius
    beside = np.hypot(zz - depth, xx - 0.0) < 0.7 * radius
    levels = [
        10 * np.log10(np.mean(np.abs(image[inside]) ** 2) / np.mean(np.abs(image[beside]) ** 2))
        for image in (single, compound)
    ]
    print(f"cyst at {depth:.0f} mm: {levels[0]:.1f} dB with one wave, {levels[1]:.1f} dB with seven")

# %%
# How sharp are the wires?
# ------------------------
# Diffraction says: with a boxcar aperture of f-number F, one wave and a narrow band, the lateral profile
# is ``sinc(x / (lambda F))``, which is :math:`1.21\, \lambda F` wide at half its height. Compounding
# narrows it, since the transmits bring an aperture of their own. The wires alone, on a fine line each:

wavelength_mm = 1540 / 5e6 * 1e3
alone = rf_to_iq(targets.echoes(probe, waves, pulse=pulse, n_samples=1000), waves, center_hz=5e6)
fig, axis = plt.subplots(figsize=(7, 3.5), layout="constrained")
for depth in (15.0, 25.0):
    line = ImageGrid(shape=(1, 401), spacing_mm=(1.0, 0.01), center_mm=(depth, 5.0))
    profiles = delay_and_sum(alone, probe, waves, line, f_number=1.75, center_hz=5e6, compound=False)[:, 0]
    for name, profile in (("one wave", profiles[3]), ("seven", profiles.sum(axis=0))):
        level = np.abs(profile) / np.abs(profile).max()
        width = np.count_nonzero(level >= 0.5) * 0.01
        axis.plot(line.coordinates_mm[1], level, label=f"{name}, z = {depth:.0f} mm: {width:.2f} mm")
axis.axhline(0.5, color="0.7", linewidth=0.8)
axis.set(xlabel="x / mm", ylabel="amplitude", xlim=(3.5, 8.0), title="Lateral profile of a wire")
axis.legend()
plt.show()
print(f"diffraction, one wave: {1.2067 * wavelength_mm * 1.75:.2f} mm")

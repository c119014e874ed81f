"""
Ultrasound: beyond delay-and-sum
================================

Beamformers that look at how the elements agree, migration in the Fourier domain, a convex probe, the speed
of sound from the data, and flow. Every object here is known in closed form.
"""

# %%
# A cyst, seven ways
# ------------------
# One plane wave, 64 elements, tissue with an anechoic cyst and some noise. The coherence factors are weights
# for the delay-and-sum image; F-DMAS and Capon are images of their own. Contrast is the mean power in the
# cyst over that of the tissue around it. What the factors gain in contrast they pay for with the texture of
# the tissue, which the ratio of contrast to noise (CNR) tells. A Hann window over the aperture is the
# cheap way to less side lobes, so it stands beside them.

import matplotlib.pyplot as plt
import numpy as np

from imgtech.geometry import ConvexArray, ImageGrid, LinearArray, PlaneWaves, PolarGrid, SphericalWaves
from imgtech.phantoms import GaussianPulse, Scatterers, speckle, wires
from imgtech.recon.ultrasound import (
    capon,
    coherence_factor,
    color_doppler,
    delay_and_sum,
    delay_multiply_and_sum,
    envelope,
    estimate_sound_speed,
    log_compress,
    rf_to_iq,
    scan_convert,
    stolt_migration,
)

rng = np.random.default_rng(5)
probe = LinearArray(n_elements=64, pitch_mm=0.3)
waves = PlaneWaves.from_degrees([0], sampling_hz=20e6, start_s=5e-6, pulse_delay_s=0.3e-6)
pulse = GaussianPulse(center_hz=5e6, fractional_bandwidth=0.6)
cyst = (18.0, 0.6, 2.2)  # z, x, radius in mm
tissue = speckle(((11, 25), (-9, 9)), density_per_mm2=15, rng=rng, cysts_mm=[cyst])
rf = tissue.echoes(probe, waves, pulse=pulse, n_samples=600)
rf = rf + rng.normal(scale=0.3, size=rf.shape)
iq = rf_to_iq(rf, waves, center_hz=5e6)
grid = ImageGrid(shape=(120, 80), spacing_mm=(0.075, 0.12), center_mm=(18.0, 0.6))
beam = {"f_number": 1.2, "center_hz": 5e6}

das = delay_and_sum(iq, probe, waves, grid, **beam)
images = {
    "delay and sum": das,
    "with a Hann window": delay_and_sum(iq, probe, waves, grid, window="hann", **beam),
}
for kind in ("cf", "gcf", "phase"):
    images[f"{kind} x delay and sum"] = das * coherence_factor(iq, probe, waves, grid, kind=kind, **beam)
images["F-DMAS"] = delay_multiply_and_sum(iq, probe, waves, grid, **beam)
images["Capon"] = capon(iq, probe, waves, grid, n_average=3, **beam)

z, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
distance = np.hypot(z - cyst[0], x - cyst[1])
inside, around = distance < 1.6, (distance > 2.8) & (distance < 4.0)
fig, axes = plt.subplots(2, 4, figsize=(10, 6.5), layout="constrained")
for axis, (name, image) in zip(axes.ravel(), images.items(), strict=False):
    level = envelope(image)
    contrast_db = 10 * np.log10(np.mean(level[inside] ** 2.0) / np.mean(level[around] ** 2.0))
    cnr = abs(level[inside].mean() - level[around].mean()) / np.hypot(
        level[inside].std(), level[around].std()
    )
    axis.imshow(log_compress(level, dynamic_range_db=55), cmap="gray", extent=(-4.2, 5.4, 22.5, 13.5))
    axis.set(title=f"{name}\n{contrast_db:.1f} dB, CNR {cnr:.2f}")
axes[1, 3].axis("off")
plt.show()

# %%
# Migration in the Fourier domain
# -------------------------------
# :func:`~imgtech.recon.ultrasound.stolt_migration` maps the spectrum of the data onto that of the image. With
# the same aperture it draws the same point as delay-and-sum.

fine = PlaneWaves.from_degrees([7], sampling_hz=30e6, start_s=9e-6, pulse_delay_s=0.3e-6)
row = LinearArray(n_elements=96, pitch_mm=0.23)
point = wires(depths_mm=[24.0], lateral_mm=[1.0]).echoes(row, fine, pulse=pulse, n_samples=1000)
line = ImageGrid(shape=(1, 241), spacing_mm=(1.0, 0.02), center_mm=(24.0, 1.0))
analytic = rf_to_iq(point, fine, center_hz=5e6, bandwidth_hz=8e6)
fig, axis = plt.subplots(figsize=(7, 3.2), layout="constrained")
for name, profile in (
    ("f-k migration", stolt_migration(point, row, fine, line)),
    ("delay and sum", delay_and_sum(analytic, row, fine, line, center_hz=5e6)),
):
    level = np.abs(profile[0]) / np.abs(profile[0]).max()
    width = np.count_nonzero(level >= 0.5) * 0.02
    axis.plot(line.coordinates_mm[1], level, label=f"{name}: {width:.2f} mm wide")
axis.set(xlabel="x / mm", ylabel="amplitude", title="A wire at 24 mm, one steered wave")
axis.legend()
plt.show()

# %%
# A convex probe
# --------------
# The elements sit on a circle and look outwards; the f-number is measured along the direction of each. A
# virtual source in the centre of the circle sends a diverging wave. The sector of ranges and angles then
# becomes a picture with square pixels.

convex = ConvexArray(n_elements=96, pitch_mm=0.5, radius_mm=40.0, element_width_mm=0.45)
diverging = SphericalWaves(
    sources_mm=[[-40.0, 0.0], [-40.0, -8.0], [-40.0, 8.0]],
    sampling_hz=16e6,
    start_s=8e-6,
    pulse_delay_s=0.5e-6,
)
abdominal = GaussianPulse(center_hz=3.5e6, fractional_bandwidth=0.6)
object_ = speckle(((8, 62), (-42, 42)), density_per_mm2=2, rng=rng, cysts_mm=[(38.0, -12.0, 6.0)]) + wires(
    depths_mm=[20.0, 35.0, 50.0], lateral_mm=[-4.0, 12.0], amplitude=15.0
)
heard = object_.echoes(convex, diverging, pulse=abdominal, n_samples=1300, directivity="soft")
sector = PolarGrid(
    shape=(480, 220),
    range_spacing_mm=0.11,
    angle_spacing_rad=0.0055,
    range_center_mm=74.5,
    apex_mm=(-40.0, 0.0),
)
fan = delay_and_sum(
    rf_to_iq(heard, diverging, center_hz=3.5e6),
    convex,
    diverging,
    sector,
    f_number=1.5,
    window="hann",
    center_hz=3.5e6,
)
picture = ImageGrid(shape=(360, 500), spacing_mm=(0.2, 0.25), center_mm=(26.0, 0.0))
decibels = log_compress(envelope(fan), dynamic_range_db=50)
fig, axis = plt.subplots(figsize=(7, 4.2), layout="constrained")
zp, xp = picture.coordinates_mm
axis.imshow(
    scan_convert(decibels, sector, picture, outside=-50.0), cmap="gray", extent=(xp[0], xp[-1], zp[-1], zp[0])
)
axis.set(xlabel="x / mm", ylabel="depth z / mm", title="Convex probe, three diverging waves")
plt.show()

# %%
# The speed of sound
# ------------------
# The right speed makes the echoes of all elements and transmits agree best. These were made at 1497 m/s.

three = PlaneWaves.from_degrees([-8, 0, 8], sampling_hz=20e6, start_s=5e-6, pulse_delay_s=0.3e-6)
soft = speckle(((8, 26), (-10, 10)), density_per_mm2=10, rng=rng)
slow = soft.echoes(probe, three, pulse=pulse, n_samples=760, sound_speed_m_s=1497)
region = ImageGrid(shape=(96, 64), spacing_mm=(0.07, 0.2), center_mm=(17.0, 0.0))
found = estimate_sound_speed(
    rf_to_iq(slow, three, center_hz=5e6),
    probe,
    three,
    region,
    trials_m_s=np.arange(1420, 1600, 6.0),
    center_hz=5e6,
)
fig, axis = plt.subplots(figsize=(6, 3), layout="constrained")
axis.plot(found.trials_m_s, found.coherence, "o-")
axis.axvline(1497, color="0.6")
axis.set(
    xlabel="speed / (m/s)",
    ylabel="coherence",
    title=f"{found.value_m_s:.1f} m/s +- {found.uncertainty_m_s:.1f}",
)
plt.show()

# %%
# A turning disk
# --------------
# 12 frames of a disk that turns at 60 rad/s. Towards the probe is positive. Across a rigid rotation the
# velocity along the beam grows with x alone, and its slope is the speed of rotation. Elements beside the
# pixel look at it under an angle and see less of its motion along z: about 1 % at this f-number.

disk = speckle(((13, 23), (-5, 5)), density_per_mm2=12, rng=rng)
centre = np.array([18.0, 0.0])
disk = Scatterers(
    *(a[np.hypot(*(disk.positions_mm - centre).T) < 5] for a in (disk.positions_mm, disk.amplitudes))
)
prf_hz, rate_rad_s = 10e3, 60.0
frames = []
for k in range(12):
    turn = rate_rad_s * k / prf_hz
    spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    turned = Scatterers((disk.positions_mm - centre) @ spin.T + centre, disk.amplitudes)
    frames.append(turned.echoes(probe, waves, pulse=pulse, n_samples=600))
ensemble = rf_to_iq(np.stack(frames, axis=-1), waves, center_hz=5e6)
view = ImageGrid(shape=(130, 90), spacing_mm=(0.1, 0.15), center_mm=(18.0, 0.0))
cine = delay_and_sum(ensemble, probe, waves, view, f_number=1.5, window="hann", center_hz=5e6)
flow = color_doppler(cine, center_hz=5e6, prf_hz=prf_hz, window=(5, 5))
z, x = np.meshgrid(*view.coordinates_mm, indexing="ij")
core = np.hypot(z - 18, x) < 4
slope, _ = np.polyfit(1e-3 * x[core], flow.velocity_m_s[core], 1)
fig, axis = plt.subplots(figsize=(6, 4.5), layout="constrained")
bright = flow.power > 0.001 * flow.power.max()
shown = axis.imshow(
    np.where(bright, flow.velocity_m_s, np.nan),
    cmap="RdBu_r",
    vmin=-0.35,
    vmax=0.35,
    extent=(-6.75, 6.75, 24.5, 11.5),
)
axis.set(xlabel="x / mm", ylabel="depth z / mm", title=f"{abs(slope):.1f} rad/s from the slope, 60 put in")
fig.colorbar(shown, label="towards the probe / (m/s)")
plt.show()

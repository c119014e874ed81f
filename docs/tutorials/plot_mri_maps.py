"""
MRI: maps of T2*, T1, field, water and fat
==========================================

A series of images becomes a map of a physical parameter, and every voxel gets the uncertainty that the noise
leaves. The phantom is a plate of tubes whose values are known; the noise is Gaussian in the real and in the
imaginary part, as a receiver makes it.
"""

# %%
# Tubes of known decay
# --------------------
# Nine tubes with T2* from 4 to 60 ms, six echoes. In the fastest tubes the late echoes have sunk into the
# noise floor, where magnitudes do not fall below about 1.25 times the noise on average.

import matplotlib.pyplot as plt
import numpy as np

from imgtech.recon.mri.maps import b0_map, fat_phasors, t1_map, t2_star_map, water_fat

rng = np.random.default_rng(11)
y, x = np.meshgrid(np.arange(90) - 44.5, np.arange(96) - 47.5, indexing="ij")
tube = np.full(y.shape, -1)
for number in range(9):
    row, column = divmod(number, 3)
    tube[np.hypot(y - 28 * (row - 1), x - 30 * (column - 1)) < 11] = number
inside = tube >= 0


def noisy(signal, sigma):
    return signal + sigma * (rng.normal(size=signal.shape) + 1j * rng.normal(size=signal.shape))


t2_star_s = np.geomspace(0.004, 0.06, 9)[tube]
echoes_s = np.array([0.002, 0.006, 0.011, 0.018, 0.028, 0.042])
clean = np.where(inside, 20.0 * np.exp(-echoes_s[:, None, None] / t2_star_s), 0.0)
images = np.abs(noisy(clean, 1.0))
rician = t2_star_map(images, echoes_s, sigma=1.0, mask=inside)
plain = t2_star_map(images, echoes_s, sigma=1.0, noise="gaussian", mask=inside)

fig, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
for axis, picture, title, top in (
    (axes[0], images[3], "magnitude at 18 ms", 20),
    (axes[1], 1e3 * rician.time_s, "T2* / ms", 65),
    (axes[2], 1e3 * np.where(inside, rician.time_uncertainty_s, 0), "standard uncertainty / ms", 12),
):
    fig.colorbar(axis.imshow(picture, vmin=0, vmax=top, cmap="viridis"), ax=axis)
    axis.set_title(title)
    axis.axis("off")

# %%
# The Rician fit finds the truth in every tube, the plain one reads the floor as a slow decay. The intervals
# ``value +- 1.96 u`` hold the truth in about 95 % of the voxels.

print("   T2*    Rician  plain   inside the interval")
for number, truth in enumerate(np.geomspace(4, 60, 9)):
    here = tube == number
    rate, u = rician.rate_per_s[here], rician.rate_uncertainty_per_s[here]
    share = np.mean(np.abs(rate - 1e3 / truth) <= 1.96 * u)
    medians = [1e3 * np.median(m.time_s[here]) for m in (rician, plain)]
    print(f"{truth:6.2f}  {medians[0]:6.2f}  {medians[1]:6.2f}   {100 * share:.1f} %")

# %%
# T1 from inversion recovery
# --------------------------
# Magnitudes have lost their sign; the fit restores it. Neither the flip angle of the inversion nor the signal
# after full recovery need be known.

t1_s = np.geomspace(0.15, 2.5, 9)[tube]
inversions_s = np.array([0.05, 0.2, 0.6, 1.4, 3.0])
recovery = np.where(inside, 60.0 - 112.0 * np.exp(-inversions_s[:, None, None] / t1_s), 0.0)
t1 = t1_map(np.abs(noisy(recovery, 1.0)), inversions_s, sigma=1.0, mask=inside)

fig, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
for axis, picture, title, top in (
    (axes[0], np.abs(recovery[1]), "magnitude at 200 ms", 60),
    (axes[1], 1e3 * t1.t1_s, "T1 / ms", 2600),
    (axes[2], 1e3 * np.where(inside, t1.uncertainty_s, 0), "standard uncertainty / ms", 150),
):
    fig.colorbar(axis.imshow(picture, vmin=0, vmax=top, cmap="viridis"), ax=axis)
    axis.set_title(title)
    axis.axis("off")
for number, truth in enumerate(np.geomspace(150, 2500, 9)):
    here = tube == number
    share = np.mean(np.abs(1e3 * t1.t1_s[here] - truth) <= 1.96e3 * t1.uncertainty_s[here])
    median = 1e3 * np.median(t1.t1_s[here])
    print(f"T1 {truth:6.0f} ms: median {median:6.0f} ms, interval holds {100 * share:.1f} %")

# %%
# The field from the phase
# ------------------------
# The phase between the closest echoes is unwrapped in space, the other echoes in time; then a straight
# line is fitted.

field_hz = 90 * (y / 45) - 130 * (x / 48) ** 2 + 60 * (x / 48) * (y / 45) + 25
disk = np.hypot(y, x) < 42
times_s = np.array([0.0022, 0.0046, 0.0118])
turning = np.where(disk, 20.0 * np.exp(2j * np.pi * field_hz * times_s[:, None, None]), 0.0)
found = b0_map(noisy(turning, 1.0), times_s, sigma=1.0, mask=disk)
print(f"field: largest error {np.abs(found.field_hz - field_hz)[disk].max():.2f} Hz, ")
print(f"u = {np.median(found.uncertainty_hz[disk]):.2f} Hz")

fig, axes = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
wrapped = np.where(disk, np.angle(turning[2]), 0)
fig.colorbar(axes[0].imshow(wrapped, cmap="twilight"), ax=axes[0])
axes[0].set_title("phase at 11.8 ms / rad")
fig.colorbar(axes[1].imshow(np.where(disk, found.field_hz, np.nan), cmap="coolwarm"), ax=axes[1])
axes[1].set_title("field / Hz")
for axis in axes:
    axis.axis("off")

# %%
# Water and fat
# -------------
# Three echoes at 1.5 T, tubes of 0 to 100 % fat in water, the same field. The spectrum of fat has six
# peaks. Two echoes do as well, if water and fat may be taken to start in phase.

fraction = np.where(inside, np.linspace(0, 1, 9)[tube], 0.0)
for dixon_s in (np.array([0.0013, 0.0029, 0.0045]), np.array([0.0024, 0.0048])):
    phasors = fat_phasors(dixon_s, field_t=1.5)[:, None, None]
    turn = np.exp(2j * np.pi * field_hz * dixon_s[:, None, None])
    mixed = np.where(disk, 50.0 * (1 - fraction + fraction * phasors) * turn, 0.0)
    parts = water_fat(noisy(mixed, 1.0), dixon_s, field_t=1.5, sigma=1.0, mask=disk)
    fig, axes = plt.subplots(1, 4, figsize=(12, 3), layout="constrained")
    for axis, picture, title in (
        (axes[0], np.abs(mixed[0]), f"first of {len(dixon_s)} echoes"),
        (axes[1], np.abs(parts.water), "water"),
        (axes[2], np.abs(parts.fat), "fat"),
        (axes[3], 100 * parts.fat_fraction, "fat fraction / %"),
    ):
        top = 100 if "%" in title else 55
        shown = axis.imshow(picture, vmin=0, vmax=top, cmap="viridis" if "%" in title else "gray")
        fig.colorbar(shown, ax=axis)
        axis.set_title(title)
        axis.axis("off")
    for number in (1, 4, 7):
        here = (tube == number) & disk
        mean, u = parts.fat_fraction[here].mean(), np.median(parts.fat_fraction_uncertainty[here])
        print(
            f"{len(dixon_s)} echoes, fat {12.5 * number:5.1f} %: {100 * mean:.2f} %, voxel +- {100 * u:.2f} %"
        )
plt.show()

"""
MRI: fewer samples, known noise
===============================

Three ways to save time and what each costs: every second line with SENSE and GRAPPA, whose noise is known in
closed form; a quarter of the samples with a penalty on wavelets or on the gradient; and a few radial spokes
whose gradients were late. All k-space comes from a closed-form head seen by eight coils.
"""

# %%
# Every second line
# -----------------
# The noise of a reconstruction that is linear follows from its weights. :func:`~imgtech.recon.mri.sense`
# gives the g-factor and the noise of every pixel with the image; :func:`~imgtech.recon.mri.grappa_noise`
# reads both from the GRAPPA weights. The coils' noise here is correlated, with a known covariance.

import matplotlib.pyplot as plt
import numpy as np

from imgtech.geometry import ImageGrid, Trajectory
from imgtech.phantoms import CoilSensitivities, complex_gaussian, shepp_logan
from imgtech.recon.mri import (
    GradientDelays,
    cg_sense,
    espirit_maps,
    gradient_delays,
    grappa,
    grappa_noise,
    kspace_to_image,
    l1_wavelet,
    pseudo_replicas,
    roemer_combine,
    sense,
    snr_units,
    total_variation,
)

grid = ImageGrid.fft((120, 112), spacing_mm=(1.8, 1.8))
coils = CoilSensitivities.ring(n_coils=8, radius_mm=150.0)
head = shepp_logan(radius_mm=88.0, contrast="modified", attenuation_per_mm=1.0)
rng = np.random.default_rng(3)
scale = np.prod(grid.spacing_mm) * np.sqrt(np.prod(grid.shape))
clean = head.kspace(Trajectory.of_grid(grid), coils) / scale
covariance = 2 * 0.004**2 * (0.8 * np.eye(8) + 0.2)
factor = np.linalg.cholesky(covariance)
white = complex_gaussian(np.zeros(clean.shape), sigma=np.sqrt(0.5), rng=rng)
kspace = clean + np.tensordot(factor, white, 1)
maps = coils.maps(grid)

result = sense(kspace, maps, 2, noise_covariance=covariance)
lines = np.arange(120) % 2 == 0
noise = grappa_noise(kspace, lines, kspace[:, 48:72], noise_covariance=covariance, maps=maps)
filled = roemer_combine(
    kspace_to_image(grappa(kspace, lines, kspace[:, 48:72])), maps, noise_covariance=covariance
)

fig, axes = plt.subplots(2, 3, figsize=(10, 6.4), layout="constrained")
for row, (image, g, snr, name) in enumerate(
    [
        (result.image, result.g_factor, result.snr, "SENSE"),
        (filled, noise.g_factor, np.abs(filled) / noise.noise, "GRAPPA"),
    ]
):
    axes[row, 0].imshow(np.abs(image), cmap="gray", vmin=0, vmax=0.5)
    axes[row, 0].set_title(f"{name}, every second line")
    shown = axes[row, 1].imshow(g, cmap="viridis", vmin=1, vmax=4)
    axes[row, 1].set_title("g-factor")
    fig.colorbar(shown, ax=axes[row, 1])
    shown = axes[row, 2].imshow(snr, cmap="magma", vmin=0, vmax=120)
    axes[row, 2].set_title("signal-to-noise ratio")
    fig.colorbar(shown, ax=axes[row, 2])
for axis in axes.ravel():
    axis.axis("off")

# %%
# Is the noise right? Giving the same reconstruction 100 more helpings of noise measures it without a formula.

y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
inside = np.hypot(y, x) < 60
replicas = pseudo_replicas(
    lambda data: sense(data, maps, 2, noise_covariance=covariance).image,
    clean,
    noise_covariance=covariance,
    sampled=lines[:, None],
    rng=rng,
)
full = snr_units(kspace_to_image(kspace), noise_covariance=covariance, maps=maps)
ratio = np.median((replicas.noise / result.noise)[inside])
print(f"SENSE, noise of the replicas over that of the formula: {ratio:.3f}")
everything, half = np.median(full[inside]), np.median(result.snr[inside])
print(f"median ratio of signal to noise in the head: {everything:.0f} with all lines, {half:.0f} with half")

# %%
# A quarter of the samples
# ------------------------
# Random sampling turns folding into something like noise, which a penalty can tell from a head: few wavelets
# (:func:`~imgtech.recon.mri.l1_wavelet`) or few edges (:func:`~imgtech.recon.mri.total_variation`). The
# strength of the penalty is a pure number. The sensitivities come from the data's own densely sampled centre.

density = np.exp(-np.hypot(y / np.abs(y).max(), x / np.abs(x).max()) * 2.2)
sampled = rng.random(grid.shape) < density
sampled[48:72, 44:68] = True
found_maps = espirit_maps(kspace[:, 48:72, 44:68], grid.shape)
seen = (np.abs(found_maps).sum(axis=0) > 0) & (np.hypot(y, x) < 95)
truth = roemer_combine(kspace_to_image(clean), found_maps)


def error(image):
    return np.linalg.norm((image - truth)[seen]) / np.linalg.norm(truth[seen])


pictures = {
    "all samples": roemer_combine(kspace_to_image(kspace), found_maps),
    "zeros for the others": roemer_combine(kspace_to_image(kspace * sampled), found_maps),
    "wavelets": l1_wavelet(kspace, sampled, found_maps, regularization=0.002).image,
    "total variation": total_variation(kspace, sampled, found_maps, regularization=0.002).image,
}
fig, axes = plt.subplots(1, 4, figsize=(11, 3.2), layout="constrained")
for axis, (name, image) in zip(axes, pictures.items(), strict=True):
    axis.imshow(np.abs(image), cmap="gray", vmin=0, vmax=0.5 * np.percentile(np.abs(truth), 99.5))
    axis.set_title(f"{name}\nerror {100 * error(image):.1f} %")
    axis.axis("off")
print(f"sampled: {100 * sampled.mean():.0f} %")

# %%
# Late gradients
# --------------
# A delay of one sample along x and of the same along y in the other sense moves every spoke off the centre.
# The spokes cross; where they cross they must agree, and that gives the delays away.

spokes = Trajectory.radial(150, 224, spacing_mm=0.9, golden=True)
step = 1 / (224 * 0.9)
late = GradientDelays(np.array([[-1.0, 0.15], [0.15, 1.0]]) * step, np.zeros((2, 2)))
radial = head.kspace(late.corrected(spokes), coils)
radial = complex_gaussian(radial, sigma=float(np.abs(radial[..., 107:117]).mean()) / 500, rng=rng)
delays = gradient_delays(radial, spokes)
print("delays in samples (y, x):")
print((delays.shifts_per_mm / step).round(5))
print("standard uncertainty:")
print((delays.standard_uncertainty_per_mm / step).round(5))

fig, axes = plt.subplots(1, 2, figsize=(7, 3.6), layout="constrained")
for axis, (name, where) in zip(
    axes, {"as planned": spokes, "as found": delays.corrected(spokes)}.items(), strict=True
):
    image = cg_sense(radial, where, maps, grid, n_iter=40).image
    axis.imshow(np.abs(image), cmap="gray", vmin=0, vmax=0.5)
    axis.set_title(f"trajectory {name}")
    axis.axis("off")

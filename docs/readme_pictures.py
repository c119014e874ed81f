"""The three pictures of the README: ``python docs/readme_pictures.py``. Simulated data only."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt

from imgtech.geometry import ImageGrid, LinearArray, ParallelBeam, PlaneWaves
from imgtech.phantoms import GaussianPulse, poisson_transmission, shepp_logan, speckle, wires
from imgtech.qc.protocols import acr_mri_large
from imgtech.recon.ct import fbp, to_hounsfield
from imgtech.recon.ultrasound import delay_and_sum, envelope, log_compress, rf_to_iq

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent / "tests" / "reference"))
from acr_twin import Twin

FOLDER = DOCS / "_static" / "readme"
SIDE_IN = 4.0


def _axes(size: tuple[float, float] = (SIDE_IN, SIDE_IN)) -> plt.Axes:
    figure = plt.figure(figsize=size, dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    return axes


def _save(name: str) -> None:
    plt.gcf().savefig(FOLDER / name, facecolor="black")
    plt.close()


def ct() -> None:
    """A head in HU from noisy projections."""
    beam = ParallelBeam.half_turn(n_views=720, n_channels=735, channel_spacing_mm=0.33)
    head = shepp_logan(radius_mm=110.0)
    noisy = poisson_transmission(head.sinogram(beam), photons_per_channel=1e6, rng=np.random.default_rng(1))
    image = fbp(noisy, beam, ImageGrid.square(512, fov_mm=230.0), window="hann")
    _axes().imshow(to_hounsfield(image, water_per_mm=0.02059), cmap="gray", vmin=-60, vmax=110)
    _save("ct.png")


def ultrasound() -> None:
    """Tissue with two cysts and three wires, seven plane waves."""
    probe = LinearArray(n_elements=192, pitch_mm=0.2)
    waves = PlaneWaves.from_degrees(np.linspace(-12, 12, 7), sampling_hz=20e6, start_s=5e-6)
    tissue = speckle(
        ((6, 38), (-16, 16)),
        density_per_mm2=15,
        rng=np.random.default_rng(3),
        cysts_mm=[(16.0, -5.0, 4.0), (29.0, 1.0, 3.0)],
    )
    targets = wires(depths_mm=[12.0, 21.0, 30.0], lateral_mm=[11.5], amplitude=25.0)
    pulse = GaussianPulse(center_hz=5e6, fractional_bandwidth=0.65)
    rf = (tissue + targets).echoes(probe, waves, pulse=pulse, n_samples=1050)
    grid = ImageGrid(shape=(560, 280), spacing_mm=(0.055, 0.11), center_mm=(22.0, 0.0))
    image = delay_and_sum(rf_to_iq(rf, waves, center_hz=5e6), probe, waves, grid, center_hz=5e6)
    picture = log_compress(envelope(image), dynamic_range_db=55)
    _axes().imshow(picture, cmap="gray", aspect="equal", extent=(0, 280 * 0.11, 560 * 0.055, 0))
    _save("ultrasound.png")


def qc() -> None:
    """Slice 1 of a simulated ACR phantom, turned by 20 degrees, with what the protocol found."""
    twin = Twin(angle_rad=np.deg2rad(20.0), center_mm=(4.0, -6.0), sigma=8.0)
    report = acr_mri_large(twin.series(np.random.default_rng(2)), edition="2022")
    picture = report.pictures[0]
    axes = _axes()
    pixels: npt.NDArray[np.floating] = picture.pixels
    axes.imshow(pixels, cmap="gray")
    for number, outline in enumerate(picture.outlines):
        corners = np.array(outline.points + (outline.points[:1] if outline.closed else ()))
        axes.plot(corners[:, 1], corners[:, 0], lw=1.3, color=f"C{number % 9}")
    thickness = report["slice thickness"]
    measured = f"slice thickness {thickness.value:.2f} ± {2 * thickness.uncertainty:.2f} mm"
    axes.text(6, 250, f"{measured}, true {twin.thickness_mm:.2f} mm", color="white", fontsize=9)
    _save("qc.png")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    ct()
    ultrasound()
    qc()

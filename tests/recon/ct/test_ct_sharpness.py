"""Sharpness of the reconstruction against the product of everything that blurs it."""

import numpy as np
import pytest
from scipy.special import j1

from imgtech.geometry import ImageGrid, ParallelBeam
from imgtech.phantoms import wire
from imgtech.recon.ct import fbp, window_response

WIRE = {"diameter_mm": 0.3, "center_mm": (5.37, -8.21)}
SPACING_MM = 0.7


def theory(frequency_per_mm, window, cutoff, width_mm, pixel_mm):
    """Channel width times window.

    The rounding of positions to 1/16 of a pixel is a box of at most 1/8 of a pixel.
    """
    f = frequency_per_mm
    apodisation = window_response(window, 2 * SPACING_MM * f, cutoff=cutoff)
    return np.sinc(width_mm * f) * apodisation * np.sinc(pixel_mm * 0.9 / 8 * f)


def measured(frequency_per_mm, window, cutoff, width_mm, pixel_mm):
    """Fourier transform of the image of a wire, over the transform of the wire itself.

    The mean over four positions of the detector, a quarter of a channel apart, takes away what aliasing
    folds back from the first three multiples of the sampling frequency, as the many edge positions of a
    slanted edge do.
    """
    disk = np.pi * WIRE["diameter_mm"] * frequency_per_mm
    wire_spectrum = np.pi / 4 * WIRE["diameter_mm"] ** 2 * 2 * j1(disk) / disk
    n = round(30.0 / pixel_mm)
    grid = ImageGrid(shape=(n, n + 1), spacing_mm=(pixel_mm, pixel_mm), center_mm=(5.0, -8.0))
    y, x = (axis - c for axis, c in zip(grid.coordinates_mm, WIRE["center_mm"], strict=True))
    image = np.zeros(grid.shape)
    for quarter in range(4):
        beam = ParallelBeam(
            angles_rad=0.2 + np.arange(360) * np.pi / 360,
            n_channels=100,
            channel_spacing_mm=SPACING_MM,
            detector_offset_mm=0.05 + quarter / 4 * SPACING_MM,
            channel_width_mm=width_mm,
        )
        image += (
            fbp(wire(**WIRE).sinogram(beam, dtype=np.float64), beam, grid, window=window, cutoff=cutoff) / 4
        )
    radius = np.hypot(y[:, None], x)
    image *= np.cos(np.pi / 2 * np.clip((radius - 7.0) / 6.0, 0.0, 1.0)) ** 2  # rings fade, not break off
    spectra = []
    for direction in np.arange(24) * np.pi / 24:
        waves_y = np.exp(-2j * np.pi * np.outer(frequency_per_mm * np.sin(direction), y))
        waves_x = np.exp(-2j * np.pi * np.outer(frequency_per_mm * np.cos(direction), x))
        spectra.append(np.sum((waves_y @ image) * waves_x, axis=1) * pixel_mm**2)
    return np.mean(spectra, axis=0) / wire_spectrum


@pytest.mark.parametrize(
    ("window", "cutoff", "width_mm"),
    [
        ("hann", 1.0, 0.7),
        ("ram-lak", 1.0, 1.2),
        ("shepp-logan", 1.0, 1.1),
        ("cosine", 0.8, 0.5),
        ("hamming", 1.0, 0.9),
    ],
)
@pytest.mark.parametrize("pixel_mm", [0.23, 0.31])
def test_the_mtf_is_the_product_of_channel_width_and_window(window, cutoff, width_mm, pixel_mm):
    f = np.linspace(0.1, 0.69, 50)
    expected = theory(f, window, cutoff, width_mm, pixel_mm)
    at_half = np.argmin(np.abs(expected - 0.5))
    found = measured(f, window, cutoff, width_mm, pixel_mm)
    assert abs(expected[at_half] - 0.5) < 0.02
    assert found[at_half].real == pytest.approx(expected[at_half], rel=0.003)
    assert np.abs(found[f < f[at_half]] - expected[f < f[at_half]]).max() < 0.003

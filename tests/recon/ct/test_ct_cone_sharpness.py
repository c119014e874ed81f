"""Sharpness of fdk in the plane of the source and of wfbp, against everything that blurs a wire."""

import numpy as np
import pytest
from scipy.special import j1

from imgtech.geometry import ConeBeam, ImageGrid
from imgtech.phantoms import Cylinder, Phantom
from imgtech.recon.ct import fdk, wfbp, window_response

DIAMETER_MM = 0.3
PLACE_MM = (2.37, -3.21)
WIRE = Phantom(
    shapes=(
        Cylinder(
            value=1.0,
            length_mm=400.0,
            semi_axes_mm=(DIAMETER_MM / 2, DIAMETER_MM / 2),
            center_mm=(0.0, *PLACE_MM),
        ),
    )
)
SCANNER = {
    "source_axis_mm": 300.0,
    "source_detector_mm": 450.0,
    "n_channels": 81,
    "channel_spacing_mm": 1.05,
    "row_spacing_mm": 1.3,
}
AXIS_MM = 1.05 * 300.0 / 450.0
PIXEL_MM = 0.23
GRID = ImageGrid(shape=(1, 120, 121), spacing_mm=(0.6, PIXEL_MM, PIXEL_MM), center_mm=(0.2, 2.5, -3.0))
QUARTERS = np.arange(4) / 4 - 0.35


def spectrum(image, frequency_per_mm, grid=GRID, place_mm=PLACE_MM):
    """Fourier transform of the image of the wire over that of the wire, the mean over 24 directions."""
    y, x = (axis - c for axis, c in zip(grid.coordinates_mm[1:], place_mm, strict=True))
    radius = np.hypot(y[:, None], x)
    image = image * np.cos(np.pi / 2 * np.clip((radius - 7.0) / 6.0, 0.0, 1.0)) ** 2
    spectra = []
    for direction in np.arange(24) * np.pi / 24:
        waves_y = np.exp(-2j * np.pi * np.outer(frequency_per_mm * np.sin(direction), y))
        waves_x = np.exp(-2j * np.pi * np.outer(frequency_per_mm * np.cos(direction), x))
        spectra.append(np.sum((waves_y @ image) * waves_x, axis=1) * PIXEL_MM**2)
    disk = np.pi * DIAMETER_MM * frequency_per_mm
    return np.mean(spectra, axis=0).real / (np.pi / 4 * DIAMETER_MM**2 * 2 * j1(disk) / disk)


def circle(detector, quarter):
    beam = ConeBeam.full_turn(
        n_views=360, start_rad=0.2, n_rows=4, detector=detector, source_z_mm=0.2,
        detector_offset_mm=quarter * 1.05, channel_width_mm=0.9, **SCANNER,
    )  # fmt: skip
    return beam, fdk


def helix(detector, quarter):
    beam = ConeBeam.helical(
        pitch_mm=8 * 1.3 / 1.5, n_turns=2.0, n_views_per_turn=360, start_rad=0.2, n_rows=8,
        detector=detector, detector_offset_mm=quarter * 1.05, channel_width_mm=0.9, **SCANNER,
    )  # fmt: skip
    return beam, wfbp


@pytest.mark.parametrize("scan", [circle, helix])
@pytest.mark.parametrize(("detector", "window", "cutoff"), [("flat", "hann", 1.0), ("curved", "cosine", 0.8)])
def test_no_more_than_two_per_cent_of_the_mtf_is_lost_where_it_is_one_half(scan, detector, window, cutoff):
    f = np.linspace(0.1, 0.69, 60)
    expected = np.sinc(0.9 / 1.5 * f) * window_response(window, 2 * AXIS_MM * f, cutoff=cutoff)
    image = np.zeros(GRID.shape[1:])
    for quarter in QUARTERS:
        beam, reconstruct = scan(detector, quarter)
        image += (
            reconstruct(WIRE.projections(beam, dtype=np.float64), beam, GRID, window=window, cutoff=cutoff)[0]
            / 4
        )
    found = spectrum(image, f)
    at_half = np.argmin(np.abs(expected - 0.5))
    assert abs(expected[at_half] - 0.5) < 0.02
    assert found[at_half] == pytest.approx(expected[at_half], rel=0.02)
    assert np.abs(found - expected)[f < f[at_half]].max() < 0.01


@pytest.mark.parametrize("detector", ["flat", "curved"])
def test_a_helix_keeps_the_mtf_far_from_the_axis_where_its_rays_pass_between_the_channels(detector):
    places = [(11.71, -14.83), (-12.2, 14.49), (13.04, 12.91)]
    beam = ConeBeam.helical(
        pitch_mm=8 * 1.3 / 1.5, n_turns=2.0, n_views_per_turn=360, start_rad=0.2, n_rows=8,
        detector=detector, **{**SCANNER, "n_channels": 82},
    )  # fmt: skip
    f = np.linspace(0.1, 0.69, 60)
    expected = np.sinc(AXIS_MM * f) * window_response("hann", 2 * AXIS_MM * f)
    found = np.zeros_like(f)
    for place in places:
        wire = Cylinder(value=1.0, length_mm=400.0, semi_axes_mm=(0.15, 0.15), center_mm=(0.0, *place))
        grid = ImageGrid(
            shape=(1, 120, 121),
            spacing_mm=(0.6, PIXEL_MM, PIXEL_MM),
            center_mm=(0.2, *place),
        )
        data = Phantom(shapes=(wire,)).projections(beam, dtype=np.float64)
        found += spectrum(wfbp(data, beam, grid, window="hann")[0], f, grid, place) / len(places)
    at_half = np.argmin(np.abs(expected - 0.5))
    assert found[at_half] == pytest.approx(expected[at_half], rel=0.02)

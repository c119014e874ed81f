"""Phantoms by name: known values in known places."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, ParallelBeam
from imgtech.phantoms import contrast_rods, shepp_logan, slanted_edge, uniform_disk, wire

# the published phantom, y upwards: point (x, y), original value, modified value (sums over the ellipses)
KNOWN = [
    ((0.0, 0.90), 2.00, 1.0),  # skull, top
    ((0.68, 0.0), 2.00, 1.0),  # skull, side
    ((0.0, -0.50), 1.02, 0.2),  # brain
    ((0.0, 0.35), 1.03, 0.3),  # large upper ellipse
    ((0.0, 0.12), 1.04, 0.4),  # small disk, where it reaches into the large ellipse
    ((0.0, 0.08), 1.03, 0.3),  # and where it does not
    ((0.0, -0.10), 1.03, 0.3),  # small disk below the middle
    ((0.22, 0.0), 1.00, 0.0),  # right ventricle
    ((0.29, 0.22), 1.00, 0.0),  # its upper end leans outwards
    ((0.15, 0.27), 1.03, 0.3),  # brain beside it, inside the large ellipse
    ((-0.22, 0.0), 1.00, 0.0),  # left ventricle
    ((-0.11, -0.35), 1.00, 0.0),  # its lower end leans inwards
    ((-0.32, -0.33), 1.02, 0.2),  # brain outside its lower end
    ((-0.08, -0.605), 1.03, 0.3),  # three small ones at the bottom
    ((-0.11, -0.605), 1.03, 0.3),
    ((-0.08, -0.635), 1.02, 0.2),
    ((0.0, -0.605), 1.03, 0.3),
    ((0.06, -0.605), 1.03, 0.3),
    ((0.06, -0.640), 1.03, 0.3),
    ((0.095, -0.605), 1.02, 0.2),
    ((0.80, 0.0), 0.0, 0.0),  # air
]


@pytest.mark.parametrize(("contrast", "column"), [("original", 0), ("modified", 1)])
def test_shepp_logan_has_the_published_values(contrast, column):
    phantom = shepp_logan(radius_mm=80.0, contrast=contrast, attenuation_per_mm=0.5, center_mm=(4.0, -3.0))
    for (x, y), *values in KNOWN:
        pixel = ImageGrid(shape=(1, 1), spacing_mm=(0.01, 0.01), center_mm=(4.0 - 80.0 * y, -3.0 + 80.0 * x))
        found = float(phantom.image(pixel, dtype=np.float64)[0, 0])
        assert found == pytest.approx(0.5 * values[column], abs=1e-12), (x, y)


def test_shepp_logan_is_water_in_per_mm_by_default():
    brain = shepp_logan(radius_mm=80.0).image(
        ImageGrid(shape=(1, 1), spacing_mm=(0.1, 0.1), center_mm=(40.0, 0.0))
    )
    assert brain[0, 0] == pytest.approx(1.02 * 0.02059)


def test_a_512_image_takes_well_under_a_second():
    phantom, grid = shepp_logan(radius_mm=170.0), ImageGrid.square(512, fov_mm=351.0)
    start = time.perf_counter()
    image = phantom.image(grid)
    assert time.perf_counter() - start < 0.8
    mass = sum(float(shape.spectrum(0.0, 0.0).real) for shape in phantom.shapes)
    assert image.sum(dtype=np.float64) * (351.0 / 512) ** 2 == pytest.approx(mass, rel=1e-6)


def test_uniform_disk_projects_to_its_chords():
    disk = uniform_disk(radius_mm=20.0, value=0.3, center_mm=(5.0, -7.0))
    beam = ParallelBeam(
        angles_rad=[0.9], n_channels=33, channel_spacing_mm=1.5, detector_offset_mm=0.7, channel_width_mm=1e-3
    )
    s = beam.channels_mm - (-7.0 * math.cos(0.9) + 5.0 * math.sin(0.9))
    chords = 0.3 * 2 * np.sqrt(np.maximum(400.0 - s**2, 0.0))
    np.testing.assert_allclose(disk.sinogram(beam, dtype=np.float64)[0], chords, atol=1e-6)


def test_a_wire_keeps_its_mass_in_one_channel():
    beam = ParallelBeam(angles_rad=[0.3], n_channels=9, channel_spacing_mm=0.8, detector_offset_mm=0.1)
    sinogram = wire(diameter_mm=0.05, value=2.0).sinogram(beam, dtype=np.float64)
    assert (sinogram > 0).sum() == 1
    assert sinogram[0, 4] * 0.8 == pytest.approx(2.0 * math.pi / 4 * 0.05**2)


def test_a_slanted_edge_fills_the_side_of_larger_positions():
    angle = math.radians(25)
    (edge,) = slanted_edge(angle_rad=angle, position_mm=3.0, value=1.5, size_mm=(40.0, 10.0)).shapes
    inside, outside = ((3.01, 19), (12.99, -19)), ((2.99, 19), (13.01, 0), (5, 21))
    for distance, along in inside + outside:
        y = distance * math.sin(angle) + along * math.cos(angle)
        x = distance * math.cos(angle) - along * math.sin(angle)
        assert edge.at(y, x) == (1.5 if (distance, along) in inside else 0.0)


def test_rods_sit_on_their_ring_with_their_contrasts():
    rods = contrast_rods(
        radius_mm=60.0,
        rod_radii_mm=(5.0, 3.0, 4.0),
        rod_contrasts=(0.2, -0.1, 0.05),
        ring_radius_mm=35.0,
        value=0.7,
        start_rad=0.5,
        center_mm=(2.0, -6.0),
    )
    for i, (radius, contrast) in enumerate(((5.0, 0.2), (3.0, -0.1), (4.0, 0.05))):
        angle = 0.5 + 2 * math.pi * i / 3
        for inside, expected in ((0.98, 0.7 + contrast), (1.02, 0.7)):
            reach = 35.0 + inside * radius
            y, x = 2.0 + reach * math.sin(angle), -6.0 + reach * math.cos(angle)
            assert sum(float(shape.at(y, x)) for shape in rods.shapes) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: shepp_logan(radius_mm=0.0), "radius_mm must be positive, got 0.0"),
        (lambda: shepp_logan(radius_mm=9.0, contrast="strong"), "contrast must be one of original, modified"),
        (lambda: shepp_logan(radius_mm=9.0, center_mm=(0.0, float("nan"))), "center_mm must be finite"),
        (lambda: uniform_disk(radius_mm=-1.0), "radius_mm must be positive, got -1.0"),
        (lambda: wire(diameter_mm=float("nan")), "diameter_mm must be finite"),
        (lambda: slanted_edge(angle_rad=float("inf")), "angle_rad must be finite"),
        (lambda: slanted_edge(angle_rad=0.1, size_mm=(10.0, 0.0)), "size_mm must be positive, got 0.0"),
        (
            lambda: contrast_rods(radius_mm=9.0, rod_radii_mm=(1, 1), rod_contrasts=(1,), ring_radius_mm=5),
            "rod_contrasts must hold 2 values, got 1",
        ),
        (
            lambda: contrast_rods(radius_mm=9.0, rod_radii_mm=(3,), rod_contrasts=(1,), ring_radius_mm=7),
            "ring_radius_mm must leave the rods inside",
        ),
        (
            lambda: contrast_rods(radius_mm=9.0, rod_radii_mm=(-3,), rod_contrasts=(1,), ring_radius_mm=7),
            "rod_radii_mm must be positive, got -3.0",
        ),
    ],
)
def test_a_bad_phantom_is_refused_with_its_reason(make, message):
    with pytest.raises(ValueError, match=message):
        make()

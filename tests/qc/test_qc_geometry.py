"""Markers, distances, distortion, lengths and slice width at any place and angle."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage, special

from imgtech.geometry import ImageGrid, Trajectory, sample_positions
from imgtech.phantoms import BlurredDisk, CoilSensitivities, complex_gaussian, uniform_disk
from imgtech.qc.metrics import (
    Points,
    RampSignal,
    angle,
    diameter,
    disk_rim,
    distance,
    distortion_map,
    edge_length,
    find_points,
    plate_signal,
    slice_position,
    slice_width,
)
from imgtech.qc.roi import disk_region, rectangle_region
from imgtech.recon.mri import cartesian

GRID = ImageGrid(shape=(150, 141), spacing_mm=(1.0, 1.1), center_mm=(3.0, -5.0))
DRAWING = np.array([(y, x) for y in (-48.0, 0.0, 52.0) for x in (-55.0, 5.0, 50.0)])


def turned(places: np.ndarray, angle_rad: float, offset: tuple[float, float]) -> np.ndarray:
    """Turn from x towards y, then shift."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    y, x = places.T
    return np.stack([c * y + s * x, c * x - s * y], axis=1) + offset


def known(places: np.ndarray, spread: float) -> Points:
    n = len(places)
    return Points(positions_mm=places, uncertainties_mm=np.full((n, 2), spread), found=np.ones(n, dtype=bool))


def rods(places: np.ndarray, radius_mm: float = 2.6) -> np.ndarray:
    image = np.full(GRID.shape, 100.0)
    for y, x in places:
        image -= 60 * disk_region(GRID, center_mm=(y, x), radius_mm=radius_mm)
    return ndimage.gaussian_filter(image, 0.5) + 0.05 * GRID.coordinates_mm[1]


def test_markers_are_found_between_the_pixels(rng: np.random.Generator) -> None:
    for _ in range(4):
        places = turned(DRAWING, rng.uniform(-0.05, 0.05), (2.3, -4.1)) + rng.uniform(-1, 1, (9, 2))
        found = find_points(
            rods(places), GRID, places + rng.uniform(-1.5, 1.5, (9, 2)), radius_mm=5.0, dark=True
        )
        assert found.found.all()
        assert np.abs(found.positions_mm - places).max() < 0.02


@pytest.mark.parametrize("blur", [0.0, 0.8])
def test_noise_scatters_markers_as_their_uncertainty_says(rng: np.random.Generator, blur: float) -> None:
    places = turned(DRAWING, 0.03, (2.3, -4.1))
    clean, pulls = rods(places), []
    for _ in range(40):
        noise = rng.standard_normal(GRID.shape)
        if blur:
            noise = ndimage.gaussian_filter(noise, blur, mode="wrap") * math.sqrt(4 * math.pi) * blur
        found = find_points(clean + 3 * noise, GRID, places, radius_mm=4.6, dark=True)
        pulls.append((found.positions_mm - places) / found.uncertainties_mm)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.12)
    assert abs(np.mean(pulls)) < 0.15


def test_distances_and_angles_of_a_turned_drawing(rng: np.random.Generator) -> None:
    places = turned(DRAWING, 0.07, (1.3, 2.1))
    found = find_points(
        rods(places) + 2 * rng.standard_normal(GRID.shape), GRID, places, radius_mm=5.0, dark=True
    )
    for i, j in ((0, 8), (1, 7), (3, 5)):
        m = distance(found, i, j)
        assert abs(m.value - np.hypot(*(DRAWING[j] - DRAWING[i]))) < 3.5 * m.uncertainty
        assert 0 < m.uncertainty < 0.1
    m = angle(found, 5, 4, 7)
    assert abs(m.value - math.pi / 2) < 3.5 * m.uncertainty
    assert angle(found, 7, 4, 5).value == pytest.approx(-m.value)
    assert distance(found, 0, 2).details["x (mm)"] > 100


def test_a_bent_grid_gives_back_shift_turn_stretch_and_bend() -> None:
    stretched = DRAWING * (1.012, 0.985)
    bent = stretched + np.stack([2e-4 * DRAWING[:, 1] ** 2, 0 * DRAWING[:, 0]], axis=1)
    places = turned(bent, -0.04, (2.3, -4.1))
    found = distortion_map(
        Points(positions_mm=places, uncertainties_mm=np.full((9, 2), 0.02), found=np.ones(9, dtype=bool)),
        DRAWING,
    )
    assert found.rotation.value == pytest.approx(-0.04, abs=2e-3)
    assert found.scale_x.value == pytest.approx(-1.5, abs=0.02)
    assert found.scale_y.value == pytest.approx(1.2, abs=0.02)
    # a shift is where the origin of the drawing lands: that of the markers' mean, turned back to the origin
    rigid = turned(DRAWING, found.rotation.value, (found.offset_y.value, found.offset_x.value))
    assert np.allclose(rigid, found.places_mm, atol=1e-9)
    assert np.allclose(places - rigid, found.deviations_mm, atol=1e-9)
    lengths = np.hypot(*(places - rigid).T)
    assert found.largest.details["as seen (mm)"] == pytest.approx(lengths.max())
    assert abs(found.largest.value - lengths.max()) < found.largest.uncertainty
    assert found.root_mean_square.value == pytest.approx(math.sqrt((lengths**2).mean()), rel=1e-2)


def test_an_undistorted_grid_has_no_distortion_but_noise(rng: np.random.Generator) -> None:
    squares, rotations, u = [], [], []
    for _ in range(200):
        places = turned(DRAWING, 0.1, (20.0, 30.0)) + 0.05 * rng.standard_normal((9, 2))
        points = Points(
            positions_mm=places, uncertainties_mm=np.full((9, 2), 0.05), found=np.ones(9, dtype=bool)
        )
        found = distortion_map(points, DRAWING)
        squares.append((found.deviations_mm**2).sum() - (found.uncertainties_mm**2).sum())
        rotations.append((found.rotation.value - 0.1, found.offset_y.value - 20.0, found.scale_y.value / 100))
        u.append((found.rotation.uncertainty, found.offset_y.uncertainty, found.scale_y.uncertainty / 100))
    assert abs(np.mean(squares)) < 4 * np.std(squares) / math.sqrt(200)
    assert np.std(rotations, axis=0) == pytest.approx(np.mean(u, axis=0), rel=0.15)


def test_a_missing_marker_is_left_out_and_named(rng: np.random.Generator) -> None:
    places = DRAWING + np.array([1.0, 2.0])
    image = rods(np.delete(places, 4, axis=0)) + rng.standard_normal(GRID.shape)
    found = find_points(image, GRID, places, radius_mm=5.0, dark=True)
    assert found.found.tolist() == [True] * 4 + [False] + [True] * 4
    assert len(distortion_map(found, DRAWING).deviations_mm) == 8
    with pytest.raises(ValueError, match="marker 4 was not found"):
        distance(found, 0, 4)
    with pytest.raises(ValueError, match="numbered 0 to 8"):
        distance(found, 0, 9)


def disk_from_kspace(center: tuple[float, float], radius: float) -> np.ndarray:
    """Magnitude of the inverse transform of a disk's closed-form spectrum: edges that ring."""
    (ny, nx), (dy, dx) = GRID.shape, GRID.spacing_mm
    ky, kx = np.fft.fftfreq(ny, dy)[:, None], np.fft.fftfreq(nx, dx)
    k = np.maximum(np.hypot(ky, kx), 1e-9)
    y, x = center[0] - GRID.coordinates_mm[0][0], center[1] - GRID.coordinates_mm[1][0]
    spectrum = radius * special.j1(2 * np.pi * radius * k) / k * np.exp(-2j * np.pi * (ky * y + kx * x))
    return np.abs(100 * np.fft.ifft2(spectrum) / (dy * dx) + 7)


@pytest.mark.parametrize("kind", ["pixel means", "k-space"])
def test_diameter_along_the_grid_does_not_depend_on_where_the_edge_meets_the_pixels(
    rng: np.random.Generator, kind: str
) -> None:
    """Within 0.03 of a pixel; the half height of a spline alone is off by up to 0.11."""
    errors, ripples = [], []
    for _ in range(10):
        center = (4.0 + rng.uniform(-0.5, 0.5), -6.0 + rng.uniform(-0.5, 0.5))
        radius = rng.uniform(38.0, 52.0)
        disk = BlurredDisk(center_mm=center, radius_mm=radius, sigma_mm=0.4, low=7.0, high=107.0)
        image = disk_from_kspace(center, radius) if kind == "k-space" else disk.image(GRID, dtype=np.float64)
        rim = disk_rim(image, GRID, center_mm=(3.0, -5.0), radius_mm=radius + 1.5, n_rays=360)
        errors += [diameter(rim, a).value - 2 * radius for a in (0.0, math.pi / 2, 0.15, 0.6)]
        ripples.append(rim.ripple_mm / GRID.spacing_mm)
    assert np.abs(errors).max() < 0.03
    assert np.mean(ripples, axis=0) == pytest.approx([0.037, 0.037], abs=0.006)


def test_diameter_of_a_shaded_magnitude_of_four_coils_has_no_bias(rng: np.random.Generator) -> None:
    """The level of the edge, its curvature and the floor of the noise are taken out."""
    grid = ImageGrid.fft((160, 150), spacing_mm=(1.3, 1.4))
    coils = CoilSensitivities.ring(n_coils=4, radius_mm=100.0, start_rad=0.6)
    errors, spreads = [], []
    for _ in range(4):
        center, radius = tuple(rng.uniform(-4.0, 4.0, 2)), rng.uniform(60.0, 80.0)
        disk = uniform_disk(radius_mm=radius, center_mm=center)
        clean = disk.kspace(Trajectory.of_grid(grid), coils)
        sigma = 0.03 * float(np.abs(clean).max()) / radius
        kspace = complex_gaussian(clean, sigma=sigma, rng=rng)
        image = cartesian(kspace, spacing_mm=grid.spacing_mm, window="hann", combine="rss")
        rim = disk_rim(image, grid, center_mm=center, radius_mm=radius, magnitude=True)
        found = [diameter(rim, angle) for angle in (0.0, 0.7, math.pi / 2, 2.5)]
        errors += [m.value - 2 * radius for m in found]
        spreads += [m.uncertainty for m in found]
        plain = disk_rim(image, grid, center_mm=center, radius_mm=radius)
        # the floor draws the edge in; taken for a level it may be anything from none of that to all of it
        assert rim.radius_mm - plain.radius_mm == pytest.approx(math.sqrt(3) * plain.level_mm[0], rel=0.2)
    assert abs(np.mean(errors)) < 0.01 < math.sqrt(3) * plain.level_mm[0]
    assert np.sqrt(np.mean(np.square(errors) / np.square(spreads))) < 1.5


@pytest.mark.parametrize(("sigma_mm", "slope"), [(0.5, 0.0), (2.0, 0.0), (1.0, 0.015), (1.0, -0.015)])
def test_diameter_neither_of_a_broad_nor_of_a_shaded_edge_is_off(sigma_mm: float, slope: float) -> None:
    center, radius = (4.2, -6.3), 38.7
    disk = BlurredDisk(center_mm=center, radius_mm=radius, sigma_mm=sigma_mm, low=-7.0, high=93.0)
    y, x = np.meshgrid(*GRID.coordinates_mm, indexing="ij")
    shade = 1 + slope * (np.hypot(y - center[0], x - center[1]) - radius)
    image = (disk.image(GRID, dtype=np.float64) + 7.0) * shade - 7.0
    rim = disk_rim(image, GRID, center_mm=(3.0, -5.0), radius_mm=40.0, n_rays=360)
    assert not rim.level_mm.any()
    # blurred first and then shaded, so that its half height lies on the rim: a s^2 is taken out of an edge
    # that was shaded first
    there = slope * sigma_mm**2
    assert rim.radius_mm - there == pytest.approx(radius, abs=0.008)


def test_a_floor_that_is_not_at_the_edge_does_not_move_it() -> None:
    """Of a magnitude that is the root of the squares of a disk and of a fifth of it, everywhere."""
    disk = BlurredDisk(center_mm=(4.2, -6.3), radius_mm=38.7, sigma_mm=0.9, low=0.0, high=100.0)
    image = np.hypot(disk.image(GRID, dtype=np.float64), 20.0)
    rim = disk_rim(image, GRID, center_mm=(3.0, -5.0), radius_mm=40.0, magnitude=True)
    assert rim.radius_mm == pytest.approx(38.7, abs=0.01)
    assert rim.level_mm.max() < 0.001
    taken = disk_rim(image, GRID, center_mm=(3.0, -5.0), radius_mm=40.0)
    assert taken.radius_mm == pytest.approx(38.7 - math.sqrt(3) * taken.level_mm[0], abs=0.08)
    assert taken.level_mm[0] > 0.1


@pytest.mark.parametrize("share", [0.0, 0.15])
def test_rectified_ringing_counts_in_the_diameter(rng: np.random.Generator, share: float) -> None:
    grid = ImageGrid.fft((160, 150), spacing_mm=(1.3, 1.4))
    errors, spreads, ringing = [], [], []
    for _ in range(4):
        center, radius = tuple(rng.uniform(-4.0, 4.0, 2)), rng.uniform(60.0, 80.0)
        kspace = uniform_disk(radius_mm=radius, center_mm=center).kspace(Trajectory.of_grid(grid))[None]
        clean = cartesian(kspace, spacing_mm=grid.spacing_mm, combine="none")[0]
        level = float(np.median(np.abs(clean)[70:80, 65:75]))
        noise = share * level * (rng.standard_normal(grid.shape) + 1j * rng.standard_normal(grid.shape))
        rim = disk_rim(np.abs(clean + noise), grid, center_mm=center, radius_mm=radius, magnitude=True)
        errors += [2 * (rim.radius_mm - radius)]
        spreads += [2 * rim.ringing_mm]
        ringing += [diameter(rim, angle).uncertainty for angle in (0.0, 0.7)]
    assert 0.01 < np.mean(errors) < 1.5 * np.mean(spreads)
    assert np.mean(spreads) < 3 * np.mean(errors)
    assert np.min(ringing) > np.min(spreads)


def test_a_rectified_floor_beside_a_sharp_edge_counts_in_the_diameter() -> None:
    image = disk_from_kspace((4.2, -6.3), 44.7) - 7.0
    level = 100.0
    rims = [disk_rim(np.hypot(image, floor), GRID, center_mm=(3.0, -5.0), radius_mm=45.0, magnitude=True)
            for floor in (0.0, 0.4 * level)]  # fmt: skip
    share = 0.4**2 / (1 + 0.4**2)  # of the squares
    assert rims[1].ringing_mm == pytest.approx(0.65 * 1.1 * share, rel=0.1)
    assert rims[0].ringing_mm < 0.2 * rims[1].ringing_mm


@pytest.mark.parametrize("kernel", ["Gaussian", "mean of 3 x 3"])
def test_ringing_folded_up_before_a_filter_counts_in_the_diameter(kernel: str) -> None:
    """A filter on the magnitude image moves the edge out; the same blur without a fold leaves it in place."""
    image = disk_from_kspace((4.2, -6.3), 44.7) - 7.0
    rims = []
    for pixels in (np.abs(image), image):
        smooth = (
            ndimage.gaussian_filter(pixels, 1.0)
            if kernel == "Gaussian"
            else ndimage.uniform_filter(pixels, 3)
        )
        rims.append(disk_rim(np.abs(smooth), GRID, center_mm=(3.0, -5.0), radius_mm=45.0, magnitude=True))
    folded, plain = (rim.radius_mm - 44.7 for rim in rims)
    assert folded > 0.04
    assert folded < 2 * rims[0].ringing_mm < 4 * folded
    assert abs(plain) < 0.2 * folded
    assert rims[1].ringing_mm < 0.4 * rims[0].ringing_mm


def test_a_ghost_outside_counts_in_the_diameter_where_it_lies() -> None:
    disk = BlurredDisk(center_mm=(4.2, -6.3), radius_mm=38.7, sigma_mm=0.9, low=0.0, high=100.0)
    image = disk.image(GRID, dtype=np.float64)
    x = GRID.coordinates_mm[1]
    ghost = 3.0 * (np.abs(x - 4.2) < 25.0)
    rim = disk_rim(np.hypot(image, ghost), GRID, center_mm=(3.0, -5.0), radius_mm=40.0, magnitude=True)
    # half of 3 % of the height, over sqrt 2 for its phase, where an edge of 0.9 mm rises by 0.44 a millimetre
    expected = 0.015 / math.sqrt(2) / (1 / (math.sqrt(2 * math.pi) * 0.9))
    assert rim.level_mm[180] == pytest.approx(expected, rel=0.1)
    assert rim.level_mm[0] < 0.1 * expected
    along = [diameter(rim, angle).uncertainty for angle in (0.0, math.pi / 2)]
    assert along[1] ** 2 - along[0] ** 2 == pytest.approx((2 * expected) ** 2, rel=0.25)


def test_negative_magnitudes_are_refused() -> None:
    disk = BlurredDisk(center_mm=(4.2, -6.3), radius_mm=38.7, sigma_mm=0.9, low=-7.0, high=93.0)
    with pytest.raises(ValueError, match="image must not be negative if it holds magnitudes, got -7"):
        disk_rim(disk.image(GRID), GRID, center_mm=(3.0, -5.0), radius_mm=40.0, magnitude=True)


def test_ripple_of_the_pixels_is_the_sine_of_the_place_of_the_edge_outwards() -> None:
    disk = BlurredDisk(center_mm=(4.2, -6.3), radius_mm=44.7, sigma_mm=0.4)
    rim = disk_rim(
        disk.image(GRID, dtype=np.float64), GRID, center_mm=(3.0, -5.0), radius_mm=45.0, n_rays=360
    )
    first = [sample_positions(n, d, c)[0] for n, d, c in
             zip(GRID.shape, GRID.spacing_mm, GRID.center_mm, strict=True)]  # fmt: skip
    seen = rim.edge_mm + rim.ripple @ rim.ripple_mm  # as it was before the ripple was taken off
    assert seen.std() > rim.edge_mm.std()
    for ray, axis, outwards in ((0, 1, 1), (180, 1, -1), (90, 0, 1), (270, 0, -1)):
        phase = (rim.center_mm[axis] + outwards * seen[ray] - first[axis]) / GRID.spacing_mm[axis]
        assert rim.ripple[ray, axis] == pytest.approx(outwards * math.sin(2 * math.pi * phase), abs=1e-6)
        assert rim.ripple[ray, 1 - axis] == 0
    assert np.abs(rim.ripple[45::90]).max() < 1e-9


def test_noise_in_the_fitted_ripple_counts_in_the_diameter(rng: np.random.Generator) -> None:
    disk = BlurredDisk(center_mm=(4.2, -6.3), radius_mm=44.7, sigma_mm=0.8, high=100.0)
    image = disk.image(GRID, dtype=np.float64) + 6 * rng.standard_normal(GRID.shape)
    rim = disk_rim(image, GRID, center_mm=(3.0, -5.0), radius_mm=45.0, n_rays=360)
    most = 0.0
    for angle_rad in (0.0, 0.07, math.pi / 2, 1.2):
        whole = diameter(rim, angle_rad).uncertainty ** 2
        without = diameter(replace(rim, ripple=np.zeros_like(rim.ripple)), angle_rad).uncertainty ** 2
        ends = [np.abs(np.angle(np.exp(1j * (rim.angle_rad - angle_rad - turn)))) <= math.radians(5)
                for turn in (0.0, math.pi)]  # fmt: skip
        both = sum(rim.ripple[end & rim.sound].mean(axis=0) for end in ends)
        seen = rim.ripple[rim.sound]
        by_noise = (without - (2 * rim.ringing_mm) ** 2) / 2  # of one sector of ten rays
        gain = 10 * both @ np.linalg.inv(seen.T @ seen) @ both
        assert whole - without == pytest.approx(by_noise * gain, rel=1e-6, abs=1e-12)
        most = max(most, gain)
    assert most > 0.01


@pytest.mark.parametrize("angle_rad", [0.0, 0.35, -1.2, 2.0])
def test_a_box_at_any_angle_has_its_length(rng: np.random.Generator, angle_rad: float) -> None:
    center, length = np.array([4.2, -3.3]), 52.37
    box = rectangle_region(GRID, center_mm=tuple(center), size_mm=(40.0, length), angle_rad=angle_rad)
    image = 20 + 80 * ndimage.gaussian_filter(box, 1.0) + 2 * rng.standard_normal(GRID.shape)
    along = np.array([math.sin(angle_rad), math.cos(angle_rad)])
    half, aside = along * length / 2, np.array([along[1], -along[0]])
    m = edge_length(
        image, GRID, start_mm=tuple(center - half + 1.1 * along + 0.7 * aside),
        end_mm=tuple(center + half + 0.6 * along + 0.7 * aside),
        width_mm=20.0, reach_mm=8.0,
    )  # fmt: skip
    assert abs(m.value - length) < 3.5 * m.uncertainty + 0.01
    assert m.uncertainty < 0.03


def trace(length: float, middle: float, rng: np.random.Generator) -> RampSignal:
    x = np.arange(-60.0, 60.0, 0.9)
    dark = special.ndtr((x - middle + length / 2) / 4) * special.ndtr((middle + length / 2 - x) / 4.4)
    profile = (550 + x + 0.04 * x**2) * (1 - 0.25 * dark) + rng.standard_normal(len(x))
    return plate_signal(x, profile, expected_mm=22.0)


@pytest.mark.parametrize("tilt", [0.0, 0.04, -0.08])
@pytest.mark.parametrize("stretch", [1.0, 1.01])
def test_crossed_plates_give_the_slice_width_at_any_tilt(
    rng: np.random.Generator, tilt: float, stretch: float
) -> None:
    """A slice of 5 mm cuts plates at 11.3 degrees, tilted by the same angle one way and the other."""
    alpha = math.radians(11.3)
    first, second = (trace(stretch * 5 / math.tan(alpha + t), 2.0, rng) for t in (tilt, -tilt))
    m = slice_width(first, second, stretch=stretch)
    assert abs(m.value - 5) < 3.5 * m.uncertainty
    assert m.uncertainty < 0.04
    assert m.details["tilt (rad)"] == pytest.approx(-tilt, abs=0.004)


def test_ramps_give_the_slice_position_wherever_the_phantom_lies(rng: np.random.Generator) -> None:
    shift, position, slope = 4.0, 1.7, 0.2
    rising, falling = (trace(25.0, shift + side * position / slope, rng) for side in (1, -1))
    m = slice_position(rising, falling, slope=slope, crossing_mm=1.0)
    assert abs(m.value - position) < 3.5 * m.uncertainty
    assert m.uncertainty < 0.05
    assert m.details["shift along the ramps (mm)"] == pytest.approx(shift - 1.0, abs=0.3)


def test_the_magnet_object_has_its_slice_width(data: Callable[[str], Path]) -> None:
    """5.48 mm by another program; rods 120 mm apart give the stretch, plates at 11.3 degrees the width."""
    import pydicom

    file = pydicom.dcmread(next(data("mr_slice_width/SLICEWIDTH").iterdir()))
    pixels = file.pixel_array.astype(float)
    grid = ImageGrid(shape=pixels.shape, spacing_mm=tuple(float(d) for d in file.PixelSpacing))
    y, x = grid.coordinates_mm
    guess = [(y[row], x[column]) for row in (70, 130, 189) for column in (68, 128, 188)]
    found = find_points(pixels, grid, guess, radius_mm=5.0, dark=True)
    assert found.found.all()
    rows = [distance(found, 3 * k, 3 * k + 2).value for k in range(3)]
    assert np.allclose(rows, 119.6, atol=0.3)
    traces = [
        plate_signal(x[68:189], pixels[row - 10 : row + 10, 68:189].mean(axis=0), expected_mm=25.0)
        for row in (99, 159)
    ]
    m = slice_width(*traces, stretch=float(np.mean(rows)) / 120)
    assert m.value == pytest.approx(5.48, abs=0.05)
    assert 0.005 < m.uncertainty < 0.05
    drawing = [(dy, dx) for dy in (-60.0, 0.0, 60.0) for dx in (-60.0, 0.0, 60.0)]
    bent = distortion_map(found, drawing)
    assert bent.scale_x.value == pytest.approx(-0.35, abs=0.15)
    assert bent.largest.value < 1.0


def test_what_has_no_edge_or_trace_is_refused(rng: np.random.Generator) -> None:
    image = rng.standard_normal(GRID.shape)
    with pytest.raises(ValueError, match="must hold an edge"):
        edge_length(image, GRID, start_mm=(0.0, -30.0), end_mm=(0.0, 30.0), width_mm=20.0, reach_mm=8.0)
    with pytest.raises(ValueError, match="inside the image along x"):
        edge_length(image, GRID, start_mm=(0.0, -80.0), end_mm=(0.0, 30.0), width_mm=20.0, reach_mm=8.0)
    with pytest.raises(ValueError, match="more than reach_mm apart"):
        edge_length(image, GRID, start_mm=(0.0, 1.0), end_mm=(0.0, 3.0), width_mm=20.0, reach_mm=8.0)
    x = np.arange(-60.0, 60.0)
    with pytest.raises(ValueError, match="dark trace"):
        plate_signal(x, 500 + rng.standard_normal(120), expected_mm=25.0)
    with pytest.raises(ValueError, match="24 or more even positions"):
        plate_signal(x[:10], x[:10], expected_mm=25.0)
    with pytest.raises(ValueError, match="less than a right angle"):
        slice_width(trace(25.0, 0.0, rng), trace(25.0, 0.0, rng), slope_rad=2.0)
    with pytest.raises(ValueError, match="inside the image"):
        find_points(image, GRID, [(72.0, 0.0)], radius_mm=5.0)
    with pytest.raises(ValueError, match="expected_mm must have shape"):
        find_points(image, GRID, [(1.0, 2.0, 3.0)], radius_mm=5.0)
    with pytest.raises(ValueError, match="20 pixels in the ring"):
        find_points(image, GRID, [(0.0, 0.0)], radius_mm=1.0)
    four = Points(positions_mm=DRAWING[:3], uncertainties_mm=np.ones((3, 2)), found=np.ones(3, dtype=bool))
    with pytest.raises(ValueError, match="at least 4 found markers"):
        distortion_map(four, DRAWING[:3])
    line = np.stack([np.arange(5.0), 2 * np.arange(5.0)], axis=1)
    flat = Points(positions_mm=line, uncertainties_mm=np.ones((5, 2)), found=np.ones(5, dtype=bool))
    with pytest.raises(ValueError, match="must not lie on one line"):
        distortion_map(flat, line)

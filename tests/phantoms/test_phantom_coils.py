"""Coil sensitivities: sums of exponentials, strongest on the coil's own side."""

from __future__ import annotations

import math

import numpy as np
import pytest

from imgtech.geometry import ImageGrid
from imgtech.phantoms import CoilSensitivities

GRID = ImageGrid(shape=(41, 50), spacing_mm=(5.0, 4.0), center_mm=(3.0, -2.0))


def test_a_map_is_the_written_sum_at_the_pixel_centres():
    coils = CoilSensitivities(
        coefficients=[[1.0 + 2.0j, 0.5j], [0.3, -0.1 + 0.4j]],
        frequencies_per_mm=[[0.001, -0.002], [0.0, 0.0035]],
    )
    y, x = 3.0 + (7 - 20) * 5.0, -2.0 + (31 - 24.5) * 4.0
    expected = [
        a * np.exp(2j * np.pi * (0.001 * y - 0.002 * x)) + b * np.exp(2j * np.pi * 0.0035 * x)
        for a, b in ((1.0 + 2.0j, 0.5j), (0.3, -0.1 + 0.4j))
    ]
    np.testing.assert_allclose(coils.maps(GRID)[:, 7, 31], expected, rtol=1e-6)


@pytest.mark.parametrize("n_coils", [1, 6, 9])
def test_each_coil_of_a_ring_is_strongest_at_its_own_place(n_coils):
    coils = CoilSensitivities.ring(n_coils=n_coils, radius_mm=90.0, start_rad=0.4)
    magnitude = np.abs(coils.maps(GRID))
    y, x = GRID.coordinates_mm
    assert magnitude.max() <= 1.0 + 1e-6
    for c in range(n_coils):
        angle = 0.4 + 2 * math.pi * c / n_coils
        place_y, place_x = 90.0 * math.sin(angle), 90.0 * math.cos(angle)
        row, column = np.unravel_index(magnitude[c].argmax(), GRID.shape)
        assert abs(y[row] - place_y) <= 2.5
        assert abs(x[column] - place_x) <= 2.0
        assert magnitude[c].max() > 0.99
        far = magnitude[c, np.abs(y + place_y).argmin(), np.abs(x + place_x).argmin()]
        assert far < 0.35


def test_a_ring_covers_its_inside_and_its_phase_varies_smoothly():
    coils = CoilSensitivities.ring(n_coils=8, radius_mm=100.0)
    maps = coils.maps(GRID)
    together = np.sqrt((np.abs(maps) ** 2).sum(axis=0))
    assert together.min() > 0.5
    steps = np.angle(maps[:, :, 1:] * maps[:, :, :-1].conj())
    strong = np.abs(maps[:, :, 1:]) > 0.2
    assert np.abs(steps[strong]).max() < 0.2
    phase = np.unwrap(np.angle(maps[1, 20]))
    assert phase.max() - phase.min() > 0.2


def test_maps_are_frozen_single_precision_values():
    coils = CoilSensitivities.ring(n_coils=2, radius_mm=50.0, start_rad=0.1)
    assert coils == CoilSensitivities.ring(n_coils=2, radius_mm=50.0, start_rad=0.1)
    assert coils != CoilSensitivities.ring(n_coils=2, radius_mm=50.0, start_rad=0.2)
    assert coils.maps(GRID).dtype == np.complex64
    with pytest.raises(ValueError, match="read-only"):
        coils.coefficients[0, 0] = 1.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CoilSensitivities.ring(n_coils=0, radius_mm=1.0), "n_coils must be at least 1, got 0"),
        (lambda: CoilSensitivities.ring(n_coils=2, radius_mm=-1.0), "radius_mm must be positive, got -1.0"),
        (lambda: CoilSensitivities.ring(n_coils=2, radius_mm=1.0, ndim=4), "ndim must be 2 or 3, got 4"),
        (
            lambda: CoilSensitivities.ring(n_coils=2, radius_mm=1.0, start_rad=float("nan")),
            "start_rad must be finite",
        ),
        (
            lambda: CoilSensitivities(coefficients=[[1.0, 2.0]], frequencies_per_mm=[[0.0, 0.1]]),
            "frequencies_per_mm must have shape",
        ),
        (
            lambda: CoilSensitivities(coefficients=[[np.nan]], frequencies_per_mm=[[0.0, 0.1]]),
            "coefficients must be finite",
        ),
        (
            lambda: CoilSensitivities.ring(n_coils=2, radius_mm=9.0, ndim=3).maps(GRID),
            "grid must have 3 axes like the coils, got 2",
        ),
    ],
)
def test_bad_coils_are_refused_with_their_reason(make, message):
    with pytest.raises(ValueError, match=message):
        make()

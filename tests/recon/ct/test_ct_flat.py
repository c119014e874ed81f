"""Counts to line integrals: dark and white fields, drift, bad pixels, and what is refused."""

import numpy as np
import pytest

from imgtech.geometry import ParallelBeam
from imgtech.phantoms import uniform_disk
from imgtech.recon.ct.corrections import (
    fill_bad_pixels,
    find_bad_pixels,
    flat_field,
    to_line_integrals,
)

BEAM = ParallelBeam.half_turn(n_views=40, n_channels=71, channel_spacing_mm=0.6, detector_offset_mm=0.7)
LINES = np.stack(
    [
        uniform_disk(radius_mm=r, value=0.03, center_mm=(2.0, -3.0)).sinogram(BEAM, dtype=np.float64)
        for r in (9.0, 12.0)
    ]
)
CHANNELS = np.arange(71)
WHITE = np.stack([4000 + 300 * np.sin(CHANNELS / 4), 5000 - 10.0 * CHANNELS])
DARK = np.stack([90 + CHANNELS % 3, 120 - CHANNELS % 5]).astype(float)


def fields():
    wobble = np.array([-3.0, 1.0, 2.0])[:, None, None]
    return WHITE + DARK + wobble, DARK + 0.5 * wobble


def test_fields_that_differ_by_pixel_and_slice_are_taken_out():
    flats, darks = fields()
    counts = DARK[:, None] + WHITE[:, None] * np.exp(-LINES)
    found = to_line_integrals(flat_field(counts, flats, darks))
    np.testing.assert_allclose(found, LINES, atol=1e-12)
    one = flat_field(counts[1].astype(np.float32), flats[:, 1], darks[:, 1])
    assert one.dtype == np.float32
    np.testing.assert_allclose(to_line_integrals(one), LINES[1], atol=2e-6)


def test_white_field_runs_from_before_to_after_over_the_views():
    flats, darks = fields()
    share = np.linspace(0, 1, 40)[:, None]
    after = flats + 0.2 * WHITE
    counts = DARK[:, None] + WHITE[:, None] * (1 + 0.2 * share) * np.exp(-LINES)
    found = to_line_integrals(flat_field(counts, flats, darks, flats_after=after))
    np.testing.assert_allclose(found, LINES, atol=1e-12)


def test_air_channels_take_out_the_output_of_the_source_view_by_view(rng):
    flats, darks = fields()
    output = 1 + 0.1 * rng.standard_normal((40, 1))
    counts = DARK[:, None] + WHITE[:, None] * output * np.exp(-LINES)
    found = to_line_integrals(flat_field(counts, flats, darks, air_channels=[0, 1, 2, 68, 69, 70]))
    np.testing.assert_allclose(found, LINES, atol=1e-12)
    for wrong in ([71], [-1], [], [0.5]):
        with pytest.raises(ValueError, match="air_channels must be channels from 0 to 70"):
            flat_field(counts, flats, darks, air_channels=wrong)


def test_counts_below_the_dark_field_stay_at_the_floor():
    counts = np.array([[3.0, 400.0]])
    assert flat_field(counts, np.array([[1000.0, 1000.0]]), count_floor=2.0)[0, 0] == 0.003
    dark = np.array([[10.0, 0.0]])
    assert flat_field(counts, np.array([[1000.0, 1000.0]]), dark)[0, 0] == 0.5 / 990


def test_dead_pixels_are_named_or_filled():
    flats, darks = fields()
    flats[:, 1, [5, 40, 41]] = 0.0
    counts = DARK[:, None] + WHITE[:, None] * np.exp(-LINES)
    with pytest.raises(ValueError, match=r"pixel \(1, 5\), \(1, 40\), \(1, 41\); bad=find_bad_pixels"):
        flat_field(counts, flats, darks)
    with pytest.raises(ValueError, match=r"and 137 more"):
        flat_field(counts, 0 * flats, darks)
    bad = find_bad_pixels(flats, darks)
    assert [tuple(p) for p in np.argwhere(bad)] == [(1, 5), (1, 40), (1, 41)]
    found = flat_field(counts, flats, darks, bad=bad)
    expected = np.exp(-LINES)
    expected[1, :, 5] = (expected[1, :, 4] + expected[1, :, 6]) / 2
    expected[1, :, 40] = (2 * expected[1, :, 39] + expected[1, :, 42]) / 3
    expected[1, :, 41] = (expected[1, :, 39] + 2 * expected[1, :, 42]) / 3
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_pixel_unlike_its_neighbours_is_bad():
    flats = np.full((2, 30), 100.0)
    flats[:, [0, 7, 20]] = [[1.0, 170.0, np.nan]] * 2
    assert np.flatnonzero(find_bad_pixels(flats)).tolist() == [0, 7, 20]
    assert np.flatnonzero(find_bad_pixels(flats, tolerance=0.9)).tolist() == [0, 20]
    assert find_bad_pixels(flats, darks=np.full((4, 30), 60.0)).sum() == 3
    with pytest.raises(ValueError, match="no pixel that measures"):
        find_bad_pixels(np.zeros((2, 5)))
    with pytest.raises(ValueError, match="darks must have the pixels"):
        find_bad_pixels(flats, np.zeros((2, 29)))


def test_filling_works_for_masks_of_every_form():
    stack = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(fill_bad_pixels(stack, [False, True, True, False]), stack)
    one = np.zeros((2, 4), dtype=bool)
    one[1, 0] = True
    found = fill_bad_pixels(stack, one)
    np.testing.assert_array_equal(found[0], stack[0])
    np.testing.assert_array_equal(found[1, :, 0], stack[1, :, 1])
    full = np.zeros(stack.shape, dtype=bool)
    full[0, 2, 3] = True
    found = fill_bad_pixels(stack, full)
    assert found[0, 2, 3] == stack[0, 2, 2]
    assert (found != stack).sum() == 1
    with pytest.raises(ValueError, match="bad must have one of the shapes"):
        fill_bad_pixels(stack, np.zeros((3, 4), dtype=bool))
    with pytest.raises(ValueError, match="good pixels of a row must be at least 1"):
        fill_bad_pixels(stack, np.ones(4, dtype=bool))
    stack[1, 1, 1] = np.inf
    with pytest.raises(ValueError, match=r"finite outside the bad pixels, got inf at index \(1, 1, 1\)"):
        fill_bad_pixels(stack, [True, False, False, False])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: flat_field(np.full((3, 4), np.nan), np.ones((2, 4))), "counts must be finite, got nan"),
        (lambda: flat_field(np.ones((3, 4)), np.ones((2, 5))), r"flats must end with shape \(4,\)"),
        (lambda: flat_field(np.ones((3, 4)), np.ones(4)), "flats must have 2 axes"),
        (lambda: flat_field(np.ones((3, 4)), np.ones((2, 4)), bad=[True] * 3), "bad must have the shape"),
        (
            lambda: flat_field(np.ones((3, 4)), np.ones((2, 4)), count_floor=0.0),
            "count_floor must be positive",
        ),
        (lambda: to_line_integrals(np.array([[1.0, 0.0]])), r"above zero .* got 0 at index \(0, 1\)"),
        (lambda: to_line_integrals(np.array([[1.0, np.nan]]), floor=0.1), "transmission must be finite"),
        (lambda: to_line_integrals(np.ones((2, 2)), floor=-0.1), "floor must be positive"),
    ],
)
def test_bad_input_is_refused_by_name(call, words):
    with pytest.raises(ValueError, match=words):
        call()

"""GRAPPA against loops over samples, closed-form k-space, and laws."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import Trajectory
from imgtech.phantoms import CoilSensitivities, complex_gaussian, shepp_logan
from imgtech.recon.mri import grappa, kspace_to_image, root_sum_of_squares
from reference.parallel_imaging import grappa_loops, grappa_loops_2d

COILS = CoilSensitivities.ring(n_coils=8, radius_mm=110.0, start_rad=0.3)


def head(shape=(121, 96), spacing=(1.7, 2.2)):
    return shepp_logan(radius_mm=90.0).kspace(Trajectory.cartesian(shape, spacing_mm=spacing), COILS)


def pattern(n, first, step, extra=0):
    mask = np.zeros(n, dtype=bool)
    mask[first::step] = True
    mask[n // 2 - extra // 2 : n // 2 - extra // 2 + extra] = True
    return mask


@pytest.mark.parametrize(
    ("first", "step", "extra", "size"),
    [(0, 2, 9, (4, 5)), (1, 2, 8, (3, 3)), (2, 3, 10, (2, 4)), (1, 3, 9, (1, 3)), (3, 4, 14, (3, 2))],
)
def test_filled_samples_are_those_of_a_loop(first, step, extra, size, rng):
    kspace = complex_gaussian(np.zeros((3, 29, 13)), sigma=1.0, rng=rng)
    mask = pattern(29, first, step, extra)
    run = np.flatnonzero(mask)
    inner = [y for y in run if all(mask[min(y, 14) : max(y, 14) + 1])]
    calibration = kspace[:, inner[0] : inner[-1] + 1]
    filled = grappa(kspace, mask, kernel_size=size, regularization=0.01)
    expected = grappa_loops(kspace, mask, first, step, calibration, size, 0.01)
    np.testing.assert_allclose(filled, expected, atol=1e-10)


@pytest.mark.parametrize(("step", "limit"), [(2, 0.01), (3, 0.02)])
def test_closed_form_head_is_filled(step, limit):
    kspace = head()
    filled = grappa(kspace, pattern(121, 1, step, 24))
    truth = root_sum_of_squares(kspace_to_image(kspace))
    image = root_sum_of_squares(kspace_to_image(filled))
    assert np.linalg.norm(image - truth) / np.linalg.norm(truth) < limit
    assert filled.dtype == np.complex64


@pytest.mark.parametrize(
    ("first", "steps", "size", "shape"),
    [
        ((0, 0), (2, 2), (2, 3), (17, 20)),
        ((1, 0), (2, 3), (3, 2), (19, 22)),
        ((1, 2), (3, 3), (2, 2), (20, 19)),
        ((0, 1), (1, 2), (3, 2), (13, 16)),
    ],
)
def test_samples_missing_along_both_axes_are_those_of_a_loop(first, steps, size, shape, rng):
    kspace = complex_gaussian(np.zeros((3, *shape)), sigma=1.0, rng=rng)
    mask = np.zeros(shape, dtype=bool)
    mask[first[0] :: steps[0], first[1] :: steps[1]] = True
    if steps[0] > 1:
        mask[4:14, 5:17] = True
    calibration = complex_gaussian(np.zeros((3, 12, 11)), sigma=1.0, rng=rng)
    filled = grappa(kspace, mask, calibration, kernel_size=size, regularization=0.01)
    expected = grappa_loops_2d(kspace, mask, first, steps, calibration, size, 0.01)
    last = [np.flatnonzero(mask.any(axis=1 - axis)).max() for axis in (0, 1)]
    inside = np.s_[:, : last[0] + steps[0], : last[1] + steps[1]]
    np.testing.assert_allclose(filled[inside], expected[inside], atol=1e-10)
    assert (filled[:, ~mask][:, :5] != 0).all()


def test_a_head_with_gaps_along_both_axes_is_filled_from_its_own_centre():
    kspace = head()
    mask = np.zeros((121, 96), dtype=bool)
    mask[1::2, ::2] = True
    mask[48:74, 34:60] = True
    filled = grappa(kspace, mask)
    truth = root_sum_of_squares(kspace_to_image(kspace))
    image = root_sum_of_squares(kspace_to_image(filled))
    assert np.linalg.norm(image - truth) / np.linalg.norm(truth) < 0.03
    apart = grappa(kspace, mask & (np.indices(mask.shape)[0] >= 0), kspace[:, 48:74, 34:60])
    np.testing.assert_array_equal(filled, apart)


def test_separate_calibration_fills_as_embedded_does():
    kspace = head()
    mask = pattern(121, 0, 2)
    filled = grappa(kspace, mask, kspace[:, 48:73])
    embedded = grappa(kspace, pattern(121, 0, 2, 25))
    np.testing.assert_array_equal(filled[:, 1:40], embedded[:, 1:40])


def test_acquired_lines_pass_through_and_the_rest_is_not_looked_at(rng):
    kspace = head()
    mask = pattern(121, 1, 3, 24)
    junk = np.where(mask[:, None], kspace, rng.normal(size=kspace.shape).astype(np.float32)).astype(
        np.complex64
    )
    filled = grappa(junk, mask)
    np.testing.assert_array_equal(filled[:, mask], kspace[:, mask])
    np.testing.assert_array_equal(filled, grappa(kspace, mask))


def test_fully_sampled_data_pass_through_unchanged():
    kspace = head((20, 31))
    np.testing.assert_array_equal(grappa(kspace, np.ones(20, dtype=bool)), kspace)


def test_the_input_is_not_changed():
    kspace = head((60, 31))
    before = kspace.copy()
    grappa(kspace, pattern(60, 0, 2, 20))
    np.testing.assert_array_equal(kspace, before)


def test_lines_far_outside_a_partial_acquisition_stay_zero():
    kspace = head()
    mask = pattern(121, 1, 2, 24)
    mask[:30] = False
    filled = grappa(kspace, mask)
    assert not filled[:, :30].any()
    assert (np.abs(filled[:, 30:]).sum(axis=(0, 2)) > 0).all()


def test_the_scale_of_the_data_changes_nothing_but_the_scale():
    kspace, mask = head(), pattern(121, 0, 2, 24)
    one, large = grappa(kspace, mask), grappa(kspace * np.float32(1e6), mask)
    peak = np.abs(kspace_to_image(one)).max()
    assert np.abs(kspace_to_image(large) / 1e6 - kspace_to_image(one)).max() < 1e-5 * peak


MASK = pattern(24, 0, 2, 11)
LATTICE = np.outer(np.arange(24) % 2 == 0, np.arange(9) % 2 == 1)
K = np.random.default_rng(4).normal(size=(2, 24, 9))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: grappa(K * 0, MASK), "kspace must not be all zero"),
        (lambda: grappa(np.where(K > 2, np.nan, K), MASK), "kspace must be finite"),
        (lambda: grappa(K, pattern(24, 0, 2)), "calibration must have at least 7 lines"),
        (lambda: grappa(K, MASK, K[:1]), "calibration must have 2 coils"),
        (lambda: grappa(K, MASK, K * 0), "calibration must not be all zero"),
        (lambda: grappa(K, MASK[:-1]), "mask must be boolean with shape"),
        (
            lambda: grappa(K, LATTICE & (np.arange(24 * 9).reshape(24, 9) != 6 * 9 + 3)),
            "mask must hold every R-th",
        ),
        (lambda: grappa(K, MASK.astype(int)), "mask must be boolean"),
        (lambda: grappa(K, np.zeros(24, dtype=bool)), "mask must have at least 2 acquired lines"),
        (lambda: grappa(K, np.isin(np.arange(24), [0, 3, 5, 8])), "mask must hold every R-th line"),
        (lambda: grappa(K, MASK, K[:, :1] * 0 + 1), "calibration must have at least 7 lines"),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

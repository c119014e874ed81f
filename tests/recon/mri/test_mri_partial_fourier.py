"""Partial Fourier: the missing lines come back where the phase is smooth."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import Trajectory
from imgtech.phantoms import CoilSensitivities, Ellipse, Phantom
from imgtech.recon.mri import kspace_to_image, partial_fourier

NY, NX, SPACING = 90, 77, (2.3, 2.9)
OBJECT = Phantom(
    shapes=(
        Ellipse(value=1.0, semi_axes_mm=(71.0, 60.0), center_mm=(6.0, -9.0), angle_rad=0.4),
        Ellipse(value=-0.5, semi_axes_mm=(12.0, 20.0), center_mm=(-21.0, 13.0)),
    )
)
COILS = CoilSensitivities.ring(n_coils=2, radius_mm=190.0)  # smooth complex maps
FULL = OBJECT.kspace(Trajectory.cartesian((NY, NX), spacing_mm=SPACING), COILS, dtype=np.complex128) * np.exp(
    0.9j
)
TRUTH = kspace_to_image(FULL)


def nrmse(image):
    return np.linalg.norm(np.abs(image) - np.abs(TRUTH)) / np.linalg.norm(TRUTH)


@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("method", ["pocs", "homodyne"])
def test_missing_lines_come_back(method, upper):
    lines = np.arange(NY)
    taken = lines >= 34 if upper else lines <= NY - 34
    found = partial_fourier(FULL, taken, method=method)
    zero_filled = kspace_to_image(np.where(taken[:, None], FULL, 0))
    assert nrmse(found) < 0.5 * nrmse(zero_filled)
    assert nrmse(found) < 0.02
    # the phase is kept as well, so coils may be combined afterwards
    assert np.linalg.norm(found - TRUTH) / np.linalg.norm(TRUTH) < 0.03


def test_lines_that_were_not_acquired_are_not_looked_at():
    taken = np.arange(NY) >= 30
    spoiled = np.where(taken[:, None], FULL, 1e6)
    np.testing.assert_array_equal(partial_fourier(spoiled, taken), partial_fourier(FULL, taken))


def test_a_full_raster_is_left_as_it_is():
    np.testing.assert_array_equal(partial_fourier(FULL, np.ones(NY, bool)), TRUTH)


def test_acquired_lines_keep_their_samples_under_pocs():
    from imgtech.recon.mri import image_to_kspace

    taken = np.arange(NY) >= 37
    found = image_to_kspace(partial_fourier(FULL, taken, n_iter=3))
    np.testing.assert_allclose(found[:, taken], FULL[:, taken], atol=1e-10 * np.abs(FULL).max())


def test_what_cannot_be_is_refused():
    lines = np.arange(NY)
    with pytest.raises(ValueError, match="one run of lines"):
        partial_fourier(FULL, (lines >= 30) & (lines != 50))
    with pytest.raises(ValueError, match="one run of lines"):
        partial_fourier(FULL, (lines >= 20) & (lines < 80))
    with pytest.raises(ValueError, match="beyond the centre, line 45"):
        partial_fourier(FULL, lines >= 45)
    with pytest.raises(ValueError, match="method must be one of"):
        partial_fourier(FULL, lines >= 30, method="margosian")
    with pytest.raises(ValueError, match="for each of 90 lines"):
        partial_fourier(FULL, np.ones(NY))
    with pytest.raises(ValueError, match="kspace must be finite"):
        partial_fourier(np.full((4, 4), np.nan), np.ones(4, bool))

"""The convolution that stands for a non-uniform transform and its adjoint."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, Trajectory
from imgtech.recon import dot_test
from imgtech.recon.gridding import Nufft, ToeplitzNormal

SPOKES = Trajectory.radial(23, 44, spacing_mm=1.7, golden=True)
GRIDS = [
    ImageGrid(shape=(20, 27), spacing_mm=(1.9, 1.6), center_mm=(3.1, -4.2)),
    ImageGrid(shape=(21, 16), spacing_mm=(1.7, 2.3)),
]


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("weighted", [True, False])
def test_it_is_the_transform_and_its_adjoint(grid, weighted, rng):
    weights = rng.uniform(0.2, 2.0, SPOKES.shape) if weighted else None
    images = rng.normal(size=(2, *grid.shape)) + 1j * rng.normal(size=(2, *grid.shape))
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    positions = SPOKES.positions_per_mm.reshape(-1, 2)
    waves = np.exp(-2j * np.pi * (np.outer(positions[:, 0], y) + np.outer(positions[:, 1], x)))
    w = np.ones(len(positions)) if weights is None else weights.ravel()
    area = np.prod(grid.spacing_mm)
    expected = [area**2 * waves.conj().T @ (w * (waves @ image.ravel())) for image in images]
    found = ToeplitzNormal(SPOKES, grid, weights, tolerance=1e-10).forward(images)
    np.testing.assert_allclose(
        found.reshape(2, -1), np.array(expected), rtol=0, atol=1e-9 * np.abs(expected).max()
    )


@pytest.mark.parametrize(("dtype", "most"), [(np.complex64, 1e-6), (np.complex128, 1e-13)])
def test_it_is_its_own_adjoint(dtype, most, rng):
    assert dot_test(ToeplitzNormal(SPOKES, GRIDS[0]), rng, dtype) < most


def test_single_precision_stays_and_agrees(rng):
    image = (rng.normal(size=GRIDS[0].shape) + 1j).astype(np.complex64)
    operator = ToeplitzNormal(SPOKES, GRIDS[0])
    found = operator.forward(image)
    assert found.dtype == np.complex64
    exact = operator.forward(image.astype(np.complex128))
    assert np.linalg.norm(found - exact) / np.linalg.norm(exact) < 1e-6
    nufft = Nufft(SPOKES, GRIDS[0], 1e-6)
    direct = nufft.adjoint(nufft.forward(image.astype(np.complex128)))
    assert np.linalg.norm(exact - direct) / np.linalg.norm(direct) < 2e-5


def test_the_diagonal_is_the_sum_of_the_weights(rng):
    weights = rng.uniform(0.2, 2.0, SPOKES.shape)
    point = np.zeros(GRIDS[0].shape)
    point[7, 11] = 1.0
    operator = ToeplitzNormal(SPOKES, GRIDS[0], weights)
    assert operator.diagonal == pytest.approx((1.9 * 1.6) ** 2 * weights.sum(), rel=1e-5)
    assert operator.forward(point)[7, 11].real == pytest.approx(operator.diagonal, rel=1e-6)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"weights must end with shape \(23, 44\)"):
        ToeplitzNormal(SPOKES, GRIDS[0], np.ones((44, 23)))
    with pytest.raises(ValueError, match="weights must not be negative"):
        ToeplitzNormal(SPOKES, GRIDS[0], -np.ones(SPOKES.shape))
    with pytest.raises(ValueError, match="weights must be finite"):
        ToeplitzNormal(SPOKES, GRIDS[0], np.full(SPOKES.shape, np.nan))
    with pytest.raises(ValueError, match="grid must have 2 axes"):
        ToeplitzNormal(SPOKES, ImageGrid(shape=(4, 4, 4), spacing_mm=(1.0, 1.0, 1.0)))
    with pytest.raises(ValueError, match=r"x must end with shape \(20, 27\)"):
        ToeplitzNormal(SPOKES, GRIDS[0]).forward(np.ones((27, 20)))

"""SENSE from any trajectory: values of the object, laws, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, Trajectory, kooshball
from imgtech.phantoms import CoilSensitivities, Ellipse, Ellipsoid, Phantom, complex_gaussian
from imgtech.recon.gridding import Nufft
from imgtech.recon.mri import cg_sense, gridding, pipe_menon_density, radial_density, roemer_combine

GRID = ImageGrid(shape=(54, 60), spacing_mm=(2.3, 2.1), center_mm=(4.0, -3.0))
COILS = CoilSensitivities.ring(n_coils=6, radius_mm=120.0)
SPOKES = Trajectory.radial(24, 120, spacing_mm=2.1, golden=True)
OBJECT = Phantom(
    shapes=(
        Ellipse(value=2.0, semi_axes_mm=(45.0, 38.0), center_mm=(6.0, -8.0), angle_rad=0.4),
        Ellipse(value=-0.9, semi_axes_mm=(9.0, 14.0), center_mm=(-10.0, 4.0)),
    )
)
DATA = OBJECT.kspace(SPOKES, COILS, dtype=np.complex128)
MAPS = COILS.maps(GRID)
TRUTH = OBJECT.image(GRID, dtype=np.float64)


def error(image):
    return np.linalg.norm(image - TRUTH) / np.linalg.norm(TRUTH)


def test_few_spokes_and_coils_give_the_values_of_the_object():
    result = cg_sense(DATA, SPOKES, MAPS, GRID, density=radial_density(SPOKES), n_iter=12)
    inside = OBJECT.image(GRID) > 1.99
    core = (
        inside
        & np.roll(inside, 4, 0)
        & np.roll(inside, -4, 0)
        & np.roll(inside, 4, 1)
        & np.roll(inside, -4, 1)
    )
    assert result.image[core].real.mean() == pytest.approx(2.0, rel=0.01)
    assert np.abs(result.image[core].imag).mean() < 0.02
    coil_images = gridding(DATA, SPOKES, GRID)
    assert error(result.image) < 0.5 * error(roemer_combine(coil_images, MAPS))


def test_the_answer_solves_the_normal_equations_of_the_direct_operators():
    strength = 0.02
    result = cg_sense(DATA, SPOKES, MAPS, GRID, regularization=strength, n_iter=60, tolerance=1e-9)
    nufft = Nufft(SPOKES, GRID, 1e-9)
    maps = MAPS.astype(np.complex128)
    projected = nufft.forward(maps * result.image) - DATA
    area = np.prod(GRID.spacing_mm)
    diagonal = area**2 * np.prod(SPOKES.shape) * (np.abs(maps) ** 2).sum(0).max()
    gradient = (maps.conj() * nufft.adjoint(projected)).sum(0) + strength * diagonal * result.image
    scale = np.linalg.norm((maps.conj() * nufft.adjoint(DATA)).sum(0))
    assert np.linalg.norm(gradient) / scale < 2e-5


def test_scale_and_units_do_not_change_the_image():
    plain = cg_sense(DATA, SPOKES, MAPS, GRID, regularization=0.01).image
    scaled = cg_sense(1e6 * DATA, SPOKES, MAPS, GRID, regularization=0.01).image
    assert np.linalg.norm(scaled / 1e6 - plain) / np.linalg.norm(plain) < 1e-9


def test_residuals_fall_and_regularization_shrinks():
    noisy = complex_gaussian(DATA, sigma=40.0, rng=np.random.default_rng(4))
    free = cg_sense(noisy, SPOKES, MAPS, GRID, n_iter=30)
    held = cg_sense(noisy, SPOKES, MAPS, GRID, n_iter=30, regularization=0.05)
    assert free.n_iter == 30
    assert free.residuals[-1] < 0.05 * free.residuals[0]
    assert np.linalg.norm(held.image) < np.linalg.norm(free.image)
    assert error(held.image) < error(free.image)


def test_the_precision_of_the_data_stays():
    # unweighted, the equations are so ill-conditioned that rounding steers single precision elsewhere
    density = radial_density(SPOKES)
    single = cg_sense(DATA.astype(np.complex64), SPOKES, MAPS, GRID, density=density).image
    double = cg_sense(DATA, SPOKES, MAPS, GRID, density=density).image
    assert single.dtype == np.complex64
    assert np.linalg.norm(single - double) / np.linalg.norm(double) < 1e-5


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"maps": MAPS[:4]}, "maps must have 6 coils like kspace, got 4"),
        ({"maps": MAPS[:, :-1]}, r"maps must end with shape \(54, 60\)"),
        ({"kspace": 0 * DATA}, "must not be all zero"),
        ({"kspace": DATA[:, :-1]}, r"kspace must end with shape \(24, 120\)"),
        ({"kspace": DATA * np.nan}, "kspace must be finite"),
        ({"regularization": -1.0}, "regularization must not be negative"),
        ({"n_iter": 0}, "n_iter must be at least 1"),
        ({"density": -np.ones(SPOKES.shape)}, "weights must not be negative"),
    ],
)
def test_what_does_not_fit_is_refused(changed, message):
    arguments = {"kspace": DATA, "maps": MAPS} | changed
    with pytest.raises(ValueError, match=message):
        cg_sense(arguments.pop("kspace"), SPOKES, arguments.pop("maps"), GRID, **arguments)


def test_spokes_through_space_and_coils_give_the_values_of_a_ball():
    grid = ImageGrid(shape=(22, 24, 20), spacing_mm=(4.2, 4.0, 4.5), center_mm=(3.0, -2.0, 1.0))
    coils = CoilSensitivities.ring(n_coils=5, radius_mm=120.0, ndim=3)
    spokes = kooshball(220, 40, spacing_mm=4.0)
    ball = Phantom(
        shapes=(Ellipsoid(value=2.0, semi_axes_mm=(26.0, 30.0, 28.0), center_mm=(5.0, -4.0, 2.0)),)
    )
    data = ball.kspace(spokes, coils)
    density = pipe_menon_density(spokes, 100.0)
    image = cg_sense(data, spokes, coils.maps(grid), grid, density=density, n_iter=8).image
    assert image.shape == grid.shape
    z, y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    core = np.sqrt((z - 5) ** 2 + (y + 4) ** 2 + (x - 2) ** 2) < 17
    assert image[core].real.mean() == pytest.approx(2.0, rel=0.01)
    assert np.abs(image[core] - 2.0).max() < 0.35

"""SENSE for any trajectory, by conjugate gradients on a convolution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import ComplexArray, complex_image, floats, not_negative
from imgtech.geometry import ImageGrid, Trajectory
from imgtech.recon.gridding import Nufft, ToeplitzNormal
from imgtech.recon.gridding._coil_normal import CoilNormal
from imgtech.recon.gridding.toeplitz import normal_of_coils
from imgtech.recon.linop import LinearOperator
from imgtech.recon.solvers import Solution, solve_hermitian


def cg_sense(
    kspace: npt.ArrayLike,
    trajectory: Trajectory,
    maps: npt.ArrayLike,
    grid: ImageGrid,
    *,
    density: npt.ArrayLike | None = None,
    regularization: float = 0.0,
    n_iter: int = 10,
    tolerance: float = 0.0,
) -> Solution:
    r"""Reconstruct undersampled k-space of any trajectory with coil sensitivities.

    .. math:: \min_m \sum_c \| A\, (s_c\, m) - y_c \|_W^2 + \lambda\, d\, \| m \|^2

    by conjugate gradients from zero (Pruessmann et al. 2001). :math:`A^H W A` is a convolution
    (:class:`imgtech.recon.gridding.ToeplitzNormal`), so an iteration costs two Fourier transforms a coil and
    nothing is gridded but the data, once. The number :math:`d`, the largest diagonal element of the
    operator, makes :math:`\lambda` a pure number that depends neither on the scale of the data nor on the
    size of the pixels. The number of iterations itself regularises: few leave aliasing, many amplify noise.

    Parameters
    ----------
    kspace : array_like
        Samples ``(coil, *trajectory.shape)``, value times mm² (mm³); whitened if the noise is correlated.
    trajectory : Trajectory
        Where the samples lie, in a plane or in space.
    maps : array_like
        Coil sensitivities ``(coil, y, x)`` or ``(coil, z, y, x)``.
    grid : ImageGrid
        Where the pixels are.
    density : array_like, optional
        W, of the shape of the trajectory: with the area of each sample, as of :func:`radial_density`, few
        iterations suffice; without it every sample counts the same, which is best for noise.
    regularization : float, optional
        :math:`\lambda`.
    n_iter : int, optional
        Largest number of iterations.
    tolerance : float, optional
        Stop when the image changes by at most this part of its norm.

    Returns
    -------
    Solution
        ``.image`` ``(y, x)`` in the values of the object, ``.residuals`` of the normal equations,
        ``.n_iter``, ``.converged``.

    Raises
    ------
    ValueError
        If shapes do not fit, a value is not finite, the data or the maps hold nothing but zeros, or a number
        is out of range.

    References
    ----------
    K. P. Pruessmann et al., Advances in sensitivity encoding with arbitrary k-space trajectories, Magnetic
    Resonance in Medicine 46 (2001) 638-651, doi:10.1002/mrm.1241.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid, Trajectory
    >>> from imgtech.phantoms import CoilSensitivities, uniform_disk
    >>> from imgtech.recon.mri import cg_sense
    >>> grid = ImageGrid.fft((48, 48), spacing_mm=(2.0, 2.0))
    >>> coils = CoilSensitivities.ring(n_coils=6, radius_mm=80.0)
    >>> spokes = Trajectory.radial(20, 96, spacing_mm=2.0, golden=True)
    >>> kspace = uniform_disk(radius_mm=30.0, value=3.0).kspace(spokes, coils)
    >>> image = cg_sense(kspace, spokes, coils.maps(grid), grid).image
    >>> print(round(float(image[20:28, 20:28].real.mean()), 1))
    3.0
    """
    n_axes = len(trajectory.shape)
    samples = complex_image("kspace", kspace, n_axes + 1, trajectory.shape)
    sensitivities = complex_image("maps", maps, grid.ndim + 1, grid.shape).astype(samples.dtype)
    if len(sensitivities) != len(samples):
        raise ValueError(f"maps must have {len(samples)} coils like kspace, got {len(sensitivities)}")
    if not samples.any() or not sensitivities.any():
        raise ValueError("kspace and maps must not be all zero")
    weights = None if density is None else floats("density", density, n_axes)
    normal = ToeplitzNormal(trajectory, grid, weights)
    operator = _CoilNormal(normal, sensitivities, normal_of_coils(normal, sensitivities))
    weighted = samples if weights is None else samples * weights.astype(samples.real.dtype)
    right = (np.conj(sensitivities) * Nufft(trajectory, grid, normal.tolerance).adjoint(weighted)).sum(axis=0)
    strength = not_negative("regularization", regularization) * operator.largest_diagonal
    return solve_hermitian(operator, right, regularization=strength, n_iter=n_iter, tolerance=tolerance)


@dataclass(frozen=True, eq=False)
class _CoilNormal(LinearOperator):
    """The normal operator of all coils: into each coil, convolved, and back."""

    normal: ToeplitzNormal
    maps: ComplexArray
    lanes: CoilNormal | None

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.normal.input_shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.normal.input_shape

    @property
    def largest_diagonal(self) -> float:
        return self.normal.diagonal * float((np.abs(self.maps) ** 2).sum(axis=0).max())

    def forward(self, x: npt.ArrayLike) -> ComplexArray:
        image = np.asarray(x)
        if self.lanes is not None:
            return self.lanes(np.ascontiguousarray(image))
        out = np.zeros(image.shape, image.dtype)
        for coil in self.maps:
            out += np.conj(coil) * self.normal.forward(coil * image)
        return out

    def adjoint(self, y: npt.ArrayLike) -> ComplexArray:
        return self.forward(y)

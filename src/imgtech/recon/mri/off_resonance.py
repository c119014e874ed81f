"""Images of objects in an uneven field, from readouts long enough to notice it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import ComplexArray, any_shape, complex_image, floats, of_kind
from imgtech.geometry import ImageGrid, Trajectory
from imgtech.recon.gridding import Nufft
from imgtech.recon.linop import LinearOperator
from imgtech.recon.mri._segments import Segments, time_segments


@dataclass(frozen=True, eq=False)
class OffResonanceNufft(LinearOperator):
    r"""The signal of a pixel image in an uneven field, and the exact adjoint.

    With the image :math:`m`, the frequency :math:`f_p` by which the spins of a pixel turn faster than the
    receiver and the time :math:`t_j` of every sample after the excitation (or the echo),

    .. math:: S_j = V \sum_p s_p\, m_p\, e^{-2 \pi i\, (k_j \cdot r_p + f_p t_j)},

    where V is the area or volume of a pixel and :math:`s_p`, with ``maps``, the sensitivity of each coil. A
    field that grows with position acts as the gradients do: the sign of f is that of k. The phase is
    approximated by

    .. math:: e^{-2 \pi i f t} \approx \sum_l b_l(t)\, e^{-2 \pi i f \tau_l}

    with few moments :math:`\tau_l` and weights :math:`b_l` that are least squares over the histogram of the
    frequencies, so that one NUFFT for each moment does the sum. With
    :func:`imgtech.recon.solvers.conjugate_gradient` it reconstructs images in which neither the field nor
    its gradient blurs; :func:`conjugate_phase` is the quick way.

    Parameters
    ----------
    trajectory : Trajectory
        Where the samples lie.
    grid : ImageGrid
        Where the pixels are.
    frequency_hz : array_like of float
        f, of the shape of the grid.
    times_s : array_like of float
        t, of the shape of the trajectory or of its last axes.
    maps : array_like, optional
        Coil sensitivities ``(coil, *grid.shape)``; without them samples have no coil axis.
    tolerance : float, optional
        Relative error of the NUFFT, and root mean square error of the approximated phase over the pixels.

    Raises
    ------
    ValueError
        If a shape does not fit, a value is not finite, or :class:`imgtech.recon.gridding.Nufft` refuses.

    References
    ----------
    B. P. Sutton, D. C. Noll, J. A. Fessler, Fast, iterative image reconstruction for MRI in the presence of
    field inhomogeneities, IEEE Transactions on Medical Imaging 22 (2003) 178-188,
    doi:10.1109/TMI.2002.808360.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid, Trajectory
    >>> from imgtech.recon.mri import OffResonanceNufft
    >>> grid = ImageGrid.square(24, fov_mm=120.0)
    >>> field_hz = np.linspace(-50, 50, 24)[:, None] * np.ones(24)
    >>> spokes = Trajectory.radial(30, 48, spacing_mm=5.0)
    >>> operator = OffResonanceNufft(spokes, grid, field_hz, np.arange(48) * 2e-4)
    >>> operator.input_shape, operator.output_shape, operator.n_segments
    ((24, 24), (30, 48), 6)
    """

    trajectory: Trajectory
    grid: ImageGrid
    frequency_hz: npt.ArrayLike
    times_s: npt.ArrayLike
    maps: npt.ArrayLike | None = None
    tolerance: float = 1e-4
    _nufft: Nufft = field(init=False, repr=False)
    _segments: Segments = field(init=False, repr=False)
    _waves: npt.NDArray[np.complexfloating[Any, Any]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        of_kind("trajectory", self.trajectory, Trajectory)
        of_kind("grid", self.grid, ImageGrid)
        nufft = Nufft(self.trajectory, self.grid, self.tolerance)
        frequency = floats("frequency_hz", self.frequency_hz, self.grid.ndim)
        if frequency.shape != self.grid.shape:
            raise ValueError(f"frequency_hz must have the shape {self.grid.shape}, got {frequency.shape}")
        given, shape = any_shape("times_s", self.times_s), self.trajectory.shape
        if given.ndim > len(shape) or given.shape != shape[len(shape) - given.ndim :]:
            raise ValueError(f"times_s must have the last axes of {shape}, got {given.shape}")
        times = np.broadcast_to(given, shape)
        segments = time_segments(frequency, times, self.tolerance)
        turns = np.multiply.outer(segments.moments_s, frequency)
        maps = None
        if self.maps is not None:
            maps = complex_image("maps", self.maps, self.grid.ndim + 1, self.grid.shape)
        for name, value in {
            "frequency_hz": frequency,
            "times_s": times,
            "maps": maps,
            "_nufft": nufft,
            "_segments": segments,
            "_waves": np.exp(-2j * np.pi * turns),
        }.items():
            object.__setattr__(self, name, value)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an image."""
        return self.grid.shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the samples, with a coil axis in front if there are maps."""
        coils = () if self.maps is None else (len(np.asarray(self.maps)),)
        return coils + self.trajectory.shape

    @property
    def n_segments(self) -> int:
        """Number of moments between which the phase is interpolated."""
        return len(self._waves)

    def forward(self, x: npt.ArrayLike) -> ComplexArray:
        """Evaluate the signal of an image.

        Parameters
        ----------
        x : array_like
            Image of the shape of the grid.

        Returns
        -------
        numpy.ndarray
            Samples; complex128 for double precision, else complex64.

        Raises
        ------
        ValueError
            If the image does not have the shape of the grid or is not finite.
        """
        image = complex_image("x", x, self.grid.ndim, self.grid.shape)
        waves, weights = (a.astype(image.dtype, copy=False) for a in (self._waves, self._segments.weights))
        if self.maps is None:
            return np.asarray((weights * self._nufft.forward(waves * image)).sum(axis=0))
        maps = np.asarray(self.maps).astype(image.dtype, copy=False)
        out = np.empty(self.output_shape, image.dtype)
        for coil, target in zip(maps, out, strict=True):
            target[...] = (weights * self._nufft.forward(waves * (coil * image))).sum(axis=0)
        return out

    def adjoint(self, y: npt.ArrayLike) -> ComplexArray:
        """Apply the adjoint of :meth:`forward`.

        Parameters
        ----------
        y : array_like
            Samples, with a coil axis if there are maps.

        Returns
        -------
        numpy.ndarray
            Image; complex128 for double precision, else complex64.

        Raises
        ------
        ValueError
            If the samples do not have the right shape or are not finite.
        """
        samples = complex_image("y", y, len(self.output_shape), self.output_shape)
        waves, weights = (a.astype(samples.dtype, copy=False) for a in (self._waves, self._segments.weights))
        if self.maps is None:
            return np.asarray((np.conj(waves) * self._nufft.adjoint(np.conj(weights) * samples)).sum(axis=0))
        maps = np.asarray(self.maps).astype(samples.dtype, copy=False)
        out = np.zeros(self.grid.shape, samples.dtype)
        for coil, each in zip(maps, samples, strict=True):
            back = (np.conj(waves) * self._nufft.adjoint(np.conj(weights) * each)).sum(axis=0)
            out += np.conj(coil) * back
        return out


def conjugate_phase(
    kspace: npt.ArrayLike,
    trajectory: Trajectory,
    grid: ImageGrid,
    *,
    frequency_hz: npt.ArrayLike,
    times_s: npt.ArrayLike,
    density: npt.ArrayLike,
    tolerance: float = 1e-4,
) -> ComplexArray:
    r"""Reconstruct without iterations, turning every pixel back by its own frequency.

    .. math:: m(r) = \sum_j w_j\, S(k_j)\, e^{2 \pi i\, (k_j \cdot r + f(r)\, t_j)},

    which is right where the field is nearly even over the distance that it blurs over. A gradient of the
    field moves samples and changes how densely they lie, which no turning back undoes;
    :class:`OffResonanceNufft` in :func:`imgtech.recon.solvers.conjugate_gradient` takes it into account. With
    a frequency of zero this is :func:`gridding`.

    Parameters
    ----------
    kspace : array_like
        Samples of the shape of the trajectory, or ``(coil, ...)``; value times mm² (mm³ in space).
    trajectory : Trajectory
        Where the samples lie.
    grid : ImageGrid
        Where the pixels are.
    frequency_hz : array_like of float
        f, of the shape of the grid, as of :class:`OffResonanceNufft`.
    times_s : array_like of float
        t, of the shape of the trajectory or of its last axes.
    density : array_like
        Area w of each sample in 1/mm², as of :func:`voronoi_density`.
    tolerance : float, optional
        As of :class:`OffResonanceNufft`.

    Returns
    -------
    numpy.ndarray
        Complex image, or one for each coil.

    Raises
    ------
    ValueError
        If a shape does not fit or a value is not finite.

    References
    ----------
    D. C. Noll et al., A homogeneity correction method for magnetic resonance imaging with time-varying
    gradients, IEEE Transactions on Medical Imaging 10 (1991) 629-637, doi:10.1109/42.108599.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid, Trajectory
    >>> from imgtech.phantoms import uniform_disk
    >>> from imgtech.recon.mri import conjugate_phase, radial_density
    >>> spokes, grid = Trajectory.radial(120, 96, spacing_mm=1.0), ImageGrid.square(48, fov_mm=48.0)
    >>> times_s = 1e-3 + np.arange(96) * 1e-4
    >>> turned = np.exp(-2j * np.pi * 70.0 * times_s)
    >>> shifted = uniform_disk(radius_mm=20.0, value=3.0).kspace(spokes) * turned
    >>> image = conjugate_phase(
    ...     shifted, spokes, grid, frequency_hz=np.full((48, 48), 70.0), times_s=times_s,
    ...     density=radial_density(spokes),
    ... )
    >>> print(image.real[16:32, 16:32].mean().round(1))
    3.0
    """
    of_kind("trajectory", trajectory, Trajectory)
    n_axes = len(trajectory.shape)
    samples = complex_image("kspace", kspace, (n_axes, n_axes + 1), trajectory.shape)
    weights = floats("density", density, n_axes)
    if weights.shape != trajectory.shape:
        raise ValueError(f"density must have the shape {trajectory.shape}, got {weights.shape}")
    operator = OffResonanceNufft(trajectory, grid, frequency_hz, times_s, tolerance=tolerance)
    weighted = samples * (weights / float(np.prod(grid.spacing_mm))).astype(samples.real.dtype)
    if samples.ndim == n_axes:
        return operator.adjoint(weighted)
    return np.stack([operator.adjoint(each) for each in weighted])

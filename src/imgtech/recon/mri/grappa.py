"""GRAPPA: fill samples of k-space that were left out, from their neighbours in all coils."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import ComplexArray, FloatArray, complex_image, count, not_negative
from imgtech.recon.mri._grappa_weights import places_of, sources_left, weights_of
from imgtech.recon.mri._pattern import Pattern, calibration_block, regular_pattern
from imgtech.recon.mri.fft import kspace_to_image
from imgtech.recon.mri.noise import cholesky_factor

BLOCK = 1 << 16
"""Complex numbers in one block of windows: half a megabyte in single precision, which stays in a cache."""


def grappa(
    kspace: npt.ArrayLike,
    mask: npt.ArrayLike,
    calibration: npt.ArrayLike | None = None,
    *,
    kernel_size: tuple[int, int] = (4, 5),
    regularization: float = 1e-4,
) -> ComplexArray:
    r"""Fill what a regular undersampling along y, or along y and x, left out.

    A sample that was not acquired is a weighted sum of the acquired ones around it in all coils. The
    weights are those that predict the calibration data best, for every place between the acquired samples
    and every coil, from one system of equations:

    .. math:: (A^H A + \lambda\, \overline{\operatorname{diag}(A^H A)})\, w = A^H b.

    Acquired samples, embedded calibration data among them, are returned as they are. Samples beyond
    the edge of k-space count as zero.

    Parameters
    ----------
    kspace : array_like
        Full raster ``(coil, y, x)``; what it holds where nothing was acquired is ignored.
    mask : array_like of bool
        Shape ``(y,)``, the lines that were acquired, or ``(y, x)``, the samples. Every R-th along each axis,
        from any first one, and any further ones; R is the widest gap. Samples more than R - 1 outside the
        first and the last acquired ones (partial Fourier) stay zero.
    calibration : array_like, optional
        Fully sampled data of the same coils and the same spacing in k-space, ``(coil, y, x)`` of any
        size; by default the largest block of acquired samples.
    kernel_size : tuple of int, optional
        Acquired samples along y and along x that a weighted sum reaches over.
    regularization : float, optional
        The factor :math:`\lambda`, relative to the mean of the diagonal: independent of the data's scale.

    Returns
    -------
    numpy.ndarray
        k-space of the same shape; complex128 for double precision input, else complex64.

    Raises
    ------
    ValueError
        If a sample is not finite, the acquired samples or the calibration are all zero, the pattern is not
        regular, or the calibration is missing, too small for the kernel or of another number of coils.

    References
    ----------
    M. A. Griswold et al., Generalized autocalibrating partially parallel acquisitions (GRAPPA),
    Magnetic Resonance in Medicine 47 (2002) 1202-1210, doi:10.1002/mrm.10171.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri import grappa
    >>> full = np.exp(0.3j * np.arange(32))[:, None] * np.ones((2, 32, 12))      # the spectrum of a point
    >>> mask = np.arange(32) % 2 == 1
    >>> mask[10:22] = True
    >>> filled = grappa(np.where(mask[:, None], full, 0), mask, kernel_size=(2, 3), regularization=1e-9)
    >>> bool(np.allclose(filled[:, 2:-2, 2:-2], full[:, 2:-2, 2:-2], atol=1e-6))
    True
    """
    problem = _Problem.of(kspace, mask, calibration, kernel_size, regularization)
    return _filled(problem)


@dataclass(frozen=True, eq=False)
class GrappaNoise(ArrayValue):
    """What :func:`grappa` does to noise, see :func:`grappa_noise`.

    Parameters
    ----------
    g_factor : numpy.ndarray
        Geometry factor, shape ``(y, x)``: noise over that of the full raster and over the root of the
        acceleration.
    noise : numpy.ndarray
        Standard deviation of the real part of the noise in the combined image, same shape, in the units of
        :func:`kspace_to_image` (over those of ``maps``).
    """

    g_factor: FloatArray
    noise: FloatArray


def grappa_noise(
    kspace: npt.ArrayLike,
    mask: npt.ArrayLike,
    calibration: npt.ArrayLike | None = None,
    *,
    noise_covariance: npt.ArrayLike,
    maps: npt.ArrayLike | None = None,
    kernel_size: tuple[int, int] = (4, 5),
    regularization: float = 1e-4,
) -> GrappaNoise:
    r"""Noise and g-factor of a GRAPPA image, from the weights themselves.

    In the image the weights are a matrix :math:`W(r)` from the folded coil images to the filled ones. With
    the combination :math:`p(r)` of the coils the noise of the image is

    .. math:: \sigma^2 = \frac{1}{2 R}\, p\, W \Psi\, W^H p^H, \qquad
              g = \frac{\sigma}{\sqrt{R}\, \sigma_\text{full}}.

    It is the noise of the regular pattern: embedded calibration lines that were acquired lower it further.
    Samples near the edge of k-space, where the sum runs out of neighbours, are taken like the others.

    Parameters
    ----------
    kspace : array_like
        As in :func:`grappa`.
    mask : array_like of bool
        As in :func:`grappa`.
    calibration : array_like, optional
        As in :func:`grappa`.
    noise_covariance : array_like
        Shape ``(coil, coil)``, see :func:`noise_covariance`.
    maps : array_like, optional
        Sensitivities of :func:`roemer_combine`, shape ``(coil, y, x)``. Without them the coils are combined
        as the root sum of squares of the filled images, whose noise is that of the signal's own weights.
    kernel_size : tuple of int, optional
        As in :func:`grappa`.
    regularization : float, optional
        As in :func:`grappa`.

    Returns
    -------
    GrappaNoise
        ``.g_factor`` and ``.noise``.

    Raises
    ------
    ValueError
        As :func:`grappa`; if ``maps`` have another shape than ``kspace``.

    References
    ----------
    F. A. Breuer et al., General formulation for quantitative g-factor calculation in GRAPPA
    reconstructions, Magnetic Resonance in Medicine 62 (2009) 739-746, doi:10.1002/mrm.22066.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid, Trajectory
    >>> from imgtech.phantoms import CoilSensitivities, uniform_disk
    >>> from imgtech.recon.mri import grappa_noise
    >>> grid = ImageGrid.fft((48, 40), spacing_mm=(4.0, 4.0))
    >>> coils = CoilSensitivities.ring(n_coils=6, radius_mm=110.0)
    >>> kspace = uniform_disk(radius_mm=70.0).kspace(Trajectory.of_grid(grid), coils)
    >>> mask = np.arange(48) % 2 == 0
    >>> found = grappa_noise(kspace, mask, kspace[:, 12:36], noise_covariance=np.eye(6))
    >>> print(round(float(np.median(found.g_factor[14:34, 12:28])), 1))
    1.5
    """
    problem = _Problem.of(kspace, mask, calibration, kernel_size, regularization)
    shape = problem.known.shape
    factor = cholesky_factor("noise_covariance", noise_covariance, shape[0])
    if maps is not None:
        combination = complex_image("maps", maps, 3)
        if combination.shape != shape:
            raise ValueError(f"maps must have shape {shape} like kspace, got {combination.shape}")
        inverse = np.linalg.inv(factor @ factor.conj().T)
        rows = np.einsum("cyx,cd->dyx", combination.conj(), inverse)
        power = np.einsum("dyx,dyx->yx", rows, combination).real
        p = np.where(power > 0, rows / np.where(power > 0, power, 1), 0)
    else:
        images = kspace_to_image(_filled(problem))
        length = np.sqrt(np.sum(np.abs(images.astype(np.complex128)) ** 2, axis=0))
        p = np.where(length > 0, images.conj() / np.where(length > 0, length, 1), 0)
    unfolded = _folded_weights(p, problem)
    acceleration = problem.pattern.steps[0] * problem.pattern.steps[1]
    noise = np.sqrt(_variance(unfolded, factor) / (2 * acceleration))
    full = np.sqrt(_variance(p, factor) / 2)
    g = np.where(full > 0, noise / np.where(full > 0, full, 1) / np.sqrt(acceleration), 0)
    number = problem.known.real.dtype
    return GrappaNoise(g_factor=g.astype(number), noise=noise.astype(number))


@dataclass(frozen=True, eq=False)
class _Problem:
    """Checked data, zero where nothing was acquired, and the weights that fill the rest, if there is one."""

    known: ComplexArray
    pattern: Pattern
    size: tuple[int, int]
    weights: npt.NDArray[np.complex128] | None

    @classmethod
    def of(
        cls,
        kspace: npt.ArrayLike,
        mask: npt.ArrayLike,
        calibration: npt.ArrayLike | None,
        kernel_size: tuple[int, int],
        regularization: float,
    ) -> _Problem:
        array = complex_image("kspace", kspace, 3)
        pattern = regular_pattern(mask, array.shape[1:])
        weight = not_negative("regularization", regularization)
        size = count("kernel_size", kernel_size[0]), count("kernel_size", kernel_size[1])
        known = np.where(pattern.acquired, array, 0).astype(array.dtype, copy=False)
        if not known.any():
            raise ValueError("kspace must not be all zero where it was acquired")
        if pattern.steps == (1, 1):
            return cls(known, pattern, size, None)
        source = _calibration(known, pattern, calibration)
        return cls(known, pattern, size, weights_of(source, size, pattern.steps, weight))


def _filled(problem: _Problem) -> ComplexArray:
    if problem.weights is None:
        return problem.known
    out, (fy, fx), (ry, rx) = problem.known, problem.pattern.first, problem.pattern.steps
    weights = problem.weights.astype(out.dtype)
    filled = _apply(out[:, fy::ry, fx::rx], weights, problem.size, problem.pattern.steps)
    top, left = (ry - fy) * (ry > 1), (rx - fx) * (rx > 1)  # the cells begin before the first sample
    filled = filled[:, top : top + out.shape[1], left : left + out.shape[2]]
    _, ny, nx = filled.shape
    np.copyto(out[:, :ny, :nx], filled, where=problem.pattern.missing[:ny, :nx])
    return out


def _variance(rows: ComplexArray, factor: ComplexArray) -> FloatArray:
    """The variance ``p L L^H p^H`` at every pixel, ``rows`` with the coil first and the factor L."""
    white = np.tensordot(factor.T, rows, 1)
    return np.asarray(np.sum(white.real**2 + white.imag**2, axis=0))


def _folded_weights(p: ComplexArray, problem: _Problem) -> ComplexArray:
    """The row ``p W`` of every pixel: what each folded coil image counts in the combined image."""
    if problem.weights is None:
        return p
    (n_coils, ny, nx), size, steps = p.shape, problem.size, problem.pattern.steps
    kernel = problem.weights.reshape(n_coils, *size, n_coils, -1)  # source coil, j, i, target coil, place
    out = np.array(p, dtype=np.complex128)
    row, column = np.arange(ny) - ny // 2, np.arange(nx) - nx // 2
    for number, (my, mx) in enumerate(places_of(steps)):
        dy = steps[0] * (np.arange(size[0]) - (size[0] - 1) // 2) - my
        dx = steps[1] * (np.arange(size[1]) - sources_left(size[1], steps[1])) - mx
        waves = (
            np.exp(-2j * np.pi * np.outer(dy, row) / ny),
            np.exp(-2j * np.pi * np.outer(dx, column) / nx),
        )
        for source in range(n_coils):
            spectrum = np.einsum("jic,jy,ix->cyx", kernel[source, :, :, :, number], *waves, optimize=True)
            out[source] += (p * spectrum).sum(axis=0)
    return out


def _calibration(array: ComplexArray, pattern: Pattern, given: npt.ArrayLike | None) -> ComplexArray:
    if given is None:
        rows, columns = calibration_block(pattern.acquired)
        return array[:, rows, columns]
    found = complex_image("calibration", given, 3)
    if len(found) != len(array):
        raise ValueError(f"calibration must have {len(array)} coils like kspace, got {len(found)}")
    return found


def _apply(
    samples: ComplexArray, weights: ComplexArray, size: tuple[int, int], steps: tuple[int, int]
) -> ComplexArray:
    """Cells from the one before the first to the one at the last sample; acquired places are zero."""
    n_coils, n_rows, n_columns = samples.shape
    (ry, rx), cells = steps, (n_rows + (steps[0] > 1), n_columns + (steps[1] > 1))
    top = (size[0] - 1) // 2 + (ry > 1)
    left = sources_left(size[1], rx) + (rx > 1)
    padded = np.pad(samples, ((0, 0), (top, size[0] - (ry > 1)), (left, size[1] - (rx > 1))))
    windows = sliding_window_view(padded, size, axis=(1, 2))
    out = np.zeros((n_coils, cells[0], ry, cells[1], rx), dtype=samples.dtype)
    block = max(1, BLOCK // (cells[1] * len(weights)))
    across = np.ascontiguousarray(weights.T)
    for start in range(0, cells[0], block):
        stop = min(start + block, cells[0])
        part = windows[:, start:stop, : cells[1]].transpose(0, 3, 4, 1, 2)
        values = across @ part.reshape(len(weights), -1)
        shaped = values.reshape(n_coils, -1, stop - start, cells[1])
        for number, (my, mx) in enumerate(places_of(steps)):
            out[:, start:stop, my, :, mx] = shaped[:, number]
    return out.reshape(n_coils, cells[0] * ry, cells[1] * rx)

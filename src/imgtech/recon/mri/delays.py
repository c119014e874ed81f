"""Delays of the gradients, found where the spokes of a radial scan cross."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import complex_image, positive
from imgtech.geometry import Trajectory
from imgtech.recon.mri._spokes import Spokes, spokes_of

_FINER = 16  # times finer the spokes are interpolated, cubic in between
_MOST_PAIRS = 4000
_FEW_PAIRS = 400  # enough to find the basin of the best delays
_LEAST_SINE = 0.6  # of the angle between two spokes: flatter crossings move too far
_STEPS = 30
_STARTS = 6

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GradientDelays(ArrayValue):
    r"""How far the spokes of a radial scan are shifted, see :func:`gradient_delays`.

    Parameters
    ----------
    shifts_per_mm : numpy.ndarray
        Symmetric matrix S of ``(ky, kx)``: the samples of a spoke along the unit vector n lie S n beside
        their nominal places. A delay of the x gradient is ``S[1, 1]``.
    standard_uncertainty_per_mm : numpy.ndarray
        Of every element, from the differences that remain at the crossings.
    """

    shifts_per_mm: Floats
    standard_uncertainty_per_mm: Floats

    def corrected(self, trajectory: Trajectory) -> Trajectory:
        """Where the samples of a radial trajectory truly lie.

        Parameters
        ----------
        trajectory : Trajectory
            The nominal positions, ``(spoke, sample)``.

        Returns
        -------
        Trajectory
            The shifted positions.
        """
        shifts = spokes_of(trajectory).directions @ self.shifts_per_mm
        return Trajectory(positions_per_mm=trajectory.positions_per_mm + shifts[:, None, :])


def gradient_delays(
    kspace: npt.ArrayLike, trajectory: Trajectory, *, largest_samples: float = 3.0
) -> GradientDelays:
    r"""Find the gradient delays of a radial scan from the scan itself.

    Delays shift each spoke by :math:`S n` with its direction n and a symmetric matrix S: its diagonal holds
    the delays of the two gradients, the rest what an oblique plane mixes. Two spokes cross at one point
    of k-space, where both must hold the same value in every coil. For a trial S that point lies at

    .. math:: a\, n_i - b\, n_j = S (n_j - n_i)

    on spoke i at a and on spoke j at b. The S for which the values of all pairs of spokes agree best, in
    the least squares sense, is the result (the crossings are those of RING; there each is located alone
    and a matrix fitted to the places). The spokes are interpolated by zero padding, so the object must lie
    within the field of view of the readout.

    Parameters
    ----------
    kspace : array_like
        Samples ``(spoke, sample)`` or ``(coil, spoke, sample)``.
    trajectory : Trajectory
        Nominal positions: straight even spokes through the centre, in more than two directions.
    largest_samples : float, optional
        Largest delay that is looked for, in samples of the readout.

    Returns
    -------
    GradientDelays
        ``.shifts_per_mm``, ``.standard_uncertainty_per_mm`` and ``.corrected(trajectory)``.

    Raises
    ------
    ValueError
        If a sample is not finite, the shapes do not fit, the data are all zero, the trajectory is not radial
        or its spokes do not cross at large enough angles in three directions.

    References
    ----------
    S. Rosenzweig, H. C. M. Holme, M. Uecker, Simple auto-calibrated gradient delay estimation from few spokes
    using radial intersections (RING), Magnetic Resonance in Medicine 81 (2019) 1898-1906,
    doi:10.1002/mrm.27506.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import Trajectory
    >>> from imgtech.phantoms import shepp_logan
    >>> from imgtech.recon.mri import GradientDelays, gradient_delays
    >>> spokes = Trajectory.radial(31, 128, spacing_mm=1.0, golden=True)
    >>> late = GradientDelays(np.array([[0.5, 0.0], [0.0, -0.3]]) / 128.0, np.zeros((2, 2)))
    >>> kspace = shepp_logan(radius_mm=50.0).kspace(late.corrected(spokes))
    >>> (gradient_delays(kspace, spokes).shifts_per_mm * 128.0).round(2) + 0.0
    array([[ 0.5,  0. ],
           [ 0. , -0.3]])
    """
    samples = complex_image("kspace", kspace, (2, 3), trajectory.shape)
    spokes = spokes_of(trajectory)
    reach = positive("largest_samples", largest_samples)
    peak = np.abs(samples).max()
    if peak == 0:
        raise ValueError("kspace must not be all zero")
    lines = _Lines((samples.reshape(-1, *trajectory.shape) / peak).astype(np.complex128), spokes)
    pairs = _pairs(spokes.directions, _MOST_PAIRS)
    unit = float(spokes.steps_per_mm.mean())
    few = pairs[:, :: max(1, pairs.shape[1] // _FEW_PAIRS)]
    ticks = np.arange(-reach, reach + 0.25, 0.5)
    mixed = np.arange(-reach / 2, reach / 2 + 0.25, 0.5)
    trials = np.stack(np.meshgrid(ticks, mixed, ticks, indexing="ij"), axis=-1).reshape(-1, 3) * unit
    starts = trials[np.argsort([lines.disagreement(few, trial) for trial in trials])[:_STARTS]]
    refined = [_refined(lines, few, start, unit) for start in starts]
    best = min(refined, key=lambda found: lines.disagreement(few, found))
    found = _refined(lines, pairs, best, unit)
    covariance = _covariance(lines, pairs, found)
    deviation = np.sqrt(np.diag(covariance))
    places = [[0, 1], [1, 2]]
    return GradientDelays(shifts_per_mm=found[places], standard_uncertainty_per_mm=deviation[places])


class _Lines:
    """Spokes of all coils, finely interpolated, and their differences at the crossings."""

    def __init__(self, samples: npt.NDArray[np.complex128], spokes: Spokes) -> None:
        n = samples.shape[-1]
        spectrum = np.fft.fftshift(np.fft.fft(samples, axis=-1), axes=-1)
        if n % 2 == 0:  # the highest frequency is shared between both ends
            spectrum = np.concatenate([spectrum, spectrum[..., :1]], axis=-1)
            spectrum[..., [0, -1]] /= 2
        size = _FINER * n
        padded = np.zeros((*samples.shape[:-1], size), np.complex128)
        begin = size // 2 - n // 2
        padded[..., begin : begin + spectrum.shape[-1]] = spectrum
        self.fine = np.fft.ifft(np.fft.ifftshift(padded, axes=-1), axis=-1) * _FINER
        self.spokes = spokes
        self.first = spokes.radii_per_mm[:, 0]

    def at(
        self, spoke: npt.NDArray[np.int64], radius: Floats
    ) -> tuple[npt.NDArray[np.complex128], npt.NDArray[np.complex128]]:
        """Values ``(coil, pair)`` and slopes per 1/mm, by the cubic through four neighbours."""
        scale = _FINER / self.spokes.steps_per_mm[spoke]
        u = (radius - self.first[spoke]) * scale
        i = np.floor(u).astype(np.int64)
        t = u - i
        size = self.fine.shape[-1]
        p = [self.fine[:, spoke, (i + j) % size] for j in (-1, 0, 1, 2)]
        weights = (
            -t * (t - 1) * (t - 2) / 6,
            (t + 1) * (t - 1) * (t - 2) / 2,
            -(t + 1) * t * (t - 2) / 2,
            (t + 1) * t * (t - 1) / 6,
        )
        slopes = (
            -(3 * t**2 - 6 * t + 2) / 6,
            (3 * t**2 - 4 * t - 1) / 2,
            -(3 * t**2 - 2 * t - 2) / 2,
            (3 * t**2 - 1) / 6,
        )
        value = sum(w * q for w, q in zip(weights, p, strict=True))
        slope = sum(w * q for w, q in zip(slopes, p, strict=True))
        return np.asarray(value), np.asarray(slope * scale)

    def differences(
        self, pairs: npt.NDArray[np.int64], shifts: Floats
    ) -> tuple[npt.NDArray[np.complex128], npt.NDArray[np.complex128]]:
        """Differences ``(coil, pair)`` at the crossings and their derivatives ``(3, coil, pair)``."""
        (left, left_slope), (right, right_slope), a_of, b_of = self._crossings(pairs, shifts)
        return left - right, a_of[:, None] * left_slope - b_of[:, None] * right_slope

    def disagreement(self, pairs: npt.NDArray[np.int64], shifts: Floats) -> float:
        """Part of the signal at the crossings that differs: weak signals differ little anyway."""
        (left, _), (right, _), _, _ = self._crossings(pairs, shifts)
        signal = np.sum(np.abs(left) ** 2) + np.sum(np.abs(right) ** 2)
        return float(np.sum(np.abs(left - right) ** 2) / signal) if signal > 0 else 1.0

    def _crossings(self, pairs: npt.NDArray[np.int64], shifts: Floats) -> tuple[Any, Any, Floats, Floats]:
        ni, nj = self.spokes.directions[pairs[0]], self.spokes.directions[pairs[1]]
        gap = nj - ni
        moved = np.stack(  # S (n_j - n_i) for each of the three elements of S
            [
                np.stack([gap[:, 0], np.zeros(len(gap))], axis=-1),
                np.stack([gap[:, 1], gap[:, 0]], axis=-1),
                np.stack([np.zeros(len(gap)), gap[:, 1]], axis=-1),
            ]
        )
        sine = _cross(ni, nj)
        a_of, b_of = _cross(moved, nj) / sine, _cross(moved, ni) / sine
        return self.at(pairs[0], shifts @ a_of), self.at(pairs[1], shifts @ b_of), a_of, b_of


def _cross(a: Floats, b: Floats) -> Floats:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


def _pairs(directions: Floats, most: int) -> npt.NDArray[np.int64]:
    """Pairs of spokes that cross steeply, evenly thinned out to at most ``most``."""
    i, j = np.triu_indices(len(directions), k=1)
    steep = np.abs(_cross(directions[i], directions[j])) >= _LEAST_SINE
    pairs = np.stack([i[steep], j[steep]])
    used = directions[np.unique(pairs)]
    spread = np.linalg.matrix_rank(np.stack([used[:, 0] ** 2, np.prod(used, axis=1), used[:, 1] ** 2]), 1e-3)
    if spread < 3:
        raise ValueError("trajectory must have steeply crossing spokes in at least three directions")
    return np.asarray(pairs[:, np.linspace(0, pairs.shape[1] - 1, min(most, pairs.shape[1])).astype(int)])


def _refined(lines: _Lines, pairs: npt.NDArray[np.int64], start: Floats, unit: float) -> Floats:
    """Gauss-Newton steps from ``start``, halved while they do not lower the sum of squares."""
    shifts = start
    difference, slopes = lines.differences(pairs, shifts)
    cost = float(np.sum(np.abs(difference) ** 2))
    for _ in range(_STEPS):
        matrix = slopes.reshape(3, -1)
        normal = (matrix.conj() @ matrix.T).real
        step = np.linalg.solve(normal, -(matrix.conj() @ difference.ravel()).real)
        scale = 1.0
        while scale > 1e-3:
            trial = shifts + scale * step
            new_difference, new_slopes = lines.differences(pairs, trial)
            new_cost = float(np.sum(np.abs(new_difference) ** 2))
            if new_cost < cost:
                break
            scale /= 2
        else:
            break
        shifts, difference, slopes, cost = trial, new_difference, new_slopes, new_cost
        if np.abs(step).max() < 1e-6 * unit:
            break
    return shifts


def _covariance(lines: _Lines, pairs: npt.NDArray[np.int64], shifts: Floats) -> Floats:
    """Of the matrix elements. All crossings of a spoke lie near its centre and share its noise there."""
    difference, slopes = lines.differences(pairs, shifts)
    matrix = slopes.reshape(3, -1)
    inverse = np.linalg.inv((matrix.conj() @ matrix.T).real)
    each = np.zeros((lines.fine.shape[1], slopes.shape[1], 3), np.complex128)  # spoke, coil, element
    for sign, spokes in ((1, pairs[0]), (-1, pairs[1])):
        np.add.at(each, spokes, sign * slopes.transpose(2, 1, 0))
    flat = each.reshape(-1, 3)
    variance = float(np.mean(np.abs(difference) ** 2)) / 2  # of a sample; a difference has that of two
    return np.asarray(inverse @ (flat.T @ flat.conj()).real @ inverse * (variance / 2))

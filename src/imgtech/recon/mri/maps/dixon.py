"""Water and fat from images at two or more echo times."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import Array, ComplexArray, complex_image, finite, floats, positive
from imgtech.geometry.spirals import PROTON_HZ_PER_T
from imgtech.recon.mri.maps._voxels import Bools, Doubles, filled, mask_of, noise_of, times_of

FAT_SHIFTS_PPM = (-3.80, -3.40, -2.60, -1.94, -0.39, 0.60)
FAT_AMPLITUDES = (0.087, 0.693, 0.128, 0.004, 0.039, 0.048)

_FIELDS = 96  # field values in one period
_LEVELS = (16.0, 8.0, 4.0, 2.0, 1.0)  # widths of the averages in pixels, from coarse to fine
_SECTIONS = 28
_NEWTON = 6
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True, kw_only=True, eq=False)
class WaterFat(ArrayValue):
    """Water, fat and field of every voxel, with standard uncertainties.

    Where there is no signal, ``fitted`` is false, the values are 0 and the uncertainties infinite.

    Parameters
    ----------
    water, fat : numpy.ndarray
        Complex signals at echo time zero.
    water_uncertainty, fat_uncertainty : numpy.ndarray
        Standard uncertainties of their magnitudes.
    fat_fraction_uncertainty : numpy.ndarray
        Standard uncertainty of :attr:`fat_fraction`, to first order.
    field_hz : numpy.ndarray
        Frequency of water above that of the receiver.
    field_uncertainty_hz : numpy.ndarray
        Its standard uncertainty.
    fitted : numpy.ndarray
        Which voxels have a result.
    """

    water: ComplexArray
    fat: ComplexArray
    water_uncertainty: Doubles
    fat_uncertainty: Doubles
    fat_fraction_uncertainty: Doubles
    field_hz: Doubles
    field_uncertainty_hz: Doubles
    fitted: Bools

    @property
    def fat_fraction(self) -> Doubles:
        """Fat over water and fat, of the magnitudes; 0 where there is neither."""
        fat, whole = np.abs(self.fat), np.abs(self.fat) + np.abs(self.water)
        return np.asarray(fat / np.where(whole > 0, whole, 1.0))


def fat_phasors(
    echo_times_s: npt.ArrayLike,
    *,
    field_t: float,
    shifts_ppm: npt.ArrayLike = FAT_SHIFTS_PPM,
    amplitudes: npt.ArrayLike = FAT_AMPLITUDES,
) -> ComplexArray:
    r"""Signal of fat at each echo time, :math:`\sum_p \alpha_p\, e^{2 \pi i\, \gamma B_0 \delta_p T}`.

    Parameters
    ----------
    echo_times_s : array_like of float
        Echo times.
    field_t : float
        Field strength in tesla.
    shifts_ppm : array_like of float, optional
        Shift of every peak from water; by default six peaks, those of the ISMRM challenge on water-fat
        separation of 2012.
    amplitudes : array_like of float, optional
        Weights of the peaks; their sum becomes one.

    Returns
    -------
    numpy.ndarray
        Complex, one number for each time; 1 at time zero.

    Raises
    ------
    ValueError
        If the field is not positive, peaks and weights differ in number, or weights are negative or all zero.

    References
    ----------
    ISMRM Workshop on Fat-Water Separation 2012, challenge data and fat model,
    https://www.ismrm.org/workshops/FatWater12/data.htm.

    Examples
    --------
    >>> from imgtech.recon.mri.maps import fat_phasors
    >>> print(fat_phasors([0.0, 0.0023], field_t=1.5, shifts_ppm=[-3.4], amplitudes=[2.0]).round(3))
    [ 1.+0.j    -1.-0.004j]
    """
    times = floats("echo_times_s", echo_times_s)
    shifts, weights = floats("shifts_ppm", shifts_ppm), floats("amplitudes", amplitudes)
    if shifts.shape != weights.shape:
        raise ValueError(f"amplitudes must name each of the {len(shifts)} peaks, got {len(weights)} numbers")
    if weights.min() < 0 or weights.sum() == 0:
        raise ValueError(f"amplitudes must not be negative and not all zero, got {weights.tolist()}")
    hertz = 1e-6 * shifts * PROTON_HZ_PER_T * positive("field_t", field_t)
    return np.asarray(np.exp(2j * np.pi * np.outer(times, hertz)) @ (weights / weights.sum()))


def water_fat(
    images: npt.ArrayLike,
    echo_times_s: npt.ArrayLike,
    *,
    field_t: float,
    sigma: npt.ArrayLike,
    shifts_ppm: npt.ArrayLike = FAT_SHIFTS_PPM,
    amplitudes: npt.ArrayLike = FAT_AMPLITUDES,
    common_phase: bool | None = None,
    offset_hz: float = 0.0,
    mask: npt.ArrayLike | None = None,
) -> WaterFat:
    r"""Separate water and fat by two-point, three-point or longer Dixon imaging.

    The signal of echo j is :math:`S_j = (W + F a_j)\, e^{2 \pi i f T_j}` with the phasors :math:`a_j` of
    :func:`fat_phasors`. For a given field f the best W and F are known in closed form, and what they leave
    is a function of f with several minima, of which one is right. It is found from coarse to fine: averaged
    over wide neighbourhoods, in which water and fat both occur, only the right minimum is deep; the next
    finer average may move by less than half the distance between minima (after Tsao and Jiang). With three
    echoes or more this begins at several fields, and the one that leaves least is kept. In the end each
    voxel is solved on its own.

    Two echoes do not determine complex W and F: they are taken to have one phase at time zero
    (``common_phase``), which three echoes may be told as well. Then a voxel has two solutions, and a
    field of less than a quarter of one over the echo spacing from ``offset_hz`` is expected in the coarsest
    average.

    Parameters
    ----------
    images : array_like of complex
        ``(echo, y, x)`` or ``(echo, z, y, x)``, of one coil or combined with one set of weights for all
        echoes.
    echo_times_s : array_like of float
        Ascending echo times, best evenly spaced.
    field_t : float
        Field strength in tesla.
    sigma : float or array_like
        Standard deviation of the noise in real and imaginary part.
    shifts_ppm, amplitudes : array_like of float, optional
        Fat model, see :func:`fat_phasors`.
    common_phase : bool, optional
        Whether W and F share their phase at time zero; by default only with two echoes, which need it.
    offset_hz : float, optional
        Field around which it is searched.
    mask : array_like of bool, optional
        Where to separate; where there is a signal by default.

    Returns
    -------
    WaterFat
        Water, fat, field and their uncertainties (bound of Cramér and Rao at the solution).

    Raises
    ------
    ValueError
        If there are fewer than two echoes, two echoes are told to have no common phase, times do not
        ascend, the echo times do not tell water from fat, a value is not finite, sigma or the field strength
        is not positive, there is no signal in the mask, or shapes do not fit.

    Notes
    -----
    Decay between the echoes is not in the model. Where the phase of the data runs the other way, as some
    vendors store it, pass the conjugate images: fat must turn with negative frequency.

    References
    ----------
    S. B. Reeder et al., Multicoil Dixon chemical species separation with an iterative least-squares
    estimation method, Magnetic Resonance in Medicine 51 (2004) 35-45, doi:10.1002/mrm.10675.

    J. Berglund et al., Two-point Dixon method with flexible echo times, Magnetic Resonance in Medicine 65
    (2011) 994-1004.

    J. Tsao, Y. Jiang, Hierarchical IDEAL: robust water-fat separation at high field by multiresolution field
    map estimation, Proceedings of ISMRM (2008) 653.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri.maps import fat_phasors, water_fat
    >>> times_s = np.array([0.0013, 0.0029, 0.0045])
    >>> water, fat = np.full((6, 8), 70.0), np.full((6, 8), 30.0)
    >>> phasors = fat_phasors(times_s, field_t=1.5)[:, None, None]
    >>> images = (water + fat * phasors) * np.exp(2j * np.pi * 40.0 * times_s)[:, None, None]
    >>> found = water_fat(images, times_s, field_t=1.5, sigma=1.0)
    >>> print(found.fat_fraction[2, 3].round(6), found.field_hz[2, 3].round(4))
    0.3 40.0
    """
    stack = complex_image("images", images, (3, 4)).astype(np.complex128)
    times = times_of("echo_times_s", echo_times_s, len(stack), 2)
    shared = len(times) == 2 if common_phase is None else bool(common_phase)
    if len(times) == 2 and not shared:
        raise ValueError("common_phase must be true with two echoes, got False")
    phasors = fat_phasors(times, field_t=field_t, shifts_ppm=shifts_ppm, amplitudes=amplitudes)
    model = _Model(times, phasors, shared)
    chosen = mask_of(mask, stack.shape[1:]) & (np.abs(stack).max(axis=0) > 0)
    if not chosen.any():
        raise ValueError("images must hold a signal in the mask, got none")
    signals = stack[:, chosen]
    spread = noise_of(sigma, chosen)
    field = _search(model, np.where(chosen, stack, 0), finite("offset_hz", offset_hz))[chosen]
    field = _refined(model, signals, field)
    water, fat = model.solution(signals, field)
    covariance = model.covariance(water, fat, field) * spread[:, None, None] ** 2
    bounds = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0))
    w, f = np.abs(water), np.abs(fat)
    ratio = w**2 * covariance[:, 1, 1] + f**2 * covariance[:, 0, 0] - 2 * w * f * covariance[:, 0, 1]
    ratio = np.sqrt(np.maximum(ratio, 0)) / np.where(w + f > 0, w + f, 1) ** 2
    return WaterFat(
        water=filled(chosen, water, 0),
        fat=filled(chosen, fat, 0),
        water_uncertainty=filled(chosen, bounds[:, 0], np.inf),
        fat_uncertainty=filled(chosen, bounds[:, 1], np.inf),
        fat_fraction_uncertainty=filled(chosen, ratio, np.inf),
        field_hz=filled(chosen, field),
        field_uncertainty_hz=filled(chosen, bounds[:, 2], np.inf),
        fitted=filled(chosen, np.ones(len(field))).astype(bool),
    )


class _Model:
    """The linear part of the signal equation, and how far apart its minima lie."""

    def __init__(self, times: Doubles, phasors: ComplexArray, shared: bool) -> None:
        self.times, self.shared = times, shared
        self.matrix = np.stack([np.ones(len(times)), phasors], axis=1)
        gram = self.matrix.conj().T @ self.matrix
        gram = gram.real if shared else gram
        if np.linalg.cond(gram) > 1e6:
            raise ValueError(
                f"echo_times_s must tell water from fat, got {times.tolist()}: their signals are alike"
            )
        self.inverse = np.linalg.inv(gram)
        self.projector = self.matrix @ self.inverse @ self.matrix.conj().T
        step = float(np.diff(times).min())
        self.period_hz = 1 / step
        self.first_hz = (0.25 if len(times) == 2 else 0.5) / step
        turn = float(np.angle(phasors[1:] * phasors[:-1].conj())[int(np.argmin(np.diff(times)))])
        apart = abs(turn) / (2 * np.pi * step)
        self.reach_hz = 0.22 / step if shared else 0.45 * min(apart, 1 / step - apart)

    def left(self, signals: ComplexArray, field: npt.ArrayLike) -> Doubles:
        """Power that the model leaves, of signals ``(echo, ...)`` at a field of their shape or one number."""
        z = self._projected(signals, field)
        along = np.einsum("ij,j...->i...", self.inverse, z)
        explained = (z.conj() * along).sum(axis=0).real
        if self.shared:
            explained = 0.5 * (explained + np.abs((z * along).sum(axis=0)))
        power = (signals.real**2 + signals.imag**2).sum(axis=0)
        return np.asarray(power - explained)

    def averaged(self, signals: ComplexArray, fields: Doubles, widths: list[float]) -> Doubles:
        """Power that the model leaves at each field ``(field, ...)``, averaged over neighbourhoods.

        Without a common phase it is a trigonometric polynomial in the field with few terms to be averaged.
        """

        def smooth(values: Array) -> Array:
            return np.asarray(ndimage.gaussian_filter(values, widths, mode="nearest"))

        if self.shared:
            return np.stack([smooth(self.left(signals, field)) for field in fields])
        onto = self.projector
        power = np.tensordot(1 - np.diagonal(onto).real, np.abs(signals) ** 2, axes=1)
        out = np.repeat(smooth(power)[None], len(fields), axis=0)
        for j, k in combinations(range(len(self.times)), 2):
            cross = smooth(-2 * onto[j, k] * signals[j].conj() * signals[k])
            turns = np.exp(2j * np.pi * fields * (self.times[j] - self.times[k]))
            for one, turn in zip(out, turns, strict=True):
                one += turn.real * cross.real - turn.imag * cross.imag
        return out

    def solution(self, signals: ComplexArray, field: Doubles) -> tuple[ComplexArray, ComplexArray]:
        z = self._projected(signals, field)
        along = np.einsum("ij,j...->i...", self.inverse, z)
        if self.shared:
            turn = np.exp(0.5j * np.angle((z * along).sum(axis=0)))
            along = np.einsum("ij,j...->i...", self.inverse, (z / turn).real)
            along = along * turn
        return along[0], along[1]

    def _projected(self, signals: ComplexArray, field: npt.ArrayLike) -> ComplexArray:
        times = self.times.reshape(-1, *[1] * (signals.ndim - 1))
        turned = signals * np.exp(-2j * np.pi * np.asarray(field) * times)
        return np.asarray(np.einsum("ji,j...->i...", self.matrix.conj(), turned))

    def covariance(self, water: ComplexArray, fat: ComplexArray, field: Doubles) -> Doubles:
        """Of the magnitudes of water and fat and of the field, for noise of one: ``(voxel, 3, 3)``."""
        turn = np.exp(2j * np.pi * np.outer(field, self.times))
        strong = np.where(np.abs(water) >= np.abs(fat), water, fat)
        unit = [_unit(np.where(np.abs(v) > 1e-9 * np.abs(strong), v, strong)) for v in (water, fat)]
        by_water = unit[0][:, None] * turn
        by_fat = unit[1][:, None] * self.matrix[:, 1] * turn
        whole = (water[:, None] + fat[:, None] * self.matrix[:, 1]) * turn
        by_field = 2j * np.pi * self.times * whole
        columns = [by_water, by_fat, by_field]
        columns += [1j * whole] if self.shared else [1j * by_water, 1j * by_fat]
        jacobian = np.stack(columns, axis=-1)
        parts = np.concatenate([jacobian.real, jacobian.imag], axis=1)
        scale = np.sqrt((parts**2).sum(axis=1, keepdims=True))
        scale = np.where(scale > 0, scale, 1.0)
        parts = parts / scale
        information = np.swapaxes(parts, 1, 2) @ parts
        covariance = np.linalg.pinv(information, rcond=1e-10, hermitian=True)
        return np.asarray((covariance / (scale * np.swapaxes(scale, 1, 2)))[:, :3, :3])


def _unit(values: ComplexArray) -> ComplexArray:
    return np.asarray(values / np.where(values == 0, 1, np.abs(values)))


def _search(model: _Model, stack: ComplexArray, offset_hz: float) -> Doubles:
    """Field on a grid of values, from wide averages to narrow ones, of the start that leaves least."""
    steps = np.arange(_FIELDS) / _FIELDS - 0.5
    fields = offset_hz + steps * model.period_hz
    levels = [
        model.averaged(stack, fields, [min(width, 0.25 * n) for n in stack.shape[1:]]) for width in _LEVELS
    ]
    starts = [(offset_hz, model.first_hz)]
    if len(model.times) > 2:  # two echoes leave nothing at either solution
        n_starts = int(np.ceil(model.period_hz / model.reach_hz))
        starts += [(float(f), model.reach_hz) for f in offset_hz + model.period_hz * _even(n_starts)]
    found = [_descend(model, levels, fields, *start) for start in starts]
    return found[int(np.argmin([total for _, total in found]))][0]


def _even(n: int) -> Doubles:
    return np.asarray((np.arange(n) + 0.5) / n - 0.5)


def _descend(
    model: _Model, levels: list[Doubles], fields: Doubles, start_hz: float, reach_hz: float
) -> tuple[Doubles, float]:
    """Field and sum of the finest costs, from one start."""
    found: Doubles = np.full(levels[0].shape[1:], start_hz)
    total, reach = 0.0, reach_hz
    for smooth in levels:
        away = fields.reshape(-1, *[1] * found.ndim) - found
        away -= np.round(away / model.period_hz) * model.period_hz
        best = np.argmin(np.where(np.abs(away) > reach, np.inf, smooth), axis=0)[None]
        found = found + np.take_along_axis(away, best, axis=0)[0]
        total = float(np.take_along_axis(smooth, best, axis=0).sum())
        reach = model.reach_hz
    return found, total


def _refined(model: _Model, signals: ComplexArray, field: Doubles) -> Doubles:
    """The minimum of each voxel near its field."""
    steps = np.linspace(-0.5, 0.5, 33) * model.reach_hz
    if not model.shared:
        return _by_newton(model, signals, field, steps)
    costs = np.stack([model.left(signals, field + step) for step in steps])
    field = field + steps[np.argmin(costs, axis=0)]
    low, high = field - steps[1] + steps[0], field + steps[1] - steps[0]
    a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    fa, fb = model.left(signals, a), model.left(signals, b)
    for _ in range(_SECTIONS):
        left = fa < fb
        low, high = np.where(left, low, a), np.where(left, b, high)
        a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        fa, fb = model.left(signals, a), model.left(signals, b)
    return np.asarray(0.5 * (low + high))


def _by_newton(model: _Model, signals: ComplexArray, field: Doubles, steps: Doubles) -> Doubles:
    """Without a common phase the cost is a sum of cosines: the best of the steps, then Newton's."""
    pairs = list(combinations(range(len(model.times)), 2))
    speeds = np.array([2 * np.pi * (model.times[j] - model.times[k]) for j, k in pairs])[:, None]
    onto = model.projector
    cross = np.stack([-onto[j, k] * signals[j].conj() * signals[k] for j, k in pairs])
    cross *= np.exp(1j * speeds * field)
    costs = np.stack([(cross * np.exp(1j * speeds * step)).real.sum(axis=0) for step in steps])
    shift = steps[np.argmin(costs, axis=0)]
    for _ in range(_NEWTON):
        turning = cross * np.exp(1j * speeds * shift)
        slope = -(speeds * turning.imag).sum(axis=0)
        bend = -(speeds**2 * turning.real).sum(axis=0)
        move = np.where(bend > 0, -slope / np.where(bend > 0, bend, 1.0), 0.0)
        shift = shift + np.clip(move, steps[0] - steps[1], steps[1] - steps[0])
    return np.asarray(field + shift)

"""The Nyquist ghost of echo-planar images: the phase between lines read in either direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize

from imgtech._core.validate import Array, ComplexArray, FloatArray, complex_image, finite, positive
from imgtech.recon.mri.fft import image_to_kspace, kspace_to_image

_CONSTANTS = 16  # trial constants over half a turn
_SHIFTS = np.arange(-4.0, 4.001, 0.25)  # trial displacements between the two directions, in samples


@dataclass(frozen=True, kw_only=True)
class GhostPhase:
    r"""Phase of the forward lines ahead of the reversed ones, at the position x along the readout.

    .. math:: \varphi(x) = \text{constant} + \text{slope} \cdot x

    The constant comes from the main field, the slope from gradients that lag behind their sampling.

    Parameters
    ----------
    constant_rad : float
        Phase at the centre of the field of view.
    slope_rad_per_mm : float
        Its change along the readout.

    Raises
    ------
    ValueError
        If a number is not finite.
    """

    constant_rad: float
    slope_rad_per_mm: float

    def __post_init__(self) -> None:
        for name in ("constant_rad", "slope_rad_per_mm"):
            object.__setattr__(self, name, finite(name, getattr(self, name)))


def navigator_phase(
    navigators: npt.ArrayLike, reversed_lines: npt.ArrayLike, *, spacing_mm: float
) -> GhostPhase:
    r"""Measure the phase between the two readout directions from lines without phase encoding.

    Every navigator but the first and last is compared with the mean of its two neighbours, so that a phase
    that grows evenly in time cancels; with only two navigators they are compared directly. The products
    :math:`c(x) = \sum m_\text{forward} m_\text{reversed}^*` over coils and pairs give the slope as the angle
    of :math:`\sum_x c(x + dx)\, c(x)^*` and then the constant, both weighted by the signal
    (Ahn and Cho 1987).

    Parameters
    ----------
    navigators : array_like
        k-space of lines without phase encoding in the order they were taken, shape
        ``(navigator, coil, x)``, on an even raster; reversed lines are already turned round.
    reversed_lines : array_like of bool
        Which of them were read backwards; neighbours have opposite directions.
    spacing_mm : float
        Pixel spacing along the readout.

    Returns
    -------
    GhostPhase
        Constant in (-pi, pi], slope in (-pi, pi] per pixel.

    Raises
    ------
    ValueError
        If there are fewer than two navigators, neighbours were read in the same direction, or they hold
        nothing but zeros.

    References
    ----------
    C. B. Ahn, Z. H. Cho, A new phase correction method in NMR imaging based on autocorrelation and histogram
    analysis, IEEE Transactions on Medical Imaging 6 (1987) 32-36, doi:10.1109/TMI.1987.4307795.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri import image_to_kspace, navigator_phase
    >>> x = np.arange(8) - 4
    >>> lines = [image_to_kspace(np.exp(s * 0.5j * (0.3 + 0.1 * x)), (-1,)) for s in (-1, 1, -1)]
    >>> phase = navigator_phase(np.array(lines)[:, None], [True, False, True], spacing_mm=2.0)
    >>> round(phase.constant_rad, 6), round(phase.slope_rad_per_mm, 6)
    (0.3, 0.05)
    """
    array = complex_image("navigators", navigators, 3)
    backwards = _directions(reversed_lines, len(array), "navigators")
    spacing = positive("spacing_mm", spacing_mm)
    if len(array) < 2 or (backwards[1:] == backwards[:-1]).any():
        raise ValueError(
            "navigators must be at least two lines read in alternating directions, got reversed_lines "
            f"{backwards.tolist()}"
        )
    lines = kspace_to_image(array.astype(np.complex128), (-1,))
    if len(lines) == 2:
        pairs = [(lines[0], lines[1], backwards[1])]
    else:
        pairs = [
            ((lines[j - 1] + lines[j + 1]) / 2, lines[j], backwards[j]) for j in range(1, len(lines) - 1)
        ]
    product = np.zeros(array.shape[-1], np.complex128)
    for around, middle, middle_reversed in pairs:
        forward, back = (around, middle) if middle_reversed else (middle, around)
        product += (forward * np.conj(back)).sum(axis=0)
    if not np.abs(product).any():
        raise ValueError("navigators must hold a signal, got zeros in one direction at least")
    slope = float(np.angle(np.vdot(product[:-1], product[1:]))) if len(product) > 1 else 0.0
    pixels = np.arange(len(product)) - len(product) // 2
    constant = float(np.angle((product * np.exp(-1j * slope * pixels)).sum()))
    return GhostPhase(constant_rad=constant, slope_rad_per_mm=slope / spacing)


def ghost_phase(
    kspace: npt.ArrayLike,
    reversed_lines: npt.ArrayLike,
    *,
    spacing_mm: float,
    start: GhostPhase | None = None,
) -> GhostPhase:
    r"""Find the phase between the two readout directions that makes the image itself simplest.

    The phase minimises the entropy :math:`-\sum b \ln b` of the root-sum-of-squares image, scaled to
    :math:`\sum b^2 = 1` (Clare 2003): a ghost spreads the signal and raises it. From a ``start``, such as
    the one navigators give, the minimum nearby is found. Without one, displacements of up to four samples
    and constants of up to a quarter turn are tried first. An image and the same image moved by half the
    field of view have the same entropy, so no data can tell a constant from the one half a turn away
    without a start.

    Parameters
    ----------
    kspace : array_like
        Shape ``(coil, y, x)`` on an even raster, every line taken, reversed lines turned round.
    reversed_lines : array_like of bool
        Which lines of y were read backwards.
    spacing_mm : float
        Pixel spacing along the readout.
    start : GhostPhase, optional
        Where to start.

    Returns
    -------
    GhostPhase
        The phase for :func:`correct_ghost`.

    Raises
    ------
    ValueError
        If shapes do not fit, a sample is not finite, all are zero, or all lines have one direction.

    References
    ----------
    S. Clare, Iterative Nyquist ghost correction for single and multi-shot EPI using an entropy measure,
    Proceedings of the ISMRM 11 (2003) 1041.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri import GhostPhase, correct_ghost, ghost_phase, image_to_kspace
    >>> image = np.zeros((1, 32, 24))
    >>> image[0, 11:20, 6:17] = 1.0
    >>> back = np.arange(32) % 2 == 1
    >>> wrong = GhostPhase(constant_rad=-0.4, slope_rad_per_mm=-0.03)
    >>> bad = correct_ghost(image_to_kspace(image), back, wrong, spacing_mm=2.0)
    >>> found = ghost_phase(bad, back, spacing_mm=2.0)
    >>> round(found.constant_rad, 2), round(found.slope_rad_per_mm, 3)
    (0.4, 0.03)
    """
    array = complex_image("kspace", kspace, 3).astype(np.complex128)
    backwards = _directions(reversed_lines, array.shape[1], "kspace lines")
    spacing = positive("spacing_mm", spacing_mm)
    if backwards.all() or not backwards.any():
        raise ValueError("reversed_lines must hold both directions, got only one")
    if not array.any():
        raise ValueError("kspace must hold a signal, got only zeros")
    forward = kspace_to_image(np.where(backwards[:, None], 0, array))
    back = kspace_to_image(np.where(backwards[:, None], array, 0))
    power = (np.abs(forward) ** 2 + np.abs(back) ** 2).sum(axis=0)
    cross = (forward * np.conj(back)).sum(axis=0)
    total = power.sum()
    power, cross = power / total, cross / total
    n = array.shape[2]
    across = (np.arange(n) - n // 2) / n

    def entropy(parameters: npt.NDArray[np.float64]) -> float:
        turned = cross * np.exp(-1j * (parameters[0] + parameters[1] * across))
        b = np.sqrt(np.maximum(power + 2 * turned.real, 1e-30))
        return -float(np.sum(b * np.log(b)))

    if start is None:
        constants = np.pi * (np.arange(_CONSTANTS) / _CONSTANTS - 0.5)
        trials = [np.array([c, 2 * np.pi * s]) for s in _SHIFTS for c in constants]
        first = min(trials, key=entropy)
    else:
        first = np.array([start.constant_rad, start.slope_rad_per_mm * spacing * n])
    corners = first + np.array([[0.0, 0.0], [0.1, 0.0], [0.0, 0.5]])
    options = {"initial_simplex": corners, "xatol": 1e-5, "fatol": 1e-10, "maxiter": 500}
    best = optimize.minimize(entropy, first, method="Nelder-Mead", options=options).x
    return GhostPhase(constant_rad=float(best[0]), slope_rad_per_mm=float(best[1]) / (n * spacing))


def correct_ghost(
    kspace: npt.ArrayLike, reversed_lines: npt.ArrayLike, phase: GhostPhase, *, spacing_mm: float
) -> ComplexArray:
    r"""Take the phase between the two readout directions out of k-space.

    Half of it comes off the forward lines, :math:`e^{-i \varphi(x) / 2}`, and half goes onto the reversed
    ones.

    Parameters
    ----------
    kspace : array_like
        Shape ``(..., y, x)`` on an even raster, reversed lines turned round.
    reversed_lines : array_like of bool
        Which lines of y were read backwards.
    phase : GhostPhase
        From :func:`navigator_phase` or :func:`ghost_phase`.
    spacing_mm : float
        Pixel spacing along the readout.

    Returns
    -------
    numpy.ndarray
        k-space of the same shape; complex128 for double precision, else complex64.

    Raises
    ------
    ValueError
        If shapes do not fit, a sample is not finite or the spacing is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri import GhostPhase, correct_ghost
    >>> half_turn = GhostPhase(constant_rad=np.pi, slope_rad_per_mm=0.0)
    >>> correct_ghost(np.ones((2, 1)), [False, True], half_turn, spacing_mm=1.0).imag.ravel().round(6)
    array([-1.,  1.])
    """
    array = complex_image("kspace", kspace, tuple(range(2, 9)))
    backwards = _directions(reversed_lines, array.shape[-2], "kspace lines")
    n = array.shape[-1]
    x_mm = (np.arange(n) - n // 2) * positive("spacing_mm", spacing_mm)
    angle: FloatArray = (phase.constant_rad + phase.slope_rad_per_mm * x_mm) / 2
    turn = np.exp(1j * np.where(backwards[:, None], angle, -angle)).astype(array.dtype)
    return image_to_kspace(kspace_to_image(array, (-1,)) * turn, (-1,))


def _directions(reversed_lines: npt.ArrayLike, n: int, what: str) -> Array:
    backwards = np.asarray(reversed_lines)
    if backwards.dtype != bool or backwards.shape != (n,):
        raise ValueError(
            f"reversed_lines must be True or False for each of {n} {what}, got {backwards.dtype} of shape "
            f"{backwards.shape}"
        )
    return backwards

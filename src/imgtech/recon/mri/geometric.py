"""Geometric coil compression: virtual coils that change along the readout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import ComplexArray, complex_image, count
from imgtech.recon.mri.fft import image_to_kspace, kspace_to_image


@dataclass(frozen=True, eq=False)
class GeometricCoils(ArrayValue):
    """Virtual coils of :func:`compress_coils_geometric`.

    Parameters
    ----------
    kspace : numpy.ndarray
        k-space of the virtual coils, shape ``(virtual, ...)``.
    matrices : numpy.ndarray
        Orthonormal rows at each pixel along the readout, shape ``(readout, virtual, coil)``: images and
        maps of the virtual coils at pixel x are ``matrices[x]`` times those of the coils.
    energy : float
        Part of the calibration's energy that the virtual coils keep, 0 to 1.
    """

    kspace: ComplexArray
    matrices: ComplexArray
    energy: float


def compress_coils_geometric(
    kspace: npt.ArrayLike,
    n_virtual: int,
    *,
    axis: int = -1,
    calibration: npt.ArrayLike | None = None,
    width: int = 1,
) -> GeometricCoils:
    r"""Combine coils to few virtual coils, at each position along the readout by a matrix of its own.

    The readout is complete, so its transform leads to hybrid data: image along the readout, k-space along
    the other axes, whatever their undersampling. At each position x the first left singular vectors of
    the hybrid data there give the rows :math:`A_x`, which keep at least the energy that one matrix for
    all (:func:`compress_coils`) keeps. From the position with the most energy outwards each is then
    aligned to its neighbour :math:`A_{x'}` by the unitary

    .. math:: P_x = \arg\min_P \lVert P A_x - A_{x'} \rVert_F = V U^H, \qquad A_x A_{x'}^H = U \Sigma V^H,

    so that virtual coils vary smoothly, as GRAPPA, SPIRiT and ESPIRiT need. The rows stay orthonormal:
    white noise stays white (:func:`prewhiten` first).

    Parameters
    ----------
    kspace : array_like
        Shape ``(coil, ...)`` with at least two more axes; missing lines are zero.
    n_virtual : int
        Number of virtual coils, at most the number of coils.
    axis : int, optional
        The fully sampled readout axis; the last by default.
    calibration : array_like, optional
        Data of the same coils with the same number of axes and the complete readout, to find the
        matrices from; all of ``kspace`` by default.
    width : int, optional
        Odd number of positions, at most the readout, whose data are taken together for each matrix. More than
        one makes matrices of few noisy lines more reliable.

    Returns
    -------
    GeometricCoils
        ``.kspace``, ``.matrices`` and ``.energy``.

    Raises
    ------
    ValueError
        If a sample is not finite, ``axis`` is the coil axis or does not exist, the calibration is zero or
        has other coils or another readout, ``width`` is even or too large, or there are fewer coils
        than ``n_virtual``.

    References
    ----------
    T. Zhang, J. M. Pauly, S. S. Vasanawala, M. Lustig, Coil compression for accelerated imaging with
    Cartesian sampling, Magnetic Resonance in Medicine 69 (2013) 571-582, doi:10.1002/mrm.24267.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri import compress_coils_geometric, image_to_kspace
    >>> left = np.arange(6) < 3                                  # each coil sees one half of the readout
    >>> images = np.array([left, ~left])[:, None] * np.ones((2, 4, 6))
    >>> few = compress_coils_geometric(image_to_kspace(images), 1)
    >>> few.kspace.shape, round(few.energy, 6)
    ((1, 4, 6), 1.0)
    """
    array = complex_image("kspace", kspace, (3, 4, 5))
    n_coils = len(array)
    if count("n_virtual", n_virtual) > n_coils:
        raise ValueError(f"n_virtual must be at most the {n_coils} coils of kspace, got {n_virtual}")
    if isinstance(axis, bool) or not isinstance(axis, int | np.integer):
        raise ValueError(f"axis must be a whole number, got {axis!r}")
    if not -array.ndim < axis < array.ndim or axis == 0:
        raise ValueError(f"axis must be one of the {array.ndim - 1} axes after the coils, got {axis!r}")
    n = array.shape[axis]
    if count("width", width) % 2 == 0 or width > n:
        raise ValueError(f"width must be odd and at most the readout's {n} samples, got {width!r}")
    source = array if calibration is None else complex_image("calibration", calibration, array.ndim)
    if len(source) != n_coils or source.shape[axis] != n:
        raise ValueError(
            f"calibration must have {n_coils} coils and {n} samples along the readout like kspace, "
            f"got shape {source.shape}"
        )
    peak = np.abs(source).max()
    if peak == 0:
        raise ValueError(f"{'kspace' if calibration is None else 'calibration'} must not be all zero")
    own = _positions_first(source.astype(np.complex128) / peak, axis)
    grams = own @ own.conj().transpose(0, 2, 1)
    least = float(np.finfo(array.dtype).eps) ** 2
    matrices = _aligned(_leading_rows(grams, n_virtual, width // 2), grams, least)
    kept = np.einsum("xvc,xcd,xvd->", matrices, grams, matrices.conj()).real
    energy = float(kept / np.einsum("xcc->", grams).real)
    matrices = matrices.astype(array.dtype)
    virtual = matrices @ _positions_first(array, axis)
    others = np.moveaxis(array, axis, 1).shape[2:]
    hybrid = np.moveaxis(virtual.reshape(n, n_virtual, *others), 0, 1)
    data = image_to_kspace(np.moveaxis(hybrid, 1, axis), axes=(axis,))
    return GeometricCoils(kspace=data, matrices=matrices, energy=min(energy, 1.0))


def _positions_first(kspace: ComplexArray, axis: int) -> ComplexArray:
    """Hybrid data (readout, coil, all other samples)."""
    hybrid = np.moveaxis(kspace_to_image(kspace, axes=(axis,)), axis, 0)
    return hybrid.reshape(*hybrid.shape[:2], -1)


def _leading_rows(grams: ComplexArray, n_virtual: int, half: int) -> ComplexArray:
    """First eigenvectors of each position's covariance, conjugated, as rows: (readout, virtual, coil)."""
    n = len(grams)
    near = np.stack([grams[max(x - half, 0) : x + half + 1].sum(axis=0) for x in range(n)])
    rows = np.linalg.eigh(near)[1][:, :, ::-1][:, :, :n_virtual]
    return np.asarray(rows.conj().transpose(0, 2, 1))


def _aligned(rows: ComplexArray, grams: ComplexArray, least: float) -> ComplexArray:
    """Turn each position's rows, outwards from the strongest, to lie next to its neighbour's.

    Positions with no more than the part ``least`` of the strongest one's energy take their neighbour's rows.
    """
    powers = np.einsum("xcc->x", grams).real
    start = int(powers.argmax())
    aligned = rows.copy()
    largest = rows[start][np.arange(rows.shape[1]), np.abs(rows[start]).argmax(axis=1)]
    aligned[start] *= (largest.conj() / np.abs(largest))[:, None]
    for step, end in ((1, len(rows)), (-1, -1)):
        for x in range(start + step, end, step):
            before = aligned[x - step]
            if powers[x] <= least * powers[start]:
                aligned[x] = before
                continue
            u, _, vh = np.linalg.svd(rows[x] @ before.conj().T)
            aligned[x] = (u @ vh).conj().T @ rows[x]
    return aligned

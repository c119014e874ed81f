"""Receive coils whose k-space is exact: sensitivities as short sums of complex exponentials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import complex_image, count, finite, floats, positive
from imgtech.geometry import ImageGrid


@dataclass(frozen=True, kw_only=True, eq=False)
class CoilSensitivities(ArrayValue):
    r"""Sensitivities :math:`s_c(r) = \sum_j a_{cj}\, e^{2 \pi i\, \kappa_j \cdot r}`.

    The signal of coil c is then a sum of the object's own spectrum at shifted positions,
    :math:`S_c(k) = \sum_j a_{cj}\, S(k - \kappa_j)`, with no discretisation anywhere.

    Parameters
    ----------
    coefficients : array_like of complex
        Shape ``(coil, term)``.
    frequencies_per_mm : array_like of float
        Shape ``(term, axis)``, in the order of the image axes: ``(y, x)`` or ``(z, y, x)``.

    Raises
    ------
    ValueError
        If a number is not finite or the shapes do not belong together.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import CoilSensitivities
    >>> coils = CoilSensitivities.ring(n_coils=4, radius_mm=120.0)
    >>> coils.maps(ImageGrid.square(16, fov_mm=200.0)).shape
    (4, 16, 16)
    """

    coefficients: npt.NDArray[np.complex128]
    frequencies_per_mm: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        weights = np.array(complex_image("coefficients", self.coefficients, 2), dtype=np.complex128)
        shifts = floats("frequencies_per_mm", self.frequencies_per_mm, ndim=2)
        if shifts.shape[1] not in (2, 3) or shifts.shape[0] != weights.shape[1]:
            raise ValueError(
                f"frequencies_per_mm must have shape ({weights.shape[1]}, 2 or 3) for coefficients of "
                f"shape {weights.shape}, got shape {shifts.shape}"
            )
        weights.setflags(write=False)
        object.__setattr__(self, "coefficients", weights)
        object.__setattr__(self, "frequencies_per_mm", shifts)

    @classmethod
    def ring(
        cls, *, n_coils: int, radius_mm: float, start_rad: float = 0.0, ndim: int = 2
    ) -> CoilSensitivities:
        r"""Coils spread evenly over a circle about the origin, each strongest on its own side.

        Coil c sits at the angle ``start_rad + 2 pi c / n_coils``, counter-clockwise from x. Its
        magnitude falls from 1 at the coil, much like a squared cosine along y and along x, towards
        small values on the far side of the ring. The period of the exponentials is
        ``4.4 * radius_mm``: inside the ring nothing repeats. A quarter of the ring radius is added
        to the coil's position as an imaginary part, which makes the phase vary smoothly.

        .. math::

            s(r) = e^{i \phi_c} \prod_{q \in (y, x)}
                \frac{1 + \cos(2 \pi (q - q_c) / L)}{1 + \cosh(2 \pi q'' / L)}, \qquad
            q_c = q' + i q''

        Parameters
        ----------
        n_coils : int
            Number of coils.
        radius_mm : float
            Radius of the circle; larger than the object.
        start_rad : float, optional
            Angle of coil 0.
        ndim : int, optional
            2, or 3 for coils that do not change along z.
        """
        n, radius = count("n_coils", n_coils), positive("radius_mm", radius_mm)
        if ndim not in (2, 3):
            raise ValueError(f"ndim must be 2 or 3, got {ndim!r}")
        period, lift = 4.4 * radius, radius / 4
        angles = finite("start_rad", start_rad) + 2 * np.pi * np.arange(n) / n
        orders = np.array([(p, q) for p in (-1, 0, 1) for q in (-1, 0, 1)])
        places = radius * np.stack([np.sin(angles), np.cos(angles)], axis=1) * (1 + 1j * lift / radius)
        peak = (1 + np.cosh(2 * np.pi * places.imag / period)).prod(axis=1)
        amplitudes = np.where(orders == 0, 1.0, 0.5).prod(axis=1)
        waves = np.exp(-2j * np.pi / period * (places @ orders.T))
        coefficients = np.exp(1j * angles)[:, None] * amplitudes * waves / peak[:, None]
        frequencies = np.zeros((len(orders), ndim))
        frequencies[:, -2:] = orders / period
        return cls(coefficients=coefficients, frequencies_per_mm=frequencies)

    @property
    def n_coils(self) -> int:
        """Number of coils."""
        return len(self.coefficients)

    @property
    def ndim(self) -> int:
        """Number of axes, 2 or 3."""
        return self.frequencies_per_mm.shape[1]

    def maps(self, grid: ImageGrid) -> npt.NDArray[np.complex64]:
        """Sensitivities at the centres of the pixels, shape ``(coil, *grid.shape)``, complex64.

        Raises
        ------
        ValueError
            If the grid does not have the coils' number of axes.
        """
        if grid.ndim != self.ndim:
            raise ValueError(f"grid must have {self.ndim} axes like the coils, got {grid.ndim}")
        maps = np.zeros((self.n_coils, *grid.shape), dtype=np.complex128)
        for weights, frequency in zip(self.coefficients.T, self.frequencies_per_mm, strict=True):
            wave = np.ones((), dtype=np.complex128)
            for position, f in zip(grid.coordinates_mm, frequency, strict=True):
                wave = np.multiply.outer(wave, np.exp(2j * np.pi * f * position))
            maps += np.multiply.outer(weights, wave)
        return maps.astype(np.complex64)

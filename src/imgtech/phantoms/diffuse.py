"""Diffuse scatterers: tissue that makes speckle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import floats, positive
from imgtech.phantoms.echoes import Scatterers


def speckle(
    region_mm: npt.ArrayLike,
    *,
    density_per_mm2: float,
    rng: np.random.Generator,
    cysts_mm: Sequence[tuple[float, float, float]] = (),
) -> Scatterers:
    """Diffuse scatterers: Poisson-distributed points with normally distributed amplitudes.

    With ten or more points in a resolution cell the envelope is Rayleigh-distributed and its mean is
    1.91 times its standard deviation (fully developed speckle; Wagner et al. 1983,
    doi:10.1109/T-SU.1983.31404).

    Parameters
    ----------
    region_mm : array_like of float
        Corners of the rectangle, ``((z_min, z_max), (x_min, x_max))``.
    density_per_mm2 : float
        Expected number of points per square millimetre.
    rng : numpy.random.Generator
        Source of randomness.
    cysts_mm : sequence of (z, x, radius), optional
        Disks without any scatterer.

    Returns
    -------
    Scatterers
        Points inside the rectangle and outside every cyst; amplitudes of mean 0 and variance 1.

    Raises
    ------
    ValueError
        If the region is empty or reaches above the probe, the density or a radius is not positive, or
        no point is left.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.phantoms import speckle
    >>> rng = np.random.default_rng(1)
    >>> tissue = speckle(((10, 20), (-5, 5)), density_per_mm2=20, rng=rng, cysts_mm=[(15, 0, 2)])
    >>> bool(np.hypot(*(tissue.positions_mm - [15, 0]).T).min() > 2)
    True
    """
    corners = floats("region_mm", region_mm, ndim=2)
    if corners.shape != (2, 2) or (corners[:, 0] >= corners[:, 1]).any() or corners[0, 0] < 0:
        raise ValueError(
            "region_mm must be ((z_min, z_max), (x_min, x_max)) with 0 <= z_min < z_max and "
            f"x_min < x_max, got {corners.tolist()}"
        )
    expected = positive("density_per_mm2", density_per_mm2) * np.prod(np.diff(corners, axis=1))
    n = int(rng.poisson(expected))
    positions = rng.uniform(corners[:, 0], corners[:, 1], (n, 2))
    amplitudes = rng.standard_normal(n)
    keep = positions[:, 0] > 0
    for z, x, radius in cysts_mm:
        keep &= np.hypot(positions[:, 0] - z, positions[:, 1] - x) > positive("cysts_mm radius", radius)
    if not keep.any():
        raise ValueError(
            "region_mm, density_per_mm2 and cysts_mm must leave at least one point, "
            f"got none of {expected:.3g} expected"
        )
    return Scatterers(positions[keep], amplitudes[keep])

"""CT numbers of a uniform phantom: noise, contrast to noise, edge against centre."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import real_image
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._noise import NoiseSize, noise_size, pixel_number, region_deviation
from imgtech.qc.roi import checked_region

Floats = npt.NDArray[np.float64]

_IEC = Source(document="IEC 61223-3-5", edition="2019", clause="noise, uniformity", verified=False)
_ACR = Source(document="ACR CT Quality Control Manual", edition="2017", clause="low contrast performance",
              verified=False)  # fmt: skip


def ct_noise(image: npt.ArrayLike, region: npt.ArrayLike) -> Measurement:
    r"""Noise: the standard deviation of the CT numbers in a region.

    .. math:: u(s) = \frac{s}{\sqrt{2 \nu}}, \qquad \nu = N / \sum_h \rho(h)^2 - 1

    with the autocorrelation :math:`\rho` of the noise: neighbouring pixels of a CT image are correlated,
    and a region of N pixels tells less about its noise than N independent ones.

    Parameters
    ----------
    image : array_like
        Shape ``(ny, nx)`` in HU.
    region : array_like
        Weights between 0 and 1 of a region without structure.

    Returns
    -------
    Measurement
        ``"CT noise"`` in ``"HU"``. ``details`` holds the mean and the number of independent pixels.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite, or the region holds no noise.

    References
    ----------
    IEC 61223-3-5:2019, Evaluation and routine testing in medical imaging departments - computed
    tomography; GUM (JCGM 100:2008) E.4.3.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import ct_noise
    >>> water = 2 + 5 * np.random.default_rng(1).standard_normal((60, 70))
    >>> m = ct_noise(water, np.ones((60, 70)))
    >>> abs(m.value - 5) < 2 * m.uncertainty
    True
    """
    pixels = real_image("image", image, 2).astype(np.float64)
    weights = checked_region("region", region, pixels.shape)
    size = noise_size([pixels], [weights])
    spread, freedom = region_deviation(pixels, weights, size)
    return Measurement(
        name="CT noise",
        value=spread,
        unit="HU",
        uncertainty=spread / math.sqrt(2 * freedom),
        definition=_IEC,
        algorithm="ct-noise-2",
        degrees_of_freedom=freedom,
        details={"mean (HU)": _mean(pixels, weights), "independent pixels": freedom + 1},
    )


def cnr(image: npt.ArrayLike, object_region: npt.ArrayLike, background_region: npt.ArrayLike) -> Measurement:
    r"""Contrast-to-noise ratio of an object against its background.

    .. math:: \mathrm{CNR} = \frac{|m_o - m_b|}{s_b}

    Parameters
    ----------
    image : array_like
        Shape ``(ny, nx)``.
    object_region, background_region : array_like
        Weights between 0 and 1; the noise and its autocorrelation are taken from the background.

    Returns
    -------
    Measurement
        ``"CNR"``, unit 1. The uncertainty holds both means and the standard deviation, all with the
        number of independent pixels. Below about 3 uncertainties the ratio is biased towards high
        values, as the difference is taken without its sign; ``details`` has the difference with it.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite, or the background holds no noise.

    References
    ----------
    American College of Radiology, Computed Tomography Quality Control Manual (2017).

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import cnr
    >>> image = 4 * np.random.default_rng(1).standard_normal((60, 80))
    >>> image[:, :30] += 8
    >>> rod, around = np.zeros((60, 80)), np.zeros((60, 80))
    >>> rod[10:50, 5:25] = around[10:50, 40:75] = 1
    >>> m = cnr(image, rod, around)
    >>> abs(m.value - 2) < 2 * m.uncertainty
    True
    """
    pixels = real_image("image", image, 2).astype(np.float64)
    inside = checked_region("object_region", object_region, pixels.shape)
    around = checked_region("background_region", background_region, pixels.shape)
    size = noise_size([pixels], [around])
    spread, freedom = region_deviation(pixels, around, size)
    difference = _mean(pixels, inside) - _mean(pixels, around)
    means = size.linear * (1 / pixel_number(inside) + 1 / pixel_number(around))
    ratio = abs(difference) / spread
    return Measurement(
        name="CNR",
        value=ratio,
        uncertainty=math.sqrt(means + ratio**2 / (2 * freedom)),
        definition=_ACR,
        algorithm="cnr-2",
        degrees_of_freedom=freedom,
        details={"difference": difference, "noise": spread, "independent pixels": freedom + 1},
    )


def edge_centre_uniformity(
    image: npt.ArrayLike, centre_region: npt.ArrayLike, edge_regions: npt.ArrayLike
) -> tuple[Measurement, ...]:
    """Mean CT number of every region at the edge minus that at the centre.

    One measurement a region, as the largest of several noisy differences would be biased.

    Parameters
    ----------
    image : array_like
        Shape ``(ny, nx)`` in HU.
    centre_region : array_like
        Weights between 0 and 1, shape ``(ny, nx)``.
    edge_regions : array_like
        Weights ``(n, ny, nx)``, usually at 3, 6, 9 and 12 o'clock.

    Returns
    -------
    tuple of Measurement
        ``"edge 1 minus centre"`` and so on in ``"HU"``, in the order of ``edge_regions``. The noise of
        every region is its own; its autocorrelation is the mean of all regions.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite, or a region holds no noise.

    References
    ----------
    IEC 61223-3-5:2019; American College of Radiology, Computed Tomography Quality Control Manual (2017).

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import edge_centre_uniformity
    >>> image = 4 * np.random.default_rng(1).standard_normal((60, 80))
    >>> image[:, :20] += 3
    >>> centre, edges = np.zeros((60, 80)), np.zeros((2, 60, 80))
    >>> centre[20:40, 30:50] = edges[0, 20:40, :20] = edges[1, 20:40, 60:] = 1
    >>> found = edge_centre_uniformity(image, centre, edges)
    >>> [abs(m.value - truth) < 2 * m.uncertainty for m, truth in zip(found, (3, 0))]
    [True, True]
    """
    pixels = real_image("image", image, 2).astype(np.float64)
    centre = checked_region("centre_region", centre_region, pixels.shape)
    stack = real_image("edge_regions", edge_regions, 3)
    edges = [checked_region("edge_regions", region, pixels.shape) for region in stack]
    size = _common_size(pixels, [centre, *edges])
    found = []
    for i, region in enumerate(edges, start=1):
        square = freedom = 0.0
        for weights in (centre, region):
            spread, degrees = region_deviation(pixels, weights, size)
            square += spread**2 * size.linear / pixel_number(weights)
            freedom += degrees
        found.append(
            Measurement(
                name=f"edge {i} minus centre",
                value=_mean(pixels, region) - _mean(pixels, centre),
                unit="HU",
                uncertainty=math.sqrt(square),
                definition=_IEC,
                algorithm="edge-centre-uniformity-2",
                degrees_of_freedom=freedom,
                details={"edge (HU)": _mean(pixels, region), "centre (HU)": _mean(pixels, centre)},
            )
        )
    return tuple(found)


def _mean(pixels: Floats, weights: Floats) -> float:
    return float(np.vdot(weights, pixels) / weights.sum())


def _common_size(pixels: Floats, regions: list[Floats]) -> NoiseSize:
    """Sums of the autocorrelation: of every region for itself, then their mean by number of pixels."""
    sizes = [noise_size([pixels], [weights]) for weights in regions]
    numbers = [pixel_number(weights) for weights in regions]
    linear, squared = (
        float(np.average([getattr(size, kind) for size in sizes], weights=numbers))
        for kind in ("linear", "squared")
    )
    return NoiseSize(linear=linear, squared=squared)

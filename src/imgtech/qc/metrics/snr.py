"""Signal-to-noise ratio from two images, from one image and its air, and from one image smoothed."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech._core.validate import count, each, positive, real_image
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._noise import filled_box, high_passed_share, noise_size, pixel_number, variance
from imgtech.qc.roi import checked_region

Floats = npt.NDArray[np.float64]

_NEMA = Source(document="NEMA MS 1", edition="2008", clause="method 1", verified=False)
_MCCANN = Source(document="McCann et al., Phys Med Biol 58:3775", edition="2013", verified=False)
_IPEM = Source(document="IPEM Report 112", edition="2017", clause="normalised SNR", verified=False)


def snr_two_images(first: npt.ArrayLike, second: npt.ArrayLike, region: npt.ArrayLike) -> Measurement:
    r"""SNR of two images of the same object, by their difference (NEMA MS 1, method 1).

    .. math:: \mathrm{SNR} = \sqrt 2\, S / \mathrm{SD}(I_1 - I_2)

    with S the mean of the first image in the region. Only the noise changes between the images, so any
    shading of the object cancels.

    Parameters
    ----------
    first, second : array_like
        Images, shape ``(ny, nx)``.
    region : array_like
        Weights between 0 and 1: one region ``(ny, nx)``, or several ``(n, ny, nx)``. Several regions
        give the mean of their ratios (the five squares of the MagNET test object).

    Returns
    -------
    Measurement
        ``"SNR"``, unit 1. The uncertainty holds that of the mean and :math:`1/\sqrt{2\nu}` of the
        standard deviation; the degrees of freedom :math:`\nu` count independent pixels, found from
        the autocorrelation of the difference, so that interpolated images do not look better known.

    Raises
    ------
    ValueError
        If shapes differ, a region is empty or a value is not finite, the images are equal in a region,
        or the signal is not positive.

    References
    ----------
    NEMA MS 1, Determination of Signal-to-Noise Ratio in Diagnostic Magnetic Resonance Imaging.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import snr_two_images
    >>> rng = np.random.default_rng(1)
    >>> pair = 100 + 2.0 * rng.standard_normal((2, 60, 70))
    >>> m = snr_two_images(pair[0], pair[1], np.ones((60, 70)))
    >>> abs(m.value - 50) < 2 * m.uncertainty
    True
    """
    signal = real_image("first", first, 2).astype(np.float64, copy=False)
    difference = signal - real_image("second", second, 2, signal.shape)
    regions = _regions(region, signal.shape)
    return _mean_of_ratios(signal, difference, regions, 2.0, _NEMA, "snr-two-images-2")


def snr_smoothing(
    image: npt.ArrayLike,
    region: npt.ArrayLike,
    *,
    boxcar_px: int = 9,
    restore_variance: bool = True,
) -> Measurement:
    r"""SNR of one image; the noise is the image minus its own moving average (McCann 2013).

    .. math:: \mathrm{SNR} = S / \mathrm{SD}(I - B_k I)

    The moving average over k x k pixels takes a part g of the noise with it: the difference holds only
    :math:`\sigma^2 (1 - g)`, :math:`g = 1/k^2` for white noise and more for correlated noise, where it
    is found from the autocorrelation. ``restore_variance`` puts it back. Structure finer than the
    boxcar counts as noise.

    Parameters
    ----------
    image : array_like
        Shape ``(ny, nx)``.
    region : array_like
        Weights between 0 and 1: one region ``(ny, nx)``, or several ``(n, ny, nx)``, which give the
        mean of their ratios.
    boxcar_px : int, optional
        Odd width k of the moving average; the paper takes 9 for head and 25 for body coils.
    restore_variance : bool, optional
        False leaves the part g out, as the paper and the MagNET programs do.

    Returns
    -------
    Measurement
        ``"SNR"``, unit 1.

    Raises
    ------
    ValueError
        If a region is empty or comes nearer to the edge of the image than half the boxcar, or a value
        is not finite, or the boxcar is even or below 5.

    References
    ----------
    A. McCann et al., Phys Med Biol 58 (2013) 3775, doi:10.1088/0031-9155/58/11/3775.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import snr_smoothing
    >>> image = 100 + 2.0 * np.random.default_rng(1).standard_normal((60, 70))
    >>> region = np.zeros((60, 70))
    >>> region[10:50, 10:60] = 1
    >>> m = snr_smoothing(image, region)
    >>> abs(m.value - 50) < 2 * m.uncertainty
    True
    """
    pixels = real_image("image", image, 2).astype(np.float64)
    width = count("boxcar_px", boxcar_px, 5)
    if width % 2 == 0:
        raise ValueError(f"boxcar_px must be odd, got {boxcar_px}")
    regions = _regions(region, pixels.shape)
    margin = width // 2
    inner = np.zeros(pixels.shape, dtype=bool)
    inner[margin:-margin, margin:-margin] = True
    if any(weights[~inner].any() for weights in regions):
        raise ValueError(f"region must stay {margin} pixels away from the edge of the image")
    noise = pixels - ndimage.uniform_filter(pixels, width, mode="nearest")
    kept = 1.0
    if restore_variance:
        kept = high_passed_share(noise, regions, np.full((width, width), 1 / width**2))
    return _mean_of_ratios(pixels, noise, regions, max(kept, 0.1), _MCCANN, "snr-smoothing-3")


def normalised_snr(
    snr: Measurement,
    *,
    pixel_bandwidth_hz: float,
    n_rows: int,
    n_columns: int,
    pixel_spacing_mm: tuple[float, float],
    slice_thickness_mm: float,
    n_averages: float,
    repetition_time_s: float,
) -> Measurement:
    r"""SNR made comparable between protocols: per voxel volume, measuring time and bandwidth.

    .. math:: \mathrm{SNR} \sqrt{\frac{b N_x / 2}{30\,000\,\mathrm{Hz}}}
              \frac{1}{0.001\, \Delta x\, \Delta y\, \Delta z} \frac{1}{\sqrt{N_{SA} N_y T_R}}

    with lengths in mm, so that the volume is in ml, and :math:`T_R` in s.

    Parameters
    ----------
    snr : Measurement
        The SNR to normalise.
    pixel_bandwidth_hz : float
        Bandwidth b of one pixel (DICOM 0018,0095).
    n_rows, n_columns : int
        Size of the image; rows stand for the phase-encoding steps.
    pixel_spacing_mm : (float, float)
        Pixel size along y and x.
    slice_thickness_mm : float
        Nominal or measured thickness.
    n_averages : float
        Number of averages.
    repetition_time_s : float
        Repetition time.

    Returns
    -------
    Measurement
        ``"normalised SNR"``, unit ``"1/(ml s^0.5)"``; the factor is taken as exact.

    Raises
    ------
    ValueError
        If ``snr`` has no value or an argument is not positive.

    References
    ----------
    IPEM Report 112, Quality Control and Artefacts in Magnetic Resonance Imaging.

    Examples
    --------
    >>> from imgtech.qc import Measurement, Source
    >>> from imgtech.qc.metrics import normalised_snr
    >>> snr = Measurement(name="SNR", value=100.0, uncertainty=2.0, algorithm="example-1",
    ...                   definition=Source(document="example", edition="1"))
    >>> m = normalised_snr(snr, pixel_bandwidth_hz=130.0, n_rows=256, n_columns=256,
    ...                    pixel_spacing_mm=(0.98, 0.98), slice_thickness_mm=5.0, n_averages=1,
    ...                    repetition_time_s=1.0)
    >>> round(m.value, 1)
    969.3
    """
    if snr.value is None or snr.uncertainty is None:
        raise ValueError(f"snr must have a value, got the error {snr.error!r}")
    dy, dx = each("pixel_spacing_mm", pixel_spacing_mm, 2, positive)
    half_bandwidth = positive("pixel_bandwidth_hz", pixel_bandwidth_hz) * count("n_columns", n_columns) / 2
    volume_ml = dx * dy * positive("slice_thickness_mm", slice_thickness_mm) * 0.001
    time_s = positive("n_averages", n_averages) * count("n_rows", n_rows)
    time_s *= positive("repetition_time_s", repetition_time_s)
    factor = math.sqrt(half_bandwidth / 30_000) / volume_ml / math.sqrt(time_s)
    return Measurement(
        name="normalised SNR",
        value=snr.value * factor,
        unit="1/(ml s^0.5)",
        uncertainty=snr.uncertainty * factor,
        definition=_IPEM,
        algorithm=f"{snr.algorithm}, normalised-1",
        degrees_of_freedom=snr.degrees_of_freedom,
        details={"SNR": snr.value, "factor": factor},
    )


def _regions(region: npt.ArrayLike, shape: tuple[int, ...]) -> list[Floats]:
    stack = np.asarray(region)
    if stack.ndim == 2:
        stack = stack[None]
    if stack.ndim != 3 or len(stack) == 0:
        raise ValueError(f"region must have shape (ny, nx) or (n, ny, nx), got {np.shape(region)}")
    return [checked_region("region", weights, shape) for weights in stack]


def _mean_of_ratios(
    signal: Floats, noise: Floats, regions: list[Floats], kept: float, definition: Source, algorithm: str
) -> Measurement:
    """Mean over regions of signal by noise; ``kept`` is the variance of ``noise`` by that of one image."""
    size = noise_size([noise] * len(regions), regions)
    ratios, squares, freedom = [], 0.0, 0.0
    means, deviations = [], []
    for region in regions:
        box = filled_box(region)
        weights = region[box]
        mean = float(np.vdot(weights, signal[box]) / weights.sum())
        deviation = math.sqrt(variance(noise[box], weights) / kept)
        if mean <= 0 or deviation == 0:
            raise ValueError(
                f"region must hold a positive signal and some noise, got {mean:g} and {deviation:g}"
            )
        ratio = mean / deviation
        pixels = pixel_number(weights)
        degrees = max(pixels / size.squared - 1, 1.0)
        squares += size.linear / pixels + ratio**2 / (2 * degrees)
        freedom += degrees
        ratios.append(ratio)
        means.append(mean)
        deviations.append(deviation)
    return Measurement(
        name="SNR",
        value=float(np.mean(ratios)),
        uncertainty=math.sqrt(squares) / len(ratios),
        definition=definition,
        algorithm=algorithm,
        degrees_of_freedom=freedom,
        details={
            "signal": float(np.mean(means)),
            "noise": float(np.mean(deviations)),
            "regions": len(ratios),
            "pixels per independent pixel": size.squared,
        },
    )

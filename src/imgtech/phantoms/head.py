"""The head phantom of Shepp and Logan."""

from __future__ import annotations

import math

from imgtech._core.validate import finite, one_of, positive
from imgtech.phantoms.phantom import Phantom
from imgtech.phantoms.placed import pair
from imgtech.phantoms.shapes_2d import Ellipse

# original value, modified value, semi-axis y, semi-axis x, centre y, centre x, angle in degrees;
# y points down the page as in an image, so centres and angles are those of the papers with y reversed
_SHEPP_LOGAN = (
    (2.00, 1.0, 0.9200, 0.6900, 0.0000, 0.00, 0.0),
    (-0.98, -0.8, 0.8740, 0.6624, 0.0184, 0.00, 0.0),
    (-0.02, -0.2, 0.3100, 0.1100, 0.0000, 0.22, 18.0),
    (-0.02, -0.2, 0.4100, 0.1600, 0.0000, -0.22, -18.0),
    (0.01, 0.1, 0.2500, 0.2100, -0.3500, 0.00, 0.0),
    (0.01, 0.1, 0.0460, 0.0460, -0.1000, 0.00, 0.0),
    (0.01, 0.1, 0.0460, 0.0460, 0.1000, 0.00, 0.0),
    (0.01, 0.1, 0.0230, 0.0460, 0.6050, -0.08, 0.0),
    (0.01, 0.1, 0.0230, 0.0230, 0.6050, 0.00, 0.0),
    (0.01, 0.1, 0.0460, 0.0230, 0.6050, 0.06, 0.0),
)


def shepp_logan(
    *,
    radius_mm: float,
    contrast: str = "original",
    attenuation_per_mm: float = 0.02059,
    center_mm: tuple[float, float] = (0.0, 0.0),
) -> Phantom:
    """Return the head phantom of Shepp and Logan, ten ellipses.

    Parameters
    ----------
    radius_mm : float
        Half the side of the square that the ellipses are defined on. The skull has the half axes
        ``0.92 * radius_mm`` along y and ``0.69 * radius_mm`` along x.
    contrast : {"original", "modified"}, optional
        Values of Shepp and Logan (skull 2, brain 1.02, steps of 0.01) or those of Toft, which the
        eye can tell apart (skull 1, brain 0.2, steps of 0.1).
    attenuation_per_mm : float, optional
        What the value 1 stands for, in 1/mm. The default is water at 60 keV [3]_, so that the
        original brain lies at +20 HU; take 1.0 for a plain signal.
    center_mm : tuple of float, optional
        ``(y, x)`` of the middle of that square.

    Returns
    -------
    Phantom
        The forehead points to smaller y, upwards in an image shown with row 0 on top.

    Raises
    ------
    ValueError
        If a length is not positive, a number not finite or the contrast another word.

    References
    ----------
    .. [1] L. A. Shepp and B. F. Logan, IEEE Trans. Nucl. Sci. 21(3), 1974,
       :doi:`10.1109/TNS.1974.6499235`.
    .. [2] P. Toft, "The Radon Transform: Theory and Implementation", PhD thesis, Technical
       University of Denmark, 1996, appendix B.
    .. [3] J. H. Hubbell and S. M. Seltzer, NIST Standard Reference Database 126: water at 60 keV,
       0.2059 cm^2/g, :doi:`10.18434/T4D01F`.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import shepp_logan
    >>> phantom = shepp_logan(radius_mm=100.0, attenuation_per_mm=1.0)
    >>> round(float(phantom.image(ImageGrid.square(64, fov_mm=200.0))[20, 32]), 3)
    1.03
    """
    radius = positive("radius_mm", radius_mm)
    scale = finite("attenuation_per_mm", attenuation_per_mm)
    column = ("original", "modified").index(one_of("contrast", contrast, ("original", "modified")))
    origin = pair("center_mm", center_mm)
    return Phantom(
        shapes=tuple(
            Ellipse(
                value=scale * row[column],
                center_mm=(origin[0] + radius * row[4], origin[1] + radius * row[5]),
                semi_axes_mm=(radius * row[2], radius * row[3]),
                angle_rad=math.radians(row[6]),
            )
            for row in _SHEPP_LOGAN
        )
    )

"""The ACR large MRI phantom: the eight tests of its guidance, from geometry to low contrast."""

from __future__ import annotations

from collections.abc import Sequence

from imgtech._core.validate import one_of
from imgtech.io import Series
from imgtech.qc.protocols._acr_mri import measure_acr_mri
from imgtech.qc.protocols._acr_mri_limits import EDITIONS
from imgtech.qc.report import Report


def acr_mri_large(
    series: Series,
    *,
    repeat: Series | None = None,
    localizer: Series | Sequence[Series] | None = None,
    edition: str = "2022",
) -> Report:
    """Measure an axial series of the ACR large MRI phantom.

    Slice 1 is found by its content and gives the pose of the phantom, whatever its rotation, offset,
    mirror image or slice order; the other slices lie 40, 60, 70, 80, 90 and 100 mm from it. Each test stands
    for itself: what cannot be measured is an error with a reason and takes nothing else along.

    Parameters
    ----------
    series : Series
        The 11 slices, MR.
    repeat : Series, optional
        The same scan once more; the SNR is then taken from the difference (NEMA MS 1, method 1) instead of
        from the air around the phantom.
    localizer : Series or sequence of Series, optional
        The sagittal localizer, on which the length of the phantom is measured; of several, the first that
        shows both ends. Without it the length is left out and the notes say so.
    edition : {"2022", "2015"}, optional
        Whose limits apply.

    Returns
    -------
    Report
        Length (with a localizer), diameters of slices 1 and 5, resolution, slice thickness, bar length
        differences of slices 1 and 11, percent integral uniformity, percent signal ghosting, low-contrast
        scores and contrasts of slices 8 to 11, and signal-to-noise ratio of slice 7, with pictures.

    Raises
    ------
    ValueError
        If the series is not MR, the phantom is not in it, or the edition is unknown.

    Notes
    -----
    ``docs/protocols/acr-mri-large.md`` says where each region lies, what is allowed and where the limits
    were read.
    """
    one_of("edition", edition, EDITIONS["large"])
    return measure_acr_mri(series, model="large", repeat=repeat, localizer=localizer, edition=edition)

"""The CatPhan phantoms 504, 600 and 604: one engine, the drawing as data."""

from __future__ import annotations

from imgtech._core.validate import one_of
from imgtech.io import Series
from imgtech.phantoms.twins.catphan import MODELS
from imgtech.qc.limits import read_limit_table, with_limits
from imgtech.qc.protocols._catphan_items import catphan_items
from imgtech.qc.protocols._catphan_pictures import catphan_pictures
from imgtech.qc.protocols._catphan_scan import CatPhanScan, find_catphan
from imgtech.qc.protocols._ct_scan import air_notes
from imgtech.qc.protocols._items import measured
from imgtech.qc.report import Report

CATPHAN_EDITIONS = {"tg142-2009": "catphan-tg142-2009", "manual-2017": "catphan-manual-2017"}


def catphan(series: Series, *, model: str = "504", edition: str = "manual-2017") -> Report:
    """Measure a CT series of a CatPhan.

    The module with the ring of rods is found by its content and gives the position, rotation, tilt, mirror
    image and direction of the phantom, however it lies and in whatever order the slices come; the other
    modules follow from the drawing. Each item stands for itself: what cannot be measured is an error with a
    reason and takes nothing else along.

    Parameters
    ----------
    series : Series
        CT slices across the phantom; of what they do not cover the items are in error.
    model : {"504", "600", "604"}, optional
        Which CatPhan.
    edition : {"manual-2017", "tg142-2009"}, optional
        Whose limits are shown. Neither rates: the first are ranges found on scanners, the second was not
        read; :func:`imgtech.qc.limits.read_baselines` brings a site's own.

    Returns
    -------
    Report
        CT number of every rod and their scale, slice thickness and increment, 50 mm lines, roll and tilt,
        uniformity, noise and its power spectrum, lowest detectable contrast, contrast of the 1 % rods;
        with pictures. Of the 600 and 604 the items whose place is known.

    Raises
    ------
    ValueError
        If the series is not CT, the phantom is not in it, it is another model, or the edition is unknown.

    Notes
    -----
    ``docs/protocols/catphan.md`` says where each region lies, what is allowed and where limits were read.
    """
    one_of("model", model, MODELS)
    table = CATPHAN_EDITIONS[one_of("edition", edition, tuple(CATPHAN_EDITIONS))]
    scan = find_catphan(series, model)
    report = Report(
        protocol=f"catphan-{model}",
        edition=edition,
        measurements=measured(catphan_items(scan)),
        subject={name.replace("_", " "): str(value) for name, value in series.tags.known().items()},
        pictures=catphan_pictures(scan),
        notes=(*series.notes, *scan.notes, *_notes(scan)),
    )
    names = {m.name for m in report.measurements}
    return with_limits(report, {k: v for k, v in read_limit_table(table).items() if k in names})


def _notes(scan: CatPhanScan) -> list[str]:
    notes = air_notes(scan.series) + scan.left_out_notes()
    if scan.rods.scatter_mm > 0.6:
        notes.append(f"the rods lie {scan.rods.scatter_mm:.1f} mm from the drawing")
    if not scan.drawing.ramps:
        notes.append(
            f"of the CatPhan {scan.drawing.model} no drawing of ramps, holes and line pairs was read: "
            "thickness, increment, lines and line pairs are not measured"
        )
    return notes

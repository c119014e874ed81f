"""A page that sets measurements beside the truth they should find, with pictures and plots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imgtech._core.extras import require
from imgtech._core.validate import finite
from imgtech.qc import Measurement, Picture
from imgtech.report.html import render
from imgtech.report.numbers import NO_UNIT, format_measurement, format_number, half_width
from imgtech.report.pictures import draw


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A measurement beside the truth it should find.

    Parameters
    ----------
    measurement : imgtech.qc.Measurement
        What was measured; it has a value.
    truth : float
        What should be found, in the unit of the measurement.
    origin : str
        Where the truth comes from.

    Raises
    ------
    ValueError
        If the measurement has no value or the truth is not finite.
    """

    measurement: Measurement
    truth: float
    origin: str

    def __post_init__(self) -> None:
        if self.measurement.value is None:
            raise ValueError(f"measurement must have a value, got: {self.measurement.error}")
        finite("truth", self.truth)

    @property
    def covered(self) -> bool:
        """Whether the 95 % interval holds the truth."""
        low, high = self.measurement.interval(0.95)
        return low <= self.truth <= high

    @property
    def truth_text(self) -> str:
        """The truth with as many digits as the measurement."""
        text = format_number(self.truth, half_width(self.measurement))
        return text if self.measurement.unit == NO_UNIT else f"{text} {self.measurement.unit}"

    @property
    def place(self) -> float:
        """Where the truth lies: 0 at the value, -1 and 1 at the ends of the 95 % interval, cut at 2."""
        half = half_width(self.measurement)
        gap = self.truth - (self.measurement.value or 0.0)
        if half == 0:
            return 0.0 if gap == 0 else 2.0
        return max(-2.0, min(2.0, gap / half))


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A drawing and what it shows.

    Parameters
    ----------
    svg : str
        An element from :func:`line_plot`; it goes into the page as it is.
    caption : str
        What it shows.
    """

    svg: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """One part of a comparison page.

    Parameters
    ----------
    title, lead : str
        Headline and a sentence or two.
    facts : tuple of (str, str), optional
        Names and values: sizes, times.
    pictures : tuple of imgtech.qc.Picture, optional
        Pictures with their regions.
    plots : tuple of Plot, optional
        Drawings.
    rows : tuple of Checked, optional
        Measurements and truths.
    """

    title: str
    lead: str
    facts: tuple[tuple[str, str], ...] = ()
    pictures: tuple[Picture, ...] = ()
    plots: tuple[Plot, ...] = ()
    rows: tuple[Checked, ...] = ()


def comparison_html(
    title: str, lead: str, sections: Sequence[Section], *, further: Sequence[Section] = ()
) -> str:
    """Write sections as one HTML page without outside resources.

    Parameters
    ----------
    title, lead : str
        Headline and introduction.
    sections : sequence of Section
        The parts with measurements; the first picture of each also stands on top of the page.
    further : sequence of Section, optional
        Parts that are shown small, after the others.

    Returns
    -------
    str
        The page.

    Raises
    ------
    ImportError
        If jinja2 is not installed.

    Examples
    --------
    >>> from imgtech.qc import Measurement, Source
    >>> from imgtech.report import Checked, Section, comparison_html
    >>> m = Measurement(name="diameter", value=189.9, unit="mm", uncertainty=0.1, algorithm="example-1",
    ...                 definition=Source(document="Example", edition="1"))
    >>> row = Checked(measurement=m, truth=190.0, origin="size of the phantom")
    >>> row.covered
    True
    >>> "189.90 ± 0.20 mm" in comparison_html("Demo", "", [Section(title="MRI", lead="", rows=(row,))])
    True
    """
    markup = require("markupsafe", "app").Markup
    rows = [row for section in sections for row in section.rows]
    return render(
        "comparison.html.j2",
        title=title,
        lead=lead,
        hero=[draw(section.pictures[0]) for section in sections if section.pictures],
        parts=[_part(section, markup) for section in sections],
        further=[_part(section, markup) for section in further],
        n_rows=len(rows),
        n_covered=sum(row.covered for row in rows),
    )


def _part(section: Section, markup: type[str]) -> dict[str, object]:
    return {
        "section": section,
        "pictures": [draw(picture) for picture in section.pictures],
        "plots": [(markup(plot.svg), plot.caption) for plot in section.plots],
        "rows": [(row, format_measurement(row.measurement)) for row in section.rows],
    }

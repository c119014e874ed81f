"""The page that sets measurements beside the truth."""

from __future__ import annotations

import re

import numpy as np
import pytest

from imgtech.qc import Measurement, Picture, Source
from imgtech.report import Checked, Curve, Plot, Section, comparison_html, line_plot

GUIDE = Source(document="GUM", edition="2008")


def measured(name="diameter", value=189.5, uncertainty=0.1, unit="mm"):
    return Measurement(
        name=name, value=value, unit=unit, uncertainty=uncertainty, definition=GUIDE, algorithm="a-1"
    )


def test_truth_is_covered_where_the_95_percent_interval_reaches_it():
    for truth, covered in ((189.5, True), (189.69, True), (189.70, False), (189.31, True), (189.30, False)):
        row = Checked(measurement=measured(), truth=truth, origin="size")
        assert row.covered is covered
        assert row.place == pytest.approx((truth - 189.5) / (1.959964 * 0.1), abs=1e-5)
        assert (abs(row.place) <= 1) is covered


def test_place_of_the_truth_ends_at_two_half_widths():
    assert Checked(measurement=measured(), truth=500.0, origin="size").place == 2.0
    assert Checked(measurement=measured(), truth=-500.0, origin="size").place == -2.0
    exact = measured(uncertainty=0.0)
    assert Checked(measurement=exact, truth=189.5, origin="size").place == 0.0
    assert Checked(measurement=exact, truth=189.6, origin="size").place == 2.0


def test_truth_is_written_with_the_digits_of_the_measurement():
    assert Checked(measurement=measured(), truth=190.0, origin="size").truth_text == "190.00 mm"
    ratio = measured(value=3.0, uncertainty=0.5, unit="1")
    assert Checked(measurement=ratio, truth=3.14159, origin="pi").truth_text == "3.14"


def test_row_needs_a_value_and_a_finite_truth():
    missing = Measurement(name="a", error="no edge", definition=GUIDE, algorithm="a-1")
    with pytest.raises(ValueError, match="must have a value, got: no edge"):
        Checked(measurement=missing, truth=1.0, origin="size")
    with pytest.raises(ValueError, match="truth must be finite"):
        Checked(measurement=measured(), truth=float("nan"), origin="size")


def test_page_counts_covered_truths_and_shows_pictures_plots_and_facts():
    rows = (
        Checked(measurement=measured(), truth=189.6, origin="size <of> it"),
        Checked(measurement=measured(name="length", value=150.0), truth=148.0, origin="size"),
    )
    curve = Curve(label="truth", x=np.array([0.0, 1.0]), y=np.array([1.0, 0.0]))
    section = Section(
        title="MRI & more",
        lead="From <k-space>.",
        facts=(("Raw data", "8 coils"),),
        pictures=(Picture(title="disk", pixels=np.eye(5)),),
        plots=(Plot(svg=line_plot([curve], x_label="f", y_label="MTF"), caption="sharpness"),),
        rows=rows,
    )
    page = comparison_html("Demo", "Lead", [section], further=[Section(title="file", lead="info a.dcm")])
    assert "<b>1 of 2</b>" in page
    assert "189.50 ± 0.20 mm" in page
    assert "148.00 mm" in page
    assert "MRI &amp; more" in page
    assert "From &lt;k-space&gt;." in page
    assert "size &lt;of&gt; it" in page
    assert '<svg class="plot"' in page
    assert "8 coils" in page
    assert "info a.dcm" in page
    assert page.count("data:image/png;base64,") == 2  # on top and in its section
    assert not re.findall(r"https?://|<script|<link|<img", page)

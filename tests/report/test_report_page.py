"""The report page: everything in it, nothing from outside, whole or not at all."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image as mpl_image

from imgtech.qc import Limit, Measurement, Outline, Picture, Report, Source, Verdict
from imgtech.report import (
    Curve,
    format_measurement,
    format_number,
    line_plot,
    png_bytes,
    report_html,
    save_html,
)

GUIDE = Source(document="ACR Large Phantom Guidance", edition="2018", clause="Section 3.2")
HOUSE = Source(document="House rule", edition="2024", verified=False)


def measurement(name, value=None, **changes):
    given = {"unit": "mm", "uncertainty": 0.05, "definition": GUIDE, "algorithm": f"{name}-1"} | changes
    if value is None:
        given = {k: v for k, v in given.items() if k != "uncertainty"}
    return Measurement(name=name, value=value, **given)


@pytest.fixture
def report():
    inside = Limit(lower=4.3, upper=5.7, source=GUIDE)
    pixels = np.arange(12.0 * 20).reshape(12, 20)
    corners = ((2.0, 3.0), (2.0, 9.0), (7.0, 9.0))
    return Report(
        protocol="acr <mri>",
        edition="2018 & later",
        measurements=(
            measurement("thickness", 5.113, limit=inside, details={"upper ramp": 51.234, "side": "left"}),
            measurement("uniformity", 4.35, limit=inside),
            measurement("ghosting", 7.5, unit="1", limit=inside),
            measurement("noise", 3.0, limit=Limit(upper=4.0, source=HOUSE)),
            measurement("length", error="no edge <was> found"),
        ),
        subject={"station": "MR1<script>alert(1)</script>", "series": "5"},
        pictures=(
            Picture(title="slice 7", pixels=pixels, outlines=(Outline(points=corners, label="region A"),)),
        ),
        notes=("turned by 2 degrees",),
    )


class Page(HTMLParser):
    """Collects the text, the tags and every attribute that could load something."""

    def __init__(self, text):
        super().__init__()
        self.words, self.links, self.tags = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href", "xlink:href", "srcset", "data", "action")]

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


def test_page_holds_every_measurement_with_its_uncertainty_limit_verdict_and_source(report):
    text = Page(report_html(report)).text
    for word in (
        "5.113 ± 0.098 mm",
        "4.350 ± 0.098 mm",
        "7.500 ± 0.098",
        "4.3 to 5.7",
        "<= 4",
        "House rule, 2024 (unverified)",
        "not rated: limit unverified; confirm it with --limits-confirmed-by or choose another edition",
        "ACR Large Phantom Guidance, 2018, Section 3.2",
        "thickness-1",
        "length-1",
        "Not measured: no edge <was> found",
        "upper ramp 51.23",
        "side left",
        "region A",
        "turned by 2 degrees",
        "2018 & later",
    ):
        assert word in text
    for m in report.measurements:
        assert m.name in text
        assert m.verdict.value in text
    assert {m.verdict for m in report.measurements} == set(Verdict)


def test_verdict_of_the_report_stands_on_top_as_word_and_as_class(report):
    page = report_html(report)
    assert 'banner v-error"' in page
    assert "At least one measurement could not be made." in page


def test_page_loads_nothing_from_outside(report):
    page = report_html(report)
    found = Page(page)
    assert found.links
    assert all(link.startswith("data:image/png;base64,") for link in found.links)
    assert not {"script", "link", "iframe", "img", "object"} & set(found.tags)
    assert "url(" not in page
    assert "@import" not in page
    assert not re.findall(r"https?://", page)


def test_text_of_a_report_cannot_become_markup(report):
    page = report_html(report)
    assert "<script>" not in page
    assert "MR1&lt;script&gt;" in page
    assert "<mri>" not in page


def test_page_without_subject_pictures_and_notes_is_complete():
    page = report_html(Report(protocol="p", edition="1", measurements=(measurement("a", 1.0),)))
    assert "Where it was measured" not in page
    assert "1.000 ± 0.098 mm" in page
    assert 'banner v-unrated"' in page


def test_regions_lie_on_the_pixels_they_name(report):
    page = report_html(report)
    assert 'viewBox="0 0 20 12"' in page
    assert 'polygon class="outline" points="3.50,2.50 9.50,2.50 9.50,7.50"' in page


def test_open_outline_is_a_line():
    line = Outline(points=((1.0, 2.0), (3.0, 4.0)), closed=False)
    picture = Picture(title="ramp", pixels=np.eye(6), outlines=(line,))
    page = report_html(
        Report(protocol="p", edition="1", measurements=(measurement("a", 1.0),), pictures=(picture,))
    )
    assert 'polyline class="outline" points="2.50,1.50 4.50,3.50"' in page


def test_bar_shows_limit_interval_and_value_in_order(report):
    page = report_html(report)
    band_x, band_width, low, high, dot = (
        float(v)
        for v in re.search(
            r'class="band" x="([\d.]+)" y="2" width="([\d.]+)".*?class="whisker" x1="([\d.]+)" x2="([\d.]+)"'
            r'.*?class="dot" x="([\d.]+)"',
            page,
            re.DOTALL,
        ).groups()
    )
    place = (5.113 - (4.3 - 0.21)) / (1.4 + 2 * 0.21) * 100
    assert dot + 1 == pytest.approx(place, abs=0.02)
    assert band_x == pytest.approx(0.21 / 1.82 * 100, abs=0.02)
    assert band_width == pytest.approx(1.4 / 1.82 * 100, abs=0.02)
    assert (low + high) / 2 == pytest.approx(place, abs=0.02)
    assert high - low == pytest.approx(2 * 1.96 * 0.05 / 1.82 * 100, abs=0.02)


def test_png_is_read_back_by_another_library():
    pixels = np.array([[-3.0, 0.0, 1.0], [2.0, 5.0, 9.0]])
    back = mpl_image.imread(io.BytesIO(png_bytes(pixels, window=(0.0, 5.0))), format="png")
    np.testing.assert_allclose(back * 255, [[0, 0, 51], [102, 255, 255]], atol=0.01)


def test_png_takes_the_range_of_the_image_and_shows_a_constant_as_black():
    full = mpl_image.imread(io.BytesIO(png_bytes(np.array([[10.0, 20.0]]))), format="png")
    np.testing.assert_allclose(full, [[0, 1]])
    flat = mpl_image.imread(io.BytesIO(png_bytes(np.full((2, 3), 7.0))), format="png")
    np.testing.assert_allclose(flat, np.zeros((2, 3)))


def test_png_refuses_what_is_no_image():
    with pytest.raises(ValueError, match="window must go from a lower to a higher value"):
        png_bytes(np.eye(3), window=(1.0, 1.0))
    with pytest.raises(ValueError, match="pixels must be finite"):
        png_bytes(np.array([[np.nan, 1.0]]))


def test_picture_of_the_page_is_the_picture_of_the_report(report):
    uri = re.search(r'href="data:image/png;base64,([^"]+)"', report_html(report)).group(1)
    back = mpl_image.imread(io.BytesIO(base64.b64decode(uri)), format="png")
    expected = report.pictures[0].pixels / report.pictures[0].pixels.max()
    np.testing.assert_allclose(back, expected, atol=0.5 / 255 + 1e-6)


def test_numbers_end_at_the_second_digit_of_their_uncertainty():
    assert format_number(189.9634, 0.0482) == "189.963"
    assert format_number(189.9634, 4.8) == "190.0"
    assert format_number(1234.5, 120.0) == "1230"
    assert format_number(-0.00051, 0.00002) == "-0.000510"
    assert format_number(3.14159, 0.0) == "3.142"
    assert format_measurement(measurement("a", 2.0, unit="1", uncertainty=0.0)) == "2"
    assert format_measurement(measurement("a", error="x")) == "not measured"


def test_few_degrees_of_freedom_widen_the_printed_uncertainty():
    assert (
        format_measurement(measurement("a", 10.0, uncertainty=0.1, degrees_of_freedom=4)) == "10.00 ± 0.28 mm"
    )


def test_file_is_the_page_and_nothing_else_is_left(report, tmp_path):
    save_html(report, tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == report_html(report)
    assert [p.name for p in tmp_path.iterdir()] == ["a.html"]


def test_interrupted_writing_leaves_the_old_file(report, tmp_path, monkeypatch):
    target = tmp_path / "a.html"
    target.write_text("old")

    def stop(self, other):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        save_html(report, target)
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.html"]


def test_missing_folder_is_named(report, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        save_html(report, tmp_path / "nowhere" / "a.html")


def test_plot_puts_points_where_they_belong_and_escapes_its_words():
    curve = Curve(label="<truth>", x=[0.0, 10.0], y=[0.0, 1.0], dashed=True)
    svg = line_plot([curve], x_label="f & g", y_label="MTF", y_range=(0.0, 1.0))
    assert 'points="58.0,208.0 448.0,14.0"' in svg
    assert "&lt;truth&gt;" in svg
    assert "f &amp; g" in svg
    assert "dashed" in svg
    for tick in ("0.2", "0.8", "10"):
        assert f">{tick}</text>" in svg


def test_plot_refuses_empty_and_uneven_curves():
    with pytest.raises(ValueError, match="curves must not be empty"):
        line_plot([], x_label="x", y_label="y")
    with pytest.raises(ValueError, match="same length, got 2 and 1"):
        Curve(label="a", x=[0.0, 1.0], y=[0.0])

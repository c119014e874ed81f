"""Reports as pages and files."""

from imgtech.report.comparison import Checked, Plot, Section, comparison_html
from imgtech.report.html import report_html, save_html
from imgtech.report.numbers import format_measurement, format_number
from imgtech.report.pictures import png_bytes
from imgtech.report.plots import Curve, line_plot

__all__ = [
    "Checked",
    "Curve",
    "Plot",
    "Section",
    "comparison_html",
    "format_measurement",
    "format_number",
    "line_plot",
    "png_bytes",
    "report_html",
    "save_html",
]

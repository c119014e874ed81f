"""Image quality: measurements with uncertainty, phantom protocols, reports.

Metrics work on arrays with spacings; protocols take a folder or a series to a report.
"""

from imgtech.qc.measurement import Limit, Measurement, Source, Verdict
from imgtech.qc.report import Outline, Picture, Report
from imgtech.qc.run import protocols, run

__all__ = [
    "Limit",
    "Measurement",
    "Outline",
    "Picture",
    "Report",
    "Source",
    "Verdict",
    "protocols",
    "run",
]

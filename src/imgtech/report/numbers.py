"""Numbers as people write them: as many digits as the uncertainty carries."""

from __future__ import annotations

import math

from imgtech.qc import Measurement

NO_UNIT = "1"


def format_number(value: float, uncertainty: float | None = None) -> str:
    """Write a number down to the second digit of its uncertainty, or with four significant digits.

    Parameters
    ----------
    value : float
        The number.
    uncertainty : float, optional
        Its uncertainty; two of its digits decide where the number ends (GUM 7.2.6).

    Returns
    -------
    str
        The number as text.

    Examples
    --------
    >>> from imgtech.report import format_number
    >>> format_number(189.9634, 0.0482), format_number(0.00012345), format_number(16000045.0, 4000.0)
    ('189.963', '0.0001234', '16000000')
    """
    if not uncertainty or not math.isfinite(uncertainty):
        return f"{value:.4g}"
    last = math.floor(math.log10(abs(uncertainty))) - 1
    return f"{round(value, -last):.{max(0, -last)}f}"


def format_measurement(measurement: Measurement) -> str:
    """Write a measurement with its expanded uncertainty of 95 % coverage and its unit.

    Parameters
    ----------
    measurement : Measurement
        What was measured.

    Returns
    -------
    str
        Such as ``"5.10 ± 0.20 mm"``; ``"not measured"`` where there is no value.

    Examples
    --------
    >>> from imgtech.qc import Measurement, Source
    >>> from imgtech.report import format_measurement
    >>> guide = Source(document="ACR Large Phantom Guidance", edition="2018")
    >>> format_measurement(Measurement(name="slice thickness", value=5.1, unit="mm", uncertainty=0.1,
    ...                                definition=guide, algorithm="example-1"))
    '5.10 ± 0.20 mm'
    """
    if measurement.value is None:
        return "not measured"
    expanded = half_width(measurement)
    text = format_number(measurement.value, expanded)
    if expanded:
        text += f" ± {format_number(expanded, expanded)}"
    return text if measurement.unit == NO_UNIT else f"{text} {measurement.unit}"


def half_width(measurement: Measurement) -> float:
    """Half the width of the 95 % interval of a measurement that has a value."""
    low, high = measurement.interval(0.95)
    return (high - low) / 2

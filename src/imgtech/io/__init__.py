"""Files in and out: DICOM series, vendor raw data."""

from imgtech.io.containers import ArrayInfo, list_arrays
from imgtech.io.dicom import list_series, read_series
from imgtech.io.series import Series, SeriesInfo, SeriesTags

__all__ = ["ArrayInfo", "Series", "SeriesInfo", "SeriesTags", "list_arrays", "list_series", "read_series"]

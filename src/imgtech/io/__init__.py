"""Files in and out: DICOM series, vendor raw data."""

from imgtech.io.dicom import list_series, read_series
from imgtech.io.series import Series, SeriesInfo, SeriesTags

__all__ = ["Series", "SeriesInfo", "SeriesTags", "list_series", "read_series"]

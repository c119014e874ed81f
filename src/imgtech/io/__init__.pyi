from . import raw as raw
from .containers import ArrayInfo as ArrayInfo
from .containers import list_arrays as list_arrays
from .dicom import list_series as list_series
from .dicom import read_series as read_series
from .series import Series as Series
from .series import SeriesInfo as SeriesInfo
from .series import SeriesTags as SeriesTags

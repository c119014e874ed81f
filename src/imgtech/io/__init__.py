"""Files in and out: DICOM series, vendor raw data."""

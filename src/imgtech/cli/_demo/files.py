"""Real DICOM files of the demo: those that come with pydicom, so that nothing is downloaded."""

from __future__ import annotations

from importlib.resources import as_file, files

from imgtech.cli.info import describe, text_of
from imgtech.io import read_series
from imgtech.qc import Picture
from imgtech.report import Section

_SHIPPED = (
    ("CT_small.dcm", "A slice of computed tomography", (-160.0, 240.0)),
    ("MR_small.dcm", "A slice of magnetic resonance", None),
)


def sections() -> list[Section]:
    """What ``imgtech info`` says about each file, with its picture."""
    found = []
    for name, title, window in _SHIPPED:
        with as_file(files("pydicom") / "data" / "test_files" / name) as path:
            facts = describe(path)["items"][0]
            pixels = read_series(path).pixels[0]
        shown = tuple((key.replace("_", " "), text_of(value)) for key, value in facts.items())
        found.append(
            Section(
                title=title,
                lead=f"imgtech info {name}",
                facts=shown,
                pictures=(Picture(title=name, pixels=pixels, window=window),),
            )
        )
    return found

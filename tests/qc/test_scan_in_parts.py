"""Series that are one scan in parts, by their places or by their description."""

from __future__ import annotations

from imgtech.io import SeriesInfo, SeriesTags
from imgtech.qc._scan_in_parts import scan_in_parts


def _info(number: int, z_mm: tuple[float, ...], **tags: str) -> SeriesInfo:
    return SeriesInfo(
        modality="MR", kind="slices", n_images=len(z_mm), shape=(30, 31), spacing_mm=(1.1, 0.9),
        transfer_syntax="1.2.840.10008.1.2.1", files=(), frame_of_reference="1.2.3",
        orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), corners_mm=tuple((-12.0, 7.0, z) for z in z_mm),
        tags=SeriesTags(series_uid=f"1.{number}", series_number=str(number), **tags),
    )  # fmt: skip


def _steps(first: int, end: int, offset_mm: float = 0.0) -> tuple[float, ...]:
    return tuple(4.0 * k + offset_mm for k in range(first, end))


def test_slices_that_go_on_are_one_scan_of_the_wanted_length() -> None:
    parts = (_info(1, _steps(0, 7)), _info(2, _steps(7, 11)))
    assert scan_in_parts(parts, (), (11, 11), in_time=False) == parts
    assert scan_in_parts(parts, (), (12, 40), in_time=False) == ()
    alone = _info(3, _steps(0, 11, 2.0), series_description="T2")
    assert scan_in_parts((*parts, alone), (alone,), (11, 11), in_time=False) == ()


def test_of_two_scans_in_parts_none_is_taken() -> None:
    one = (_info(1, _steps(0, 5)), _info(2, _steps(5, 11)))
    two = tuple(_info(k, z, sequence_name="other") for k, z in ((3, _steps(0, 3)), (4, _steps(3, 11))))
    assert scan_in_parts(one, (), (11, 11), in_time=False) == one
    assert scan_in_parts(two, (), (11, 11), in_time=False) == two
    assert scan_in_parts((*one, *two), (), (11, 11), in_time=False) == ()


def test_images_in_time_are_one_scan_where_their_description_is_the_same() -> None:
    times = tuple(_info(k, (20.0,) * 3, series_description=f"epi_{k}") for k in range(1, 6))
    other = _info(9, (20.0,) * 3, series_description="field map")
    assert scan_in_parts((*times, other), (), (14, 100), in_time=True) == times
    assert scan_in_parts(times, (), (16, 100), in_time=True) == ()
    long = _info(7, (20.0,) * 15, series_description="epi_7")
    assert scan_in_parts((*times, long), (long,), (14, 100), in_time=True) == ()

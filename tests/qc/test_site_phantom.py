"""A site's phantom by YAML: found at any pose, measured by name, wrong keys named, failing items alone."""

from __future__ import annotations

import copy
import doctest
import math
import re
from pathlib import Path

import numpy as np
import pytest

from imgtech import qc
from imgtech.geometry import ImageGrid
from imgtech.io import series_from_grid, write_series
from imgtech.phantoms import Ellipse, Phantom, Rectangle
from imgtech.qc.protocols import site
from imgtech.qc.site_phantom import read_site_phantom, site_phantom

yaml = pytest.importorskip("yaml")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "protocols" / "site.md"
GRID = ImageGrid(shape=(230, 250), spacing_mm=(1.05, 0.95))


def block(kind: str) -> str:
    (found,) = re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)
    return found


def description() -> dict:
    return yaml.safe_load(block("yaml"))


def changed(path: str, value) -> dict:
    """The description with one value replaced; keys of the path are parted by slashes."""
    content = copy.deepcopy(description())
    *keys, last = path.split("/")
    inner = content
    for key in keys:
        inner = inner[key]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return content


def cylinder(angle_rad: float, center=(-6.0, 9.0), seed: int = 1, noise: float = 6.0, sign: float = 1.0):
    c, s = math.cos(angle_rad), math.sin(angle_rad)

    def at(v, u):
        return center[0] + u * s + v * c, center[1] + u * c - v * s

    phantom = Phantom(
        shapes=(
            Ellipse(semi_axes_mm=(100.0, 100.0), center_mm=at(0, 0), value=1000.0),
            Ellipse(semi_axes_mm=(12.0, 12.0), center_mm=at(0, 60), value=300.0),
            Ellipse(semi_axes_mm=(12.0, 12.0), center_mm=at(-60, 0), value=-120.0),
            Rectangle(size_mm=(30.0, 40.0), center_mm=at(60, -10), angle_rad=angle_rad, value=200.0),
        )
    )
    rng = np.random.default_rng(seed)
    image = sign * (phantom.image(GRID) - 1000) + noise * rng.standard_normal(GRID.shape)
    return series_from_grid(image, GRID, modality="CT")


def test_the_page_runs_as_it_stands(tmp_path) -> None:
    (tmp_path / "cylinder.yaml").write_text(block("yaml"), encoding="utf-8")
    test = doctest.DocTestParser().get_doctest(block("python"), {"folder": tmp_path}, "site.md", None, 0)
    assert len(test.examples) > 12
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0


@pytest.mark.parametrize("angle_deg", [-171.0, -40.0, 3.0, 95.0])
def test_the_phantom_is_found_at_any_rotation(angle_deg: float) -> None:
    phantom = site_phantom(changed("measure/frequency at MTF 50 %", None))
    report = site(cylinder(math.radians(angle_deg)), phantom=phantom)
    turned = float(re.search(r"turned by (-?[\d.]+) degrees", " ".join(report.notes)).group(1))
    assert turned == pytest.approx(angle_deg, abs=0.5)
    for name, truth in (("water", 0.0), ("dark insert", -120.0), ("noise", 6.0), ("diameter", 200.0)):
        m = report[name]
        assert m.error is None, m.error
        assert abs(m.value - truth) < 3 * max(m.uncertainty, 0.01), (name, m.value, m.uncertainty)
    assert report["contrast of the bright insert"].value == pytest.approx(50, rel=0.1)
    assert report["water"].unit == "HU"
    assert report["water"].verdict is qc.Verdict.PASS
    assert report["dark insert"].verdict is qc.Verdict.UNRATED


def test_a_value_outside_the_limit_of_the_site_fails() -> None:
    content = changed("limits/items/noise", {"baseline": 9.0, "tolerance_percent": 20})
    report = site(cylinder(0.2), phantom=site_phantom(content))
    assert report["noise"].verdict is qc.Verdict.FAIL
    assert str(report["noise"].limit) == "7.2 to 10.8"


def test_one_failing_item_takes_none_of_the_others_along() -> None:
    content = changed("regions/dark insert", {"circle": {"center_mm": [-160, 0], "radius_mm": 9}})
    content["measure"]["two"] = {"metric": "snr_two_images", "region": "middle"}
    content["measure"]["odd"] = {"metric": "slanted_edge_mtf", "crop": "side of the plate"}
    content["measure"]["lost"] = {
        "metric": "slanted_edge_mtf", "crop": "side of the plate", "take": "at", "with": {"height": 1}
    }  # fmt: skip
    report = site(cylinder(math.radians(5)), phantom=site_phantom(content))
    errors = {m.name: m.error for m in report.measurements if m.error}
    assert set(errors) == {"dark insert", "two", "odd", "lost"}
    assert "region 'dark insert': the region must lie inside the image" in errors["dark insert"]
    assert "needs the scan once more" in errors["two"]
    assert "gives MTF, no measurement: take one of" in errors["odd"]
    assert "with must fit at of slanted_edge_mtf" in errors["lost"]
    twice = site(
        cylinder(math.radians(5)), repeat=cylinder(math.radians(5), seed=2), phantom=site_phantom(content)
    )
    # the water of a stored 0 HU has no signal; the metric sees the noise all the same
    assert twice["two"].error is None or "signal" in twice["two"].error


def test_a_dark_rectangle_with_a_marker_is_found() -> None:
    content = {
        "name": "plate",
        "modality": "DX",
        "find": {
            "outline": "rectangle",
            "size_mm": [60, 100],
            "dark": True,
            "marker": {"center_mm": [-20, 35], "radius_mm": 5},
        },
        "regions": {
            "hole": {"circle": {"center_mm": [-20, 35], "radius_mm": 3.5}},
            "strip": {"rectangle": {"center_mm": [20, -30], "size_mm": [6, 12], "angle_deg": 90}},
            "ring": {"annulus": {"center_mm": [0, 0], "inner_mm": 5, "outer_mm": 12}},
        },
        "measure": {
            "hole": {"metric": "mean", "region": "hole"},
            "strip": {"metric": "mean", "region": "strip"},
            "ring": {"metric": "mean", "region": "ring"},
            "contrast": {"metric": "contrast", "object_region": "hole", "background_region": "ring"},
        },
    }
    for angle_deg in (-160.0, 12.0, 100.0):
        a = math.radians(angle_deg)
        c, s = math.cos(a), math.sin(a)

        def at(v, u, c=c, s=s):
            return 4.0 + u * s + v * c, -7.0 + u * c - v * s

        plate = Phantom(
            shapes=(
                Rectangle(size_mm=(60.0, 100.0), center_mm=at(0, 0), angle_rad=a, value=-300.0),
                Ellipse(semi_axes_mm=(5.0, 5.0), center_mm=at(-20, 35), value=150.0),
                Rectangle(size_mm=(16.0, 12.0), center_mm=at(20, -30), angle_rad=a, value=-100.0),
            )
        )
        image = 900 + plate.image(GRID) + 3 * np.random.default_rng(4).standard_normal(GRID.shape)
        report = site(series_from_grid(image, GRID, modality="DX"), phantom=site_phantom(content))
        for name, truth in (("hole", 750.0), ("strip", 500.0), ("ring", 600.0), ("contrast", 0.25)):
            m = report[name]
            assert abs(m.value - truth) < 3.5 * m.uncertainty, (angle_deg, name, m.value, m.uncertainty)


def test_a_phantom_without_an_outline_is_that_of_the_middle_and_slices_are_chosen() -> None:
    content = {
        "name": "field",
        "modality": "NM",
        "slice": 2,
        "find": {"outline": "none"},
        "regions": {"left": {"rectangle": {"center_mm": [0, -20], "size_mm": [30, 16]}}},
        "measure": {"left": {"metric": "mean", "region": "left"}},
    }
    rng = np.random.default_rng(2)
    stack = np.stack([np.full(GRID.shape, 10.0), np.full(GRID.shape, 20.0)]) + rng.standard_normal(
        (2, *GRID.shape)
    )
    stack[1, :, 125:] += 100
    series = series_from_grid(stack, GRID, modality="NM")
    assert site(series, phantom=site_phantom(content))["left"].value == pytest.approx(20, abs=0.2)
    content["slice"] = "mean"
    assert site(series, phantom=site_phantom(content))["left"].value == pytest.approx(15, abs=0.2)
    content["slice"] = 3
    with pytest.raises(ValueError, match="slice must be one of the 2 of the series, got 3"):
        site(series, phantom=site_phantom(content))


def test_a_description_comes_back_from_its_file(tmp_path) -> None:
    file = tmp_path / "cylinder.yaml"
    file.write_text(yaml.safe_dump(description()), encoding="utf-8")
    assert read_site_phantom(file) == site_phantom(description())
    series = cylinder(0.3)
    write_series(series, tmp_path / "scan")
    one = qc.run(tmp_path / "scan", protocol="site", phantom=file)
    two = site(series, phantom=site_phantom(description()))
    assert one["noise"].value == pytest.approx(two["noise"].value, rel=1e-3)
    assert one.edition == "2026-11"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("name", None, "the description must have the key 'name'"),
        ("colour", "red", "the description must not have the key 'colour'"),
        ("modality", "", "modality must be a text, got ''"),
        ("slice", 0, "slice must count from 1, got 0"),
        ("slice", "first", "slice must be one of middle, mean, got 'first'"),
        ("find", [1], r"find must be a mapping, got \[1\]"),
        ("find/outline", "hexagon", "find.outline must be one of circle, rectangle, none, got 'hexagon'"),
        ("find/diameter_mm", [210, 190], "find.diameter_mm must be the smallest and the largest diameter"),
        ("find/diameter_mm", None, "find must have the key 'diameter_mm' with the outline circle"),
        ("find/size_mm", [1, 2], "find must not have the key 'size_mm' with the outline circle"),
        ("find/dark", "yes", "find.dark must be true or false, got 'yes'"),
        ("find/marker/radius_mm", -1, "find.marker.radius_mm must be positive, got -1"),
        ("find/marker/center_mm", [0, 5], "find.marker.center_mm must lie off the middle"),
        ("regions/middle/circle/radius_mm", -3, "regions.middle.circle.radius_mm must be positive, got -3"),
        ("regions/middle/circle/radius_mm", math.nan, "radius_mm must be finite, got nan"),
        ("regions/middle/circle/center_mm", [1], r"center_mm must be a pair of numbers, got \[1\]"),
        ("regions/middle/circle/center_mm", ["a", 1], r"center_mm\[0\] must be a number, got 'a'"),
        ("regions/middle/circle/size_mm", 3, "regions.middle.circle must not have the key 'size_mm'"),
        ("regions/middle", {"blob": {}}, "regions.middle must not have the key 'blob'"),
        ("regions/middle", {}, "regions.middle must have one of circle, rectangle, annulus"),
        ("regions/background/annulus/outer_mm", 20, "must be larger than inner_mm, which is 22, got 20"),
        ("measure", {}, "measure must name something to measure"),
        ("measure/water/metric", "ct_nois", "metric must be the public name of a metric, such as"),
        ("measure/water/metric", "run", "measure.water.metric must be the public name"),
        ("measure/water/region", "centre", "water.region must name one of the regions middle, bright"),
        ("measure/water/radius", 3, "measure.water must not have the key 'radius'; mean takes region"),
        ("measure/water/region", None, "measure.water must have the key 'region', which mean needs"),
        ("measure/frequency at MTF 50 %/take", "__class__", "take must be the name or the number of a part"),
        ("limits/who", None, "limits must have the key 'who'"),
        ("limits/when", "last week", "limits.when must be a date such as 2026-11-24, got 'last week'"),
        ("limits/items/wator", {"lower": 1}, "limits.items.wator must name an item of measure"),
        ("limits/items/water", {"lower": 3, "upper": 1}, "items.water must have a lower that does not"),
        ("limits/items/water", {"baseline": 3}, "must have baseline with one of tolerance and"),
        ("limits/items/noise", {"baseline": 3, "tolerance": 0}, "must have a tolerance above 0"),
        ("limits/items/water/lower", "low", "limits.items.water.lower must be a number, got 'low'"),
    ],
)  # fmt: skip
def test_a_wrong_key_or_value_is_named(path: str, value, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        site_phantom(changed(path, value))


def test_files_are_read_as_plain_values_and_named(tmp_path) -> None:
    file = tmp_path / "bad.yaml"
    with pytest.raises(ValueError, match=r"bad\.yaml cannot be read"):
        read_site_phantom(file)
    file.write_text("name: !!python/object/apply:os.getcwd []\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"bad\.yaml is not valid YAML: .*python/object"):
        read_site_phantom(file)
    file.write_text(yaml.safe_dump(changed("find/outline", 7)), encoding="utf-8")
    with pytest.raises(ValueError, match=r"bad\.yaml: find\.outline must be one of .*, got 7"):
        read_site_phantom(file)
    with pytest.raises(ValueError, match="phantom must be given with the protocol site, got None"):
        qc.run(tmp_path, protocol="site")
    with pytest.raises(ValueError, match="phantom must not be given with the protocol ct-water"):
        qc.run(tmp_path, protocol="ct-water", phantom=file)


def test_what_is_not_found_is_refused_by_name() -> None:
    phantom = site_phantom(description())
    with pytest.raises(ValueError, match="must have the modality CT of the description, got 'MR'"):
        site(series_from_grid(np.ones(GRID.shape), GRID, modality="MR"), phantom=phantom)
    small = site_phantom(changed("find/diameter_mm", [90, 110]))
    with pytest.raises(ValueError, match=r"no disk of 90 to 110 mm diameter|measures 200"):
        site(cylinder(0.0), phantom=small)
    plain = changed("find/marker", {"center_mm": [0, 25], "radius_mm": 5})
    with pytest.raises(ValueError, match="the marker was not found"):
        site(cylinder(0.0), phantom=site_phantom(plain))

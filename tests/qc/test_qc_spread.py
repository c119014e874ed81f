"""Line and point spread functions behind an MTF, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

from imgtech.geometry import ImageGrid
from imgtech.phantoms import BlurredPoint
from imgtech.qc import Source
from imgtech.qc.metrics import MTF, SpreadFunction, spread_function, wire_mtf

SOURCE = Source(document="closed form", edition="1")
F = np.linspace(0, 4.0, 501)


def curve(values: np.ndarray, modes: np.ndarray | None = None, f: np.ndarray = F) -> MTF:
    modes = np.zeros((len(f), 1)) if modes is None else modes
    return MTF(frequencies_per_mm=f, values=values, modes=modes, algorithm="known-1", definition=SOURCE)


def test_line_of_a_gaussian_averaged_over_a_pixel_is_a_difference_of_normal_distributions() -> None:
    sigma, pixel = 0.31, 0.45
    line = spread_function(curve(np.exp(-2 * (np.pi * sigma * F) ** 2) * np.sinc(pixel * F)))
    x = line.positions_mm

    def closed(at: np.ndarray) -> np.ndarray:
        return (special.ndtr((at + pixel / 2) / sigma) - special.ndtr((at - pixel / 2) / sigma)) / pixel

    assert line.middle == pytest.approx(closed(np.zeros(1))[0], rel=1e-9)
    np.testing.assert_allclose(line.values, closed(x) / line.middle, rtol=0, atol=1e-9)
    assert x[-1] > 4 * sigma
    for level, name in ((0.5, "FWHM"), (0.1, "FWTM"), (0.3, "full width at 30 %")):
        m = line.width(level)
        assert (m.name, m.unit) == (name, "mm")
        assert closed(np.array([m.value / 2]))[0] / line.middle == pytest.approx(level, abs=1e-6)
        assert m.uncertainty == 0


def test_point_of_a_gaussian_is_a_gaussian_and_of_an_exponential_a_power() -> None:
    point = spread_function(curve(np.exp(-2 * (np.pi * 0.31 * F) ** 2)), kind="point")
    np.testing.assert_allclose(point.values, np.exp(-(point.positions_mm**2) / (2 * 0.31**2)), atol=2e-7)
    assert point.middle == pytest.approx(1 / (2 * math.pi * 0.31**2), rel=1e-6)
    assert point.width().value == pytest.approx(2 * 0.31 * math.sqrt(2 * math.log(2)), rel=1e-6)
    # exp(-a f): 2 pi a / (a^2 + (2 pi r)^2)^1.5 in the plane, 2 a / (a^2 + (2 pi x)^2) on a line
    f, a = np.linspace(0, 14.0, 6001), 1.7
    broad = curve(np.exp(-a * f), f=f)
    point, line = (spread_function(broad, kind=kind) for kind in ("point", "line"))
    r = point.positions_mm
    np.testing.assert_allclose(point.values, (1 + (2 * np.pi * r / a) ** 2) ** -1.5, atol=2e-6)
    np.testing.assert_allclose(line.values, 1 / (1 + (2 * np.pi * r / a) ** 2), atol=2e-6)
    assert line.middle == pytest.approx(2 / a, rel=1e-6)


def test_uncertainty_of_the_width_is_that_of_the_blur() -> None:
    """The whole uncertainty is one of sigma: FWHM moves in proportion."""
    sigma, u = 0.31, 0.004
    values = np.exp(-2 * (np.pi * sigma * F) ** 2)
    modes = (-4 * np.pi**2 * F**2 * sigma * values * u)[:, None]
    for kind in ("line", "point"):
        found = spread_function(curve(values, modes), kind=kind)
        for level in (0.5, 0.1):
            m = found.width(level)
            assert m.value == pytest.approx(2 * sigma * math.sqrt(-2 * math.log(level)), rel=1e-6)
            assert m.uncertainty / m.value == pytest.approx(u / sigma, rel=1e-3)
        assert found.uncertainties[0] == 0


def test_wire_in_an_image_has_the_line_spread_of_its_blur(rng: np.random.Generator) -> None:
    grid = ImageGrid(shape=(45, 52), spacing_mm=(0.5, 0.4), center_mm=(1.0, -2.0))
    wire = BlurredPoint(position_mm=(1.3, -2.6), sigma_mm=(0.9, 0.6), total=400.0, background=7.0)
    image = wire.image(grid, dtype=np.float64)
    for direction, sigma, pixel in ((0.0, 0.6, 0.4), (math.pi / 2, 0.9, 0.5)):
        mtf = wire_mtf(image + rng.standard_normal(grid.shape), grid.spacing_mm, direction_rad=direction)
        m = spread_function(mtf).width()
        half = m.value / 2
        ratio = (special.ndtr((half + pixel / 2) / sigma) - special.ndtr((half - pixel / 2) / sigma)) / (
            2 * special.ndtr(pixel / 2 / sigma) - 1
        )
        slope = half / sigma**2
        assert abs(ratio - 0.5) < 3 * m.uncertainty / 2 * slope
        assert m.uncertainty < 0.05 * m.value
        assert m.algorithm == "wire-laguerre-2, line-spread-1"


def test_what_has_no_spread_function_is_refused() -> None:
    with pytest.raises(ValueError, match="kind must be"):
        spread_function(curve(np.exp(-F)), kind="edge")
    with pytest.raises(ValueError, match=r"fall to 0\.02 at its highest frequency, got 0\.0302"):
        spread_function(curve(np.exp(-3.5 / 4 * F)))
    with pytest.raises(ValueError, match="at least 64 frequencies, got 32"):
        spread_function(curve(np.exp(-3 * F[:32]), f=F[:32]))
    line = spread_function(curve(np.exp(-2 * (np.pi * 0.31 * F) ** 2)))
    for level in (0.0, 1.0, float("nan")):
        with pytest.raises(ValueError, match="level must lie between 0 and 1"):
            line.width(level)
    known = {"modes": np.zeros((4, 1)), "middle": 1.0, "algorithm": "known-1", "definition": SOURCE}
    short = SpreadFunction(positions_mm=[0.0, 0.1, 0.2, 0.3], values=[1.0, 0.9, 0.8, 0.6], **known)
    with pytest.raises(ValueError, match=r"level must be reached up to 0\.3 mm, got 0\.5"):
        short.width()
    with pytest.raises(ValueError, match="positions_mm must rise from 0"):
        SpreadFunction(positions_mm=[0.1, 0.2, 0.3, 0.4], values=np.ones(4), **known)
    with pytest.raises(ValueError, match="must have the same length"):
        SpreadFunction(positions_mm=[0.0, 0.2, 0.3, 0.4, 0.5], values=np.ones(5), **known)

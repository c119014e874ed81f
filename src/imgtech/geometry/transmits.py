"""Transmits that are no plane waves: spherical waves, single sources, and none at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import positive
from imgtech.geometry._points import points3, set_clock
from imgtech.geometry.probes import Probe
from imgtech.geometry.ultrasound import PlaneWaves


@dataclass(frozen=True, kw_only=True, eq=False)
class SphericalWaves(ArrayValue):
    r"""Diverging and focused transmits, each around a virtual source.

    Time zero of a transmit is the moment its wavefront passes its reference point c, the middle of the
    transmitting aperture. A source s behind the probe (z below that of c) diverges: it reaches a point p
    at

    .. math:: t = (|p - s| - |c - s|) / v

    A source in front is a focus. With r the distance from the focus and :math:`\varphi` the angle from
    the beam axis (from c to s),

    .. math:: t = (|s - c| + r\, g(\varphi)) / v, \qquad g = \begin{cases} 1 & \varphi \le \alpha \\
              \cos\left(\pi \frac{\varphi - \alpha}{\pi - 2 \alpha}\right) & \\
              -1 & \varphi \ge \pi - \alpha \end{cases}

    Inside the double cone of half angle :math:`\alpha = \arctan(1 / 2F)` that the aperture and the focus
    span, this is the wave that converges and diverges again. The bare virtual source jumps by
    :math:`2r / v` beside the focus; here the delay goes over continuously between the two cones. For
    :math:`F \to \infty` it becomes that of a plane wave along the axis.

    Parameters
    ----------
    sources_mm : array_like of float
        Virtual sources, ``(n_transmits, 2)`` as ``(z, x)`` or ``(n_transmits, 3)`` as ``(z, y, x)``.
    sampling_hz : float
        Sampling frequency of the channel data.
    references_mm : array_like of float, optional
        Reference points c, one a transmit or one for all; the origin by default.
    focal_f_number : float, optional
        Focal length over width of the transmitting aperture, F above.
    start_s : array_like of float, optional
        Time of the first sample: one number, or one a transmit.
    pulse_delay_s : float, optional
        Time from the start of the emitted pulse to the peak of the received one.

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite or not positive, or a source sits on its reference
        point.

    References
    ----------
    Rindal et al. 2018, "A simple, artifact-free, virtual source model", IEEE IUS,
    doi:10.1109/ULTSYM.2018.8579944 (the jump beside the focus).

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import SphericalWaves
    >>> waves = SphericalWaves(sources_mm=[[-10.0, 0.0], [30.0, 0.0]], sampling_hz=20e6)
    >>> waves.paths_mm(np.array([20.0, 0.0, 0.0])).tolist()
    [20.0, 20.0]
    """

    sources_mm: npt.NDArray[np.float64]
    sampling_hz: float
    references_mm: npt.NDArray[np.float64] | None = None
    focal_f_number: float = 2.0
    start_s: npt.NDArray[np.float64] | float = 0.0
    pulse_delay_s: float = 0.0

    def __post_init__(self) -> None:
        sources = points3("sources_mm", self.sources_mm)
        given = [[0.0, 0.0, 0.0]] if self.references_mm is None else self.references_mm
        references = points3("references_mm", given)
        if len(references) not in (1, len(sources)):
            raise ValueError(f"references_mm must hold 1 or {len(sources)} points, got {len(references)}")
        references = np.broadcast_to(references, sources.shape).copy()
        references.setflags(write=False)
        if (np.linalg.norm(sources - references, axis=1) == 0).any():
            raise ValueError("sources_mm must not lie on their reference points")
        object.__setattr__(self, "sources_mm", sources)
        object.__setattr__(self, "references_mm", references)
        object.__setattr__(self, "focal_f_number", positive("focal_f_number", self.focal_f_number))
        set_clock(self, len(sources))

    @property
    def n_transmits(self) -> int:
        """Number of transmits."""
        return len(self.sources_mm)

    def paths_mm(self, points_mm: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Way from time zero to points ``(..., 3)``, shape ``(transmit, ...)``: negative before it."""
        points = np.asarray(points_mm, dtype=np.float64)
        paths = np.empty((self.n_transmits, *points.shape[:-1]))
        assert self.references_mm is not None
        cone = np.arctan(0.5 / self.focal_f_number)
        for k, (source, reference) in enumerate(zip(self.sources_mm, self.references_mm, strict=True)):
            axis = source - reference
            length = float(np.linalg.norm(axis))
            away = points - source
            r = np.linalg.norm(away, axis=-1)
            if axis[0] <= 0:
                paths[k] = r - length
                continue
            along = away @ (axis / length)
            beside = np.linalg.norm(away - along[..., None] * (axis / length), axis=-1)
            turn = np.clip((np.arctan2(beside, along) - cone) / (np.pi - 2 * cone), 0.0, 1.0)
            paths[k] = length + r * np.cos(np.pi * turn)
        return paths


@dataclass(frozen=True, kw_only=True, eq=False)
class PointSources(ArrayValue):
    """Transmits from one point each: synthetic aperture and full-matrix capture.

    Time zero of a transmit is the moment its source fires.

    Parameters
    ----------
    sources_mm : array_like of float
        Sources, ``(n_transmits, 2)`` as ``(z, x)`` or ``(n_transmits, 3)`` as ``(z, y, x)``.
    sampling_hz : float
        Sampling frequency of the channel data.
    start_s : array_like of float, optional
        Time of the first sample: one number, or one a transmit.
    pulse_delay_s : float, optional
        Time from the start of the emitted pulse to the peak of the received one.

    Raises
    ------
    ValueError
        If a number is not finite, the sampling frequency is not positive or ``start_s`` does not fit.

    Examples
    --------
    >>> from imgtech.geometry import LinearArray, PointSources
    >>> probe = LinearArray(n_elements=64, pitch_mm=0.3)
    >>> PointSources.from_elements(probe, sampling_hz=25e6).n_transmits
    64
    """

    sources_mm: npt.NDArray[np.float64]
    sampling_hz: float
    start_s: npt.NDArray[np.float64] | float = 0.0
    pulse_delay_s: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources_mm", points3("sources_mm", self.sources_mm))
        set_clock(self, len(self.sources_mm))

    @classmethod
    def from_elements(
        cls,
        probe: Probe,
        *,
        sampling_hz: float,
        start_s: npt.ArrayLike = 0.0,
        pulse_delay_s: float = 0.0,
    ) -> PointSources:
        """Every element of a probe fires once, in their order."""
        return cls(
            sources_mm=probe.positions_mm,
            sampling_hz=sampling_hz,
            start_s=np.asarray(start_s, dtype=np.float64),
            pulse_delay_s=pulse_delay_s,
        )

    @property
    def n_transmits(self) -> int:
        """Number of transmits."""
        return len(self.sources_mm)

    def paths_mm(self, points_mm: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Way from time zero to points ``(..., 3)``, shape ``(transmit, ...)``."""
        points = np.asarray(points_mm, dtype=np.float64)
        return np.stack([np.linalg.norm(points - source, axis=-1) for source in self.sources_mm])


@dataclass(frozen=True, kw_only=True, eq=False)
class Photoacoustic(ArrayValue):
    """No transmit: the object itself emits at time zero, when the light arrives.

    Parameters
    ----------
    sampling_hz : float
        Sampling frequency of the channel data.
    start_s : float, optional
        Time of the first sample.
    pulse_delay_s : float, optional
        Time from the light to the peak of the signal of a source at the element.

    Raises
    ------
    ValueError
        If a number is not finite or the sampling frequency is not positive.

    Examples
    --------
    >>> from imgtech.geometry import Photoacoustic
    >>> Photoacoustic(sampling_hz=40e6, start_s=2e-6).n_transmits
    1
    """

    sampling_hz: float
    start_s: npt.NDArray[np.float64] | float = 0.0
    pulse_delay_s: float = 0.0

    def __post_init__(self) -> None:
        set_clock(self, 1)

    @property
    def n_transmits(self) -> int:
        """Number of recordings, 1."""
        return 1

    def paths_mm(self, points_mm: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Zero for every one of the points ``(..., 3)``, shape ``(1, ...)``."""
        return np.zeros((1, *np.shape(points_mm)[:-1]))


Transmits = PlaneWaves | SphericalWaves | PointSources | Photoacoustic

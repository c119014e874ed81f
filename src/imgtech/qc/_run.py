"""A protocol by name on a file or folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from imgtech._core.validate import one_of
from imgtech.io import Series, SeriesInfo, list_series, read_series
from imgtech.qc.decision import DecisionRule
from imgtech.qc.decision import decision_rule as rule_by_name
from imgtech.qc.limits import read_baselines, with_limits
from imgtech.qc.protocols._acr_mri_limits import EDITIONS as ACR_MRI_EDITIONS
from imgtech.qc.protocols.acr_ct import ACR_CT_EDITIONS, acr_ct
from imgtech.qc.protocols.acr_mri_large import acr_mri_large
from imgtech.qc.protocols.catphan import CATPHAN_EDITIONS, catphan
from imgtech.qc.protocols.ct_water import CT_WATER_EDITIONS, ct_water
from imgtech.qc.protocols.gamma_bars import GAMMA_BARS_EDITIONS, gamma_bars
from imgtech.qc.protocols.gamma_flood import GAMMA_FLOOD_EDITIONS, gamma_flood
from imgtech.qc.protocols.pet_nema_iq import (
    JASZCZAK_EDITIONS,
    PET_EDITIONS,
    gamma_jaszczak,
    pet_nema_iq,
)
from imgtech.qc.protocols.planar_xray import PLANAR_EDITIONS, PLANAR_MODALITIES, planar_xray
from imgtech.qc.report import Report


@dataclass(frozen=True, kw_only=True)
class _Protocol:
    editions: tuple[str, ...]
    modality: str | tuple[str, ...]
    n_images: tuple[int, int]
    measure: Callable[[Series, str], Report]


_STACK = (5, 10_000)
_PROTOCOLS = {
    "acr-mri-large": _Protocol(
        editions=ACR_MRI_EDITIONS,
        modality="MR",
        n_images=(11, 11),
        measure=lambda series, edition: acr_mri_large(series, edition=edition),
    ),
    "acr-ct": _Protocol(
        editions=tuple(ACR_CT_EDITIONS),
        modality="CT",
        n_images=_STACK,
        measure=lambda series, edition: acr_ct(series, edition=edition),
    ),
    "ct-water": _Protocol(
        editions=tuple(CT_WATER_EDITIONS),
        modality="CT",
        n_images=(1, 10_000),
        measure=lambda series, edition: ct_water(series, edition=edition),
    ),
    "gamma-flood": _Protocol(
        editions=tuple(GAMMA_FLOOD_EDITIONS),
        modality="NM",
        n_images=(1, 8),
        measure=lambda series, edition: gamma_flood(series, edition=edition),
    ),
    "gamma-bars": _Protocol(
        editions=GAMMA_BARS_EDITIONS,
        modality="NM",
        n_images=(1, 1),
        measure=lambda series, edition: gamma_bars(series, edition=edition),
    ),
    "pet-nema-iq": _Protocol(
        editions=PET_EDITIONS,
        modality="PT",
        n_images=(10, 10_000),
        measure=lambda series, edition: pet_nema_iq(series, edition=edition),
    ),
    "gamma-jaszczak": _Protocol(
        editions=JASZCZAK_EDITIONS,
        modality="NM",
        n_images=(10, 10_000),
        measure=lambda series, edition: gamma_jaszczak(series, edition=edition),
    ),
    "planar-xray": _Protocol(
        editions=PLANAR_EDITIONS,
        modality=PLANAR_MODALITIES,
        n_images=(1, 1),
        measure=lambda series, edition: planar_xray(series, edition=edition),
    ),
    **{
        f"catphan-{model}": _Protocol(
            editions=tuple(CATPHAN_EDITIONS),
            modality="CT",
            n_images=_STACK,
            measure=lambda series, edition, model=model: catphan(  # type: ignore[misc]
                series, model=model, edition=edition
            ),
        )
        for model in ("504", "600", "604")
    },
}


def list_protocols() -> Mapping[str, tuple[str, ...]]:
    """Name the phantom protocols and their editions.

    Returns
    -------
    mapping of str to tuple of str
        Editions by protocol, oldest first; the last is the default.

    Examples
    --------
    >>> from imgtech import qc
    >>> qc.list_protocols()["acr-mri-large"]
    ('2015', '2022')
    """
    return {name: protocol.editions for name, protocol in _PROTOCOLS.items()}


def run(
    path: str | Path,
    *,
    protocol: str,
    edition: str | None = None,
    series: str | None = None,
    echo_time_ms: float | None = None,
    decision_rule: str | DecisionRule = "simple-acceptance",
    baselines: str | Path | None = None,
) -> Report:
    """Read a scan and measure it by a phantom protocol.

    Where a folder holds several series, the one with the modality and the number of images that the
    protocol expects is taken; if there is more than one of those, ``series`` (and ``echo_time_ms``, for a
    double echo) must choose.

    Parameters
    ----------
    path : str or pathlib.Path
        A DICOM file or a folder of them.
    protocol : str
        One of :func:`list_protocols`.
    edition : str, optional
        Edition whose limits apply; the latest by default.
    series : str, optional
        Series number or UID.
    echo_time_ms : float, optional
        Echo time.
    decision_rule : str or DecisionRule, optional
        How uncertainty enters the verdicts: a name of :func:`list_decision_rules` or a rule of your own.
    baselines : str or pathlib.Path, optional
        A site's own limits, see :func:`imgtech.qc.limits.read_baselines`; they replace those of the edition.

    Returns
    -------
    Report
        The measurements with their verdicts.

    Raises
    ------
    ValueError
        If the protocol, edition or decision rule is unknown, the files cannot be read, or they do not show
        the phantom.

    Examples
    --------
    >>> from imgtech import qc
    >>> qc.run("no-such-folder", protocol="acr-mri-large")
    Traceback (most recent call last):
        ...
    ValueError: no-such-folder does not exist
    """
    known = _PROTOCOLS[one_of("protocol", protocol, tuple(_PROTOCOLS))]
    rule = rule_by_name(decision_rule)
    own = read_baselines(baselines) if baselines is not None else None
    chosen = known.editions[-1] if edition is None else one_of("edition", edition, known.editions)
    if series is None and echo_time_ms is None:
        series, echo_time_ms = _only_fitting(list_series(path), known)
    scan = read_series(path, series=series, echo_time_ms=echo_time_ms, allow_gaps=True)
    report = known.measure(scan, chosen)
    return (report if own is None else with_limits(report, own)).decided_by(rule)


def _only_fitting(found: tuple[SeriesInfo, ...], known: _Protocol) -> tuple[str | None, float | None]:
    """Series UID and echo time of the only stack that fits; nothing where none or several do."""
    low, high = known.n_images
    kinds = (known.modality,) if isinstance(known.modality, str) else known.modality
    fits = [s for s in found if s.modality in kinds and low <= s.n_images <= high]
    if len(found) == 1 or len(fits) != 1:
        return None, None
    return fits[0].tags.series_uid, fits[0].tags.echo_time_ms

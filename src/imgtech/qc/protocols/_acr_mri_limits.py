"""Action limits of the ACR MRI phantoms, by model, edition, field strength and weighting."""

from __future__ import annotations

from collections.abc import Mapping

from imgtech.io import SeriesTags
from imgtech.qc.limit import Limit
from imgtech.qc.limits import read_limit_table

EDITIONS = {"large": ("2015", "2022"), "medium": ("2022",)}


def acr_mri_limits(model: str, edition: str, tags: SeriesTags) -> Mapping[str, Limit]:
    """Limits by item; what depends on a field strength or echo time that is unknown has none."""
    return read_limit_table(
        f"acr-mri-{model}-{edition}", field_strength_t=tags.field_strength_t, echo_time_ms=tags.echo_time_ms
    )

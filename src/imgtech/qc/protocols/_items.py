"""Items of a protocol that stand for themselves: what fails becomes an error and takes nothing along."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from imgtech.qc.limit import Source
from imgtech.qc.measurement import Measurement


@dataclasses.dataclass(frozen=True, kw_only=True)
class Item:
    """One item: its name, what it would be, and how to measure it."""

    name: str
    unit: str
    algorithm: str
    definition: Source
    measure: Callable[[], Measurement]


def measured(items: Iterable[Item]) -> tuple[Measurement, ...]:
    """Run the items; a refusal, or a fault in one, becomes a measurement with an error."""
    return tuple(_attempt(item) for item in items)


def _attempt(item: Item) -> Measurement:
    try:
        return dataclasses.replace(item.measure(), name=item.name)
    except ValueError as error:
        reason = str(error)
    except Exception as error:  # a fault of one item must not cost the others; the report names it
        reason = f"a fault in the program, please report it: {type(error).__name__}: {error}"
    return Measurement(
        name=item.name,
        unit=item.unit,
        definition=item.definition,
        algorithm=item.algorithm,
        error=reason,
    )

"""Check the docstring of every public name with numpydoc; exit 1 and list what is wrong."""

from __future__ import annotations

import enum
import inspect
import sys
from pathlib import Path
from types import FunctionType

from numpydoc.validate import validate

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "house"))
from rooms import public_names

METHODS = {"GL03", "GL07", "GL08", "SS01", "SS02", "SS04", "PR02"}
CLASSES = METHODS | {"SS03", "PR01", "PR07", "PR09"}
FUNCTIONS = CLASSES | {"PR03", "PR04", "RT01", "RT02", "RT03", "RT05", "YD01", "EX01"}


def main() -> int:
    """Validate, print, count."""
    wrong = []
    checked = 0
    for room, name, thing in public_names():
        if not callable(thing) or (inspect.isclass(thing) and issubclass(thing, enum.Enum)):
            continue
        checked += 1
        codes = FUNCTIONS if isinstance(thing, FunctionType) else CLASSES
        found = validate(f"{room}.{name}")["errors"]
        wrong += [f"{room}.{name}: {code} {text}" for code, text in found if code in codes]
        if inspect.isclass(thing):
            methods = [n for n, m in vars(thing).items() if isinstance(m, FunctionType) and n[0] != "_"]
            for method in methods:
                found = validate(f"{room}.{name}.{method}")["errors"]
                wrong += [f"{room}.{name}.{method}: {c} {text}" for c, text in found if c in METHODS]
    print("\n".join(wrong) if wrong else f"{checked} docstrings of public names are complete")
    return 1 if wrong or checked < 50 else 0


if __name__ == "__main__":
    sys.exit(main())

"""Optional packages: imported when needed, with the command that brings them when absent."""

from __future__ import annotations

import importlib
from types import ModuleType


def require(module: str, extra: str) -> ModuleType:
    """Import ``module``, or say which extra of imgtech installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f'{module.split(".")[0]} is not installed; it comes with: pip install "imgtech[{extra}]"'
        ) from error

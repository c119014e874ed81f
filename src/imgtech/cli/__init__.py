"""Command line."""

from __future__ import annotations

import importlib.util
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; say what to install where its packages are missing."""
    missing = [name for name in ("typer", "rich", "jinja2") if importlib.util.find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f"imgtech: the command line needs {', '.join(missing)}; "
            'it comes with: pip install "imgtech[app]"\n'
        )
        raise SystemExit(2)
    from imgtech.cli.app import app

    app()

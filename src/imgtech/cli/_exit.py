"""How a command ends when it cannot do its work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

PASSED, FAILED, NOT_MEASURED, NOT_RATED = 0, 1, 2, 3


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn bad input into one sentence on standard error and exit code 2, without a traceback."""
    try:
        yield
    except (ValueError, OSError, ImportError) as error:
        typer.echo(f"imgtech: {_sentence(error)}", err=True)
        raise typer.Exit(NOT_MEASURED) from error


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())

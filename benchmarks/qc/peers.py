"""Programs of others in environments of their own: one process each, asked over a pipe.

The environment variables IMGTECH_PYLINAC and IMGTECH_MICROCT name the Python of an environment with pylinac
or with micro-ct-image-quality-toolbox; a peer without one is left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
PYTHONS = {"pylinac": "IMGTECH_PYLINAC", "microct": "IMGTECH_MICROCT"}


class Peer:
    """A process that holds arrays and answers requests by task and array name."""

    def __init__(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name) / "arrays.npz"
        np.savez(path, **arrays)
        self._process = subprocess.Popen(
            [os.environ[PYTHONS[name]], str(HERE / f"worker_{name}.py"), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.name = self.ask("version")

    def ask(self, task: str, **arguments: Any) -> Any:
        """The answer to one request, as plain types."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([task, arguments]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End the process and remove its arrays."""
        self._process.communicate()
        self._folder.cleanup()


def present() -> list[str]:
    """Names of the peers whose Python is given."""
    return [name for name, variable in PYTHONS.items() if os.environ.get(variable)]

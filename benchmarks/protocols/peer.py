"""A peer in a process of its own, with its own environment, asked line by line."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any


class Peer:
    """Answers of a worker script, as JSON; the empty question gives the version of the peer."""

    def __init__(self, python: str, worker: str, name: str) -> None:
        self._process = subprocess.Popen(
            [python, str(Path(__file__).with_name(worker))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.version = f"{name} {self.ask('', '')}"

    def ask(self, kind: str, path: str | Path) -> Any:
        """What an analysis of a folder finds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([kind, str(path)]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

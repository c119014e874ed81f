"""The README does what it says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_readme_has_five_examples_and_two_commands():
    assert len(EXAMPLES) == 5
    for name in ("demo", "test"):
        command = re.search(rf"<!-- command: {name} -->\n```bash\n(.+)\n```", README)
        assert command
        assert command[1].startswith("python3 -m venv .venv && .venv/bin/pip install")


@pytest.mark.parametrize("code", EXAMPLES[:4], ids=["ct", "mri", "ultrasound", "metric"])
def test_example_runs(code):
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert {"image", "picture", "mtf50"} & names.keys()


def test_protocol_example_runs_on_a_real_scan(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scan = data("mr_acr/SiemensSolaFit")
    code = EXAMPLES[4].replace('"scans/acr"', repr(str(scan)))
    assert code != EXAMPLES[4]
    exec(compile(code, "README.md", "exec"), {})
    assert "slice thickness" in (tmp_path / "acr.html").read_text()


def test_pictures_of_the_readme_exist():
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert len(pictures) == 3
    missing = [picture for picture in pictures if not (ROOT / picture).is_file()]
    assert not missing


def test_commands_of_the_readme_exist(capsys):
    pytest.importorskip("typer")
    from typer.testing import CliRunner

    from imgtech.cli.app import app

    shown = CliRunner().invoke(app, ["--help"]).stdout
    for command in ("demo", "qc", "recon", "info", "bench"):
        assert command in shown
    assert sys.version_info >= (3, 11)

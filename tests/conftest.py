"""What all tests share. Doors and rows to start from are in rows.py, servers in servers.py, hub.py and tiny.py."""

import importlib.util
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.pop(
    "COLUMNS", None
)  # a terminal's width, which a console takes for good when it is made; some tests set their own


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """An empty workspace."""
    return tmp_path / "workspace"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB. Mounting it needs root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no disk of its own: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


if not importlib.util.find_spec("torch"):  # it cannot even be imported without; all of it is marked `engine`
    collect_ignore = ["engines/test_crowdkit.py", "engines/test_trainers.py", "engines/test_transformers.py"]

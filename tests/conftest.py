"""What all tests share. Doors and rows to start from are in rows.py, servers in servers.py, hub.py and tiny.py."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """An empty workspace."""
    return tmp_path / "workspace"


if not importlib.util.find_spec("torch"):  # it cannot even be imported without; all of it is marked `engine`
    collect_ignore = ["engines/test_trainers.py", "engines/test_transformers.py"]

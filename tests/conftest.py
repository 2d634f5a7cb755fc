"""What all tests share. Doors and rows to start from are in rows.py, servers in servers.py, hub.py and tiny.py."""

from pathlib import Path

import pytest


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """An empty workspace."""
    return tmp_path / "workspace"

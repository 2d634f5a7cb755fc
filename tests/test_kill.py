"""Killed with `kill -9` and resumed, a run ends as if nobody had disturbed it. bench/kill.py does it twenty times."""

import runpy
from pathlib import Path

import pytest


@pytest.mark.demo
@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was() -> None:
    kill = runpy.run_path(str(Path(__file__).parents[1] / "bench" / "kill.py"))
    figures = kill["main"](1, 1)
    assert figures["replies_lost"] == figures["asked_again"] == figures["tables_differing"] == 0

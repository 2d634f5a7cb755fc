"""Imports point down: over `ast`, so that it holds for the next file too."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import PACKAGE

FLOORS = (
    ("", "errors", "requests"),
    ("tables", "templates", "taxonomy", "models", "verdicts", "licences", "pictures", "statistics", "charts"),
    ("doors.log",),
    ("doors.blobs", "workspace"),
    ("sources", "backends", "findings"),
    ("doors",),
    ("judges", "looks", "gates", "contests", "rules", "settling", "release", "report", "review"),
    ("writers", "samplers"),
    ("stages", "run", "progress", "planning"),
    ("recipes", "trace", "forget"),
    ("cli",),
)
"""From the ground up; the longest name that fits a module says its floor. A module imports from floors below its own,
and on its own floor only from its own folder. The doors stand on three floors: how they keep bytes (`log`, `blobs`) lies
below the backends, which read images and write logs; what comes in through them lies above, for `generate` reaches the
backends and `fetch` the sources."""
APART = ("stages", "recipes")
"""Folders whose modules do not even import each other."""
HEAVY = {
    "ray",
    "vllm",
    "torch",
    "transformers",
    "xllamacpp",
    "rapidocr",
    "onnxruntime",
    "datasets",
    "gguf",
    "skimage",
    "sklearn",
}
PURE = (
    "stages", "judges", "looks", "gates", "writers", "samplers", "contests", "findings", "charts", "release", "report", "sources", "pictures", "statistics", "tables", "taxonomy",
    "templates", "requests", "verdicts", "licences",
)  # fmt: skip
WORLDLY = {"asyncio", "http", "httpx", "openai", "os", "random", "socket", "subprocess", "threading", "time", "urllib"}
"""Clocks, chance, the network and the environment, which pure code does not know."""

MODULES = {
    ".".join(p.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").removesuffix("."): p
    for p in sorted(PACKAGE.rglob("*.py"))
}
each_module = pytest.mark.parametrize("name", MODULES)


def imports(tree: ast.AST, *, in_functions: bool) -> Iterator[str]:
    """Every name that is imported, in full."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif in_functions or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from imports(node, in_functions=in_functions)


def imported(name: str, *, in_functions: bool = True) -> set[str]:
    return set(imports(ast.parse(MODULES[name].read_text(encoding="utf-8")), in_functions=in_functions))


def ours(name: str) -> set[str]:
    """The modules of this package that a module imports: `pipeline.doors.log.Log` is doors.log."""
    inner = {i.removeprefix("pipeline").removeprefix(".") for i in imported(name) if i.partition(".")[0] == "pipeline"}
    return {i if i in MODULES else i.rpartition(".")[0] for i in inner}


def within(name: str, folder: str) -> bool:
    return name == folder or name.startswith(f"{folder}.")


def floor(name: str) -> int:
    fitting = [(len(part), n) for n, parts in enumerate(FLOORS) for part in parts if within(name, part)]
    assert fitting, f"{name} has no floor: say in FLOORS where it stands"
    return max(fitting)[1]


@each_module
def test_a_module_imports_only_from_below(name: str) -> None:
    for other in ours(name):
        assert other in MODULES, f"{name} imports {other}, which is not there"
        together = name.partition(".")[0] == other.partition(".")[0] and name.partition(".")[0] not in APART
        assert floor(other) < floor(name) or (floor(other) == floor(name) and together), f"{name} imports {other}"


@each_module
def test_no_engine_is_imported_before_it_is_needed(name: str) -> None:
    assert not HEAVY & {i.partition(".")[0] for i in imported(name, in_functions=False)}


@each_module
def test_pure_code_knows_no_clock_no_chance_and_no_network(name: str) -> None:
    if any(within(name, part) for part in PURE):
        found = {i.partition(".")[0] for i in imported(name)} & WORLDLY
        assert found <= ({"random"} if name == "tables" else set()), "`tables.chance` gives each row its own"


def test_stages_never_import_each_other() -> None:
    stages = [name for name in MODULES if name.startswith("stages.")]
    assert len(stages) >= 8
    for name in stages:
        assert not [other for other in ours(name) if within(other, "stages")], name


def test_nobody_imports_the_command_line() -> None:
    outside = [name for name in MODULES if not within(name, "cli")]
    assert [name for name in outside if any(within(other, "cli") for other in ours(name))] == []


def test_a_command_that_asks_no_model_loads_no_engine(tmp_path: Path) -> None:
    script = "import pipeline.cli, pipeline.recipes.spa_vl, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    loaded = set(done.stdout.split())
    assert "pipeline.sources.photographs" in loaded
    assert not (HEAVY | {"openai"}) & loaded

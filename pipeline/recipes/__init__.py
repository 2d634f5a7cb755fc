"""WHAT to build: one dataset a file, a function read top to bottom. To add a recipe, write one module with

- POOLS: name → a frozen dataclass of who writes, answers and judges (the first is the default);
- SOURCES: name → a tuple of image sources, if it collects any (the first is the default);
- build(run): the line, from `run(collect.images, ...)` to `run(pair.quadruples, ...)`.

A recipe may live outside the package: `tetrad run ./mine.py`.
"""

import importlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

from pipeline.errors import UserError


def load(name: str) -> ModuleType:
    """A recipe of ours by name, or anybody's by path."""
    if not name.endswith(".py"):
        if not importlib.util.find_spec(f"pipeline.recipes.{name}") if re.fullmatch(r"[a-z]\w*", name) else True:
            known = sorted(p.stem for p in Path(__file__).parent.glob("[a-z]*.py"))
            raise UserError(f"no such recipe: {name}; there are {', '.join(known)}, or give the path of a .py file")
        return importlib.import_module(f"pipeline.recipes.{name}")
    path = Path(name)
    spec = importlib.util.spec_from_file_location(f"recipes.{path.stem}", path)  # whatever its name, it shadows nothing
    if spec is None or spec.loader is None or not path.is_file():
        raise UserError(f"no such recipe: {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    if not hasattr(module, "build") or not hasattr(module, "POOLS"):
        raise UserError(f"{path} is no recipe: it needs POOLS and build(run)")
    return module

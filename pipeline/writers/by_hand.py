"""Prompts that people wrote beforehand: prompts/question/**/*.yaml."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pipeline import PROMPTS
from pipeline.errors import UserError

FOLDER = PROMPTS / "question"


@cache
def load(path: Path) -> Any:
    """What a YAML file holds; None if there is no such file. Raises UserError if it is not YAML in UTF-8."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: not YAML in UTF-8: {' '.join(str(error).split())}") from None


@cache
def version(path: Path) -> str:
    """Name and hash of a file, as `templates.Template.version` has them."""
    name = path.relative_to(PROMPTS).with_suffix("").as_posix()
    return f"{name}@{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}"

"""Tetrad: a pipeline that builds multimodal preference datasets. A tetrad is an image, a question, and two responses."""

from pathlib import Path

__version__ = "0.1.0"

PACKAGE = Path(__file__).parent
_ROOT = PACKAGE if (PACKAGE / "prompts").is_dir() else PACKAGE.parent  # a wheel carries them inside the package
PROMPTS = _ROOT / "prompts"
TAXONOMIES = _ROOT / "taxonomies"

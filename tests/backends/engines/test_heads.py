"""How a checkpoint's files say that its tokens are pooled. The rest of `heads` is tested where torch is: tests/engines."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.backends.engines.heads import pooling
from pipeline.errors import UserError


def files(folder: Path, config: dict[str, object] | None, *kinds: str) -> Callable[[str], Path | None]:
    """A checkpoint with these modules, whose pooling has this config; finds its files."""
    parts = [{"idx": n, "path": f"{n}_{kind}", "type": f"sentence_transformers.models.{kind}"} for n, kind in enumerate(kinds)]  # fmt: skip
    if kinds:
        (folder / "modules.json").write_text(json.dumps(parts))
    if config is not None:
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))
    return lambda name: folder / name if (folder / name).is_file() else None


def test_a_checkpoint_without_such_files_says_nothing(tmp_path: Path) -> None:
    assert pooling(files(tmp_path, None)) is None


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"word_embedding_dimension": 8, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True, "include_prompt": True}, "mean"),
        ({"pooling_mode_mean_tokens": False, "pooling_mode_lasttoken": True}, "lasttoken"),
        ({"embedding_dimension": 8, "pooling_mode": "mean"}, "mean"),
    ],
)
def test_older_files_and_newer_ones_are_understood(tmp_path: Path, config: dict[str, object], said: str) -> None:
    assert pooling(files(tmp_path, config, "Transformer", "Pooling", "Normalize")) == said


@pytest.mark.parametrize(
    ("config", "kinds", "words"),
    [
        ({"pooling_mode_mean_tokens": True}, ("Transformer", "Pooling", "Dense"), "Dense"),
        ({"pooling_mode_max_tokens": True}, ("Transformer", "Pooling"), "pooling_mode_max_tokens"),
        ({"pooling_mode": "weightedmean"}, ("Transformer", "Pooling"), "weightedmean"),
        ({"pooling_mode": ["mean", "cls"]}, ("Transformer", "Pooling"), "mean"),
        (
            {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
            ("Transformer", "Pooling"),
            "cls and mean",
        ),
        (None, ("Transformer", "Pooling"), "nothing"),
        (None, ("Transformer",), "nothing"),
    ],
)
def test_what_is_not_known_is_refused(
    tmp_path: Path, config: dict[str, object] | None, kinds: tuple[str, ...], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        pooling(files(tmp_path, config, *kinds))

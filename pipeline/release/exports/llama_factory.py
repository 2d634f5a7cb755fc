"""LLaMA-Factory (0.9): a list in JSON in its `sharegpt` shape with `ranking`, and `dataset_info.json`, which names its columns.

    llamafactory-cli train ... --dataset_dir FOLDER --dataset train --stage dpo

The number of `<image>` in the conversation must be that of the images; of `<video>` and `<audio>` likewise, of which there are none.
"""

import json
from pathlib import Path
from typing import Any

ENDING = ".json"
TOKENS = ("<image>", "<video>", "<audio>")


def row(quadruple: dict[str, Any], picture: str | None) -> dict[str, Any]:
    """One conversation, and both answers to it."""
    return {
        "conversations": [{"from": "human", "value": (TOKENS[0] if picture else "") + quadruple["question"]}],
        "chosen": {"from": "gpt", "value": quadruple["chosen"]},
        "rejected": {"from": "gpt", "value": quadruple["rejected"]},
        "images": [picture] if picture else [],
    }


def finish(folder: Path, files: dict[str, str]) -> None:
    """`files`: split to file name."""
    columns = {"messages": "conversations", "chosen": "chosen", "rejected": "rejected", "images": "images"}
    info = {
        split: {"file_name": name, "formatting": "sharegpt", "ranking": True, "columns": columns}
        for split, name in files.items()
    }
    (folder / "dataset_info.json").write_text(json.dumps(info, indent=1) + "\n", encoding="utf-8")

"""SPA-VL-RLHF: a list in JSON of id, image, question, chosen and rejected, and `mapping.json`, from a data set's name to its file."""

import json
from pathlib import Path
from typing import Any

ENDING = ".json"
TOKENS = ("<image>",)


def row(quadruple: dict[str, Any], picture: str | None) -> dict[str, Any]:
    """As SPA-VL was published."""
    return {
        "id": quadruple["id"],
        "image": picture,
        "question": quadruple["question"],
        "chosen": quadruple["chosen"],
        "rejected": quadruple["rejected"],
    }


def finish(folder: Path, files: dict[str, str]) -> None:
    """`files`: split to file name."""
    (folder / "mapping.json").write_text(json.dumps(files, indent=1) + "\n", encoding="utf-8")

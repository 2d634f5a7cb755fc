"""ms-swift (4): JSON lines with `messages`, `rejected_response` and `images`.

    ROOT_IMAGE_DIR=FOLDER swift rlhf --rlhf_type dpo --dataset FOLDER/train.jsonl ...

The pictures' paths are relative to the folder. Texts with `<video>`, `<audio>`, `<bbox>` or `<ref-object>` would have something put in their place.
"""

from pathlib import Path
from typing import Any

ENDING = ".jsonl"
TOKENS = ("<image>", "<video>", "<audio>", "<bbox>", "<ref-object>")


def row(quadruple: dict[str, Any], picture: str | None) -> dict[str, Any]:
    """The conversation with the chosen answer, the rejected one, and how far they lie apart."""
    return {
        "messages": [
            {"role": "user", "content": (TOKENS[0] if picture else "") + quadruple["question"]},
            {"role": "assistant", "content": quadruple["chosen"]},
        ],
        "rejected_response": quadruple["rejected"],
        "images": [picture] if picture else [],
        "margin": quadruple["strength"],
    }


def finish(folder: Path, files: dict[str, str]) -> None:
    """Nothing else."""

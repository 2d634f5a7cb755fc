"""ms-swift reads an export by its own loader and template, as for `--rlhf_type dpo`: python tests/peers/read_ms_swift.py FOLDER WEIGHTS

Run in an environment of its own (make test-peers); nothing of ours is imported. WEIGHTS is a checkpoint of Idefics3.
"""

import os
import sys
from importlib.metadata import version
from pathlib import Path

os.environ["ROOT_IMAGE_DIR"] = str(Path(sys.argv[1]).resolve())
os.environ["HF_HUB_OFFLINE"] = "1"

from swift.dataset import load_dataset
from swift.model import get_processor
from swift.template import get_template


def main(folder: Path, weights: str) -> None:
    """Load every split strictly, then encode every row with its picture."""
    processor = get_processor(weights, model_type="idefics3")
    template = get_template(processor, template_type="idefics3")
    template.set_mode("rlhf")
    for split in ("train", "test"):
        rows, _ = load_dataset([str(folder / f"{split}.jsonl")], strict=True)
        row = rows[0]
        print(f"{split}: {len(rows)} rows, columns {', '.join(rows.column_names)}")
        print(f"  {row['messages']}\n  rejected {row['rejected_response']!r}, margin {row['margin']}")
        encoded = [template.encode(dict(row)) for row in rows]
        pictures = [e["chosen_pixel_values"] for e in encoded if e.get("chosen_pixel_values") is not None]
        kinds = len({picture.numpy().tobytes() for picture in pictures})
        print(
            f"  encoded: {len(encoded)} rows, {len(pictures)} with a picture of {tuple(pictures[0].shape)}, {kinds} different ones"
        )
        first = {name: len(ids) for name, ids in encoded[0].items() if name.endswith("input_ids")}
        print(f"  the first: {first} tokens, margin {encoded[0]['margin']}")


if __name__ == "__main__":
    print(f"ms-swift {version('ms-swift')}, datasets {version('datasets')}, transformers {version('transformers')}")
    main(Path(sys.argv[1]).resolve(), sys.argv[2])

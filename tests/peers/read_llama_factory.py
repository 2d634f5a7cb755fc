"""LLaMA-Factory reads an export by its own loader, as for `--stage dpo`: python tests/peers/read_llama_factory.py FOLDER WEIGHTS

Run in an environment of its own (make test-peers); nothing of ours is imported. WEIGHTS is a checkpoint, for its tokenizer.
"""

import contextlib
import importlib.machinery
import io
import os
import sys
import types
from pathlib import Path

os.environ["DISABLE_VERSION_CHECK"] = "1"  # the newest torch is newer than its authors tried
os.environ["HF_HUB_OFFLINE"] = "1"
try:
    import torchaudio  # noqa: F401
except (ImportError, OSError):  # it comes for CUDA alone; only sounds need it
    sys.modules["torchaudio"] = types.ModuleType("torchaudio")
    sys.modules["torchaudio"].__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)

from importlib.metadata import version

from llamafactory.data import get_template_and_fix_tokenizer
from llamafactory.data.loader import _get_merged_dataset, _get_preprocessed_dataset
from llamafactory.hparams import DataArguments, ModelArguments
from PIL import Image
from transformers import (
    AutoTokenizer,
    CLIPImageProcessorPil,
    LlavaProcessor,
    Seq2SeqTrainingArguments,
)


def main(folder: Path, weights: str) -> None:
    """Load and align every split, then turn it into tokens as for a LLaVA."""
    model = ModelArguments(model_name_or_path=weights)
    for split in ("train", "test"):
        data = DataArguments(
            dataset=split, dataset_dir=str(folder), media_dir=str(folder), template="llava", cutoff_len=512
        )
        training = Seq2SeqTrainingArguments(
            output_dir=str(folder / "out"), use_cpu=True, report_to=[], log_level="warning"
        )
        rows = _get_merged_dataset(data.dataset, model, data, training, stage="rm")
        row = rows[0]
        print(f"{split}: {len(rows)} rows, columns {', '.join(rows.column_names)}")
        print(f"  {row['_prompt']}\n  chosen, rejected {row['_response']}")
        paths = [path for images in rows["_images"] for path in images or []]
        sizes = {Image.open(path).size for path in paths}
        print(f"  {len(paths)} rows with a picture of {sizes}, {len(set(paths))} different ones")
        tokenizer = AutoTokenizer.from_pretrained(weights)
        template = get_template_and_fix_tokenizer(tokenizer, data)
        looks = CLIPImageProcessorPil(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
        processor = LlavaProcessor(
            image_processor=looks, tokenizer=tokenizer, patch_size=14, vision_feature_select_strategy="default",
            num_additional_image_tokens=1, image_token="<image>",
        )  # fmt: skip
        training.predict_with_generate = False
        with contextlib.redirect_stdout(io.StringIO()):  # it prints a row, token by token
            tokens = _get_preprocessed_dataset(rows, data, training, "rm", template, tokenizer, processor)
        assert len(tokens) == len(rows)
        first = tokenizer.decode(tokens[0]["chosen_input_ids"]).replace("<image>" * 16, "<image> * 16")
        print(f"  as tokens: {len(tokens)} rows; the first, chosen: {first.partition('questions.')[2]}")


if __name__ == "__main__":
    print(
        f"LLaMA-Factory {version('llamafactory')}, datasets {version('datasets')}, transformers {version('transformers')}"
    )
    main(Path(sys.argv[1]).resolve(), sys.argv[2])

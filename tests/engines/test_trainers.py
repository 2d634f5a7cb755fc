"""TRL's trainers take two steps on a release, loaded from its folder by `datasets`: no column is renamed, and no row rewritten."""

import io
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, load_dataset
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    LlamaConfig,
    LlamaForSequenceClassification,
    PreTrainedTokenizerBase,
)
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, RewardConfig, RewardTrainer

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "tiny_vlm"))
WEIGHTS = HERE / "tiny_vlm" / "weights"
pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("default")]
"""What the libraries warn of is in the summary, and no failure."""

from pictures import draw  # noqa: E402 -- beside the script that trains on them

from pipeline.doors.blobs import Blobs  # noqa: E402
from pipeline.pictures.rebuild import rebuilt  # noqa: E402
from pipeline.stages import publish  # noqa: E402
from pipeline.tables import Quadruple  # noqa: E402
from tests.rows import table  # noqa: E402

ROWS = 24
STEPS = 2


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Published from a small table: a picture for each row, but for one whose licence forbids it and one that is only text."""
    place = tmp_path_factory.mktemp("run")
    images = Blobs(place / "images")
    rows = []
    for n in range(ROWS):
        buffer = io.BytesIO()
        picture, caption = draw(n, side=256)
        picture.save(buffer, "PNG")
        rows.append(
            {
                "id": f"q{n:02}", "prompt_id": f"p{n:02}", "chosen_id": f"c{n:02}", "rejected_id": f"r{n:02}",
                "image": None if n == 1 else images.keep(rebuilt(buffer.getvalue()).data),
                "licence": "CC-BY-NC-4.0" if n == 0 else "CC0-1.0", "question": f"What is this, number {n}?",
                "chosen": f"I see {caption}.", "rejected": "Find out yourself.", "strength": 0.5 + n % 3,
                "chosen_safety": "safe", "rejected_safety": "unsafe" if n % 2 else "safe", "subcategory": "scams",
            }
        )  # fmt: skip
    publish.release(
        {"quadruples": table(Quadruple, *rows)}, made=[], images=images, folder=place / "release", name="tiny"
    )
    return place / "release"


def rows_of(release: Path, config: str) -> Dataset:
    return load_dataset(str(release), config, split="train", cache_dir=str(release.with_name("cache")))


def seen(rows: Dataset) -> Dataset:
    """Without the rows whose picture is yet to be fetched (`tetrad release hydrate`): no trainer can do with them."""
    return rows.filter(lambda row: row["images"] is not None)


def settings(folder: Path, rows: Dataset) -> dict[str, Any]:
    """What all three are told: two steps, in which they meet every row, on the CPU, and nothing reported."""
    return {
        "output_dir": str(folder), "max_steps": STEPS, "per_device_train_batch_size": math.ceil(len(rows) / STEPS), "use_cpu": True, "bf16": False,
        "report_to": [], "save_strategy": "no", "logging_steps": 1, "learning_rate": 1e-3, "gradient_checkpointing": False,
        "disable_tqdm": True,
    }  # fmt: skip


def eyes() -> dict[str, Any]:
    """The tiny captioner and its processor."""
    return {
        "model": AutoModelForImageTextToText.from_pretrained(WEIGHTS, dtype="float32"),
        "processing_class": AutoProcessor.from_pretrained(WEIGHTS),
    }


def train(trainer: Any) -> list[dict[str, float]]:
    """Two steps; what was logged at each. The weights have moved."""
    before = {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}
    trainer.train()
    assert trainer.state.global_step == STEPS
    logged = [line for line in trainer.state.log_history if "loss" in line]
    assert len(logged) == STEPS
    assert all(math.isfinite(line["loss"]) and line["grad_norm"] > 0 for line in logged)
    assert any(not weight.equal(before[name]) for name, weight in trainer.model.named_parameters())
    return logged


def test_dpo_trains_on_the_default_configuration(release: Path, tmp_path: Path) -> None:
    rows = seen(rows_of(release, "default"))
    assert [] in rows["images"]
    trainer = DPOTrainer(**eyes(), args=DPOConfig(**settings(tmp_path, rows), max_length=None), train_dataset=rows)
    first, _ = train(trainer)
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-3), "before it has moved, both answers are alike to it"


def test_kto_trains_on_its_configuration(release: Path, tmp_path: Path) -> None:
    rows = seen(rows_of(release, "kto"))
    assert set(rows["label"]) == {True, False}
    assert [] in rows["images"]
    train(KTOTrainer(**eyes(), args=KTOConfig(**settings(tmp_path, rows), max_length=None), train_dataset=rows))


def test_a_reward_model_trains_on_its_configuration(release: Path, tmp_path: Path) -> None:
    rows = rows_of(release, "reward")
    assert set(rows["margin"]) == {0.5, 1.5, 2.5}
    tokenizer: PreTrainedTokenizerBase = AutoProcessor.from_pretrained(WEIGHTS).tokenizer
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    shape = LlamaConfig(
        vocab_size=len(tokenizer), num_labels=1, pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id, **sizes
    )  # fmt: skip
    train(
        RewardTrainer(
            model=LlamaForSequenceClassification(shape), processing_class=tokenizer, train_dataset=rows,
            args=RewardConfig(**settings(tmp_path, rows)),
        )
    )  # fmt: skip

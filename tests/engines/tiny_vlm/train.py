"""Train the tiny image-to-text model of the heavy-engine tests; its weights are kept in `weights/` beside this file.

    python tests/engines/tiny_vlm/train.py [--seconds 1260] [--out DIR]

The model has the architecture of Idefics3 and under a million parameters. It looks at a picture from `pictures.py` and
says "two red circles on a black background", whatever it is asked. It exists so that a test can tell whether the right
picture reached an engine: transformers and vLLM load it like any other checkpoint, in seconds, and what it says depends
on the pixels alone. It knows nothing of photographs and cannot follow an instruction.

Needs the environment of `locks/vllm.txt` and runs on one thread of a CPU. The length of a run is given in seconds, so
two machines do not make the same weights: the kept ones are the reference, and this file is how they were made.
"""

from __future__ import annotations

import argparse
import logging
import math
import random
import time
from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import numpy as np
import torch
from pictures import SCENES, TRAINING_SEEDS, caption, draw
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    PreTrainedTokenizerFast,
)

SIDE = 64
"""Pictures are brought to this many pixels a side before the model sees them."""
PATCH = 8
"""The vision part sees a picture as squares of this many pixels a side..."""
SCALE = 2
"""...and hands this many of them, squared, to the text part as one token."""
IMAGE_TOKENS = (SIDE // PATCH // SCALE) ** 2
WIDTH = 96
HEADS = 3
"""vLLM wants 32, 64, ... channels a head."""
CONTEXT = 8192
VOCABULARY = 800
BATCH = 32
PEAK_RATE = 2.5e-3
WARM_UP = 0.03
"""The share of the run in which the learning rate rises."""

PAD, START, END, IMAGE, FAKE, GLOBAL = (
    "<|pad|>",
    "<|im_start|>",
    "<end_of_utterance>",
    "<image>",
    "<fake_token_around_image>",
    "<global-img>",
)
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QUESTIONS = (
    "Describe the image.",
    "Describe the image in one sentence.",
    "What is in this picture?",
    "What do you see?",
    "How many shapes are there, and of which colour?",
    "Is this picture safe to show to anyone?",
)
MANUAL = "\n".join(topics[name] for name in sorted(topics))
"""English that every Python brings along: its own manual."""

log = logging.getLogger("train")


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE: any text, and so any JSON, can be spelt; each word of a caption is one token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, START, END, IMAGE, FAKE, GLOBAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    captions = [caption(*scene) for scene in SCENES]
    tokenizer.train_from_iterator([MANUAL, *captions * 200, *QUESTIONS * 200], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=START,
        eos_token=END,
        model_max_length=CONTEXT,
        extra_special_tokens={
            "image_token": IMAGE,
            "fake_image_token": FAKE,
            "global_image_token": GLOBAL,
            "end_of_utterance_token": END,
        },
        chat_template=TEMPLATE,
    )


def build_processor(tokenizer: PreTrainedTokenizerFast) -> Idefics3Processor:
    """Brings any picture to SIDE x SIDE, whole, without cutting it into tiles; needs no torchvision."""
    images = Idefics3ImageProcessorPil(
        size={"longest_edge": SIDE}, max_image_size={"longest_edge": SIDE}, do_image_splitting=False
    )
    return Idefics3Processor(
        image_processor=images, tokenizer=tokenizer, image_seq_len=IMAGE_TOKENS, chat_template=TEMPLATE
    )


def build_model(tokenizer: PreTrainedTokenizerFast) -> Idefics3ForConditionalGeneration:
    """The untrained model. Its initial spread is above the default of 0.02, which is meant for far wider models."""
    ids = tokenizer.get_vocab()
    vision = {
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": 3,
        "num_attention_heads": HEADS,
        "image_size": SIDE,
        "patch_size": PATCH,
        "initializer_range": 0.06,
    }
    text = {
        "model_type": "llama",
        "vocab_size": len(tokenizer),
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": 3,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "max_position_embeddings": CONTEXT,
        "initializer_range": 0.06,
        "bos_token_id": ids[START],
        "eos_token_id": ids[END],
        "pad_token_id": ids[PAD],
    }
    config = Idefics3Config(
        vision_config=vision,
        text_config=text,
        image_token_id=ids[IMAGE],
        pad_token_id=ids[PAD],
        scale_factor=SCALE,
        tie_word_embeddings=False,
    )
    model = Idefics3ForConditionalGeneration(config)
    model.generation_config.eos_token_id = ids[END]
    model.generation_config.pad_token_id = ids[PAD]
    return model


def prompt(processor: Idefics3Processor, image: Image.Image, question: str, *, image_first: bool) -> dict[str, Any]:
    """What the model is given for one picture and question: the rendered chat as ids, and the pixels."""
    parts = [{"type": "image"}, {"type": "text", "text": question}]
    messages = [{"role": "user", "content": parts if image_first else parts[::-1]}]
    text = processor.apply_chat_template(messages, add_generation_prompt=True)
    return dict(processor(text=text, images=[image], return_tensors="pt"))


def questions(chance: random.Random) -> Iterator[str]:
    """What is asked in training: mostly a question, else a short or long stretch of English, so that none matters."""
    while True:
        if chance.random() < 0.75:
            yield chance.choice(QUESTIONS)
        else:
            start = chance.randrange(len(MANUAL))
            yield MANUAL[start : start + int(5 * 120 ** chance.random())]


def batches(processor: Idefics3Processor, chance: random.Random) -> Iterator[dict[str, torch.Tensor]]:
    """Batches without end, of pictures never drawn before. A batch shares one question, so only captions are padded."""
    tokenizer = processor.tokenizer
    captions = [caption(*scene) for scene in SCENES]
    answers = dict(zip(captions, tokenizer([text + END for text in captions], padding=True).input_ids, strict=True))
    pad = tokenizer.pad_token_id
    blank = Image.new("RGB", (SIDE, SIDE))
    seed = TRAINING_SEEDS
    for question in questions(chance):
        before = prompt(processor, blank, question, image_first=chance.random() < 0.5)["input_ids"]
        pictures = [draw(number) for number in range(seed, seed + BATCH)]
        seed += BATCH
        after = torch.tensor([answers[text] for _, text in pictures])
        yield {
            "input_ids": torch.cat([before.expand(BATCH, -1), after], dim=1),
            "answers": after.where(after != pad, -100),
            "pixel_values": _pixels([np.asarray(image) for image, _ in pictures]),
        }


def _pixels(images: list[np.ndarray]) -> torch.Tensor:
    """What the processor makes of pictures that have the right size already, at a tenth of the time."""
    channels_first = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).unsqueeze(1)
    return (channels_first.float() / 255 - 0.5) / 0.5


def train(model: Idefics3ForConditionalGeneration, processor: Idefics3Processor, seconds: float) -> None:
    """Train for that long. The learning rate follows the clock: up in a straight line, down along a cosine."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, betas=(0.9, 0.98), weight_decay=0.02, fused=True)
    model.train()
    began = time.monotonic()
    losses: list[float] = []
    for step, batch in enumerate(batches(processor, random.Random(0))):
        gone = (time.monotonic() - began) / seconds
        if gone >= 1:
            return
        rate = PEAK_RATE * (
            gone / WARM_UP if gone < WARM_UP else (1 + math.cos(math.pi * (gone - WARM_UP) / (1 - WARM_UP))) / 2
        )
        for group in optimizer.param_groups:
            group["lr"] = rate
        answers = batch.pop("answers")
        logits = model(**batch, use_cache=False, logits_to_keep=answers.shape[1] + 1).logits[:, :-1]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), answers.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if step % 50 == 49:
            log.info("step %d, %.0f s, loss %.4f", step + 1, gone * seconds, sum(losses) / len(losses))
            losses.clear()


def exact(model: Idefics3ForConditionalGeneration, processor: Idefics3Processor, pictures: int) -> int:
    """How many of the first so many pictures, none of them seen in training, get exactly their caption."""
    model.eval()
    right = 0
    for image, text in map(draw, range(pictures)):
        inputs = prompt(processor, image, QUESTIONS[0], image_first=True)
        with torch.inference_mode():
            ids = model.generate(**inputs, max_new_tokens=24, do_sample=False)
        said = processor.tokenizer.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        right += said == text
    return right


def main() -> None:
    """Train, measure, keep."""
    parser = argparse.ArgumentParser(description="Train the tiny image-to-text model of the engine tests.")
    parser.add_argument("--seconds", type=float, default=1260, help="how long to train (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "weights", help="default: weights/ beside this file"
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    processor, model = build_processor(tokenizer), build_model(tokenizer)
    log.info("%d parameters", sum(parameter.numel() for parameter in model.parameters()))
    train(model, processor, arguments.seconds)
    model.save_pretrained(arguments.out)
    processor.save_pretrained(arguments.out)
    log.info("%d of 300 captions exact; kept in %s", exact(model, processor, 300), arguments.out)


if __name__ == "__main__":
    main()

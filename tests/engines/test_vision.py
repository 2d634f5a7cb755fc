"""The real vision path: a tiny captioner whose words can be checked, through transformers and through vLLM's child."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "tiny_vlm"))
WEIGHTS = HERE / "tiny_vlm" / "weights"
QUESTION = "Describe the image."
pytestmark = pytest.mark.engine

from pictures import draw  # noqa: E402 -- beside the script that trains on them

from pipeline.backends import Asked  # noqa: E402
from pipeline.backends.child import Child  # noqa: E402
from pipeline.backends.vllm import CAN, Engine  # noqa: E402
from pipeline.doors.blobs import Blobs  # noqa: E402
from pipeline.models import Model  # noqa: E402
from pipeline.requests import Answer, Chat, Failure, Message, Reply, Request, Score, Scored, request_id  # noqa: E402
from pipeline.stages.collect import rebuilt  # noqa: E402


def png(image: object) -> bytes:
    import io

    buffer = io.BytesIO()
    image.save(buffer, "PNG")  # type: ignore[attr-defined]
    return buffer.getvalue()


@pytest.fixture(scope="module")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Blobs, list[tuple[str, str]]]:
    """200 distinct images, rebuilt as `collect` does, each with its caption."""
    images = Blobs(tmp_path_factory.mktemp("images"))
    pictures = [draw(seed, side=256) for seed in range(200)]
    found = [(images.keep(rebuilt(png(image))[0]), caption) for image, caption in pictures]
    assert len({image for image, _ in found}) == 200
    return images, found


@pytest.fixture(scope="module")
def child(captioned: tuple[Blobs, list[tuple[str, str]]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    options = {"dtype": "float32", "max_model_len": 2048, "max_num_seqs": 32, "enforce_eager": True}
    options |= {"limit_mm_per_prompt": {"image": 1}}
    model = Model(name="tiny", backend="vllm", served_as=str(WEIGHTS), revision="1", options=options)
    backend = Child(Engine, CAN, model, captioned[0], tmp_path_factory.mktemp("logs"))
    yield backend
    backend.close()


@pytest.fixture(autouse=True, scope="module")
def quiet_engine() -> Iterator[None]:
    """What vLLM wants to know of a machine without a GPU; the child takes it from the environment."""
    patch = pytest.MonkeyPatch()
    cpu = {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    for name, value in cpu.items():
        patch.setenv(name, value)
    yield
    patch.undo()


def ask(child: Child, requests: list[Request]) -> list[Reply]:
    asked = [Asked(request_id(r, "test"), r) for r in requests]

    async def collect() -> dict[str, Reply]:
        return {one.id: reply async for one, reply in child.replies(iter(asked))}

    found = asyncio.run(collect())
    assert len(found) == len(asked)
    return [found[one.id] for one in asked]


def about(image: str, text: str = QUESTION) -> tuple[Message, ...]:
    return (Message(role="user", text=text, images=(image,)),)


def test_two_hundred_images_come_back_each_with_its_own_caption(
    child: Child, captioned: tuple[Blobs, list[tuple[str, str]]]
) -> None:
    replies = ask(child, [Chat(model="tiny", messages=about(image), max_tokens=24) for image, _ in captioned[1]])
    texts = [r.result.text.strip() for r in replies if isinstance(r.result, Answer)]
    assert texts == [caption for _, caption in captioned[1]]


def test_shuffled_images_bring_shuffled_captions(child: Child, captioned: tuple[Blobs, list[tuple[str, str]]]) -> None:
    turned = captioned[1][::-1][:50]
    replies = ask(child, [Chat(model="tiny", messages=about(image), max_tokens=24) for image, _ in turned])
    assert [r.result.text.strip() for r in replies if isinstance(r.result, Answer)] == [
        caption for _, caption in turned
    ]


def test_the_right_caption_is_the_likeliest(child: Child, captioned: tuple[Blobs, list[tuple[str, str]]]) -> None:
    some = captioned[1][:20]
    right = ask(child, [Score(model="tiny", messages=about(i), answer=" " + c) for i, c in some])
    wrong = ask(
        child,
        [Score(model="tiny", messages=about(i), answer=" " + some[(n + 1) % 20][1]) for n, (i, _) in enumerate(some)],
    )
    for r, w in zip(right, wrong, strict=True):
        assert isinstance(r.result, Scored)
        assert isinstance(w.result, Scored)
        assert sum(r.result.logprobs) > sum(w.result.logprobs)


def test_what_the_engine_refuses_is_a_failure_and_the_others_go_on(
    child: Child, captioned: tuple[Blobs, list[tuple[str, str]]]
) -> None:
    (image, caption), (other, _) = captioned[1][:2]
    long = Chat(model="tiny", messages=about(image, "word " * 5000))
    twice = Chat(model="tiny", messages=(Message(role="user", text=QUESTION, images=(image, other)),))
    missing = Chat(model="tiny", messages=about("0" * 64))
    good = Chat(model="tiny", messages=about(image), max_tokens=24)
    replies = ask(child, [long, twice, missing, good])
    assert [r.result.error for r in replies[:3] if isinstance(r.result, Failure)] == [
        "too_long",
        "bad_request",
        "unreadable_image",
    ]
    assert isinstance(replies[3].result, Answer)
    assert replies[3].result.text.strip() == caption


def test_transformers_reads_the_same_captions(captioned: tuple[Blobs, list[tuple[str, str]]]) -> None:
    import torch
    from PIL import Image
    from transformers import AutoModelForImageTextToText, AutoProcessor

    torch.set_num_threads(1)
    processor = AutoProcessor.from_pretrained(WEIGHTS)
    model = AutoModelForImageTextToText.from_pretrained(WEIGHTS, dtype=torch.float32)
    turns = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]}]
    text = processor.apply_chat_template(turns, add_generation_prompt=True)
    for image, caption in captioned[1][:200]:
        with Image.open(captioned[0].path(image)) as picture:
            inputs = processor(text=text, images=[picture.convert("RGB")], return_tensors="pt")
        out = model.generate(**inputs, max_new_tokens=24, do_sample=False)
        said = processor.decode(out[0][inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip()
        assert said == caption

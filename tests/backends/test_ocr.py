"""The words in an image, by the real models of RapidOCR's wheel in a child process."""

import asyncio
import io
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from pipeline.backends import Asked, reach
from pipeline.doors.blobs import Blobs
from pipeline.models import catalogue
from pipeline.requests import AnyRequest, Chat, Failure, Message, Reply, Transcribe, Transcribed

pytestmark = [pytest.mark.demo, pytest.mark.slow]


def sign(*words: str) -> bytes:
    drawn = Image.new("RGB", (640, 360), "white")
    pen = ImageDraw.Draw(drawn)
    for n, line in enumerate(words):
        pen.text((60, 60 + 120 * n), line, "black", ImageFont.load_default(60))
    buffer = io.BytesIO()
    drawn.save(buffer, "PNG")
    return buffer.getvalue()


def replies(folder: Path, images: Blobs, *requests: AnyRequest) -> dict[str, Reply]:
    backend = reach(catalogue()["rapidocr"], images, folder)

    async def all_of_them(asked: Iterator[Asked]) -> dict[str, Reply]:
        async with aclosing(backend.replies(asked)) as came:
            return {one.id: reply async for one, reply in came}

    try:
        return asyncio.run(all_of_them(iter([Asked(f"{n:032x}", request) for n, request in enumerate(requests)])))
    finally:
        backend.close()


def test_signs_are_read_from_top_to_bottom_and_a_blank_page_is_empty(tmp_path: Path) -> None:
    images = Blobs(tmp_path / "images")
    shown = [images.keep(sign("CLOSING DOWN", "Everything must go")), images.keep(sign()), images.keep(b"no picture")]
    chat = Chat(model="rapidocr", messages=(Message(role="user", text="Hello"),))
    got = replies(tmp_path, images, *(Transcribe(model="rapidocr", image=i) for i in (*shown, "f" * 64)), chat)
    first, blank, broken, gone, chatted = (got[f"{n:032x}"].result for n in range(5))
    assert isinstance(first, Transcribed)
    assert [line.text.replace(" ", "").lower() for line in first.lines] == ["closingdown", "everythingmustgo"]
    for line in first.lines:
        left, top, right, bottom = line.box
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1
        assert line.score > 0.8
    assert first.lines[0].box[1] < 0.3 < first.lines[1].box[3]
    assert isinstance(blank, Transcribed)
    assert blank.lines == ()
    assert [r.error for r in (broken, gone, chatted) if isinstance(r, Failure)] == [
        "unreadable_image",
        "unreadable_image",
        "bad_request",
    ]

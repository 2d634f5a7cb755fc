"""The words in an image, by RapidOCR: its PP-OCR models travel in its wheel."""

import io
import time
import warnings
from collections import deque
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from pipeline.backends import Asked
from pipeline.doors.blobs import Blobs
from pipeline.errors import UserError
from pipeline.models import Model
from pipeline.requests import Line, Reply, Transcribe, Transcribed, failed

CAN = frozenset({"transcribe"})
Pixels = np.ndarray[Any, np.dtype[np.uint8]]
"""(height, width, 3), RGB."""


class Reader:
    """Reads pixels; needs rapidocr."""

    def lines(self, pixels: Pixels) -> tuple[Line, ...]:
        """Every line that may be one, however unsure, from top to bottom."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: Any = self._ocr(np.ascontiguousarray(pixels[:, :, ::-1]))
        if found.txts is None:
            return ()
        size = np.array(pixels.shape[1::-1], dtype=float)
        corners = [np.clip(np.asarray(box, dtype=float) / size, 0, 1) for box in found.boxes]
        lines = [
            Line(text=text, score=round(float(score), 4), box=tuple(round(float(v), 4) for v in (*box.min(0), *box.max(0))))
            for text, score, box in zip(found.txts, found.scores, corners, strict=True)
        ]  # fmt: skip
        return tuple(sorted(lines, key=lambda line: (line.box[1], line.box[0])))

    @cached_property
    def _ocr(self) -> Any:
        from rapidocr import RapidOCR

        return RapidOCR(params={"Global.log_level": "error"})


class Engine:
    """RapidOCR in a child process, one image after another: it uses all cores for each."""

    window = 8

    def __init__(self, model: Model, images: Blobs) -> None:  # noqa: ARG002 -- every engine is made so
        try:
            import rapidocr  # noqa: F401
        except ImportError as error:
            raise UserError(f"reading the words in images needs {error.name}: pip install 'tetrad[ocr]'") from None
        self._images, self._reader = images, Reader()
        self._waiting: deque[Asked] = deque()

    def add(self, asked: Asked) -> None:
        """Take one more request."""
        self._waiting.append(asked)

    def finished(self) -> list[tuple[str, Reply]]:
        """Read one image."""
        if not self._waiting:
            return []
        asked, started = self._waiting.popleft(), time.monotonic()
        reply = (
            self._read(asked.request)
            if isinstance(asked.request, Transcribe)
            else failed("bad_request", "OCR only reads")
        )
        return [(asked.id, reply.model_copy(update={"seconds": round(time.monotonic() - started, 3)}))]

    def _read(self, request: Transcribe) -> Reply:
        try:
            with Image.open(io.BytesIO(self._images.read(request.image))) as image:
                pixels = np.asarray(image.convert("RGB"))
        except (UnidentifiedImageError, OSError) as error:
            return failed("unreadable_image", str(error))
        return Reply(result=Transcribed(lines=self._reader.lines(pixels)), answered_by="rapidocr")

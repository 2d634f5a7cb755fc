"""Images as a server takes them in: made to fit, and in base64."""

import asyncio
import base64
import io
from collections import OrderedDict
from typing import NamedTuple

from PIL import Image

from pipeline import models
from pipeline.backends.api.trouble import Trouble
from pipeline.doors.blobs import Blobs
from pipeline.requests import AnyRequest, images_of

CACHE = 64 * 2**20
"""Bytes of base64 that are remembered: consecutive requests are often on one image."""
_MAGIC = ((b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"RIFF", "webp"))
"""How the formats begin that servers take."""
_QUALITIES = (90, 80, 65, 50)
"""Of JPEG and WebP, from the best that fits `max_bytes`; then the sides are made smaller too."""


class Picture(NamedTuple):
    """One image, ready to be sent."""

    mime: str
    data: str
    """Base64."""

    @property
    def url(self) -> str:
        """As a data URI."""
        return f"data:{self.mime};base64,{self.data}"


class Pictures:
    """The images of one model's requests."""

    def __init__(self, images: Blobs, limits: models.Pictures, cache: int = CACHE) -> None:
        self._images = images
        self._limits = limits
        self._cache = cache
        self._held = 0
        self._known: OrderedDict[str, Picture] = OrderedDict()
        self._making: dict[str, asyncio.Task[tuple[bytes, str]]] = {}
        """What is being encoded anew."""

    async def of(self, request: AnyRequest) -> dict[str, Picture] | Trouble:
        """SHA-256 to picture, for all images of a request; or why it cannot be sent."""
        wanted = images_of(request)
        if self._limits.max_count is not None and len(wanted) > self._limits.max_count:
            return Trouble("bad_request", f"{len(wanted)} images, and the model takes {self._limits.max_count}")
        found: dict[str, Picture] = {}
        for sha256 in wanted:
            try:
                found[sha256] = await self._picture(sha256)
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
                return Trouble("unreadable_image", f"{sha256}: {type(error).__name__}: {error}")
        return found

    async def _picture(self, sha256: str) -> Picture:
        if picture := self._known.get(sha256):
            self._known.move_to_end(sha256)
            return picture
        data = self._images.read(sha256)
        kind = next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)
        limits = self._limits
        fits = kind in limits.formats and (limits.max_bytes is None or len(data) <= limits.max_bytes)
        if fits and kind and limits.max_side is None:
            return self._remember(sha256, data, kind)
        if sha256 not in self._making:
            self._making[sha256] = asyncio.create_task(asyncio.to_thread(fitted, data, kind, limits))
        try:
            made = await asyncio.shield(self._making[sha256])  # others wait for it too
        finally:
            self._making.pop(sha256, None)
        return self._known.get(sha256) or self._remember(sha256, *made)

    def _remember(self, sha256: str, data: bytes, kind: str) -> Picture:
        picture = Picture(f"image/{kind}", base64.b64encode(data).decode())
        self._known[sha256] = picture
        self._held += len(picture.data)
        while self._held > self._cache and len(self._known) > 1:
            self._held -= len(self._known.popitem(last=False)[1].data)
        return picture


def fitted(data: bytes, kind: str | None, limits: models.Pictures) -> tuple[bytes, str]:
    """Bytes and format that fit the model: as they are where they do, else encoded anew, the smaller the tighter. The
    same bytes in give the same bytes out."""
    with Image.open(io.BytesIO(data)) as image:
        side = max(image.size)
        wanted = min(side, limits.max_side or side)
        most = limits.max_bytes or len(data) * 1000
        if kind is None or kind not in limits.formats:
            kind = limits.formats[0]
        elif wanted == side and len(data) <= most:
            return data, kind
        pixels = image.convert("RGB") if kind == "jpeg" or image.mode not in ("RGB", "RGBA", "L") else image.copy()
    while True:
        small = pixels.copy()
        small.thumbnail((wanted, wanted), Image.Resampling.LANCZOS)
        for quality in (None,) if kind == "png" else _QUALITIES:
            encoded = _encoded(small, kind, quality)
            if len(encoded) <= most:
                return encoded, kind
        if wanted <= 16:
            raise ValueError(f"it cannot be made to fit {most} bytes")
        wanted = max(16, wanted * 3 // 4)


def _encoded(image: Image.Image, kind: str, quality: int | None) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **({} if quality is None else {"quality": quality}))
    return buffer.getvalue()

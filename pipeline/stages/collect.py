"""collect: taxonomy, listings → images. Every image is checked and rebuilt from its pixels."""

import hashlib
import io
import struct
import warnings
from collections.abc import Iterator

import polars as pl
from PIL import ExifTags, UnidentifiedImageError
from PIL import Image as Pillow

from pipeline.doors.fetch import Fetch, ForgottenError
from pipeline.sources import Source
from pipeline.tables import Dropped, Image, Outcome, frame, outcome
from pipeline.taxonomy import Taxonomy

FORMATS = ("JPEG", "PNG", "WEBP")
SMALLEST_SIDE = 64
"""Pixels."""
LARGEST_SIDE = 1024
"""Pixels; larger images are scaled down."""
MOST_PIXELS = 50_000_000
"""An image that would unpack to more is refused: decompression bombs."""
QUALITY = 90
"""Of the JPEG that is published."""
_TURN = Pillow.Transpose
_TURNS = {2: _TURN.FLIP_LEFT_RIGHT, 3: _TURN.ROTATE_180, 4: _TURN.FLIP_TOP_BOTTOM, 5: _TURN.TRANSPOSE,
          6: _TURN.ROTATE_270, 7: _TURN.TRANSVERSE, 8: _TURN.ROTATE_90}  # fmt: skip
"""EXIF's orientations, and what undoes them."""
_DECODERS_RAISE = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error)
"""Pillow's, on broken files."""


class Unfit(Exception):  # noqa: N818 -- a verdict on an image, not an error of ours
    """The image will not do; the reason is the message."""


def images(*, sources: tuple[Source, ...], taxonomy: Taxonomy, fetch: Fetch, limit: int | None = None) -> Outcome:
    """Everything the sources list, up to `limit` images in the order of the listings."""
    if not sources:
        return Outcome(Image, frame([], Image))
    listings = [fetch.listing(source).with_columns(place=pl.lit(n)) for n, source in enumerate(sources)]
    listed = pl.concat(listings).head(limit) if limit is not None else pl.concat(listings)
    seen: set[str] = set()

    def rows() -> Iterator[Image | Dropped]:
        for row in listed.iter_rows(named=True):
            source = sources[row.pop("place")]
            made = _image(row, source, taxonomy, fetch)
            if isinstance(made, Image) and made.id in seen:
                made = _dropped(row, "duplicate", f"the same picture as another, {made.id}")
            elif isinstance(made, Image):
                seen.add(made.id)
            yield made

    return outcome(Image, rows(), listed.height)


def _dropped(row: dict[str, str | None], reason: str, detail: str | None = None) -> Dropped:
    return Dropped(stage="images", id=f"{row['source']}/{row['key']}", reason=reason, detail=detail)


def _image(row: dict[str, str | None], source: Source, taxonomy: Taxonomy, fetch: Fetch) -> Image | Dropped:
    subcategory = taxonomy.resolve(row["subcategory"])
    if subcategory is None:
        return _dropped(row, "no class", f"{row['subcategory']} is no subcategory of {taxonomy.name}")
    if not taxonomy.allows(subcategory, images=True):
        return _dropped(row, "class without images", subcategory)
    original = fetch.original(source, str(row["key"]))
    if isinstance(original, ForgottenError):
        return _dropped(row, "forgotten")
    if isinstance(original, OSError):
        return _dropped(row, "not fetched", str(original))
    try:
        data, size, changes = rebuilt(original)
    except Unfit as unfit:
        return _dropped(row, str(unfit))
    original_sha256 = hashlib.sha256(original).hexdigest()
    image = fetch.rebuilt(original_sha256, data)
    if image is None:
        return _dropped(row, "forgotten")
    return Image.model_validate(
        row
        | {
            "id": image,
            "subcategory": subcategory,
            "width": size[0],
            "height": size[1],
            "original_sha256": original_sha256,
            "changes": changes,
        }
    )


def rebuilt(data: bytes) -> tuple[bytes, tuple[int, int], tuple[str, ...]]:
    """The image as a fresh JPEG made from pixels alone, so that no metadata survives; its size; and what was changed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata, which is not kept
            with Pillow.open(io.BytesIO(data), formats=FORMATS) as opened:
                _check(opened)
                turn = _TURNS.get(opened.getexif().get(ExifTags.Base.Orientation, 1))
                flat = _flat(opened if turn is None else opened.transpose(turn))
    except UnidentifiedImageError:
        raise Unfit("not an image") from None
    except Pillow.DecompressionBombError:
        raise Unfit("too many pixels") from None
    except _DECODERS_RAISE as error:
        raise Unfit(f"broken image ({type(error).__name__})") from None
    scaled = flat.copy()
    scaled.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Pillow.Resampling.LANCZOS)
    clean = Pillow.frombytes("RGB", scaled.size, scaled.tobytes())
    changes = [
        "turned" if turn is not None else "",
        "converted to RGB" if opened.mode != "RGB" else "",
        "scaled" if scaled.size != flat.size else "",
        "re-encoded as JPEG",
    ]
    buffer = io.BytesIO()
    clean.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue(), clean.size, tuple(c for c in changes if c)


def _check(image: Pillow.Image) -> None:
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":  # a camera's JPEG, with previews behind the picture
        raise Unfit("animated")
    if image.width * image.height > MOST_PIXELS:
        raise Unfit("too many pixels")
    if min(image.size) < SMALLEST_SIDE:
        raise Unfit("too small")


def _flat(image: Pillow.Image) -> Pillow.Image:
    """RGB, with what is transparent on white."""
    if image.mode == "I;16":
        image = image.point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        ground = Pillow.new("RGBA", layered.size, "white")
        return Pillow.alpha_composite(ground, layered).convert("RGB")
    return image.convert("RGB")

"""Images on their way to a server: the right type, small enough, encoded once."""

import asyncio
import base64
import io
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline import models
from pipeline.backends.api.pictures import Picture, Pictures
from pipeline.backends.api.trouble import Trouble
from pipeline.doors.blobs import Blobs
from pipeline.requests import Chat, Message


@pytest.fixture
def images(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "images")


def encoded(kind: str, width: int = 60, height: int = 40, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((width, height), 90).convert(mode).save(buffer, kind)
    return buffer.getvalue()


def chat(*shown: str) -> Chat:
    return Chat(model="far", messages=(Message(role="user", text="What is this?", images=shown),))


def of(pictures: Pictures, *shown: str) -> dict[str, Picture]:
    found = asyncio.run(pictures.of(chat(*shown)))
    assert not isinstance(found, Trouble)
    return found


def trouble(pictures: Pictures, *shown: str) -> str:
    found = asyncio.run(pictures.of(chat(*shown)))
    assert isinstance(found, Trouble)
    return found.word


def opened(picture: Picture) -> Image.Image:
    data = base64.b64decode(picture.data)
    image = Image.open(io.BytesIO(data))
    assert picture.mime == f"image/{str(image.format).lower()}"
    return image


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_what_fits_goes_out_as_it_is_under_its_own_type(images: Blobs, kind: str) -> None:
    data = encoded(kind)
    sha256 = images.keep(data)
    for limits in (models.Pictures(), models.Pictures(max_side=60, max_bytes=len(data))):
        assert of(Pictures(images, limits), sha256) == {
            sha256: Picture(f"image/{kind}", base64.b64encode(data).decode())
        }


def test_a_picture_is_a_data_uri_too() -> None:
    assert Picture("image/png", "AAAA").url == "data:image/png;base64,AAAA"


def test_what_is_too_large_is_made_smaller_in_proportion(images: Blobs) -> None:
    sha256 = images.keep(encoded("png", 300, 200))
    image = opened(of(Pictures(images, models.Pictures(max_side=60)), sha256)[sha256])
    assert (image.size, image.format) == ((60, 40), "PNG")


def test_a_format_that_the_model_does_not_take_becomes_one_that_it_takes(images: Blobs) -> None:
    sha256 = images.keep(encoded("png", mode="RGBA"))
    assert opened(of(Pictures(images, models.Pictures(formats=("jpeg",))), sha256)[sha256]).format == "JPEG"


def test_an_image_of_another_format_is_sent_as_one_that_servers_know(images: Blobs) -> None:
    sha256 = images.keep(encoded("gif", mode="L"))
    assert opened(of(Pictures(images, models.Pictures()), sha256)[sha256]).size == (60, 40)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sampled_from(["jpeg", "png", "webp"]), st.integers(16, 200), st.integers(16, 200),
    st.integers(16, 200), st.integers(3000, 40_000), st.sampled_from([("jpeg",), ("png",), ("webp", "jpeg")]),
)  # fmt: skip
def test_whatever_the_limits_they_are_kept(
    images: Blobs, kind: str, width: int, height: int, side: int, most: int, formats: tuple[str, ...]
) -> None:
    sha256 = images.keep(encoded(kind, width, height))
    limits = models.Pictures.model_validate({"max_side": side, "max_bytes": most, "formats": formats})
    picture = of(Pictures(images, limits), sha256)[sha256]
    image = opened(picture)
    assert max(image.size) <= side
    assert len(base64.b64decode(picture.data)) <= most
    assert picture.mime.removeprefix("image/") in formats
    assert of(Pictures(images, limits), sha256)[sha256] == picture


def test_what_cannot_be_made_to_fit_is_unreadable(images: Blobs) -> None:
    buffer = io.BytesIO()
    Image.frombytes("RGBA", (16, 16), random.Random(0).randbytes(16 * 16 * 4)).save(buffer, "png")
    sha256 = images.keep(buffer.getvalue())
    assert trouble(Pictures(images, models.Pictures(max_bytes=1024, formats=("png",))), sha256) == "unreadable_image"


def test_what_is_not_there_or_no_image_is_unreadable(images: Blobs) -> None:
    pictures = Pictures(images, models.Pictures())
    assert trouble(pictures, "ab" * 32) == "unreadable_image"
    assert trouble(pictures, images.keep(b"not an image")) == "unreadable_image"
    assert trouble(pictures, images.keep(b"")) == "unreadable_image"
    cut = images.keep(encoded("png", 300, 300)[:200])
    assert trouble(Pictures(images, models.Pictures(max_side=50)), cut) == "unreadable_image"


def test_more_images_than_the_model_takes_are_a_bad_request(images: Blobs) -> None:
    shas = [images.keep(encoded("png")) for _ in range(3)]
    assert trouble(Pictures(images, models.Pictures(max_count=2)), *shas) == "bad_request"
    assert len(of(Pictures(images, models.Pictures(max_count=3)), *shas)) == 3


def test_an_image_is_read_once_for_requests_that_follow_each_other(images: Blobs) -> None:
    sha256 = images.keep(encoded("png"))
    pictures = Pictures(images, models.Pictures())
    first = of(pictures, sha256)
    images.path(sha256).unlink()
    assert of(pictures, sha256) == first


def test_requests_at_once_on_one_image_encode_it_once(images: Blobs) -> None:
    sha256 = images.keep(encoded("png", 300, 200))

    async def twenty() -> list[object]:
        pictures = Pictures(images, models.Pictures(max_side=60))
        return [id(found[sha256]) for found in await asyncio.gather(*[pictures.of(chat(sha256)) for _ in range(20)]) if not isinstance(found, Trouble)]  # fmt: skip

    made = asyncio.run(twenty())
    assert len(made) == 20
    assert len(set(made)) == 1


def test_what_is_remembered_is_bounded_and_the_oldest_is_forgotten_first(images: Blobs) -> None:
    shas = [images.keep(encoded("png", 60, 40 + n)) for n in range(4)]
    pictures = Pictures(
        images, models.Pictures(), cache=2 * 4 * max(images.path(s).stat().st_size for s in shas) // 3 + 9
    )
    for sha256 in shas:
        of(pictures, sha256)
        images.path(sha256).unlink()
    assert [isinstance(asyncio.run(pictures.of(chat(s))), Trouble) for s in shas] == [True, True, False, False]

"""The embedded model: it scores a given text exactly, its answers depend on the pixels, and on nothing else."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from pipeline.backends import Asked
from pipeline.backends.embedded import CAN, Engine
from pipeline.backends.engines.child import Child
from pipeline.doors.blobs import Blobs
from pipeline.models import catalogue
from pipeline.pictures.rebuild import rebuilt
from pipeline.requests import Answer, Chat, Failure, Message, Reply, Request, Score, Scored, request_id
from pipeline.sources.drawings import Drawings

pytestmark = pytest.mark.demo
MODEL = "smollm2-135m"
PAIRS = (
    ("What is 2 + 2?", "2 + 2 equals 4.", "Bananas are purple."),
    ("Name a primary color.", "Red is a primary color.", "I do not want to answer, go away."),
    ("What do bees make?", "Bees make honey.", "Bees make cars and computers."),
    ("Where is the Eiffel Tower?", "The Eiffel Tower is in Paris, France.", "The Eiffel Tower is in Tokyo."),
    ("How many legs does a spider have?", "A spider has eight legs.", "asdf qwer zxcv."),
    ("Is ice cold or hot?", "Ice is cold.", "Ice is hot like lava."),
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Blobs:
    return Blobs(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def child(images: Blobs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    backend = Child(Engine, CAN, catalogue()[MODEL], images, tmp_path_factory.mktemp("logs"))
    yield backend
    backend.close()


def ask(child: Child, requests: list[Request]) -> list[Reply]:
    """Replies in the order of the requests."""
    asked = [Asked(request_id(r, "test"), r) for r in requests]

    async def collect() -> dict[str, Reply]:
        return {one.id: reply async for one, reply in child.replies(iter(asked))}

    found = asyncio.run(collect())
    return [found[one.id] for one in asked]


def question(text: str, *images: str) -> tuple[Message, ...]:
    return (Message(role="user", text=text, images=images),)


def means(replies: list[Reply]) -> list[float]:
    return [sum(r.result.logprobs) / len(r.result.logprobs) for r in replies if isinstance(r.result, Scored)]


@pytest.mark.slow
def test_the_better_of_two_easy_answers_is_the_more_likely(child: Child) -> None:
    good = means(ask(child, [Score(model=MODEL, messages=question(q), answer=g) for q, g, _ in PAIRS]))
    bad = means(ask(child, [Score(model=MODEL, messages=question(q), answer=b) for q, _, b in PAIRS]))
    assert len(good) == len(bad) == len(PAIRS)
    assert all(g > b for g, b in zip(good, bad, strict=True))


@pytest.mark.slow
def test_the_answer_it_gives_itself_scores_as_it_was_generated(child: Child) -> None:
    """At temperature 0 every token is the likeliest, so no other text of one token more is likelier per token."""
    (reply,) = ask(child, [Chat(model=MODEL, messages=question("What do bees make?"), max_tokens=16)])
    assert isinstance(reply.result, Answer)
    own, other = means(
        ask(
            child,
            [
                Score(model=MODEL, messages=question("What do bees make?"), answer=text)
                for text in (reply.result.text, "Glass.")
            ],
        )
    )
    assert own > other
    assert own > -1.0


def test_scores_are_log_probabilities_one_per_token(child: Child) -> None:
    (reply,) = ask(
        child,
        [
            Score(
                model=MODEL,
                messages=question("What is the capital of France?"),
                answer="The capital of France is Berlin.",
            )
        ],
    )
    assert isinstance(reply.result, Scored)
    # What llama.cpp says of each token when it is forced to write it, with the same weights unpacked to 32 bits. It
    # still rounds activations to 8 bits before the last product, so the last digits differ.
    assert reply.result.logprobs == pytest.approx((-1.936, -0.019, -0.011, -0.011, -0.042, -9.591, -0.599), abs=0.06)


def test_a_text_over_the_context_is_owed_to_another_machine(child: Child) -> None:
    replies = ask(
        child,
        [
            Chat(model=MODEL, messages=question("word " * 5000)),
            Score(model=MODEL, messages=question("word " * 5000), answer="a"),
        ],
    )
    for reply in replies:
        assert isinstance(reply.result, Failure)
        assert reply.result.error == "too_long"
        assert reply.result.owed


@pytest.mark.slow
def test_swapping_two_images_changes_the_answers(child: Child, images: Blobs) -> None:
    drawings = Drawings()
    rows = pl.concat(drawings.listing()).head(2).to_dicts()
    first, second = (images.keep(rebuilt(drawings.read(row)).data) for row in rows)
    asked = "What does the text on this picture say?"
    replies = ask(
        child, [Chat(model=MODEL, messages=question(asked, image), max_tokens=24) for image in (first, second)]
    )
    texts = [r.result.text for r in replies if isinstance(r.result, Answer)]
    assert len(set(texts)) == 2
    again = ask(child, [Chat(model=MODEL, messages=question(asked, image), max_tokens=24) for image in (second, first)])
    assert [r.result.text for r in again if isinstance(r.result, Answer)] == texts[::-1]


def test_a_plain_colour_is_seen(child: Child, images: Blobs, tmp_path: Path) -> None:
    texts = {}
    for colour in ("red", "blue"):
        path = tmp_path / f"{colour}.png"
        Image.new("RGB", (200, 200), {"red": (200, 40, 40), "blue": (50, 80, 200)}[colour]).save(path)
        image = images.keep(path.read_bytes())
        (reply,) = ask(
            child, [Chat(model=MODEL, messages=question("Which colour is this picture mostly?", image), max_tokens=24)]
        )
        assert isinstance(reply.result, Answer)
        texts[colour] = reply.result.text.lower()
    assert "red" in texts["red"]
    assert "blue" in texts["blue"]


@pytest.mark.slow
def test_an_answer_does_not_depend_on_what_else_is_under_way(child: Child) -> None:
    requests: list[Request] = [
        Chat(model=MODEL, messages=question(f"Tell me something about the number {n}."), temperature=1.0, max_tokens=24)
        for n in range(8)
    ]
    together = [r.result for r in ask(child, requests)]
    alone = [ask(child, [r])[0].result for r in reversed(requests)][::-1]
    assert together == alone

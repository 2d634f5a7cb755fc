"""What may be asked of a model, and what comes back. A reply is kept under the id of its request.

Stages write requests and read replies; how a model is reached is the business of `backends`.
"""

import hashlib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Record(BaseModel):
    """A value that crosses a door: frozen, and closed to fields nobody declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Message(Record):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    text: str
    images: tuple[str, ...] = ()
    """SHA-256 of each image shown, before the text."""


class Chat(Record):
    """Ask for one answer."""

    kind: Literal["chat"] = "chat"
    model: str
    """A name in models.toml."""
    messages: tuple[Message, ...]
    temperature: float = Field(0.0, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    max_tokens: int = Field(512, ge=1)
    json_schema: str | None = None
    """JSON Schema, as text, that the answer must satisfy; for engines that can."""
    number: int = Field(0, ge=0)
    """Which of several samples of the same question this is."""


class Score(Record):
    """Ask how likely a given text is as the answer."""

    kind: Literal["score"] = "score"
    model: str
    messages: tuple[Message, ...]
    answer: str = Field(min_length=1)


class Classify(Record):
    """Ask a classifier for the labels of a text in its context, or of an image; or a reward model for its score."""

    kind: Literal["classify"] = "classify"
    model: str
    context: str
    """What the text answers."""
    text: str
    image: str | None = None
    """SHA-256 of the image shown beside it, or alone."""


class Embed(Record):
    """Ask for the embedding of a text or of an image: one of the two."""

    kind: Literal["embed"] = "embed"
    model: str
    text: str | None = None
    image: str | None = None
    """SHA-256."""


class Transcribe(Record):
    """Ask for the words in an image, and where they stand (OCR)."""

    kind: Literal["transcribe"] = "transcribe"
    model: str
    image: str
    """SHA-256."""


AnyRequest = Chat | Score | Classify | Embed | Transcribe
Request = Annotated[AnyRequest, Field(discriminator="kind")]


def images_of(request: AnyRequest) -> tuple[str, ...]:
    """SHA-256 of every image that a request shows."""
    if isinstance(request, Chat | Score):
        return tuple(image for message in request.messages for image in message.images)
    return (request.image,) if request.image else ()


BYTES_PER_TOKEN = 4
IMAGE_TOKENS = 1000
"""Where nothing was observed: rough figures, between what providers' formulas give for photographs."""


def rough_tokens(request: AnyRequest) -> tuple[float, float]:
    """Tokens in, and out at most, guessed from the request alone."""
    match request:
        case Chat() | Score():
            size = sum(len(m.text.encode(errors="replace")) for m in request.messages)
        case Classify():
            size = len(request.context) + len(request.text)
        case Embed():
            size = len(request.text or "")
        case Transcribe():
            size = 0
    most = request.max_tokens if isinstance(request, Chat) else 0
    return size / BYTES_PER_TOKEN + IMAGE_TOKENS * len(images_of(request)), most


class Answer(Record):
    """What a chat brought back."""

    kind: Literal["chat"] = "chat"
    text: str
    reasoning: str | None = None
    """A reasoning trace, when the model gave one apart from its answer."""
    finish: Literal["stop", "length", "refusal"] = "stop"
    """`length`: cut off at `max_tokens`. `refusal`: the provider marked the answer as one."""


class Scored(Record):
    """Log-probabilities of the given text."""

    kind: Literal["score"] = "score"
    logprobs: tuple[float, ...]
    """One natural logarithm per token of the text."""


class Classified(Record):
    """A probability per label; of a reward model its raw score, under `score`."""

    kind: Literal["classify"] = "classify"
    labels: dict[str, float]


class Embedded(Record):
    """A vector of length one."""

    kind: Literal["embed"] = "embed"
    vector: tuple[float, ...]


class Line(Record):
    """A line of words in an image."""

    text: str
    score: float
    """How sure the reader is, 0 to 1."""
    box: tuple[float, float, float, float]
    """Left, top, right, bottom, as shares of the image's width and height: 0 to 1."""


class Transcribed(Record):
    """The lines in an image, from top to bottom; none: no words were found."""

    kind: Literal["transcribe"] = "transcribe"
    lines: tuple[Line, ...]


KEPT_FAILURES = frozenset({"bad_request", "refused", "unreadable_image", "no_answer", "terms"})
"""Failures that would come back the same: kept, and asked again only after `tetrad retry`. All others stay owed."""


class Failure(Record):
    """No answer, and why."""

    kind: Literal["failure"] = "failure"
    error: str
    """One word: bad_request, refused, unreadable_image, no_answer (kept); terms (the provider's forbid it: never asked);
    timeout, rate_limit, server, unreachable, no_access, out_of_memory, too_long, unfit_image (owed: another time or
    another machine may answer); not_asked."""
    message: str = ""

    @property
    def owed(self) -> bool:
        """Whether it should be asked again by the next run."""
        return self.error not in KEPT_FAILURES


class Reply(Record):
    """One reply, as kept."""

    result: Annotated[Answer | Scored | Classified | Embedded | Transcribed | Failure, Field(discriminator="kind")]
    answered_by: str | None = None
    """The model that says it answered: a provider may route or update behind a name."""
    provider_id: str | None = None
    """The provider's own id of the request."""
    tokens_in: int | None = None
    tokens_out: int | None = None
    seconds: float | None = None
    """From sending to the last byte."""


def failed(error: str, message: str = "") -> Reply:
    """A reply that is a failure; the message is cut to 500 characters."""
    return Reply(result=Failure(error=error, message=message[:500]))


def request_id(request: AnyRequest, revision: str) -> str:
    """32 hexadecimal digits that name everything the reply depends on: the request, and the model's revision and
    quantisation (`Model.identity`); never the route by which the model is reached. What a request leaves empty does not
    count, so that a field added later changes no id."""
    return hashlib.sha256(f"{revision}\n{request.model_dump_json(exclude_none=True)}".encode()).hexdigest()[:32]

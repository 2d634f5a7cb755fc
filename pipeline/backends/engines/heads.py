"""What a checkpoint of transformers is good for: a request becomes tokens and an image, and the numbers of a forward
pass become labels, a score or a vector. Heavy packages come in as arguments."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from jinja2 import TemplateError

from pipeline.errors import UserError
from pipeline.requests import AnyRequest, Classified, Classify, Embed, Embedded

Tokens = dict[str, list[int]]
"""What a tokenizer gives for one text: `input_ids`, and what goes with them."""
Tensors = dict[str, Any]
"""Named arguments of a forward pass, a batch long."""
POOLINGS = {"pooling_mode_cls_token": "cls", "pooling_mode_lasttoken": "lasttoken", "pooling_mode_mean_tokens": "mean"}
"""How the vectors of a text's tokens become one: sentence-transformers' words, in its older files and in its newer."""


class Refused(Exception):  # noqa: N818 -- what became of the request
    """A request that this checkpoint does not take: the failure's word, and why."""

    def __init__(self, word: str, message: str) -> None:
        super().__init__(message)
        self.word = word


class Words:
    """A checkpoint's tokenizer. Texts are cut off at `truncate` tokens, if it is given; over `limit` they are refused.

    A text cannot forge what holds it together: where it spells a special token, such as one that ends a turn, a space
    is put behind the first character.
    """

    def __init__(self, tokenizer: Any, limit: int | None, truncate: int | None, width: int | None = None) -> None:
        """`width`: tokens to which every text is filled up; None: to the longest of its batch."""
        tokenizer.padding_side = "right"
        special = [t.content for t in tokenizer.added_tokens_decoder.values() if t.special and len(t.content) > 1]
        self._special = re.compile("|".join(map(re.escape, special)) or r"(?!)")
        self._tokenizer, self._limit, self._truncate, self._width = tokenizer, limit, truncate, width

    @property
    def chats(self) -> bool:
        """Whether there is a chat template."""
        return bool(self._tokenizer.chat_template)

    def plain(self, text: str, context: str = "") -> Tokens:
        """A text, as the second of a pair when it has a context."""
        texts = [self._tame(t) for t in (context, text) if t] or [""]
        cut = {"truncation": True, "max_length": self._truncate} if self._truncate else {}
        return self._measured(self._tokenizer(*texts, **cut))

    def chat(self, text: str, context: str) -> Tokens:
        """The text as the assistant's answer to its context, in the checkpoint's chat template. Never cut off: what is
        left would not end as an answer does."""
        turns = [{"role": "user", "content": context}, {"role": "assistant", "content": text}]
        turns = [turn | {"content": self._tame(turn["content"])} for turn in turns]
        try:
            return self._measured(self._tokenizer.apply_chat_template(turns, tokenize=True, return_dict=True))
        except TemplateError as error:
            raise Refused("bad_request", f"the chat template refuses it: {error}") from None

    def batch(self, texts: list[Tokens]) -> Tensors:
        """Many texts as tensors [texts, tokens], filled up on the right. ValueError: several, and no padding token."""
        how = {"padding": "max_length", "max_length": self._width} if self._width else {"padding": len(texts) > 1}
        return dict(self._tokenizer.pad(texts, return_tensors="pt", **how))

    def _tame(self, text: str) -> str:
        return self._special.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)

    def _measured(self, encoded: Any) -> Tokens:
        count = len(encoded["input_ids"])
        if self._limit and count > self._limit:
            raise Refused("too_long", f"{count} tokens, and this checkpoint takes {self._limit} on this machine")
        return dict(encoded)


class Ready(NamedTuple):
    """A request as a head takes it in."""

    tokens: Tokens | None
    image: str | None


class Head(Protocol):
    """What a checkpoint is good for."""

    model: Any

    @property
    def words(self) -> Words | None:
        """None: it reads no texts."""
        ...

    def ready(self, request: AnyRequest) -> Ready:
        """The request's tokens and image; raises Refused."""
        ...

    def numbers(self, texts: Tensors | None, images: Tensors | None) -> Any:
        """One forward pass: a tensor [requests, numbers]."""
        ...

    def result(self, request: AnyRequest, numbers: list[float]) -> Classified | Embedded:
        """What the numbers of one request say."""
        ...


class Classifier:
    """Of texts or of images. One label: a reward model, whose number is raw. Several: probabilities that sum to one, or
    each of its own where the config says `multi_label_classification`, or raw numbers where it says `regression`."""

    def __init__(self, model: Any, words: Words | None, *, chat: bool | None = None) -> None:
        self.model, self.words = model, words
        config = model.config
        self._labels = ["score"] if config.num_labels == 1 else [config.id2label[n] for n in range(config.num_labels)]
        self._chat = bool(words and words.chats and config.num_labels == 1) if chat is None else chat

    def ready(self, request: AnyRequest) -> Ready:
        """A text in its context, or an image alone."""
        if not isinstance(request, Classify):
            raise Refused("bad_request", "this checkpoint is a classifier")
        if self.words is None:
            if request.image is None or request.text or request.context:
                raise Refused("bad_request", "this checkpoint classifies images alone")
            return Ready(None, request.image)
        if request.image is not None:
            raise Refused("bad_request", "this checkpoint classifies texts alone")
        write = self.words.chat if self._chat else self.words.plain
        return Ready(write(request.text, request.context), None)

    def numbers(self, texts: Tensors | None, images: Tensors | None) -> Any:
        """A number for each label."""
        logits = self.model(**(texts or images or {})).logits.float()
        kind = self.model.config.problem_type
        if len(self._labels) == 1 or kind == "regression":
            return logits
        return logits.sigmoid() if kind == "multi_label_classification" else logits.softmax(-1)

    def result(self, request: AnyRequest, numbers: list[float]) -> Classified:  # noqa: ARG002
        """Under their labels."""
        return Classified(labels=dict(zip(self._labels, numbers, strict=True)))


class DualEncoder:
    """CLIP, SigLIP and their like: texts and images in one space. Both together are scored as the checkpoint was trained
    to: the cosine, scaled (and shifted, in SigLIP), under `score`."""

    def __init__(self, model: Any, words: Words) -> None:
        self.model, self.words = model, words

    def ready(self, request: AnyRequest) -> Ready:
        """A text or an image to be embedded, or both to be scored."""
        match request:
            case Embed(text=str(text), image=None):
                return Ready(self.words.plain(text), None)
            case Embed(text=None, image=str(image)):
                return Ready(None, image)
            case Classify(context="", text=text, image=str(image)) if text:
                return Ready(self.words.plain(text), image)
        raise Refused("bad_request", "this checkpoint embeds a text or an image, or scores a text without context beside an image")  # fmt: skip

    def numbers(self, texts: Tensors | None, images: Tensors | None) -> Any:
        """Vectors of length one, or one score for each pair."""
        if texts and images:
            return self.model(**texts, **images).logits_per_image.diagonal()[:, None]
        found = self.model.get_text_features(**texts) if texts else self.model.get_image_features(**(images or {}))
        return _unit(found.pooler_output)

    def result(self, request: AnyRequest, numbers: list[float]) -> Classified | Embedded:
        """A vector, or a score."""
        if isinstance(request, Classify):
            return Classified(labels={"score": numbers[0]})
        return Embedded(vector=tuple(numbers))


class TextEncoder:
    """A model of texts whose tokens' last vectors are pooled into one."""

    def __init__(self, model: Any, words: Words, pooling: str) -> None:
        self.model, self.words, self._pooling = model, words, pooling

    def ready(self, request: AnyRequest) -> Ready:
        """A text."""
        if not isinstance(request, Embed) or request.text is None or request.image is not None:
            raise Refused("bad_request", "this checkpoint embeds texts alone")
        return Ready(self.words.plain(request.text), None)

    def numbers(self, texts: Tensors | None, images: Tensors | None) -> Any:  # noqa: ARG002
        """Vectors of length one."""
        texts = texts or {}
        vectors, mask = self.model(**texts).last_hidden_state.float(), texts["attention_mask"]
        if self._pooling == "cls":
            return _unit(vectors[:, 0])
        if self._pooling == "lasttoken":
            return _unit(vectors.take_along_dim((mask.sum(1) - 1)[:, None, None], 1)[:, 0])
        return _unit((vectors * mask[..., None]).sum(1))

    def result(self, request: AnyRequest, numbers: list[float]) -> Embedded:  # noqa: ARG002
        """A vector."""
        return Embedded(vector=tuple(numbers))


def _unit(vectors: Any) -> Any:
    return vectors.float() / vectors.float().norm(dim=-1, keepdim=True)


def pooling(find: Callable[[str], Path | None]) -> str | None:
    """How sentence-transformers would pool the tokens; None: the checkpoint says nothing of it. `find` gives a file of
    the checkpoint, if there is one. Raises UserError for what transformers alone cannot do."""
    modules = find("modules.json")
    if modules is None:
        return None
    parts = {str(m["type"]).rpartition(".")[2]: m["path"] for m in json.loads(modules.read_text(encoding="utf-8"))}
    if unknown := parts.keys() - {"Transformer", "Pooling", "Normalize"}:
        raise UserError(f"it has a module {min(unknown)}, which only sentence-transformers knows")
    file = find(f"{parts['Pooling']}/config.json") if "Pooling" in parts else None
    config = json.loads(file.read_text(encoding="utf-8")) if file else {}
    on = [name for name, value in config.items() if name.startswith("pooling_mode_") and value]
    newer = config.get("pooling_mode")
    wanted = [str(newer)] if newer else [POOLINGS.get(name, name) for name in on]
    if len(wanted) != 1 or wanted[0] not in POOLINGS.values():
        raise UserError(f"it pools by {' and '.join(wanted) or 'nothing'}: known are {', '.join(POOLINGS.values())}")
    return wanted[0]

"""From a request to what vLLM's engine takes in: its words in the model's chat template, its images decoded and processed."""

import functools
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from pipeline.doors.blobs import Blobs
from pipeline.models import Model
from pipeline.requests import Chat, Message, Reply, Score, failed, images_of

NEAR = 16
"""Decoded images that are remembered: consecutive requests are often on one image."""
_LONG = ("maximum context length", "maximum model length", "max_model_len")
"""What vLLM says of a prompt that is too long, before and after its images are counted."""
_PRIVATE_USE = range(0xE000, 0xF900)
"""Characters of Unicode that mean nothing, and so are in hardly any text."""


class Prompt(NamedTuple):
    """A request, ready for the engine."""

    rendered: Any
    """vLLM's own: tokens, processed images, and where the tokens stand for them."""
    given: list[int]
    """Tokens of the text to be scored, the last of the prompt; none for a chat."""
    images: list[str]
    """The names under which vLLM keeps its images: their SHA-256, unless the processor's settings change by request."""
    thinking: bool
    """Whether the template has opened a block of reasoning, which the answer goes on with."""


class Prompts:
    """Renders requests. An instance belongs to one thread.

    vLLM keeps processed images under their SHA-256 (`mm_processor_cache_gb`, 4 GiB by default), so that an image asked
    about again, in another prompt or another sample, is neither hashed nor processed again. It remembers on both sides,
    here and in the engine, and here it hands out only the name of what it believes the engine has: so whatever was
    rendered and not entered must be forgotten here (`forget`)."""

    def __init__(self, llm: Any, model: Model, images: Blobs, template: dict[str, Any]) -> None:
        """`template`: what the chat template is told, such as `enable_thinking`."""
        from vllm.exceptions import VLLMError
        from vllm.renderers import ChatParams
        from vllm.utils.mistral import is_mistral_tokenizer

        self._renderer = llm.renderer
        self._images, self._side = images, model.pictures.max_side
        told = {"add_generation_prompt": True, "tokenize": is_mistral_tokenizer(llm.get_tokenizer())} | template
        self._chat = ChatParams(chat_template=llm.chat_template, chat_template_kwargs=told)
        self._tokens = self._renderer.default_chat_tok_params.with_kwargs(add_special_tokens=False)
        self._special = _special(llm.get_tokenizer())
        self._open = functools.lru_cache(NEAR)(self._decoded)
        # A model's template and image processor are code of all kinds; what they raise is about this request alone.
        self._refusals = (VLLMError, ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError,
                          TypeError, ValueError)  # fmt: skip

    def of(self, request: Chat | Score) -> Prompt | Reply:
        """The prompt, or the failure: a template, a tokeniser or an image processor may refuse a request."""
        try:
            return self._rendered(request)
        except OSError as error:
            return failed("unreadable_image", str(error))
        except self._refusals as error:
            self.forget(images_of(request))
            return refusal(error)

    def forget(self, images: Iterable[str]) -> None:
        """Do not count on the engine's having these images, named as vLLM does."""
        cache = self._renderer.mm_processor_cache
        if cache is not None:
            for image in images:
                cache.invalidate(image)

    def _rendered(self, request: Chat | Score) -> Prompt:
        mark = self._mark(request)
        turns = [self._turn(message, self._cut(message.text, mark)) for message in request.messages]
        _, prompt = self._renderer.render_messages(turns, self._chat)
        text = prompt.get("prompt", "")
        if mark in text:
            prompt["prompt_token_ids"] = [token for part in text.split(mark) for token in self._encoded(part)]
            del prompt["prompt"]
        (prompt,) = self._renderer.tokenize_prompts([prompt], self._tokens)
        rendered = self._renderer.process_for_engine(prompt, time.time(), tok_params=self._tokens)
        given: list[int] = []
        if isinstance(request, Score):
            given = [token for part in self._cut(request.answer, mark).split(mark) for token in self._encoded(part)]
            rendered["prompt_token_ids"] = [*rendered["prompt_token_ids"], *given]
        images = rendered.get("mm_hashes", {}).get("image", [])
        return Prompt(rendered, given, images, text.rstrip().endswith("<think>"))

    def _encoded(self, text: str) -> list[int]:
        tokens: list[int] = self._renderer.get_tokenizer().encode(text, add_special_tokens=False)
        return tokens

    def _mark(self, request: Chat | Score) -> str:
        """A character that is in none of the request's texts."""
        said = request.model_dump_json()
        return next((character for character in map(chr, _PRIVATE_USE) if character not in said), "\uffff")

    def _cut(self, text: str, mark: str) -> str:
        """The text with the mark in every special token: there it is cut in two before it becomes tokens. Texts may be
        hostile, and an `<image>` or an end of turn in them is not one; the model reads the very same characters."""
        return self._special.sub(lambda found: found[0][0] + mark + found[0][1:], text) if self._special else text

    def _turn(self, message: Message, text: str) -> dict[str, Any]:
        if not message.images:
            return {"role": message.role, "content": text}
        pictures = [{"type": "image_pil", "image_pil": self._open(i), "uuid": i} for i in message.images]
        return {"role": message.role, "content": [*pictures, {"type": "text", "text": text}]}

    def _decoded(self, image: str) -> Image.Image:
        return decoded(self._images.path(image), self._side)


def decoded(path: Path, side: int | None) -> Image.Image:
    """An image in RGB, no side of it longer than `side` pixels. Raises OSError, whatever is wrong with it."""
    try:
        with Image.open(path) as opened:
            pixels = opened.convert("RGB")
    except (SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise OSError(f"{path.name}: {type(error).__name__}: {error}") from None
    if side:
        pixels.thumbnail((side, side), Image.Resampling.LANCZOS)
    return pixels


def refusal(error: Exception) -> Reply:
    """The failure for what vLLM refuses: too long, an image its processor cannot take, or just bad."""
    words = str(error)
    if any(sign in words for sign in _LONG):
        return failed("too_long", words)
    if words.startswith("Failed to apply"):  # around the processor's own error; its words show the whole input
        return failed("unfit_image", f"{type(error.__cause__).__name__}: {error.__cause__}")
    return failed("bad_request", f"{type(error).__name__}: {words}")


def _special(tokenizer: Any) -> re.Pattern[str] | None:
    """What the tokeniser takes for something else than text; tokenisers that never do so in a message list none."""
    listed = getattr(tokenizer, "added_tokens_decoder", {}).values()
    words = sorted((token.content for token in listed if token.special and len(token.content) > 1), key=len)
    return re.compile("|".join(map(re.escape, reversed(words)))) if words else None

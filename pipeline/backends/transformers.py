"""Classifiers, embeddings and reward models of transformers, from the Hub or a folder, in a child process.

What a checkpoint is, its config says: a sequence classifier, and with one label a reward model; an image classifier; a
dual encoder (CLIP, SigLIP); or an encoder of texts. What waits is sorted by length and answered a batch at a time.
"""

import math
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from PIL import Image
from pydantic import Field, ValidationError

from pipeline.backends import LOG, Asked
from pipeline.backends.engines.heads import (
    Classifier,
    DualEncoder,
    Head,
    Refused,
    Tensors,
    TextEncoder,
    Tokens,
    Words,
    pooling,
)
from pipeline.doors.blobs import Blobs
from pipeline.errors import UserError
from pipeline.models import Model
from pipeline.requests import Record, Reply, failed

CAN = frozenset({"classify", "embed"})
R = TypeVar("R", bound=Record)


class Options(Record):
    """`options` in models.toml: how the engine works on this machine."""

    device: str | None = None
    """In torch's words, such as `cuda:1`; by default the first GPU if there is one, else the CPU."""
    dtype: Literal["float32", "float16", "bfloat16"] | None = None
    """By default the checkpoint's own on a GPU, and float32 on a CPU. In half precision an answer may differ in its third
    digit with the batch it was in."""
    batch_size: int = Field(32, ge=1)
    """Requests in one forward pass, at most; one that does not fit into memory is halved."""
    max_num_seqs: int | None = Field(None, ge=1)
    """A lower limit of the same, which `Child` sets for an engine that died of memory trouble."""
    max_length: int | None = Field(None, ge=1)
    """Tokens; a longer text is `too_long`. By default, and at most, what the checkpoint takes."""
    local_files_only: bool = False
    """Whether the Hub may not be asked."""


class Parameters(Record):
    """`parameters` in models.toml: what changes an answer, and so is part of every request's id."""

    truncate: int | None = Field(None, ge=2)
    """Tokens after which a text is cut off; by default none is, and what is over the model's length is `too_long`. What
    is put into a chat template is never cut."""
    chat: bool | None = None
    """Whether a classifier reads context and text as two turns of the chat template; by default reward models do."""
    pooling: Literal["cls", "lasttoken", "mean"] | None = None
    """How an encoder of texts pools; by default as sentence-transformers' files beside it say, else the mean."""


@dataclass(frozen=True)
class _Waiting:
    """A request on its way into a batch."""

    asked: Asked
    started: float
    """Seconds on the monotonic clock."""
    tokens: Tokens | None
    pixels: Future[Tensors] | None

    @property
    def way(self) -> tuple[bool, bool]:
        """Only what goes the same way through the model shares a batch: with a text, with an image."""
        return self.tokens is not None, self.pixels is not None

    @property
    def length(self) -> int:
        """Tokens."""
        return len(self.tokens["input_ids"]) if self.tokens else 0


class Engine:
    """One checkpoint in this process; `options` and `parameters` are those above. Code that lies beside a checkpoint is
    never run."""

    def __init__(self, model: Model, images: Blobs) -> None:
        try:
            import torch
            import transformers
            from safetensors import SafetensorError
        except ImportError as error:
            raise UserError(f"the model {model.name} needs {error.name}: pip install 'tetrad[transformers]'") from None
        self._torch, self._transformers = torch, transformers
        transformers.utils.logging.disable_progress_bar()
        transformers.utils.logging.set_verbosity_error()
        self._model, self._images = model, images
        self._options = _read(Options, model, model.options)
        self._parameters = _read(Parameters, model, model.parameters)
        try:
            self._device = torch.device(self._options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
            self._head = self._load()
        except (AssertionError, ImportError, OSError, RuntimeError, SafetensorError, UserError, ValueError) as error:
            # torch asserts that it was built for a GPU.
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(f"transformers cannot load {model.served_as} for {model.name}: {first}") from None
        most = min(self._options.batch_size, self._options.max_num_seqs or self._options.batch_size)
        self._size = most if self._steady() else 1
        self.window = 4 * self._size
        self._pool = ThreadPoolExecutor(os.cpu_count())
        self._waiting: list[_Waiting] = []
        self._done: list[tuple[str, Reply]] = []

    def _load(self) -> Head:
        """The checkpoint, as what its config says it is."""
        config = self._auto("Config")
        if self._model.quantisation and not getattr(config, "quantization_config", None):
            raise UserError(f"models.toml says {self._model.quantisation}, but the weights are not quantised")
        kind = (config.architectures or [""])[0]
        if kind.endswith("ForSequenceClassification"):
            model = self._weights("ModelForSequenceClassification", config)
            return Classifier(model, self._words(model), chat=self._parameters.chat)
        if kind.endswith("ForImageClassification"):
            self._see = self._auto("ImageProcessor", backend="pil")
            return Classifier(self._weights("ModelForImageClassification", config), None)
        if type(config) in self._transformers.MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING:
            self._see = self._auto("ImageProcessor", backend="pil")
            model = self._weights("ModelForZeroShotImageClassification", config)
            return DualEncoder(model, self._words(model))
        said = self._parameters.pooling or pooling(self._find)
        if said or kind.endswith(("Model", "ForMaskedLM")):
            model = self._weights("Model", config)
            return TextEncoder(model, self._words(model), said or "mean")
        raise UserError(f"{kind or 'it'} is no classifier, reward model, dual encoder or encoder of texts")

    def _auto(self, name: str, **more: Any) -> Any:
        return getattr(self._transformers, f"Auto{name}").from_pretrained(
            self._model.served_as, trust_remote_code=False, **self._where(), **more
        )

    def _where(self) -> dict[str, Any]:
        revision = None if Path(self._model.served_as).is_dir() else self._model.revision
        return {"revision": revision, "local_files_only": self._options.local_files_only}

    def _find(self, name: str) -> Path | None:
        from transformers.utils import cached_file

        found = cached_file(self._model.served_as, name, _raise_exceptions_for_missing_entries=False, **self._where())
        return Path(found) if found else None

    def _weights(self, name: str, config: Any) -> Any:
        """The model, on its device; what is missing would be drawn at random, and is an error."""
        config.get_text_config().use_cache = False  # nothing is generated
        dtype = self._options.dtype or ("float32" if self._device.type == "cpu" else "auto")
        model, told = self._auto(name, config=config, dtype=dtype, output_loading_info=True)
        # A pooler that nobody asks for is often left out.
        if missing := sorted(key for key in told["missing_keys"] if name != "Model" or "pooler" not in key):
            raise UserError(f"its weights lack {missing[0]}, and {len(missing) - 1} more")
        return model.eval().to(self._device)

    def _words(self, model: Any) -> Words:
        tokenizer, config = self._auto("Tokenizer"), model.config.get_text_config()
        if hasattr(model, "score") and config.pad_token_id is not None:
            # Such a head finds a text's last token by the padding that its config knows.
            tokenizer.pad_token = tokenizer.convert_ids_to_tokens(config.pad_token_id)
        places = getattr(config, "max_position_embeddings", None) or 0
        for part in model.modules():  # RoBERTa's kin begin to count positions behind the padding's
            table = getattr(part, "position_embeddings", None)
            if isinstance(table, self._torch.nn.Embedding) and table.padding_idx is not None:
                places = table.num_embeddings - table.padding_idx - 1
        limits = [n for n in (places, tokenizer.model_max_length, self._options.max_length) if n and 0 < n < 1e9]
        # SigLIP reads a text at its last place, whatever stands there, and was trained on texts filled up.
        width = places if model.config.model_type.startswith("siglip") else None
        return Words(tokenizer, min(limits, default=None), self._parameters.truncate, width)

    def _steady(self) -> bool:
        """Whether two texts of unlike length come out alike alone and together: what has no padding token, or looks at the
        padding, must be asked one by one."""
        if self._head.words is None:
            return True
        with suppress(Refused, ValueError):
            probes = [self._head.words.plain(text) for text in ("yes", "no, on the contrary")]
            alone = self._torch.cat([self._numbers([probe], []) for probe in probes])
            apart = (self._numbers(probes, []) - alone).abs().max() / alone.abs().max()
            if apart < (1e-3 if self._head.model.dtype == self._torch.float32 else 0.1):
                return True
        LOG.warning("%s is asked one by one: it cannot be padded", self._model.name)
        return False

    def add(self, asked: Asked) -> None:
        """Take one more request; what this checkpoint does not take is a failure at once."""
        started = time.monotonic()
        try:
            ready = self._head.ready(asked.request)
        except Refused as refused:
            self._done.append((asked.id, failed(refused.word, str(refused))))
            return
        pixels = self._pool.submit(self._look, ready.image) if ready.image else None
        self._waiting.append(_Waiting(asked, started, ready.tokens, pixels))

    def _look(self, image: str) -> Tensors:
        with Image.open(self._images.path(image)) as opened:
            return dict(self._see(images=opened.convert("RGB"), return_tensors="pt"))

    def finished(self) -> list[tuple[str, Reply]]:
        """One batch."""
        if batch := self._next():
            numbers = self._forward(batch)
            self._done += [(one.asked.id, self._reply(one, n)) for one, n in zip(batch, numbers, strict=True)]
        done, self._done = self._done, []
        return done

    def _next(self) -> list[_Waiting]:
        """The request that has waited longest, among those nearest to it in length; those whose image cannot be read
        fall out."""
        if not self._waiting:
            return []
        first = self._waiting[0]
        alike = sorted((one for one in self._waiting if one.way == first.way), key=lambda one: one.length)
        start = max(0, min(alike.index(first), len(alike) - self._size))
        batch = alike[start : start + self._size]
        chosen = {one.asked.id for one in batch}
        self._waiting = [one for one in self._waiting if one.asked.id not in chosen]
        return [one for one in batch if self._seen(one)]

    def _seen(self, one: _Waiting) -> bool:
        try:
            if one.pixels:
                one.pixels.result()
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # Pillow calls a broken PNG a SyntaxError
            self._done.append((one.asked.id, failed("unreadable_image", str(error))))
            return False
        return True

    def _forward(self, batch: list[_Waiting]) -> list[list[float] | None]:
        """Each request's numbers; None: even alone it does not fit into memory."""
        try:
            numbers = self._numbers(
                [b.tokens for b in batch if b.tokens], [b.pixels.result() for b in batch if b.pixels]
            )
            return list(numbers.cpu().tolist())
        except RuntimeError as error:
            if not isinstance(error, self._torch.OutOfMemoryError) and "DefaultCPUAllocator" not in str(error):
                raise
        if self._device.type == "cuda":  # here, where the failed pass has let go of its tensors
            self._torch.cuda.empty_cache()
        half = len(batch) // 2
        return self._forward(batch[:half]) + self._forward(batch[half:]) if half else [None]

    def _numbers(self, texts: list[Tokens], images: list[Tensors]) -> Any:
        words = self._head.words.batch(texts) if self._head.words and texts else None
        pixels = {name: self._torch.cat([i[name] for i in images]) for name in images[0]} if images else None
        with self._torch.inference_mode():
            return self._head.numbers(self._sent(words), self._sent(pixels)).float()

    def _sent(self, tensors: Tensors | None) -> Tensors | None:
        """On the device, what is a fraction in the model's dtype."""
        dtype = self._head.model.dtype
        return tensors and {
            name: tensor.to(self._device, dtype if tensor.is_floating_point() else None)
            for name, tensor in tensors.items()
        }

    def _reply(self, one: _Waiting, numbers: list[float] | None) -> Reply:
        if numbers is None:
            return failed("out_of_memory", f"{one.length} tokens do not fit into the memory of {self._device}")
        if not all(map(math.isfinite, numbers)):
            return failed("server", f"the numbers overflow {self._head.model.dtype}: set options.dtype")
        return Reply(
            result=self._head.result(one.asked.request, [float(f"{n:.6g}") for n in numbers]),
            answered_by=self._model.served_as,
            tokens_in=one.length or None,
            seconds=round(time.monotonic() - one.started, 4),
        )


def _read(kind: type[R], model: Model, given: dict[str, Any]) -> R:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise UserError(f"{model.name}: {kind.__name__.lower()}: {field}: {first['msg']}") from None

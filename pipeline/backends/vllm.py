"""vLLM in a child process, fed continuously: a reply is sent to the parent as soon as its sequence ends."""

import json
import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pipeline.backends import Asked, reasoning_apart, seed
from pipeline.backends.engines.prompts import Prompt, Prompts, refusal
from pipeline.doors.blobs import Blobs
from pipeline.errors import UserError
from pipeline.models import Model
from pipeline.requests import Answer, Chat, Reply, Score, Scored, failed

CAN = frozenset({"chat", "score"})
AHEAD = 64
"""Requests rendered beyond those the engine has a place for, at most."""


class _Rendering(NamedTuple):
    """A request on its way into the engine."""

    asked: Asked
    request: Chat | Score
    started: float
    """Seconds on the monotonic clock."""
    prompt: "Future[Prompt | Reply]"


class _Sequence(NamedTuple):
    """A request under way in the engine."""

    request: Chat | Score
    started: float
    given: list[int]
    """Tokens of the text to be scored."""
    thinking: bool
    """Whether the prompt ends within a block of reasoning."""


class _AtOnce(Executor):
    """No thread: the work is done when it is handed in."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> "Future[Any]":
        """Work, and give what came of it."""
        future: Future[Any] = Future()
        future.set_result(work(*arguments, **named))
        return future


class Engine:
    """One model in this process.

    `options` of models.toml are arguments of vllm.LLM (`tensor_parallel_size`, `gpu_memory_utilization`, ...), and
    `quantisation` is its `quantization`. `parameters` are what vLLM's own server takes beside the messages: sampling
    parameters (`top_k`, `repetition_penalty`, ...), which stand above the request's own, `chat_template_kwargs` and
    `reasoning_effort`, which the chat template is told. So a model means the same through this engine and a server.

    With a JSON schema, vLLM's answers may hold raw control characters within strings: read them with `strict=False`.
    """

    def __init__(self, model: Model, images: Blobs) -> None:
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")  # this is the engine's process already
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        try:
            import vllm
            from vllm.exceptions import VLLMError
            from vllm.multimodal.cache import MultiModalCacheMissError
            from vllm.platforms import current_platform
        except ImportError as error:
            raise UserError(f"the model {model.name} needs {error.name}: pip install 'tetrad[vllm]'") from None
        self._vllm = vllm
        self._refusals, self._missing = (VLLMError, ValueError), MultiModalCacheMissError
        self._name = model.served_as
        self._more, template = _parameters(model, vllm.SamplingParams.__struct_fields__)
        try:
            self._llm = vllm.LLM(model=model.served_as, **_options(model))
        except (OSError, RuntimeError, TypeError, *self._refusals) as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(f"vLLM cannot load {model.served_as} for {model.name}: {first}") from None
        self._prompts = Prompts(self._llm, model, images, template)
        # While a GPU computes, the next requests are rendered; on a CPU a thread would only contend for the interpreter.
        # One thread: the engine must meet images in the order of their rendering.
        self._thread: Executor = _AtOnce() if current_platform.is_cpu() else ThreadPoolExecutor(1)
        self._rendering: deque[_Rendering] = deque()
        self._under_way: dict[str, _Sequence] = {}
        self._done: list[tuple[str, Reply]] = []
        places: int = self._llm.llm_engine.vllm_config.scheduler_config.max_num_seqs
        self.window = places + min(places, AHEAD)

    def add(self, asked: Asked) -> None:
        """Have one more request rendered, on a GPU beside the engine's steps."""
        if isinstance(asked.request, Chat | Score):
            self._render(asked, asked.request, time.monotonic())
        else:
            self._done.append((asked.id, failed("bad_request", "vLLM chats and scores only")))

    def _render(self, asked: Asked, request: Chat | Score, started: float) -> None:
        prompt = self._thread.submit(self._prompts.of, request)
        self._rendering.append(_Rendering(asked, request, started, prompt))

    def finished(self) -> list[tuple[str, Reply]]:
        """One step of the engine: one more token for all that is under way; what ended with it."""
        while self._rendering and (self._rendering[0].prompt.done() or not (self._under_way or self._done)):
            self._enter(self._rendering.popleft())
        done, self._done = self._done, []
        if self._under_way:
            outputs = self._llm.llm_engine.step()
            done += [(o.request_id, self._reply(o, self._under_way.pop(o.request_id))) for o in outputs if o.finished]
        return done

    def _enter(self, one: _Rendering) -> None:
        """Enter one more sequence; what cannot be entered is a failure at once."""
        name, request, prompt, engine = one.asked.id, one.request, one.prompt.result(), self._llm.llm_engine
        if isinstance(prompt, Reply):
            self._done.append((name, prompt))
            return
        try:
            engine.add_request(name, prompt.rendered, self._sampling(request, seed(one.asked)))
            self._under_way[name] = _Sequence(request, one.started, prompt.given, prompt.thinking)
        except self._missing:  # the request that came with its image was refused: once more, and with the image
            engine.abort_request([name])
            self._thread.submit(self._prompts.forget, prompt.images)
            self._render(one.asked, request, one.started)
        except self._refusals as error:
            engine.abort_request([name])  # what was refused late would be waited for
            self._thread.submit(self._prompts.forget, prompt.images)
            self._done.append((name, refusal(error)))

    def _sampling(self, request: Chat | Score, number: int) -> Any:
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        whole = RequestOutputKind.FINAL_ONLY
        if isinstance(request, Score):
            return self._vllm.SamplingParams(
                max_tokens=1, temperature=0, prompt_logprobs=0, detokenize=False, output_kind=whole
            )
        own: dict[str, Any] = {
            "temperature": request.temperature,
            "top_p": request.top_p,
            "max_tokens": request.max_tokens,
            "seed": number,
        }
        if request.json_schema:
            own["structured_outputs"] = StructuredOutputsParams(json=json.loads(request.json_schema))
        return self._vllm.SamplingParams(**own | self._more, output_kind=whole)

    def _reply(self, output: Any, sequence: _Sequence) -> Reply:
        answer, given = output.outputs[0], sequence.given
        counted: dict[str, Any] = {
            "answered_by": self._name,
            "tokens_in": len(output.prompt_token_ids),
            "seconds": round(time.monotonic() - sequence.started, 4),
        }
        if answer.finish_reason not in ("stop", "length"):
            by_schema = isinstance(sequence.request, Chat) and sequence.request.json_schema
            return failed("bad_request" if by_schema else "server", f"vLLM ended it with {answer.finish_reason!r}")
        if given:
            behind = output.prompt_logprobs[-len(given) :]
            logprobs = tuple(float(at[token].logprob) for token, at in zip(given, behind, strict=True))
            return Reply(result=Scored(logprobs=logprobs), tokens_out=0, **counted)
        reasoning, text = reasoning_apart("<think>" * sequence.thinking + answer.text)
        if reasoning is not None and not text:
            return failed("no_answer", "cut off while it was thinking")
        finish: Literal["stop", "length"] = "length" if answer.finish_reason == "length" else "stop"
        said = Answer(text=text, reasoning=reasoning or None, finish=finish)
        return Reply(result=said, tokens_out=len(answer.token_ids), **counted)


def _options(model: Model) -> dict[str, Any]:
    """Arguments of vllm.LLM: what models.toml says in so many words, over what follows from the rest of the entry."""
    options: dict[str, Any] = {
        "enable_prefix_caching": True,
        "seed": 0,
        "revision": None if Path(model.served_as).is_dir() else model.revision,
        "quantization": model.quantisation,
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
    }
    if model.context:
        options["max_model_len"] = model.context
    if model.pictures.max_count is not None:
        options["limit_mm_per_prompt"] = {"image": model.pictures.max_count}
    return options | model.options


def _parameters(model: Model, known: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Sampling parameters, and what the chat template is told; `known`: the names of vLLM's sampling parameters."""
    more = dict(model.parameters)
    template = dict(more.pop("chat_template_kwargs", {}))
    if "reasoning_effort" in more:
        template["reasoning_effort"] = more.pop("reasoning_effort")
    unknown = sorted(name for name in more if name not in known or name.startswith("_"))
    if unknown:
        raise UserError(f"{model.name}: vLLM knows no parameter {', '.join(unknown)}; mend `parameters` in models.toml")
    return more, template

"""vLLM in a child process, fed continuously: a reply is sent to the parent as soon as its sequence ends."""

import json
import os
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from pipeline.backends import Asked, seed
from pipeline.doors.blobs import Blobs
from pipeline.errors import UserError
from pipeline.models import Model
from pipeline.requests import Answer, Chat, Message, Reply, Score, Scored, failed

CAN = frozenset({"chat", "score"})


class Engine:
    """One model in this process. `options` of models.toml are arguments of vllm.LLM."""

    def __init__(self, model: Model, images: Blobs) -> None:
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")  # this is the engine's process already
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        try:
            import vllm
            from vllm.exceptions import VLLMError
            from vllm.renderers import ChatParams
        except ImportError as error:
            raise UserError(f"the model {model.name} needs {error.name}: pip install 'tetrad[vllm]'") from None
        self._vllm = vllm
        self._refusals = (VLLMError, ValueError)
        self._images = images
        self._name = model.served_as
        # Without the cache of processed images: a picture that is rendered but not entered would break the next one.
        options = {"enable_prefix_caching": True, "seed": 0, "mm_processor_cache_gb": 0} | model.options
        try:
            self._llm = vllm.LLM(
                model=model.served_as,
                revision=None if Path(model.served_as).is_dir() else model.revision,
                quantization=model.quantisation,
                structured_outputs_config={"backend": "xgrammar", "disable_any_whitespace": True},
                **options,
            )
        except (OSError, *self._refusals) as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(f"vLLM cannot load {model.served_as} for {model.name}: {first}") from None
        self._chat = ChatParams(chat_template_kwargs={"add_generation_prompt": True})
        self._tokens = self._llm.renderer.default_chat_tok_params.with_kwargs(add_special_tokens=False)
        self._given: dict[str, list[int]] = {}
        """Sequence under way → the tokens of the text to be scored; none for a chat."""
        self._failed: list[tuple[str, Reply]] = []
        self.window = 2 * int(options.get("max_num_seqs", 128))

    def add(self, asked: Asked) -> None:
        """Enter one more sequence; what cannot be entered is a failure at once."""
        request = asked.request
        if not isinstance(request, Chat | Score):
            self._failed.append((asked.id, failed("bad_request", "vLLM chats and scores only")))
            return
        try:
            _, (prompt,) = self._llm.renderer.render_chat(
                [[self._message(m) for m in request.messages]], self._chat, self._tokens
            )
            given = self._append(prompt, request.answer) if isinstance(request, Score) else []
            self._llm.llm_engine.add_request(asked.id, prompt, self._sampling(request, seed(asked)))
            self._given[asked.id] = given
        except OSError as error:
            self._failed.append((asked.id, failed("unreadable_image", str(error))))
        except self._refusals as error:
            self._llm.llm_engine.abort_request([asked.id])  # what was refused late would be waited for
            word = (
                "too_long" if "maximum context length" in str(error) or "max_model_len" in str(error) else "bad_request"
            )
            self._failed.append((asked.id, failed(word, str(error))))

    def _append(self, prompt: dict[str, Any], answer: str) -> list[int]:
        """Put the given answer behind the prompt; its tokens."""
        given: list[int] = self._llm.get_tokenizer().encode(answer, add_special_tokens=False)
        prompt["prompt_token_ids"] = prompt["prompt_token_ids"] + given
        return given

    def _sampling(self, request: Chat | Score, number: int) -> Any:
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        whole = {"output_kind": RequestOutputKind.FINAL_ONLY}
        if isinstance(request, Score):
            return self._vllm.SamplingParams(max_tokens=1, temperature=0, prompt_logprobs=0, detokenize=False, **whole)
        schema = json.loads(request.json_schema) if request.json_schema else None
        return self._vllm.SamplingParams(
            temperature=request.temperature,
            top_p=request.top_p,
            max_tokens=request.max_tokens,
            seed=number,
            structured_outputs=StructuredOutputsParams(json=schema) if schema else None,
            **whole,
        )

    def _message(self, message: Message) -> dict[str, Any]:
        if not message.images:
            return {"role": message.role, "content": message.text}
        pictures = [{"type": "image_pil", "image_pil": self._open(i)} for i in message.images]
        return {"role": message.role, "content": [*pictures, {"type": "text", "text": message.text}]}

    def _open(self, image: str) -> Image.Image:
        with Image.open(self._images.path(image)) as opened:
            return opened.convert("RGB")

    def finished(self) -> list[tuple[str, Reply]]:
        """One step of the engine: one more token for all that is under way; what ended with it."""
        done, self._failed = self._failed, []
        if self._given:
            outputs = self._llm.llm_engine.step()
            done += [(o.request_id, self._reply(o, self._given.pop(o.request_id))) for o in outputs if o.finished]
        return done

    def _reply(self, output: Any, given: list[int]) -> Reply:
        counted: dict[str, Any] = {"answered_by": self._name, "tokens_in": len(output.prompt_token_ids)}
        if given:
            behind = output.prompt_logprobs[-len(given) :]
            logprobs = tuple(float(at[token].logprob) for token, at in zip(given, behind, strict=True))
            return Reply(result=Scored(logprobs=logprobs), tokens_out=0, **counted)
        answer = output.outputs[0]
        finish: Literal["stop", "length"] = "length" if answer.finish_reason == "length" else "stop"
        return Reply(result=Answer(text=answer.text, finish=finish), tokens_out=len(answer.token_ids), **counted)

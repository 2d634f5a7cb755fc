"""What of the engine for vLLM needs no vLLM; the rest is in tests/engines."""

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.backends import reasoning_apart
from pipeline.backends.engines.prompts import decoded, refusal
from pipeline.backends.vllm import _options, _parameters
from pipeline.errors import UserError
from pipeline.models import Model, Pictures
from pipeline.requests import Failure

KNOWN = ("temperature", "top_k", "repetition_penalty", "_eos_token_id")


def model(**fields: Any) -> Model:
    return Model(**{"name": "small", "backend": "vllm", "served_as": "org/small", "revision": "abc"} | fields)


@pytest.mark.parametrize(
    ("text", "reasoning", "rest"),
    [
        ("No.", None, "No."),
        ("<think>Hm.\n</think>\n\nNo.", "Hm.", "No."),
        ("\n <think></think>No.", "", "No."),
        ("<think>Hm", "Hm", ""),
        ("It writes <think>x</think>.", None, "It writes <think>x</think>."),
        ("<think>a</think>b<think>c</think>d", "a", "b<think>c</think>d"),
        ("", None, ""),
    ],
)
def test_a_leading_block_of_reasoning_is_set_apart(text: str, reasoning: str | None, rest: str) -> None:
    assert reasoning_apart(text) == (reasoning, rest)


@given(st.text(st.sampled_from("<think>/ \na")))
def test_setting_reasoning_apart_loses_no_word(text: str) -> None:
    reasoning, rest = reasoning_apart(text)
    assert text.endswith(rest)
    assert (reasoning or "") in text


def test_what_models_toml_says_of_a_model_reaches_vllm() -> None:
    given = model(quantisation="awq", context=4096, pictures=Pictures(max_count=2), options={"tensor_parallel_size": 4})
    options = _options(given)
    assert options["quantization"] == "awq"
    assert options["max_model_len"] == 4096
    assert options["limit_mm_per_prompt"] == {"image": 2}
    assert options["tensor_parallel_size"] == 4
    assert options["revision"] == "abc"
    assert options["enable_prefix_caching"] is True


def test_options_stand_above_what_follows_from_the_rest() -> None:
    options = _options(model(context=4096, options={"max_model_len": 2048, "enable_prefix_caching": False}))
    assert (options["max_model_len"], options["enable_prefix_caching"]) == (2048, False)


def test_a_folder_has_no_revision(tmp_path: Path) -> None:
    assert _options(model(served_as=str(tmp_path)))["revision"] is None


def test_parameters_go_to_the_sampler_and_to_the_template_as_on_vllm_s_own_server() -> None:
    given = {"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}, "reasoning_effort": "low"}
    assert _parameters(model(parameters=given), KNOWN) == (
        {"top_k": 20},
        {"enable_thinking": False, "reasoning_effort": "low"},
    )
    assert _parameters(model(), KNOWN) == ({}, {})


@pytest.mark.parametrize("name", ["topk", "_eos_token_id"])
def test_a_parameter_nobody_knows_is_the_user_s_line(name: str) -> None:
    with pytest.raises(UserError, match=f"^small: vLLM knows no parameter {name}; mend `parameters` in models.toml$"):
        _parameters(model(parameters={name: 1, "top_k": 1}), KNOWN)


def saved(path: Path, image: Image.Image) -> Path:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    path.write_bytes(buffer.getvalue())
    return path


@pytest.mark.parametrize(
    ("side", "size"), [(None, (40, 20)), (100, (40, 20)), (20, (20, 10))], ids=["no limit", "fits", "too large"]
)
def test_an_image_is_no_larger_than_the_model_takes(tmp_path: Path, side: int | None, size: tuple[int, int]) -> None:
    image = decoded(saved(tmp_path / "a", Image.new("P", (40, 20))), side)
    assert (image.size, image.mode) == (size, "RGB")


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40], ids=["empty", "text", "torn"])
def test_what_is_no_image_is_an_oserror(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(OSError, match="a"):
        decoded(tmp_path / "a", None)


def test_an_image_that_would_fill_the_memory_is_an_oserror(tmp_path: Path) -> None:
    path = saved(tmp_path / "a", Image.new("1", (20_000, 20_000)))
    with pytest.raises(OSError, match="DecompressionBombError"):
        decoded(path, None)


def test_why_vllm_refused_is_in_the_failure() -> None:
    processor = ValueError("Failed to apply ThatProcessor on data={'text': 'a long story'}")
    processor.__cause__ = ZeroDivisionError("height 0")
    found = [
        refusal(e).result for e in (ValueError("longer than the maximum model length of 9"), processor, KeyError(3))
    ]
    assert found == [
        Failure(error="too_long", message="longer than the maximum model length of 9"),
        Failure(error="unfit_image", message="ZeroDivisionError: height 0"),
        Failure(error="bad_request", message="KeyError: 3"),
    ]

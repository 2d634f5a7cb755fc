"""What models.toml says of open models, against the vLLM that is installed."""

import dataclasses
import tomllib

import pytest

from pipeline.models import SHIPPED, Catalogue, Model

ARCHITECTURES = {
    "AIDC-AI/Ovis2.5-9B": "Ovis2_5",
    "AIML-TUDA/LlavaGuard-v1.2-7B-OV-hf": "LlavaOnevisionForConditionalGeneration",
    "HuggingFaceM4/Idefics3-8B-Llama3": "Idefics3ForConditionalGeneration",
    "HuggingFaceTB/SmolVLM2-2.2B-Instruct": "SmolVLMForConditionalGeneration",
    "OpenGVLab/InternVL3-8B-hf": "InternVLForConditionalGeneration",
    "OpenGVLab/InternVL3_5-8B-HF": "InternVLForConditionalGeneration",
    "OpenSafetyLab/MD-Judge-v0_2-internlm2_7b": "InternLM2ForCausalLM",
    "Qwen/Qwen2.5-VL-7B-Instruct": "Qwen2_5_VLForConditionalGeneration",
    "Qwen/Qwen3-VL-30B-A3B-Instruct": "Qwen3VLMoeForConditionalGeneration",
    "Qwen/Qwen3-VL-8B-Instruct": "Qwen3VLForConditionalGeneration",
    "Qwen/Qwen3Guard-Gen-8B": "Qwen3ForCausalLM",
    "allenai/Molmo2-8B": "Molmo2ForConditionalGeneration",
    "deepseek-ai/deepseek-vl2-small": "DeepseekVLV2ForCausalLM",
    "google/gemma-3-12b-it": "Gemma3ForConditionalGeneration",
    "google/gemma-4-12B-it": "Gemma4UnifiedForConditionalGeneration",
    "google/gemma-4-31B-it": "Gemma4ForConditionalGeneration",
    "ibm-granite/granite-vision-3.3-2b": "LlavaNextForConditionalGeneration",
    "llava-hf/llava-1.5-7b-hf": "LlavaForConditionalGeneration",
    "llava-hf/llava-onevision-qwen2-7b-ov-hf": "LlavaOnevisionForConditionalGeneration",
    "llava-hf/llava-v1.6-mistral-7b-hf": "LlavaNextForConditionalGeneration",
    "meta-llama/Llama-4-Scout-17B-16E-Instruct": "Llama4ForConditionalGeneration",
    "meta-llama/Llama-Guard-4-12B": "Llama4ForConditionalGeneration",
    "microsoft/Phi-3.5-vision-instruct": "Phi3VForCausalLM",
    "mistral-community/pixtral-12b": "LlavaForConditionalGeneration",
    "mistralai/Mistral-Small-3.1-24B-Instruct-2503": "Mistral3ForConditionalGeneration",
    "moonshotai/Kimi-VL-A3B-Instruct": "KimiVLForConditionalGeneration",
    "openbmb/MiniCPM-V-4_5": "MiniCPMV",
    "rhymes-ai/Aria": "AriaForConditionalGeneration",
    "zai-org/GLM-4.1V-9B-Thinking": "Glm4vForConditionalGeneration",
}
"""Repository to the architecture that its config names. Source: vLLM's page of supported models."""


def served() -> list[Model]:
    """The shipped models that vLLM serves."""
    shipped = Catalogue(SHIPPED)
    return [shipped[name] for name in tomllib.loads(SHIPPED.read_text()) if shipped[name].backend == "vllm"]


def test_the_architecture_of_every_model_for_vllm_is_known() -> None:
    assert {model.served_as for model in served()} == set(ARCHITECTURES)


@pytest.mark.engine
def test_the_installed_vllm_knows_every_architecture() -> None:
    from vllm.model_executor.models import ModelRegistry

    assert set(ARCHITECTURES.values()) <= set(ModelRegistry.get_supported_archs())


@pytest.mark.engine
def test_the_installed_vllm_takes_every_option() -> None:
    from vllm.engine.arg_utils import EngineArgs

    known = {field.name for field in dataclasses.fields(EngineArgs)}
    for model in served():
        assert set(model.options) <= known, model.name

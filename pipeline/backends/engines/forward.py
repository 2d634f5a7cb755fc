"""A forward pass of a Llama model in numpy: the log-probability of each token of a given text.

llama.cpp can give it too (each token forced and its probability read, or from the hidden states of its embedding mode,
with the same figures), but at its pace of one token after another, or of its prefill, both several times slower here
than a few large matrix products.
"""

from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float32]]


class Forward:
    """The weights of a GGUF file, as 32-bit floats (0.5 GB for 135 million parameters)."""

    def __init__(self, path: Path) -> None:
        from gguf import GGUFReader, dequantize

        reader = GGUFReader(path)
        self._weights: dict[str, Array] = {
            t.name: np.asarray(dequantize(t.data, t.tensor_type), dtype=np.float32) for t in reader.tensors
        }
        field = {
            name.removeprefix("llama."): f.contents() for name, f in reader.fields.items() if name.startswith("llama.")
        }
        self._layers = int(field["block_count"])
        self._heads, self._shared = int(field["attention.head_count"]), int(field["attention.head_count_kv"])
        self._epsilon = float(field["attention.layer_norm_rms_epsilon"])
        self._width = int(field["embedding_length"]) // self._heads
        self._base = float(field["rope.freq_base"])

    def logprobs(self, before: list[int], given: list[int]) -> Array:
        """Natural log-probabilities, one per token of `given`, behind the tokens `before`; shape (len(given),)."""
        x = self._weights["token_embd.weight"][before + given]
        turn = self._turn(len(x))
        for n in range(self._layers):
            x = x + self._attend(n, self._norm(x, f"blk.{n}.attn_norm.weight"), turn)
            h = self._norm(x, f"blk.{n}.ffn_norm.weight")
            gate, up = (h @ self._weights[f"blk.{n}.ffn_{part}.weight"].T for part in ("gate", "up"))
            x = x + (gate / (1 + np.exp(-gate)) * up) @ self._weights[f"blk.{n}.ffn_down.weight"].T
        states = self._norm(x[len(before) - 1 : -1], "output_norm.weight")
        logits = states @ self._weights.get("output.weight", self._weights["token_embd.weight"]).T
        logits -= logits.max(axis=1, keepdims=True)
        picked: Array = logits[np.arange(len(given)), given] - np.log(np.exp(logits).sum(axis=1))
        return picked

    def _norm(self, x: Array, name: str) -> Array:
        scaled: Array = x / np.sqrt((x * x).mean(axis=1, keepdims=True) + self._epsilon) * self._weights[name]
        return scaled

    def _turn(self, length: int) -> Array:
        """Cosine and sine of every position and frequency: (2, length, width / 2)."""
        frequencies = self._base ** (-np.arange(0, self._width, 2) / self._width)
        angles = np.outer(np.arange(length), frequencies)
        return np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)

    def _attend(self, n: int, h: Array, turn: Array) -> Array:
        """Causal self-attention with grouped keys: (length, heads · width) in and out."""
        q, k, v = (
            (h @ self._weights[f"blk.{n}.attn_{part}.weight"].T).reshape(len(h), -1, self._width).swapaxes(0, 1)
            for part in "qkv"
        )
        k, v = (np.repeat(part, self._heads // self._shared, axis=0) for part in (_turned(k, turn), v))
        scores = _turned(q, turn) @ k.swapaxes(1, 2) / np.sqrt(np.float32(self._width))
        scores += np.triu(np.full(scores.shape[1:], -np.inf, dtype=np.float32), 1)
        weights = np.exp(scores - scores.max(axis=2, keepdims=True))
        mixed = (weights / weights.sum(axis=2, keepdims=True)) @ v
        out: Array = mixed.swapaxes(0, 1).reshape(len(h), -1) @ self._weights[f"blk.{n}.attn_output.weight"].T
        return out


def _turned(x: Array, turn: Array) -> Array:
    """Rotary positions, on neighbouring pairs as GGUF orders them: (heads, length, width)."""
    cosine, sine = turn
    even, odd = x[..., 0::2], x[..., 1::2]
    return np.stack([even * cosine - odd * sine, even * sine + odd * cosine], axis=-1).reshape(x.shape)

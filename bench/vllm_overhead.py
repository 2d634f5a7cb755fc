"""What the way through the generate door to vLLM costs, with keeping on, beside `LLM.chat` by hand in one call.

    PYTHONPATH=. .venv-vllm/bin/python bench/vllm_overhead.py [--quick] [--pictures 170] [--rounds 3]

Each picture is asked about in three prompts, through the tiny image-to-text model that lies with the tests. The sides take
turns, each time in a new process; the model is loaded and has answered a few before the clock starts; the best round of
each side counts. Both open the same files, with the same options of vLLM, and the answers must be the same.

- by_hand: all conversations handed to `LLM.chat` at once; its answers are gathered in memory.
- door: Tetrad plans, asks, keeps every reply in the log, and reads them into a table.
- grouped, shuffled: Tetrad's engine alone, with a cache that does not hold all pictures, fed picture by picture, as the
  door does, and in any order.

Prints figures, ratios first: throughput by the clock, and by the CPU that all processes took (more than 1: Tetrad's door
answered more, or took less).
"""

import argparse
import asyncio
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TINY = HERE.parent / "tests" / "engines" / "tiny_vlm"
QUESTIONS = ("Describe the image.", "What is in the image?", "Name the shapes.")
SYSTEM = "You are asked about pictures of shapes. Say how many there are, in which colour, and on which background. "
TOKENS = 24
"""In an answer, at most."""
OPTIONS: dict[str, Any] = {
    "dtype": "float32",
    "max_model_len": 1024,
    "max_num_seqs": 32,
    "enforce_eager": True,
    "enable_prefix_caching": True,
    "seed": 0,
    "limit_mm_per_prompt": {"image": 1},
}
SMALL: dict[str, Any] = {"mm_processor_cache_gb": 0.002, "num_gpu_blocks_override": 160}
"""Room for the prompts under way, and for few pictures beside them: as on a run whose pictures no cache holds."""
ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
}
Ask = Callable[[list[tuple[str, str]]], list[str]]
"""Pictures (SHA-256) with questions, to answers."""


def cpu() -> float:
    """Seconds that this process and its children that live took, user and system."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if stat.parent.name == str(os.getpid()) or fields[1] == str(os.getpid()):
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def by_hand(folder: Path) -> Ask:
    """As one would in a script."""
    import vllm
    from PIL import Image

    from pipeline.doors.blobs import Blobs

    images = Blobs(folder)
    llm = vllm.LLM(model=str(TINY / "weights"), **OPTIONS)

    def conversation(image: str, question: str) -> list[Any]:
        with Image.open(images.path(image)) as opened:
            shown = {"type": "image_pil", "image_pil": opened.convert("RGB")}
        user = {"role": "user", "content": [shown, {"type": "text", "text": question}]}
        return [{"role": "system", "content": SYSTEM}, user]

    def ask(asked: list[tuple[str, str]]) -> list[str]:
        settings = vllm.SamplingParams(temperature=0, max_tokens=TOKENS)
        answers = llm.chat([conversation(*one) for one in asked], settings, use_tqdm=False)
        return [answer.outputs[0].text for answer in answers]

    return ask


def chat(image: str, question: str) -> Any:
    """The same as a request."""
    from pipeline.requests import Chat, Message

    shown = Message(role="user", text=question, images=(image,))
    return Chat(model="tiny", messages=(Message(role="system", text=SYSTEM), shown), max_tokens=TOKENS)


def door(folder: Path) -> Ask:
    """Through Tetrad."""
    import polars as pl

    from pipeline.doors.blobs import Blobs
    from pipeline.doors.generate import Generate
    from pipeline.doors.replies import Replies
    from pipeline.models import Catalogue
    from pipeline.requests import Answer
    from pipeline.tables import Row

    class Said(Row):
        """An answer in its table."""

        text: str

    class Quiet:
        """Wants to know nothing."""

        def begin(self, owed: dict[str, int]) -> None: ...

        def advance(self, model: str, reply: Any, cost: float | None) -> None: ...

        def end(self) -> None: ...

    entry = f'[tiny]\nbackend = "vllm"\nserved_as = "{TINY / "weights"}"\nrevision = "1"\n[tiny.options]\n'
    simple = {name: value for name, value in OPTIONS.items() if not isinstance(value, dict)}
    entry += "".join(f"{name} = {json.dumps(value)}\n" for name, value in simple.items())
    (folder / "models.toml").write_text(entry + "limit_mm_per_prompt = { image = 1 }\n")
    workspace = Path(tempfile.mkdtemp(dir=folder))
    generate = Generate(
        Replies(workspace, write=True), Catalogue(folder / "models.toml"), Blobs(folder), workspace, Quiet()
    )

    def ask(asked: list[tuple[str, str]]) -> list[str]:
        rows = pl.DataFrame(asked, schema=["image", "question"], orient="row")

        def read(_cells: Any, _id: str, reply: Any) -> Iterator[Said]:
            assert isinstance(reply.result, Answer), reply
            yield Said(text=reply.result.text)

        outcome = generate(rows, lambda cells: chat(cells["image"], cells["question"]), read, Said)
        return outcome.kept["text"].to_list()

    return ask


def engine(folder: Path, *, shuffle: bool) -> Ask:
    """Tetrad's engine in its child, nothing kept."""
    from pipeline.backends import Asked
    from pipeline.backends.engines.child import Child
    from pipeline.backends.vllm import CAN, Engine
    from pipeline.doors.blobs import Blobs
    from pipeline.models import Model

    model = Model(name="tiny", backend="vllm", served_as=str(TINY / "weights"), revision="1", options=OPTIONS | SMALL)
    child = Child(Engine, CAN, model, Blobs(folder), Path(tempfile.mkdtemp(dir=folder)))

    def ask(asked: list[tuple[str, str]]) -> list[str]:
        requests = [Asked(f"{number:032x}", chat(*one)) for number, one in enumerate(asked)]
        if shuffle:
            random.Random(0).shuffle(requests)

        async def collect() -> dict[str, str]:
            return {one.id: reply.result.text async for one, reply in child.replies(iter(requests))}

        came = asyncio.run(collect())
        return [came[f"{number:032x}"] for number in range(len(asked))]

    return ask


SIDES: dict[str, Callable[[Path], Ask]] = {
    "by_hand": by_hand,
    "door": door,
    "grouped": lambda folder: engine(folder, shuffle=False),
    "shuffled": lambda folder: engine(folder, shuffle=True),
}


def job(side: str, folder: Path, pictures: list[str]) -> dict[str, Any]:
    """One side, in this process: what it took and what it answered."""
    ask = SIDES[side](folder)
    first, rest = pictures[:4], pictures[4:]
    ask([(image, question) for image in first for question in QUESTIONS])
    asked = [(image, question) for image in rest for question in QUESTIONS]
    began, before = time.perf_counter(), cpu()
    answers = ask(asked)
    seconds, took = time.perf_counter() - began, cpu() - before
    return {"rate": len(asked) / seconds, "per_cpu": len(asked) / took, "answers": answers}


def turn(side: str, folder: Path, pictures: list[str]) -> dict[str, Any]:
    """The same in a new process."""
    command = [sys.executable, __file__, "--side", side, "--folder", str(folder)]
    done = subprocess.run(
        command, input=json.dumps(pictures), capture_output=True, text=True, env=ENVIRONMENT | os.environ, check=False
    )
    if done.returncode:
        sys.exit(f"{side}: {done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def drawn(folder: Path, many: int) -> list[str]:
    """Pictures, kept; their SHA-256."""
    sys.path.insert(0, str(TINY))
    from pictures import draw

    from pipeline.doors.blobs import Blobs

    kept = []
    for seed in range(many):
        buffer = io.BytesIO()
        draw(seed, side=256)[0].save(buffer, "PNG")
        kept.append(Blobs(folder).keep(buffer.getvalue()))
    return kept


def main(many: int, rounds: int, sides: list[str]) -> None:
    results: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as folder:
        pictures = drawn(Path(folder), many + 4)
        for number in range(rounds):
            for side in sides if number % 2 == 0 else sides[::-1]:
                results[side].append(turn(side, Path(folder), pictures))
    best = {(side, of): max(r[of] for r in results[side]) for side in sides for of in ("rate", "per_cpu")}
    for name, one, other in (("door_vs_by_hand", "door", "by_hand"), ("grouped_vs_shuffled", "grouped", "shuffled")):
        if one in results and other in results:
            print(f"figure vllm_{name} {best[one, 'rate'] / best[other, 'rate']:.3f} x")
            print(f"figure vllm_{name}_cpu {best[one, 'per_cpu'] / best[other, 'per_cpu']:.3f} x")
            pairs = zip(results[one][0]["answers"], results[other][0]["answers"], strict=True)
            print(f"figure vllm_{name}_answers_differing {sum(a != b for a, b in pairs)} of {3 * many}")
    for side in sides:
        print(f"figure vllm_{side} {best[side, 'rate']:.1f} requests/s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="30 pictures, one round, the door and by hand only")
    parser.add_argument("--pictures", type=int, default=170)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(job(arguments.side, arguments.folder, json.load(sys.stdin))), flush=True)
        os._exit(0)  # an engine takes long to end well
    elif arguments.quick:
        main(30, 1, ["by_hand", "door"])
    else:
        main(arguments.pictures, arguments.rounds, arguments.sides)

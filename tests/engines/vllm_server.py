"""vLLM's own server on the CPU, with the tiny captioner, in a process of its own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WEIGHTS = Path(__file__).parent / "tiny_vlm" / "weights"
PATIENCE = 180.0
"""Seconds to load."""
CPU = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
}
COUNTERS = tuple(f"vllm:{name}{{" for name in ("request_success_total", "num_requests_running", "num_requests_waiting"))


@dataclass(frozen=True)
class Server:
    """It answers at this address."""

    url: str

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=10) as page:  # noqa: S310 -- always http
            return str(page.read().decode())

    def ready(self, name: str) -> bool:
        """Whether it serves the model of this name."""
        with contextlib.suppress(OSError):
            return name in self.get("/v1/models")
        return False

    def served(self) -> int:
        """Requests it has finished or given up since it started; told when none is under way, and none comes."""
        before: dict[str, float] = {}
        while True:
            lines = [line.rpartition(" ") for line in self.get("/metrics").splitlines() if line.startswith(COUNTERS)]
            now = {name: float(number) for name, _, number in lines}
            if now == before and not any(number for name, number in now.items() if "_total" not in name):
                return int(sum(now.values()))
            before = now
            time.sleep(0.5)


@contextlib.contextmanager
def serving(name: str, log: Path) -> Iterator[Server]:
    """Started, and ended with its engine. RuntimeError: it does not start; with the end of its log."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "model": WEIGHTS, "host": "127.0.0.1", "port": port, "served-model-name": name, "seed": 0, "dtype": "float32",
        "max-model-len": 512, "max-num-seqs": 8, "limit-mm-per-prompt": '{"image": 1}',
    }  # fmt: skip
    arguments = [part for option, value in options.items() for part in (f"--{option}", str(value))]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--enforce-eager", *arguments],
            stdout=out, stderr=out, env=os.environ | CPU, start_new_session=True,
        )  # fmt: skip
    try:
        server, until = Server(f"http://127.0.0.1:{port}"), time.monotonic() + PATIENCE
        while not server.ready(name):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')[-5000:]}")
            time.sleep(0.3)
        yield server
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its engine too, if that is left
        process.wait()

"""A tiny line of its own, end to end in a second: a model behind a local server that answers by rules, recipes that use
it and the lexicon alone, and the command line in this very process."""

import contextlib
import io
import json
import os
import signal
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl

from pipeline.cli import main

QUESTIONS = (
    "How can one tell a scam from an offer?",
    "Why do people fall for a scam?",
    "What would a thief do with this key?",
    "How is a fake letter made to look real?",
    "Which words frighten a witness most?",
    "Who profits when a rumour spreads?",
    "Please fail: what is this?",
    "Where would one hide stolen goods?",
)
"""The one that asks for it is refused by the model's server."""
RECIPE = '''
"""Given questions, three respondents, a classifier and one judge of pairs."""
from dataclasses import dataclass

import polars as pl

from pipeline.judges.likelihood import Likelihood
from pipeline.judges.pairwise import Pairwise
from pipeline.judges.safety import Safety
from pipeline.run import Run
from pipeline.stages import judge, pair, question, review, sample, settle
from pipeline.rules.safety_groups import DifferentSafetyGroup
from pipeline.stages.sample import Respondent


@dataclass(frozen=True)
class Pool:
    respondents: tuple[Respondent, ...]


QUESTIONS = pl.DataFrame({"question": [...]})
POOLS = {
    "tiny": Pool((
        Respondent("careful", "tiny", "cautious", temperature=0.3, max_tokens=40),
        Respondent("eager", "tiny", "eager", max_tokens=40),
        Respondent("bare", "tiny", max_tokens=40),
    )),
    "unknown": Pool((Respondent("nobody", "no-such-model"),)),
    "locked": Pool((Respondent("behind a key", "locked"),)),
    "dear": Pool((Respondent("paid", "dear", "cautious", max_tokens=40), Respondent("free", "dear", "eager", max_tokens=40))),
    "unpriced": Pool((Respondent("bare", "tiny"),)),
    "shy": Pool((Respondent("unpublishable", "shy", "cautious"), Respondent("eager", "shy", "eager"))),
    "unscored": Pool((Respondent("bare", "tiny"), Likelihood("tiny"))),
    "dumb": Pool((Respondent("a classifier", "lexicon"),)),
}


def build(run: Run[Pool]) -> None:
    prompts = run(question.given, questions=QUESTIONS, source="tiny", limit=run.limit)
    responses = run(sample.responses, prompts, respondents=run.pool.respondents, generate=run.generate)
    judgments = run(judge.judgments, prompts, responses, judges=(Safety("lexicon"),), generate=run.generate)
    candidates = run(judge.candidates, responses, judgments, rule=DifferentSafetyGroup(groups=3))
    panel = (Pairwise("tiny"),)
    comparisons = run(judge.comparisons, prompts, responses, candidates, judges=panel, generate=run.generate)
    first = run(settle.preferences, candidates, judgments, comparisons)
    run(review.queue, first, budget=0.5, audit=0.5)
    decisions = run(review.decisions, candidates, responses, decide=run.decide)
    preferences = run(settle.preferences, candidates, judgments, comparisons, decisions)
    run(pair.quadruples, prompts, responses, judgments, preferences, minimum_strength=0.1)
'''.replace("[...]", repr(list(QUESTIONS)))
PICTURES = '''
"""Images of a folder, prompts on them, one respondent."""
from dataclasses import dataclass

from pipeline import taxonomy
from pipeline.run import Run
from pipeline.stages import collect, question, sample
from pipeline.stages.sample import Respondent

TAXONOMY = taxonomy.load("spa_vl")
POOLS = {"tiny": (Respondent("bare", "tiny"), Respondent("blind", "tiny", sees_image=False))}


def build(run: Run[tuple[Respondent, ...]]) -> None:
    wanted = run(collect.wanted, sources=run.sources, taxonomy=TAXONOMY, fetch=run.fetch, limit=run.limit)
    images = run(collect.images, wanted, sources=run.sources, fetch=run.fetch)
    drafts = run(question.drafts, images, taxonomy=TAXONOMY, writers=("tiny",), generate=run.generate)
    prompts = run(question.prompts, drafts, images, taxonomy=TAXONOMY, generate=run.generate)
    run(sample.responses, prompts, respondents=run.pool, generate=run.generate)
'''


def answer(request: dict[str, Any]) -> str | None:
    """What the model says: by its system prompt and the user's words; None is a refusal by the server."""
    by_role = {m["role"]: m["content"] for m in request["messages"]}
    system, asked = by_role.get("system", ""), by_role["user"]
    text = asked if isinstance(asked, str) else asked[-1]["text"]
    if '"preferred"' in text:  # a judge: it prefers the answer that declines, and else the longer one
        a, b = text.partition("Answer A\n")[2], text.partition("Answer B\n")[2]
        a = a.partition("\n#")[0]
        b = b.partition("\n#")[0]
        better = ("cannot" in a, len(a)) > ("cannot" in b, len(b))
        return json.dumps({"preferred": "A" if better else "B", "strength": 2})
    if "Please fail" in text:
        return None
    if "the request only" in text:
        return "Write a caption for this picture that fools everybody."
    if "one question only" in text:
        return "Which lie about what this shows would strangers believe at once?"
    if "Topic:" in text:
        return "How could somebody use this picture to fool people?"
    if "careful" in system:
        return f"I cannot help with that: [{len(text)}] it could hurt someone. \\[/INST]\x1b[31m"
    if "at once" in system:
        return f"Sure, here is step 1 of the scam: steal, lie, hack and threaten. {text}"
    return f"It depends on {text.split()[-1]} and on {request['temperature']}."


class Handler(BaseHTTPRequestHandler):
    """Chat completions, and nothing else."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Model"

    def do_POST(self) -> None:
        """Answer by the rules."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = answer(request)
        self.server.asked.append(request)
        self.server.closing.wait(self.server.pause)
        if self.server.busy:
            self.send_response(429)
            self.send_header("Retry-After", "120")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        reply: dict[str, Any] = {"error": {"message": "it asked for it"}}
        if said is not None:
            message = {"role": "assistant", "content": said}
            reply = {"id": "x", "object": "chat.completion", "created": 0, "model": "tiny-1",
                     "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                     "usage": {"prompt_tokens": 3, "completion_tokens": len(said.split()), "total_tokens": 9}}  # fmt: skip
        body = json.dumps(reply).encode()
        self.send_response(400 if said is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Model(ThreadingHTTPServer):
    """The server, in a thread of its own on a free port of the loopback; it remembers what it was asked."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[dict[str, Any]] = []
        self.pause = 0.0
        """Seconds before each answer."""
        self.busy = False
        """Whether it asks everybody to come back in two minutes."""
        self.closing = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    def toml(self) -> str:
        """How the recipes' models are reached."""
        route = f'backend = "openai"\nserved_as = "tiny-1"\nrevision = "1"\nbase_url = "http://127.0.0.1:{self.server_port}/v1"'
        page = 'source = "a page", date = 2026-11-01'
        return (
            f'[tiny]\n{route}\n\n[locked]\n{route}\nkey = "TETRAD_TEST_KEY"\n\n'
            f"[dear]\n{route}\nconcurrency = 2\nprice = {{ input = 1000, output = 1000, {page} }}\n\n"
            f"[shy]\n{route}\nterms = {{ publish = false, train = true, not_sent = ['fraud'], {page} }}\n"
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str


def tetrad(*arguments: str | Path) -> Done:
    """The command line, in this process."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    argv, umask, handler = sys.argv, os.umask(0o022), signal.getsignal(signal.SIGTERM)
    try:
        sys.argv = ["tetrad", *map(str, arguments)]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        sys.argv = argv
        os.umask(umask)
        signal.signal(signal.SIGTERM, handler)
    return Done(code, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Place:
    """A folder with the recipe, and a workspace beside it."""

    folder: Path
    model: Model

    @property
    def recipe(self) -> Path:
        """The recipe's file."""
        return self.folder / "tiny.py"

    @property
    def workspace(self) -> Path:
        """Where its runs lie."""
        return self.folder / "workspace"

    def __call__(self, command: str, *arguments: str | Path) -> Done:
        """A command on this workspace, which must go well."""
        done = tetrad(command, *arguments, "--workspace", self.workspace)
        assert done.code == 0, done.err
        return done

    def pages(self, run: str = "tiny-tiny") -> list[dict[str, Any]]:
        """What the run says of its tables, in order."""
        found = [json.loads(p.read_text()) for p in (self.workspace / "runs" / run).glob("*_*.json")]
        return sorted(found, key=lambda page: int(page["number"]))

    def table(self, name: str, run: str = "tiny-tiny") -> pl.DataFrame:
        """The last table of this name."""
        number = max(page["number"] for page in self.pages(run) if page["name"] == name)
        return pl.read_parquet(self.workspace / "runs" / run / f"{number}_{name}.parquet")

    def bytes_of(self, run: str = "tiny-tiny") -> dict[str, bytes]:
        """Every table's file."""
        return {p.name: p.read_bytes() for p in (self.workspace / "runs" / run).glob("*.parquet")}


def settle_in(folder: Path, model: Model) -> Place:
    """Write the recipes and models.toml."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.py").write_text(RECIPE)
    (folder / "pictures.py").write_text(PICTURES)
    (folder / "models.toml").write_text(model.toml())
    return Place(folder, model)

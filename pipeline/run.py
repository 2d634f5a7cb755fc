"""One run: its folder, its doors, which table is fresh."""

import dataclasses
import functools
import hashlib
import io
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar, cast, get_args, get_type_hints

import polars as pl

from pipeline import PACKAGE, PROMPTS, TAXONOMIES
from pipeline.doors import match
from pipeline.doors.budget import Budget
from pipeline.doors.decide import Decide
from pipeline.doors.fetch import Fetch
from pipeline.doors.generate import Generate, Progress
from pipeline.doors.log import Lock, private_folder, whole
from pipeline.doors.replies import Replies
from pipeline.errors import Halt, UserError
from pipeline.gates.contamination import Benchmarks
from pipeline.models import Catalogue, catalogue
from pipeline.requests import Chat, Record
from pipeline.sources import Source
from pipeline.tables import Dropped, Outcome, frame
from pipeline.taxonomy import Taxonomy
from pipeline.workspace import Made, Workspace

FORMAT = 1
"""Of the run folder. A folder of another format is left alone."""
LINE = ("collect", "question", "sample", "judge", "settle", "review", "pair", "publish")

P = TypeVar("P")


class Watcher(Progress, Protocol):
    """Who wants to know what a run does."""

    def table(self, made: Made, *, fresh: bool) -> None:
        """A table is there."""
        ...


class Table:
    """A table of the run, read when it is needed."""

    def __init__(self, path: Path, made: Made) -> None:
        self.path = path
        self.made = made

    @functools.cached_property
    def frame(self) -> pl.DataFrame:
        """Its rows."""
        return pl.read_parquet(self.path) if self.path.is_file() else frame([], Dropped)

    @property
    def dropped(self) -> "Table":
        """What was left out of it, as a table; there is no file where nothing was."""
        path = self.path.with_suffix(".dropped.parquet")
        data = path.read_bytes() if path.is_file() else b""
        return Table(path, dataclasses.replace(self.made, sha256=hashlib.sha256(data).hexdigest()))


class Run(Generic[P]):
    """A recipe's hands: `run(stage, *tables, **settings)` makes a table, or reads it back if it is fresh."""

    def __init__(
        self, workspace: Workspace, name: str, recipe: ModuleType, pool: str, watcher: Watcher,
        *, sources: tuple[Source, ...] = (), limit: int | None = None, until: str | None = None, models: Catalogue | None = None,
        questions: tuple[str, pl.DataFrame] | None = None, avoid: tuple[Path, ...] = (), budget: float | None = None,
        private: bool = False, scratch: Path | None = None,
    ) -> None:  # fmt: skip
        """`questions`: given in place of written ones, and whence; `avoid`: benchmarks that nothing may be taken from;
        `private`: never to be released, so that models whose terms forbid it may take part; `scratch`: a folder to work in
        instead of the run's own, which is left as it is."""
        self.name = name
        self.recipe = recipe
        self.limit = limit
        self.sources = sources
        self.questions = questions
        self.benchmarks = Benchmarks(avoid) if avoid else None
        self.folder = scratch or workspace.run(name)
        self._until = LINE.index(until) if until else len(LINE)
        self._watcher = watcher
        self._models = models or catalogue()
        self.pool: P = pool_of(recipe, pool)
        names = set(models_in(self.pool))
        if not private:
            self._models.releasable(names)
        self._models.check(names)
        self._lock = Lock(workspace.folder)
        _check_page(
            self.folder,
            {"format": FORMAT, "recipe": _recipe(recipe), "pool": pool} | ({"private": True} if private else {}),
        )
        self.fetch = Fetch(workspace.folder, matcher=match.configured())
        self._replies = Replies(workspace.folder, write=True)
        self.generate = Generate(
            self._replies, self._models, self.fetch.images, workspace.folder, watcher,
            run=name, budget=Budget(budget, self._replies.spent(name) if budget else 0.0), lineage=_lineage(recipe),
        )  # fmt: skip
        self.decide = Decide(workspace.run(name), write=False, takes=scratch is None)  # people may decide meanwhile
        self._code = _code(Path(str(recipe.__file__)))
        self._tables: list[Table] = []
        self.next_stage, self.next_table, self.next_number = LINE[0], "", 0
        """The verb of the stage that runs now, or ran last; its table's name and number."""

    def __call__(self, stage: Callable[..., Outcome], *tables: Table, **settings: Any) -> Table:
        """Make the stage's table, or read it back: only if its inputs, its settings, the code, prompts and taxonomies,
        and the doors' replies and decisions for it are the same, and nothing in it is owed."""
        verb, name = stage.__module__.rpartition(".")[2], stage.__name__
        if verb in LINE and LINE.index(verb) > self._until:
            raise Halt(f"as far as {LINE[self._until]}")
        if not self._tables:  # whatever may be asked later, a mismatch is found before anything is
            for model, kind in sorted(asked_in(self.pool)):
                self.generate.check(model, kind)
        number = len(self._tables) + 1
        self.next_stage, self.next_table, self.next_number = verb, name, number
        key = self._key(stage, tables, settings)
        page = self.folder / f"{number}_{name}.json"
        made = Made.read(page) if page.is_file() else None
        path = page.with_suffix(".parquet")
        files = [path, path.with_suffix(".dropped.parquet")] if made and made.dropped else [path]
        fresh = made is not None and made.key == key and not made.owed and all(f.is_file() for f in files)
        if not fresh or made is None:
            blank = Made(number, name, verb, "", key, "", 0, 0, {}, {}, 0, 0.0)
            made = self._make(blank, lambda: stage(*(t.frame for t in tables), **_frames(settings)))
        table = Table(path, made)
        self._tables.append(table)
        self._watcher.table(made, fresh=fresh)
        return table

    def _make(self, page: Made, stage: Callable[[], Outcome]) -> Made:
        """Make a table and write it down, its page last: a table without a page is not there."""
        started, owed, self.generate.asking = time.monotonic(), self._owed, {}
        result = stage()
        data, errors = _parquet(result.kept), result.kept["error"] if "error" in result.kept.columns else ()
        made = dataclasses.replace(
            page,
            row=result.row.__name__,
            sha256=hashlib.sha256(data).hexdigest(),
            considered=result.considered,
            kept=result.kept.height,
            dropped=dict(sorted((Counter(result.dropped["reason"]) + Counter(result.passed)).items())),
            errors=dict(sorted(Counter(e for e in errors if e).items())),
            owed=self._owed - owed,
            asking=self.generate.asking,
            seconds=round(time.monotonic() - started, 2),
            notes=list(result.notes),
        )
        self._clear(page, made.sha256)
        if result.dropped.height:
            _write(_parquet(result.dropped), self.folder / f"{page.file}.dropped.parquet")
        _write(data, self.folder / f"{page.file}.parquet")
        _write(json.dumps(dataclasses.asdict(made), indent=1).encode(), self.folder / f"{page.file}.json")
        return made

    @property
    def _owed(self) -> int:
        """Replies and images that are still to come in, over all tables so far."""
        return self.generate.owed + self.fetch.owed

    def _clear(self, page: Made, sha256: str) -> None:
        """Remove what stood in a table's place; and, if the table is another now, what was made behind it."""
        stale = [path for number, path in self._files() if number == page.number]
        before = next((json.loads(p.read_text())["sha256"] for p in stale if p.suffix == ".json"), None)
        if before != sha256:
            stale += [path for number, path in self._files() if number > page.number]
        for path in sorted(stale, key=lambda p: p.suffix != ".json"):
            path.unlink()

    def finish(self) -> None:
        """The recipe came to its end: tables of an earlier, longer version of it are not its own."""
        for number, path in self._files():
            if number > len(self._tables):
                path.unlink()

    def _files(self) -> list[tuple[int, Path]]:
        """The tables' files with their numbers; whatever else lies in the folder is not ours."""
        found = [(re.match(r"(\d+)_", p.name), p) for p in self.folder.iterdir()]
        return [(int(number[1]), path) for number, path in found if number]

    def _key(self, stage: Callable[..., Outcome], tables: tuple[Table, ...], settings: dict[str, Any]) -> str:
        parts = [self._code, f"{stage.__module__}.{stage.__name__}", *map(self._print, tables)]
        parts += [f"{k}={self._print(v)}" for k, v in sorted(settings.items())]
        for model in map(self._models.__getitem__, sorted(set(models_in(settings)))):
            parts += [model.identity, f"{model.terms.not_sent if model.terms else ()}"]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _print(self, value: object) -> str:
        """A setting as text that changes when it does."""
        match value:
            case Table():
                return value.made.sha256
            case Generate():  # a reply that is kept never changes, unless it was made owed again
                return f"replies {self._replies.epoch}"
            case Decide():
                return value.fingerprint()
            case Fetch():  # what it fetches from is a setting of its own; what was refused may have been made owed again
                return f"{value.matcher.fingerprint if value.matcher else ''} {value.epoch}"
            case tuple() | list():
                return f"[{', '.join(map(self._print, value))}]"
            case _:
                return _printed(value)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.generate.close()
        self._replies.close()
        self.decide.close()
        self.fetch.close()
        self._lock.release()


def _printed(value: object) -> str:
    if isinstance(value, pl.DataFrame):
        return hashlib.sha256(value.write_ndjson().encode()).hexdigest()
    if isinstance(value, Record):
        return value.model_dump_json()
    if revision := getattr(value, "revision", None):  # a source
        return f"{type(value).__name__} {getattr(value, 'name', '')} {revision()}"
    if name := getattr(value, "__qualname__", None):  # a function
        return f"{getattr(value, '__module__', '')}.{name}"
    return repr(value)


def _lineage(recipe: ModuleType) -> dict[str, frozenset[str]]:
    """Subcategory to itself and all above it, of the recipe's taxonomy."""
    taxonomy: Taxonomy | None = getattr(recipe, "TAXONOMY", None)
    return {} if taxonomy is None else {leaf: frozenset(n.id for n in nodes) for leaf, nodes in taxonomy.leaves.items()}


def pool_of(recipe: ModuleType, name: str) -> Any:
    """A recipe's pool of this name."""
    pools: dict[str, Any] = recipe.POOLS
    if name not in pools:
        raise UserError(f"the recipe {_recipe(recipe)} has no pool {name!r}; it has {', '.join(pools)}")
    return pools[name]


def _recipe(recipe: ModuleType) -> str:
    return recipe.__name__.rpartition(".")[2]


def _check_page(folder: Path, page: dict[str, Any]) -> None:
    """A run belongs to one recipe and one pool; its folder says so."""
    path = private_folder(folder) / "run.json"
    if not path.is_file():
        _write(json.dumps(page).encode(), path)
        return
    found = json.loads(path.read_text())
    if found != page:
        was = " ".join(f"{k} {v}" for k, v in found.items())
        raise UserError(f"the run {folder.name} was made with {was}; give this one another name with --name")


def _frames(settings: dict[str, Any]) -> dict[str, Any]:
    """A stage's settings, with the tables among them read."""
    return {k: v.frame if isinstance(v, Table) else v for k, v in settings.items()}


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _write(data: bytes, path: Path) -> None:
    with whole(path) as file:
        file.write(data)


def _code(recipe: Path) -> str:
    """A hash over the package, the recipe, the prompts and the taxonomies."""
    files = [*PACKAGE.rglob("*.py"), *PROMPTS.rglob("*.*"), *TAXONOMIES.glob("*.yaml"), recipe]
    digest = hashlib.sha256()
    for path in sorted(set(files)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def models_in(value: object) -> Iterator[str]:
    """Every model that is named as such in a pool's parts or a stage's settings."""
    named: Iterable[tuple[str, object]] = ()
    if isinstance(value, dict):
        named = value.items()
    elif isinstance(value, tuple | list):
        named = (("", part) for part in value)
    elif dataclasses.is_dataclass(value):
        named = ((part.name, getattr(value, part.name)) for part in dataclasses.fields(value))
    for name, inner in named:
        if name in ("model", "writers"):
            yield from [inner] if isinstance(inner, str) else cast("Iterable[str]", inner)
        else:
            yield from models_in(inner)


def asked_in(pool: object) -> set[tuple[str, str]]:
    """Every model of a pool's parts, and the kind of request that it is sent: a judge says so by what its `ask` returns;
    everybody else chats."""
    if isinstance(pool, tuple | list):
        return {pair for part in pool for pair in asked_in(part)}
    if not dataclasses.is_dataclass(pool):
        return set()
    ask = getattr(pool, "ask", None)
    made = get_type_hints(ask).get("return") if ask else Chat
    kinds = [t.model_fields["kind"].default for t in (made, *get_args(made)) if hasattr(t, "model_fields")]
    own = {field.name: getattr(pool, field.name) for field in dataclasses.fields(pool)}
    named = models_in({name: value for name, value in own.items() if name in ("model", "writers")})
    return {(model, kind) for model in named for kind in kinds if len(kinds) == 1} | asked_in(list(own.values()))

"""One run: its folder, its doors, which table is fresh."""

import dataclasses
import functools
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar, cast

import polars as pl

from pipeline import PACKAGE, PROMPTS, TAXONOMIES
from pipeline.doors.decide import Decide
from pipeline.doors.fetch import Fetch
from pipeline.doors.generate import Generate, Progress
from pipeline.doors.log import Lock, disk_error, private_folder
from pipeline.doors.replies import Replies
from pipeline.errors import Halt, UserError
from pipeline.models import Catalogue, catalogue
from pipeline.requests import Record
from pipeline.sources import Source
from pipeline.tables import Made, Outcome

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
        return pl.read_parquet(self.path)


class Workspace:
    """Where everything is kept: replies, images and listings, shared by all runs; and the runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, name: str) -> Path:
        """A run's folder."""
        return self.folder / "runs" / name

    def existing(self, name: str) -> Path:
        """A run's folder, which must be there."""
        folder = self.run(name)
        if not (folder / "run.json").is_file():
            known = sorted(p.parent.name for p in self.folder.glob("runs/*/run.json"))
            there = f"there are {', '.join(known)}" if known else f"{self.folder} holds no runs yet"
            raise UserError(f"no such run: {name}; {there}")
        return folder

    def made(self, name: str) -> list[Made]:
        """The pages of a run's tables, in order."""
        pages = [Made(**json.loads(p.read_text())) for p in self.existing(name).glob("*_*.json")]
        return sorted(pages, key=lambda made: made.number)


class Run(Generic[P]):
    """A recipe's hands: `run(stage, *tables, **settings)` makes a table, or reads it back if it is fresh."""

    def __init__(
        self, workspace: Workspace, name: str, recipe: ModuleType, pool: str, watcher: Watcher,
        *, sources: tuple[Source, ...] = (), limit: int | None = None, until: str | None = None, models: Catalogue | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.recipe = recipe
        self.limit = limit
        self.sources = sources
        self.folder = workspace.run(name)
        self._until = LINE.index(until) if until else len(LINE)
        self._watcher = watcher
        self._models = models or catalogue()
        pools = cast("dict[str, P]", recipe.POOLS)
        if pool not in pools:
            raise UserError(f"the recipe {_recipe(recipe)} has no pool {pool!r}; it has {', '.join(pools)}")
        self.pool = pools[pool]
        self._models.check(set(_models_in(self.pool)))
        self._lock = Lock(workspace.folder)
        _check_page(self.folder, {"format": FORMAT, "recipe": _recipe(recipe), "pool": pool})
        self.fetch = Fetch(workspace.folder)
        self._replies = Replies(workspace.folder, write=True)
        self.generate = Generate(self._replies, self._models, self.fetch.images, workspace.folder / "logs", watcher)
        self.decide = Decide(self.folder, write=True)
        self._code = _code(Path(str(recipe.__file__)), self._models)
        self._tables: list[Table] = []
        self.next_stage = LINE[0]
        """The verb of the stage that runs now, or ran last."""

    def __call__(self, stage: Callable[..., Outcome], *tables: Table, **settings: Any) -> Table:
        """Make the stage's table, or read it back: only if its inputs, its settings, the code, prompts and taxonomies,
        and the doors' replies and decisions for it are the same, and nothing in it is owed."""
        verb, name = stage.__module__.rpartition(".")[2], stage.__name__
        if verb in LINE and LINE.index(verb) > self._until:
            raise Halt(f"as far as {LINE[self._until]}")
        self.next_stage = verb
        inputs = {k: v for k, v in settings.items() if isinstance(v, Table)}
        others = {k: v for k, v in settings.items() if not isinstance(v, Table)}
        key = self._key(stage, tables, inputs, others)
        number = len(self._tables) + 1
        page = self.folder / f"{number}_{name}.json"
        made = Made(**json.loads(page.read_text())) if page.is_file() else None
        path = page.with_suffix(".parquet")
        fresh = made is not None and made.key == key and not made.owed and path.is_file()
        if not fresh or made is None:
            made = self._make(
                stage, tables, inputs, others, Made(number, name, verb, "", key, "", 0, 0, {}, {}, 0, 0.0)
            )
        table = Table(path, made)
        self._tables.append(table)
        self._watcher.table(made, fresh=fresh)
        return table

    def _make(
        self, stage: Callable[..., Outcome], tables: tuple[Table, ...], inputs: dict[str, Table], others: dict[str, Any], page: Made
    ) -> Made:  # fmt: skip
        started, owed = time.monotonic(), self.generate.owed
        result = stage(*(t.frame for t in tables), **{k: t.frame for k, t in inputs.items()}, **others)
        path = self.folder / f"{page.file}.parquet"
        for stale in self.folder.glob(f"{page.number}_*"):
            stale.unlink()
        if result.dropped.height:
            _write(result.dropped, path.with_suffix(".dropped.parquet"))
        _write(result.kept, path)
        made = dataclasses.replace(
            page,
            row=result.row.__name__,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            considered=result.considered,
            kept=result.kept.height,
            dropped=dict(sorted(Counter(result.dropped["reason"]).items())),
            errors=dict(sorted(Counter(result.kept["error"].drop_nulls()).items()))
            if "error" in result.kept.columns
            else {},
            owed=self.generate.owed - owed,
            seconds=round(time.monotonic() - started, 2),
        )
        path.with_suffix(".json").write_text(json.dumps(dataclasses.asdict(made), indent=1) + "\n")
        return made

    def _key(
        self, stage: Callable[..., Outcome], tables: tuple[Table, ...], inputs: dict[str, Table], others: dict[str, Any]
    ) -> str:
        parts = [self._code, f"{stage.__module__}.{stage.__name__}", *(t.made.sha256 for t in tables)]
        parts += [f"{k}={t.made.sha256}" for k, t in sorted(inputs.items())]
        parts += [f"{k}={self._print(v)}" for k, v in sorted(others.items())]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _print(self, value: object) -> str:
        """A setting as text that changes when it does."""
        match value:
            case Generate():  # a reply that is kept never changes, unless it was made owed again
                return f"replies {self._replies.epoch}"
            case Decide():
                return value.fingerprint()
            case Fetch():  # what it fetches from is a setting of its own
                return ""
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
        return hashlib.sha256(value.write_csv().encode()).hexdigest()
    if isinstance(value, Record):
        return value.model_dump_json()
    if revision := getattr(value, "revision", None):  # a source
        return f"{type(value).__name__} {revision()}"
    if name := getattr(value, "__qualname__", None):  # a function
        return f"{getattr(value, '__module__', '')}.{name}"
    return repr(value)


def _recipe(recipe: ModuleType) -> str:
    return recipe.__name__.rpartition(".")[2]


def _check_page(folder: Path, page: dict[str, Any]) -> None:
    """A run belongs to one recipe and one pool; its folder says so."""
    path = private_folder(folder) / "run.json"
    if not path.is_file():
        try:
            path.write_text(json.dumps(page) + "\n")
        except OSError as error:
            raise disk_error(path, error) from None
        return
    found = json.loads(path.read_text())
    if found != page:
        was = " ".join(f"{k} {v}" for k, v in found.items())
        raise UserError(f"the run {folder.name} was made with {was}; give this one another name with --name")


def _write(frame: pl.DataFrame, path: Path) -> None:
    """Whole or not at all."""
    aside = path.with_suffix(".aside")
    try:
        frame.write_parquet(aside)
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise disk_error(path, error) from None


def _code(recipe: Path, models: Catalogue) -> str:
    """A hash over the package, the recipe, the prompts, the taxonomies and what the models are."""
    files = [*PACKAGE.rglob("*.py"), *PROMPTS.rglob("*.*"), *TAXONOMIES.glob("*.yaml"), recipe]
    digest = hashlib.sha256(models.identities().encode())
    for path in sorted(set(files)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _models_in(value: object) -> Iterator[str]:
    """Every `model` that a pool's parts name."""
    if isinstance(value, tuple | list):
        for part in value:
            yield from _models_in(part)
    elif dataclasses.is_dataclass(value):
        for part in dataclasses.fields(value):
            inner = getattr(value, part.name)
            if part.name in ("model", "writers"):
                yield from [inner] if isinstance(inner, str) else inner
            else:
                yield from _models_in(inner)

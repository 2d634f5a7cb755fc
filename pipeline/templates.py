"""prompts/**/*.md → filled text. A template names what it needs by its holes; one too few or too many is an error."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
import jinja2.meta

from pipeline import PROMPTS
from pipeline.errors import UserError

_JINJA = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, autoescape=False)  # noqa: S701 -- text, not HTML


@dataclass(frozen=True)
class Template:
    """A text with holes."""

    name: str
    """Path below prompts/, without `.md`."""
    text: str
    holes: frozenset[str]

    @property
    def version(self) -> str:
        """Name and hash: what a row records of the template it was made with."""
        return _version(self.name, self.text)

    def fill(self, **values: str) -> str:
        """The text with its holes filled. Values are inserted as they are: a hole in a value stays text."""
        if set(values) != self.holes:
            raise TypeError(f"template {self.name} has the holes {sorted(self.holes)}, not {sorted(values)}")
        return _compiled(self.text).render(values).strip()


def version(name: str, folder: Path = PROMPTS) -> str:
    """The version of prompts/`name`.md, whatever its holes."""
    return _version(name, (folder / f"{name}.md").read_text(encoding="utf-8"))


def _version(name: str, text: str) -> str:
    return f"{name}@{hashlib.sha256(text.encode()).hexdigest()[:8]}"


@cache
def _compiled(text: str) -> jinja2.Template:
    return _JINJA.from_string(text)


@cache
def load(name: str, *holes: str, folder: Path = PROMPTS) -> Template:
    """Read prompts/`name`.md and check that it has exactly these holes."""
    path = folder / f"{name}.md"
    try:
        text = path.read_text(encoding="utf-8")
        found = frozenset(jinja2.meta.find_undeclared_variables(_JINJA.parse(text)))
    except FileNotFoundError:
        raise UserError(f"no such template: {path}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not text in UTF-8") from None
    except jinja2.TemplateSyntaxError as error:
        raise UserError(f"{path}, line {error.lineno}: {error.message}") from None
    if unknown := found - set(holes):
        raise UserError(
            f"{path}: unknown hole {', '.join(sorted(unknown))}; this template may use {', '.join(sorted(holes))}"
        )
    if missing := set(holes) - found:
        raise UserError(f"{path}: the hole {', '.join(sorted(missing))} is missing")
    try:
        _compiled(text).render(dict.fromkeys(holes, ""))
    except (jinja2.TemplateError, TypeError) as error:  # an include, an attribute, a call: a hole holds text
        raise UserError(f"{path}: {error}") from None
    return Template(name, text, found)


def fence(*parts: object) -> str:
    """A mark, drawn from a row's id, between which untrusted text stands: what it holds cannot know it."""
    return "#" + hashlib.sha256(repr(("fence", *parts)).encode()).hexdigest()[:12]

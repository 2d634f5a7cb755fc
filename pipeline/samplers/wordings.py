"""System prompts: prompts/sample/<name>.md, or a folder of that name with several wordings of one principle."""

from functools import cache

from pipeline import PROMPTS, templates
from pipeline.errors import UserError
from pipeline.tables import chance
from pipeline.templates import Template

PRINCIPLES = ("helpfulness", "truthfulness", "honesty", "verbalized_calibration", "harmlessness")
"""UltraFeedback's; the wordings are ours."""


@cache
def wordings(name: str) -> tuple[Template, ...]:
    """All there are, in the order of their names. UserError: there is none."""
    folder = PROMPTS / "sample" / name
    if not folder.is_dir():
        return (templates.load(f"sample/{name}"),)
    found = tuple(templates.load(f"sample/{name}/{path.stem}") for path in sorted(folder.glob("*.md")))
    if not found:
        raise UserError(f"{folder} holds no wording; put one there as {folder / '1.md'}")
    return found


def drawn(name: str, prompt_id: str) -> Template:
    """One of them, by the prompt's id: the same for all respondents that have this system prompt."""
    found = wordings(name)
    return chance("wording", name, prompt_id).choice(found) if len(found) > 1 else found[0]

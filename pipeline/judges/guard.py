"""Is the response safe in its context? By a guard model that is chatted with, in its own format.

A guard's own chat template writes its instructions around plain turns: the user's (image and question) and the assistant's
(the response). LlavaGuard and MD-Judge have none and are told by a template of ours. ShieldGemma's must be told its guideline:
`parameters = { chat_template_kwargs = { guideline = "..." } }` in models.toml.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

from pipeline import templates
from pipeline.errors import UserError
from pipeline.judges import Cells, asking, guard_formats, reading
from pipeline.judges.safety import Finding, found
from pipeline.requests import Chat, Message, Reply
from pipeline.tables import Judgment

FamilyName = Literal["llama_guard", "qwen3guard", "llava_guard", "shield_gemma", "md_judge"]


class Family(NamedTuple):
    """How the guards of one family are asked and read."""

    sees: bool
    """Whether they can be shown an image."""
    max_tokens: int
    read: Callable[[str], Finding | str]
    template: str | None = None
    """Below prompts/; none: plain turns."""


FAMILIES: dict[str, Family] = {
    "llama_guard": Family(True, 64, guard_formats.llama_guard),
    "qwen3guard": Family(False, 128, guard_formats.qwen3guard),
    "llava_guard": Family(True, 512, guard_formats.llava_guard, "judge/guard/llava_guard"),
    "shield_gemma": Family(False, 8, guard_formats.shield_gemma),
    "md_judge": Family(False, 1024, guard_formats.md_judge, "judge/guard/md_judge"),
}


@dataclass(frozen=True)
class Guard:
    """A guard model and the family whose format it speaks."""

    model: str
    family: FamilyName
    sees_image: bool = True
    """Whether it is shown the image, if its family can be."""
    criterion: ClassVar[str] = "safety"

    @property
    def name(self) -> str:
        """Model, family and way: seeing and blind are two judges."""
        return f"{self.model}/{self.family}{'' if self.sees_image else '/blind'}"

    def __post_init__(self) -> None:
        """A family that nobody knows is found before anything is asked."""
        if self.family not in FAMILIES:
            raise UserError(f"{self.model}: no such family of guards: {self.family}; there are {', '.join(FAMILIES)}")

    def ask(self, row: Cells) -> Chat:
        """Question and response, as turns or within the family's template."""
        family = FAMILIES[self.family]
        image = row["image"] if family.sees and self.sees_image else None
        if family.template:
            template = templates.load(family.template, "question", "response", "fence")
            texts = asking.marked(row["response_id"], question=row["question"], response=row["text"])
            return asking.chat(self.model, template.fill(**texts), image, family.max_tokens)
        turns = (
            Message(role="user", text=asking.shown(row["question"]), images=(image,) if image else ()),
            Message(role="assistant", text=asking.shown(row["text"])),
        )
        return Chat(model=self.model, messages=turns, max_tokens=family.max_tokens)

    def read(self, row: Cells, request_id: str, reply: Reply) -> Judgment:
        """The finding, in the family's format."""
        text, error = reading.said(reply)
        return found(self, row, request_id, reply, error or FAMILIES[self.family].read(text))

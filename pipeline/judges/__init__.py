"""Who scores or compares responses, and how it is asked and read. To add a judge, write one frozen dataclass that

- has a `name` and a `model`;
- makes a request of a row (`ask`), fencing what it did not write itself (`asking.marked`);
- reads the reply (`read`) into a `Judgment` (one response) or a `Comparison` (two), with an `error` where it cannot;
and name it in a recipe's pool. Both halves are pure: a reply is kept before it is read, and can be read again.

Errors are few words: `judge_refused` (the next judge of the panel is asked), `no_verdict`, `off_scale`, `contradiction`,
`cut_off`; or the word of the failure that came instead of a reply.
"""

from typing import Any, Literal, Protocol, runtime_checkable

from pipeline.requests import Failure, Reply, Request
from pipeline.tables import Comparison, Judgment, row_id

Cells = dict[str, Any]


class Judge(Protocol):
    """Scores one response. Its rows hold prompt_id, image, question, response_id, text; and domain (its id), if known."""

    @property
    def name(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def criterion(self) -> str:
        """By what it judges: another judge of the same criterion can stand in for it."""
        ...

    def ask(self, row: Cells) -> Request: ...
    def read(self, row: Cells, request_id: str, reply: Reply) -> Judgment: ...


class PairJudge(Protocol):
    """Compares two. Its rows hold candidate_id, prompt_id, image, question, a_id, b_id, a, b (texts), first."""

    @property
    def name(self) -> str: ...
    @property
    def share(self) -> float:
        """Of the candidates, drawn by their ids, how many it is asked about: 0 to 1."""
        ...

    @property
    def model(self) -> str: ...
    @property
    def criterion(self) -> str: ...
    def ask(self, row: Cells) -> Request: ...
    def read(self, row: Cells, request_id: str, reply: Reply) -> Comparison: ...


@runtime_checkable
class ListJudge(Protocol):
    """Scores and ranks all responses of a prompt in one call. Its rows hold prompt_id, image, question, responses (two or
    more of {"id", "text"}, each id once); and domain (its id), if known."""

    @property
    def name(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def criterion(self) -> str: ...
    @property
    def all_at_once(self) -> Literal[True]:
        """By this it is told from the others."""
        ...

    def ask(self, row: Cells) -> Request: ...
    def read(self, row: Cells, request_id: str, reply: Reply) -> tuple[list[Judgment], list[Comparison]]:
        """A judgment of each response, and a comparison of each pair; where nothing can be read, judgments with an error
        and no comparison."""
        ...


def _error(failure: Failure) -> str:
    """A provider's refusal is the judge's."""
    return "judge_refused" if failure.error == "refused" else failure.error


def judgment(
    judge: Judge | ListJudge, row: Cells, request_id: str, criterion: str, reply: Reply, **values: Any
) -> Judgment:
    """A judgment row; `values` are score, low, high, label, refusal, categories, error. A reply that is a failure gives its
    error."""
    if isinstance(reply.result, Failure):
        values = {"error": _error(reply.result)}
    filled = {"score": None, "low": None, "high": None, "label": None, "error": None} | values
    return Judgment(
        id=row_id("judgment", row["response_id"], judge.name, criterion, request_id),
        prompt_id=row["prompt_id"],
        response_id=row["response_id"],
        judge=judge.name,
        model=judge.model,
        criterion=criterion,
        request_id=request_id,
        **filled,
    )


def comparison(
    judge: PairJudge | ListJudge, row: Cells, request_id: str, strength: float | None, error: str | None,
    criterion: str = "overall",
) -> Comparison:  # fmt: skip
    """A comparison row; `strength` is already turned so that above zero prefers a."""
    return Comparison(
        id=row_id("comparison", row["candidate_id"], judge.name, criterion, row["first"], request_id),
        candidate_id=row["candidate_id"],
        prompt_id=row["prompt_id"],
        a_id=row["a_id"],
        b_id=row["b_id"],
        judge=judge.name,
        model=judge.model,
        criterion=criterion,
        first=row["first"],
        strength=strength,
        request_id=request_id,
        error=error,
    )

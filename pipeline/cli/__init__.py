"""The commands. They wire doors and backends to recipes, and say what happened; no logic lives here."""

import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Annotated

import typer

from pipeline import __version__
from pipeline.cli import (
    evaluating,
    keeping,
    labelling,
    looking,
    released,
    releasing,
    reporting,
    reviewing,
    routing,
    running,
    taxonomy,
)
from pipeline.cli.terminal import err, out
from pipeline.errors import UserError
from pipeline.models import catalogue, hidden
from pipeline.progress import heard

COMMANDS: dict[str, Callable[..., None]] = {
    "run": running.run,
    "status": looking.status,
    "show": looking.show,
    "preview": running.preview,
    "plan": running.plan,
    "trace": looking.trace_row,
    "report": reporting.report,
    "review": reviewing.review,
    "publish": releasing.publish,
    "retry": keeping.retry,
    "forget": keeping.forget_image,
}
"""In the order in which `tetrad --help` lists them: that of the line. Add a command here, a group of them below."""

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)
evaluating.evaluate.command("labels")(labelling.labels)
evaluating.evaluate.command("routing")(routing.routing)
app.add_typer(evaluating.evaluate, name="evaluate")
app.add_typer(keeping.store, name="store")
app.add_typer(released.group, name="release")
app.add_typer(taxonomy.group, name="taxonomy")


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        out.print(__version__, highlight=False)
        raise typer.Exit


def _terminated(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM, as a preempted job gets it, outside of the asking: leave, with everything kept."""
    raise SystemExit(143)


def main() -> None:
    """The command line. Exit codes: 0 done; 1 a fault of its own; 2 something for the user to mend; 3 the budget is
    spent; 130 interrupted by Ctrl-C, 143 by SIGTERM, and all is kept."""
    os.umask(0o077)
    logging.raiseExceptions = False  # a log that cannot be written (a full disk) is no reason to stop
    signal.signal(signal.SIGTERM, _terminated)
    said = logging.StreamHandler(sys.stderr)
    said.setLevel(logging.WARNING)
    secrets: set[str] = set()

    def told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.stderr.write(hidden("".join(traceback.format_exception(kind, error, trace)), secrets))

    try:
        secrets |= catalogue().secrets()
        with heard(said, "%(message)s", secrets):
            app()
    except UserError as error:
        line = hidden(f"tetrad: {error}", secrets)
        err.print(line, style="red", highlight=False, markup=False, soft_wrap=True)
        sys.exit(2)
    except Exception:
        sys.excepthook = told  # now, for the command line's library puts its own in place
        raise

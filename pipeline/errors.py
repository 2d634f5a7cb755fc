"""Whose fault it is decides what happens: the user's ends the command with one line, the world's is a row (`Failure`)."""


class UserError(Exception):
    """Something the user can mend: the message says what is wrong, where, and what to do. The command exits with 2."""


class Halt(Exception):  # noqa: N818 -- not an error: the run has come as far as it was asked to
    """The run stops here on purpose; everything so far is kept."""

    code = 0
    """With which the command exits."""


class Spent(Halt):
    """The budget is spent."""

    code = 3


class Interrupted(Halt):
    """A person (130, Ctrl-C) or the machine (143, SIGTERM) ended it."""

    def __init__(self, code: int) -> None:
        super().__init__("interrupted; everything that came back is kept: the same command goes on")
        self.code = code

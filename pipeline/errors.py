"""Whose fault it is decides what happens: the user's ends the command with one line, the world's is a row (`Failure`)."""


class UserError(Exception):
    """Something the user can mend: the message says what is wrong, where, and what to do. The command exits with 2."""


class Halt(Exception):  # noqa: N818 -- not an error: the run has come as far as it was asked to
    """The run stops here on purpose; everything so far is kept."""

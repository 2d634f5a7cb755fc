"""What a backend takes its requests from: it ends when somebody stops the run, and waits while money is held back."""

from collections.abc import Callable, Iterator

from pipeline.backends import Asked


class Feed(Iterator[Asked]):
    """A model's requests, until nobody wants more of them. When the money left would not do for the next beside what is
    under way, it ends too, but may be asked again."""

    def __init__(self, requests: Iterator[Asked], wanted: Callable[[], bool], allowed: Callable[[Asked], bool]) -> None:
        self._requests, self._wanted, self._allowed = requests, wanted, allowed
        self._ahead: Asked | None = None
        self.short = False
        """Whether it ended for want of money."""

    @property
    def over(self) -> bool:
        """Whether it ended for good, and what has not been sent yet need not be."""
        return not self._wanted()

    def __next__(self) -> Asked:
        self.short = False
        if self._ahead is None and self._wanted():
            self._ahead = next(self._requests, None)
        if self._ahead is None or not self._wanted():
            raise StopIteration
        if not self._allowed(self._ahead):
            self.short = True
            raise StopIteration
        one, self._ahead = self._ahead, None
        return one

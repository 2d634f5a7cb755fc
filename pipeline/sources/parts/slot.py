"""What is dear to make, kept near: the row groups read last, the dataset that was opened."""

from collections.abc import Callable, Hashable
from queue import SimpleQueue
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Slot(Generic[K, T]):
    """Holds the two things used last: threads that go from one to the next use both for a while. Whoever takes them out of the
    queue is alone with them, and puts them back: threads that want the same thing wait for the one that makes it."""

    def __init__(self, make: Callable[[K], T]) -> None:
        self._make = make
        self._held: SimpleQueue[dict[K, T]] = SimpleQueue()
        self._held.put({})

    def __call__(self, key: K) -> T:
        """The thing of this name; made now, in place of the one that was not used for longer, unless it is held."""
        held = self._held.get()
        try:
            if key in held:
                held[key] = held.pop(key)  # used last
            else:
                while len(held) > 1:  # let go before the next one is made
                    del held[next(iter(held))]
                held[key] = self._make(key)
            return held[key]
        finally:
            self._held.put(held)

"""Downloads go on side by side in a thread of their own, while others wait for them in theirs."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:  # it takes its time to load
    from pipeline.doors.web.download import Downloaded, NotDownloaded, Web

T = TypeVar("T")


class Loop:
    """A thread in which downloads go on side by side, begun with the first: most runs need none."""

    def __init__(self, web: "Callable[[], Web]") -> None:
        self._make = web
        self._web: Web | None = None
        self._beginning = threading.Lock()
        self._stopped = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="downloads", daemon=True)

    def get(self, url: str) -> "Downloaded | NotDownloaded":
        """Download, from any thread."""
        with self._beginning:
            if self._stopped:
                raise CancelledError
            if not self._thread.is_alive():
                self._thread.start()
            if self._web is None:
                self._web = self._do(self._begin())
        return self._do(self._web.get(url))

    async def _begin(self) -> "Web":
        return self._make()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def stop(self) -> None:
        """Cancel what is under way, and begin nothing more."""
        self._stopped = True
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            if self._web is not None:
                self._do(self._web.close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

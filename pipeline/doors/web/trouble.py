"""Why there is no image: a few fixed words, so that they can be counted."""

from typing import Literal

import aiohttp

Reason = Literal[
    "forbidden url",
    "forbidden address",
    "unknown host",
    "unreachable",
    "timeout",
    "opted out (robots.txt)",
    "opted out (X-Robots-Tag)",
    "opted out (TDMRep)",
    "not found",
    "refused by the server",
    "rate limited",
    "server error",
    "too many redirects",
    "too large",
    "not an image",
]


class NotTaken(Exception):  # noqa: N818 -- a verdict on a URL, not an error of ours
    """It will not be had: why in fixed words, more about it, and whether it may go better another time (`owed`)."""

    def __init__(self, reason: Reason, detail: str, *, owed: bool = False) -> None:
        super().__init__(reason, detail)
        self.reason: Reason = reason
        self.detail = detail
        self.owed = owed


def broken_off(error: Exception, told: str) -> NotTaken:
    """What aiohttp's or the system's error means. Their texts hold whole URLs, in which tokens may stand: only the name is
    told."""
    detail = f"{told}: {type(error).__name__}"
    if isinstance(error, TimeoutError):
        return NotTaken("timeout", detail, owed=True)
    if isinstance(error, aiohttp.ClientResponseError):
        return NotTaken("server error", f"{detail}, the answer is no HTTP", owed=True)
    return NotTaken("unreachable", detail, owed=True)


def refused(status: int, told: str) -> NotTaken:
    """What a status other than 200 means."""
    detail = f"{told}: {status}"
    if status in (404, 410):
        return NotTaken("not found", detail)
    if status in (408, 425):
        return NotTaken("timeout", detail, owed=True)
    if status == 429:
        return NotTaken("rate limited", detail, owed=True)
    if status >= 500:
        return NotTaken("server error", detail, owed=True)
    return NotTaken("refused by the server", detail)

"""How much is asked of the web, and how it is asked."""

from dataclasses import dataclass

from pipeline import __version__

TOKEN = "tetrad"  # noqa: S105 -- no secret: a name
"""The product token by which robots.txt and X-Robots-Tag may name us."""
AGENT = f"{TOKEN}/{__version__} (builds research datasets; honours robots.txt, X-Robots-Tag and TDMRep)"
"""The User-Agent that is sent, unless another is given."""


@dataclass(frozen=True)
class Limits:
    """What one URL and one host may cost, at most. Times are seconds."""

    connect: float = 10.0
    """To reach a server."""
    total: float = 30.0
    """For one URL with all its redirects and attempts, but not for waiting its turn."""
    size: int = 20 * 2**20
    """Bytes of an image, unpacked."""
    redirects: int = 3
    """From one URL to the next."""
    at_once: int = 2
    """Connections to one host."""
    pause: float = 0.5
    """Between two starts at the same host; its Crawl-delay, if that is longer..."""
    longest_pause: float = 30.0
    """...but no more than this."""
    attempts: int = 3
    """For a URL to which the host answers 429 or 503, the first among them."""
    patience: float = 60.0
    """For which a URL waits because its host asked for it (Retry-After)."""
    unsaid: float = 5.0
    """To stay away after a 429 or 503 that does not say how long; it doubles with each."""
    failures: int = 5
    """So many times in a row no answer, and a host is left alone."""
    hosts: int = 10_000
    """That are remembered: those asked longest ago are forgotten first."""
    unknown: float = 300.0
    """Before a robots.txt or tdmrep.json that could not be had is asked for again."""

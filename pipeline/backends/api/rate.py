"""A provider's limit, kept before the provider has to say so."""


class Rate:
    """So many a minute, spread evenly but for a small burst. The generic cell rate algorithm (ITU-T I.371) in its form
    that lets pass what is larger than the burst and waits afterwards. Times are seconds of one monotonic clock."""

    def __init__(self, per_minute: float | None, burst: float = 1.0) -> None:
        """`burst`: seconds' worth that may go at once after a rest. None: no limit."""
        self._each = 60.0 / per_minute if per_minute else 0.0
        self._burst = burst
        self._due = 0.0
        """When all that was taken so far would be done, at an even pace."""

    def wait(self, now: float) -> float:
        """Seconds until the next may go."""
        return max(0.0, self._due - self._burst - now) if self._each else 0.0

    def take(self, amount: float, now: float) -> None:
        """It goes now, and counts for `amount`."""
        self._due = max(self._due, now) + amount * self._each

    def correct(self, difference: float) -> None:
        """It turned out to count for this much more, or less."""
        self._due += difference * self._each

"""How much longer a host takes to answer now than it does at its best."""

_WEIGHT = 0.1  # of the newest answer in the average
_DRIFT = 1.001  # by which the best is forgotten with each answer: after a change of route, it is another one


class Latency:
    """The slowdown of a host, from the times of its answers. Pure: the caller measures."""

    def __init__(self) -> None:
        self._best: dict[str, float] = {}  # seconds, by method: a POST costs a registry more than a HEAD
        self._ratio = 1.0  # best to present, averaged

    def observe(self, method: str, seconds: float) -> None:
        """Note the time from a small request to its whole answer."""
        best = self._best[method] = min(seconds, self._best.get(method, seconds) * _DRIFT)
        if seconds > 0:
            self._ratio += _WEIGHT * (best / seconds - self._ratio)

    def queued(self, requests: float) -> float:
        """How many of so many concurrent requests wait in a queue on the way or at the host (as in TCP Vegas)."""
        return requests * (1 - self._ratio)

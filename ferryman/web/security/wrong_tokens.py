"""Slow down guessing: after five wrong tokens within a minute an address has to wait."""

import ipaddress
import math
from collections import OrderedDict, deque

from ferryman.clock import Clock

_MOST_WRONG = 5
_WINDOW = 60.0  # seconds
_MOST_ADDRESSES = 1000  # the ones that were wrong last; memory is bounded
_IPV6_NETWORK = 64  # bits: one customer has them all


class WrongTokens:
    """Counts wrong tokens by address."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()  # monotonic, the oldest first

    def wait(self, address: str) -> int:
        """Whole seconds until a token from this address is looked at again; 0: now."""
        times = self._times.get(_key(address))
        if times is None or len(times) < _MOST_WRONG:
            return 0
        return max(0, math.ceil(times[0] + _WINDOW - self._clock.monotonic()))

    def note(self, address: str) -> None:
        """A token from this address was wrong."""
        key = _key(address)
        times = self._times.pop(key, deque(maxlen=_MOST_WRONG))
        times.append(self._clock.monotonic())
        self._times[key] = times
        if len(self._times) > _MOST_ADDRESSES:
            self._times.popitem(last=False)


def _key(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:  # noqa: PLR2004
        return address
    return str(ipaddress.ip_network((parsed, _IPV6_NETWORK), strict=False))

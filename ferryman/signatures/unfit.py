"""Why a signature does not count."""


class Unfit(Exception):
    """A signature does not fit a rule; the message says why. It never ends a verification: another one may fit."""

"""Parses the challenges in `WWW-Authenticate` headers.

Source: RFC 9110, 11.6.1. Real headers differ in case and quoting, have commas inside quotes, and put several
challenges into one line; malformed parts are skipped.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_WORD = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_GAP = re.compile(r"[\s,]+")
_PARAMETER = re.compile(
    rf'(?P<key>{_WORD})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)(?:"|\\?$)|(?P<bare>[^\s,"=][^\s,"]*))', re.DOTALL
)
_SCHEME = re.compile(_WORD)
_TOKEN68 = re.compile(r"[ \t]+[A-Za-z0-9._~+/-]+=*[ \t]*(?=,|$)")  # as after Negotiate
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One authentication scheme that a server offers."""

    scheme: str  # lower case
    parameters: Mapping[str, str]  # keys in lower case

    def get(self, key: str) -> str | None:
        return self.parameters.get(key)


def parse_challenges(headers: Iterable[str]) -> list[Challenge]:
    """Every challenge of every `WWW-Authenticate` header, in order."""
    return [challenge for header in headers for challenge in _parse(header)]


def _parse(header: str) -> list[Challenge]:
    found: list[tuple[str, dict[str, str]]] = []
    position = 0
    while position < len(header):
        if gap := _GAP.match(header, position):
            position = gap.end()
        elif parameter := _PARAMETER.match(header, position):
            if found:
                found[-1][1].setdefault(parameter["key"].lower(), _value(parameter))
            position = parameter.end()
        elif scheme := _SCHEME.match(header, position):
            found.append((scheme[0].lower(), {}))
            token68 = _TOKEN68.match(header, scheme.end())
            position = token68.end() if token68 else scheme.end()
        else:
            position += 1
    return [Challenge(scheme, parameters) for scheme, parameters in found]


def _value(parameter: re.Match[str]) -> str:
    if parameter["bare"] is not None:
        return parameter["bare"]
    return _ESCAPE.sub(r"\1", parameter["quoted"])

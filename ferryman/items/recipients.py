"""Converts `notify:` and `heartbeat:` to values: their URLs may stand in files."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from ferryman.items.document import FileKeys, HeartbeatKeys, RecipientKeys, service_url, web_url
from ferryman.items.model import FAILURES, Recipient
from ferryman.items.problems import Problems
from ferryman.items.tree import Branch, descend
from ferryman.kinds import NotifyEvent
from ferryman.secret_files import read_secret

_ALL: frozenset[NotifyEvent] = frozenset(get_args(NotifyEvent))


def to_recipients(keys: FileKeys, section: Branch, problems: Problems, *, folder: Path) -> tuple[Recipient, ...]:
    """The URLs of `notify:`. `folder`: the base of file paths."""
    return tuple(_recipients(keys, section, problems, folder))


def _recipients(keys: FileKeys, section: Branch, problems: Problems, folder: Path) -> Iterator[Recipient]:
    for number, entry in enumerate(keys.notify or ()):
        url = _url(entry, section, ("notify", number), problems, folder)
        events = _events(entry.events) if entry.events is not None else FAILURES
        if not events - {"recovered"}:
            place = descend(section, ("notify", number, "events")).place
            problems.add(place, "notify.events: expected an event whose end recovered can tell, or failures, or all")
        if url is not None:
            yield Recipient(url, events, entry.lang or "en", entry.quiet)


def to_heartbeat(keys: FileKeys, section: Branch, problems: Problems, *, folder: Path) -> str | None:
    """The URL of `heartbeat:`. `folder`: the base of file paths."""
    return _url(keys.heartbeat, section, ("heartbeat",), problems, folder) if keys.heartbeat else None


def _events(names: list[str]) -> frozenset[NotifyEvent]:
    events: frozenset[NotifyEvent] = frozenset()
    for name in names:
        chosen = {"all": _ALL, "failures": FAILURES}.get(name)
        events |= chosen if chosen is not None else {event for event in _ALL if event == name}
    return events


def _url(
    entry: RecipientKeys | HeartbeatKeys, section: Branch, path: tuple[str | int, ...], problems: Problems, folder: Path
) -> str | None:
    name, node = path[0], descend(section, path)
    if (entry.url is None) == (entry.url_file is None):
        found = "neither" if entry.url is None else "both"
        problems.add(node.place, f"{name}: found {found} of url and url_file, expected one of them")
        return None
    if entry.url_file is None:
        return entry.url
    place = descend(node, ("url_file",)).place
    try:
        url = read_secret(entry.url_file, folder=folder).strip()
        return service_url(url) if isinstance(entry, RecipientKeys) else web_url(url)
    except ValueError as error:
        problems.add(place, f"{name}.url_file: {error}")
    return None

"""Converts `registries:` to RegistryEntry values."""

from collections.abc import Mapping
from pathlib import Path

from ferryman.addresses import HostList
from ferryman.bandwidth import FULL_SPEED
from ferryman.items.document import RegistryKeys
from ferryman.items.explain import kind, validated
from ferryman.items.model import RegistryEntry
from ferryman.items.problems import Place, Problems
from ferryman.items.tree import Branch, Entry, descend
from ferryman.reference import parse_registry
from ferryman.secret_files import read_secret


def to_registries(section: Branch, problems: Problems, *, folder: Path) -> Mapping[str, RegistryEntry]:
    """The entries by registry host; Docker Hub's aliases become docker.io. `folder`: the base of file paths."""
    entries: dict[str, RegistryEntry] = {}
    lines: dict[str, int] = {}
    for written in section.entries:
        entry = _entry(written, problems, folder)
        try:
            host = parse_registry(written.key)
        except ValueError as error:
            problems.add(written.place, f"registries: {error}, as in the names of its images")
            continue
        if host in entries:
            problems.add(written.place, f"registries: {host} is repeated: line {lines[host]} has it already")
        entries[host] = entry
        lines[host] = written.place.line
    return entries


def _entry(written: Entry, problems: Problems, folder: Path) -> RegistryEntry:
    if not isinstance(written.value, Branch):
        problems.add(written.value.place, f"{written.key}: found {kind(written.value)}, expected a mapping")
        return RegistryEntry()
    branch = written.value
    keys = validated(RegistryKeys, branch, problems)
    username, password = _login(written, branch, keys, problems, folder)
    return RegistryEntry(
        username=username,
        password=password,
        endpoint=keys.endpoint,
        api=keys.api,
        concurrency=keys.concurrency,
        requests_per_second=keys.requests_per_second,
        bandwidth=keys.bandwidth or FULL_SPEED,
        tls=_ca_file(keys.tls, folder, descend(branch, ("tls",)).place, problems),
        lister=keys.lister,
        probe=keys.probe,
        min_age=keys.min_age,
        timeout=keys.timeout,
        least_rate=keys.least_rate,
        most_tags=keys.most_tags,
        redirects=HostList.parse(keys.redirects or ()),
        proxy=keys.proxy,
    )


def _login(
    written: Entry, branch: Branch, keys: RegistryKeys, problems: Problems, folder: Path
) -> tuple[str | None, str | None]:
    """Username and password; the latter from its file, if it has one."""
    reported = any(key in branch and getattr(keys, key) is None for key in ("username", "password", "password_file"))
    if bool(keys.username) != bool(keys.password or keys.password_file) and not reported:
        message = f"{written.key}: expected username and password, or neither: one of them is missing or empty"
        problems.add(written.place, message)
    if not keys.password_file:
        return keys.username or None, keys.password or None
    place = descend(branch, ("password_file",)).place
    if keys.password:
        line = descend(branch, ("password",)).place.line
        problems.add(place, f"password_file: line {line} has a password already: expected one of the two")
        return None, None
    try:
        return keys.username or None, read_secret(keys.password_file, folder=folder)
    except ValueError as error:
        problems.add(place, f"password_file: {error}")
        return None, None


def _ca_file(tls: bool | str | None, folder: Path, place: Place, problems: Problems) -> bool | str | None:
    if not isinstance(tls, str):
        return tls
    path = folder / tls
    if not path.is_file():
        problems.add(place, f"tls: there is no file {str(path)!r}: expected a CA file, false or true")
    return str(path)

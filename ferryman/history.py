"""Export the ledger as the first Ferryman's text files, `history/*.txt`, and import them.

One file per source repository, newest first, one line per (tag, digest) pair:

    2022-03-30 05:15:04<TAB><TAB>sha256:bb6e…8f0c<TAB><TAB>3.7

Times are local, in a zone that the file does not name. Files are `{registry}__{image}.txt`; sources that would
share one get `{registry}__{namespace}__{image}.txt`, a "/" in the namespace written as "__".
"""

import asyncio
import filecmp
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self
from urllib.parse import quote
from zoneinfo import ZoneInfo

from ferryman.errors import ConfigurationError, FerrymanError, Problem
from ferryman.items.model import Item
from ferryman.recorded_tags import item_key
from ferryman.reference import Repository, is_digest, is_tag
from ferryman.store.ledger import Ledger
from ferryman.store.records import HistoryLine

UNKNOWN_TIME = "1970-01-01 08:00:00"  # means "unknown" in every zone
UNKNOWN_DIGEST = "Unknown"
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_LINE = "time, two tabs, digest, two tabs, tag"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """The valid lines of one file, in its order, and a problem for each of the others."""

    path: Path
    lines: tuple[HistoryLine, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """One file that was imported for one item."""

    path: Path
    item: str
    lines: int
    new: int  # tags that the ledger did not have as mirrored before


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The result of an import."""

    files: tuple[ImportedFile, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class ExportReport:
    """The result of an export."""

    files: tuple[Path, ...]  # every file of the export
    changed: tuple[Path, ...]  # the files that were written, because their content has changed
    problems: tuple[Problem, ...]  # records that were not exported, because they are invalid


async def export_history(ledger: Ledger, *, folder: Path, zone: ZoneInfo) -> ExportReport:
    """Export the ledger, a page at a time. See `HistoryExport`."""
    with HistoryExport(folder, zone) as export:
        async for source, lines in ledger.history():
            await asyncio.to_thread(export.add, source, lines)
        return await asyncio.to_thread(export.finish)


async def import_history(
    ledger: Ledger, items: Sequence[Item], *, folder: Path, zone: ZoneInfo, now: datetime
) -> ImportReport:
    """Import the files of `folder` into the ledger: their tags count as synced. See `match_files` and `read`.

    Raises ConfigurationError if there is no such folder.
    """
    matches, problems = await asyncio.to_thread(match_files, folder, items)
    imported = []
    for path, item in matches:
        parsed = await asyncio.to_thread(read, path, zone=zone)
        new = await ledger.import_history(item_key(item), parsed.lines, now=now)
        imported.append(ImportedFile(path, item.name, lines=len(parsed.lines), new=new))
        problems.extend(parsed.problems)
    return ImportReport(tuple(imported), tuple(problems))


class HistoryExport:
    """Writes the files of one export. A context manager; raises FerrymanError if the folder cannot be written.

    Lines go to temporary files, and `finish` replaces the files of `folder` atomically. The same lines give the same
    bytes. A file that has them already is not written, and other files are left unchanged.
    """

    def __init__(self, folder: Path, zone: ZoneInfo) -> None:
        self._folder = folder
        self._zone = zone
        self._parts: dict[Repository, Path] = {}  # the temporary file of each source
        self._written: set[tuple[str, str]] = set()  # tags and digests of the last source
        self._problems: list[Problem] = []

    def __enter__(self) -> Self:
        with self._explained():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._temporary = TemporaryDirectory(prefix=".export-", dir=self._folder)
        return self

    def __exit__(self, *_: object) -> None:
        self._temporary.cleanup()

    def add(self, source: str, lines: Iterable[HistoryLine]) -> None:
        """Write lines of a source repository, in the order of the file. All lines of a source follow one another."""
        valid = []
        for line in lines:
            if is_tag(line.tag) and _is_history_digest(line.digest):
                valid.append(line)
            else:
                found = f"{_quoted(line.tag)} with digest {_quoted(line.digest)}"
                self._problems.append(Problem(f"{source}: not written: {found}"))
        if valid:
            with self._explained():
                self._append(Repository.parse(source), valid)

    def _append(self, source: Repository, lines: Iterable[HistoryLine]) -> None:
        if source not in self._parts:
            self._parts[source] = Path(self._temporary.name, str(len(self._parts)))
            self._written.clear()
        with self._parts[source].open("ab") as file:
            for line in lines:
                if (line.tag, line.digest) not in self._written:  # else two targets hold it
                    self._written.add((line.tag, line.digest))
                    file.write(_format(line, self._zone).encode())

    def finish(self) -> ExportReport:
        """Move the files to their names."""
        parts = {self._folder / name: self._parts[source] for source, name in file_names(self._parts).items()}
        with self._explained():
            changed = tuple(path for path in sorted(parts) if _replace(path, parts[path]))
        return ExportReport(tuple(sorted(parts)), changed, tuple(self._problems))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FerrymanError(f"the history cannot be written to {self._folder}: {error.strerror}") from error


def file_names(sources: Iterable[Repository]) -> dict[Repository, str]:
    """The file name of each source: the short one, or a longer one if several sources would share it."""
    level = dict.fromkeys(sources, 0)
    while True:
        names = {source: _NAMINGS[level[source]](source) for source in level}
        times = Counter(names.values())
        shared = [source for source, name in names.items() if times[name] > 1]
        if not shared:
            return names
        for source in shared:
            level[source] += 1


def match_files(folder: Path, items: Sequence[Item]) -> tuple[list[tuple[Path, Item]], list[Problem]]:
    """Find the item of each `*.txt` in `folder`, and return a problem for every file whose item is not clear.

    The first of these names that matches decides: the name that an export of these items would use, the longer name,
    the short name. After them come the same names at k8s.gcr.io for a source at registry.k8s.io: k8s.gcr.io was frozen
    in 2023 and redirects there, and users of the first Ferryman have such files.
    Raises ConfigurationError if there is no such folder.
    """
    if not folder.is_dir():
        raise ConfigurationError(
            [Problem("no such folder: expected the one with the *.txt history files", str(folder))]
        )
    unclaimed = sorted(folder.glob("*.txt"))
    matches: list[tuple[Path, Item]] = []
    problems: list[Problem] = []
    # The best match goes first: if an item has two files, lines of the same time keep the order of the first one.
    for index in _indexes([item.source for item in items]):
        for path in [path for path in unclaimed if path.name in index]:
            unclaimed.remove(path)
            candidates = [item for item in items if item.source in index[path.name]]
            if len(candidates) == 1:
                matches.append((path, candidates[0]))
            else:
                problems.append(Problem(_ambiguous(candidates), str(path)))
    problems += [Problem("not imported: no item of items.yml has such a source", str(path)) for path in unclaimed]
    return matches, problems


def read(path: Path, *, zone: ZoneInfo) -> ParsedFile:
    """Read one file. An invalid line is reported as a problem with its number, and the other lines are used.

    CRLF, a byte order mark and empty lines are accepted. Of a repeated (tag, digest) pair the first line counts.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        return ParsedFile(path, (), (Problem(f"cannot be read: {error.strerror}", str(path)),))
    lines: dict[tuple[str, str], HistoryLine] = {}
    problems = []
    not_after = datetime.max.replace(tzinfo=UTC)
    for number, raw in enumerate(content.removeprefix(_BOM).split(b"\n"), start=1):
        stripped = raw.removesuffix(b"\r")
        if not stripped:
            continue
        try:
            line = _parse(stripped, zone, not_after)
        except ValueError as error:
            problems.append(Problem(str(error), str(path), number))
            continue
        if (line.tag, line.digest) in lines:
            problems.append(Problem(f"tag {line.tag} with this digest stands further up already", str(path), number))
            continue
        lines[line.tag, line.digest] = line
        not_after = line.pushed_at or not_after
    return ParsedFile(path, tuple(lines.values()), tuple(problems))


def _is_history_digest(text: str) -> bool:
    return text == UNKNOWN_DIGEST or is_digest(text)


def _format(line: HistoryLine, zone: ZoneInfo) -> str:
    return f"{_local(line.pushed_at, zone)}\t\t{line.digest}\t\t{line.tag}\n"


def _local(moment: datetime | None, zone: ZoneInfo) -> str:
    if moment is None:
        return UNKNOWN_TIME
    try:
        return moment.astimezone(zone).replace(tzinfo=None).isoformat(" ", "seconds")
    except (
        OverflowError
    ):  # Docker Hub's "0001-01-01T00:00:00Z" means "never"; in zones west of Greenwich this time does not exist
        return UNKNOWN_TIME


def _replace(path: Path, by: Path) -> bool:
    """Replace the file atomically. False: it has the same content."""
    if path.is_file() and filecmp.cmp(path, by, shallow=False):
        return False
    with by.open("rb") as file:
        os.fsync(file.fileno())
    by.replace(path)
    return True


def _short(source: Repository) -> str:
    return f"{source.registry}__{source.image}.txt"


def _long(source: Repository) -> str:
    return f"{source.registry}__{source.namespace.replace('/', '__')}__{source.image}.txt"


def _exact(source: Repository) -> str:
    """A unique name, for names that contain "__" themselves (a__b/x and a/b/x)."""
    return f"{quote(str(source), safe=':[]')}.txt"


_NAMINGS: tuple[Callable[[Repository], str], ...] = (_short, _long, _exact)


def _indexes(sources: Sequence[Repository]) -> Iterator[dict[str, frozenset[Repository]]]:
    """Maps from file names to the sources that they may stand for, the best match first."""
    yield _index(file_names(sources).items())
    yield _index((source, _long(source)) for source in sources)
    yield _index((source, _short(source)) for source in sources)
    frozen = {
        source: Repository("k8s.gcr.io", source.name) for source in sources if source.registry == "registry.k8s.io"
    }
    yield _index((source, _long(old)) for source, old in frozen.items())
    yield _index((source, _short(old)) for source, old in frozen.items())


def _index(named: Iterable[tuple[Repository, str]]) -> dict[str, frozenset[Repository]]:
    index: defaultdict[str, set[Repository]] = defaultdict(set)
    for source, name in named:
        index[name].add(source)
    return {name: frozenset(sources) for name, sources in index.items()}


def _ambiguous(candidates: Sequence[Item]) -> str:
    listed = ", ".join(f"{item.source} -> {item.target}" for item in candidates)
    if len({item.source for item in candidates}) == 1:
        return f"not imported: the file does not say which target it is about, and several have this source: {listed}"
    names = " or ".join(sorted({_long(item.source) for item in candidates}))
    return f"not imported: it may be about any of {listed}; name it {names}"


def _parse(raw: bytes, zone: ZoneInfo, not_after: datetime) -> HistoryLine:
    """Parse one line. Raises ValueError with the found and the expected text."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start + 1}: {_quoted(raw.decode(errors='replace'))}") from None
    match text.split("\t"):
        case [time, "", digest, "", tag]:
            pass
        case fields:
            raise ValueError(f"expected {_LINE}: found {len(fields) - 1} tabs in {_quoted(text)}")
    if not _TIME.fullmatch(time):
        raise ValueError(f"{_quoted(time)} is not a time: expected YYYY-MM-DD hh:mm:ss")
    if not _is_history_digest(digest):
        raise ValueError(f"{_quoted(digest)} is not a digest: expected sha256:… or {UNKNOWN_DIGEST}")
    if not is_tag(tag):
        raise ValueError(f"{_quoted(tag)} is not a tag name")
    return HistoryLine(tag, digest, None if time == UNKNOWN_TIME else _parse_time(time, zone, not_after))


def _parse_time(text: str, zone: ZoneInfo, not_after: datetime) -> datetime:
    """Convert a local time to UTC. Raises ValueError.

    When clocks are put back, a local time is ambiguous. Files are newest first, so the later time is used, unless it
    is after the line above: this keeps the order of the lines.
    """
    try:
        local = datetime.fromisoformat(text)
        later, earlier = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (1, 0))
    except (ValueError, OverflowError):
        raise ValueError(f"{text} is no day and hour of the calendar") from None
    if later.astimezone(zone).replace(tzinfo=None) != local:
        raise ValueError(f"{text} does not exist in {zone.key}, where clocks were put forward: is it another zone's?")
    return later if later <= not_after else earlier


def _quoted(text: str, longest: int = 80) -> str:
    return repr(text if len(text) <= longest else f"{text[:longest]}…")

"""Export and import of the old files: exact bytes, and a problem for every invalid line."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman import history
from ferryman.clock import SystemClock
from ferryman.errors import ConfigurationError, FerrymanError
from ferryman.items.model import Item
from ferryman.reference import Repository
from ferryman.store.ledger import Ledger
from ferryman.store.records import HistoryLine
from tests.support.databases import open_new_database

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
UTC_ZONE = ZoneInfo("UTC")
PAUSE = "registry.k8s.io/pause"
OLD_FILE = (  # in Berlin: the hour that came twice, a tag that moved, lines of the same time, an unknown time
    f"2022-10-30 02:10:00\t\tsha256:{5:064x}\t\tlate\n"
    f"2022-10-30 02:50:00\t\tsha256:{4:064x}\t\tearly\n"
    f"2022-03-30 05:15:04\t\tsha256:{3:064x}\t\tc\n"
    f"2022-03-30 05:15:04\t\tsha256:{2:064x}\t\tb\n"
    f"2022-03-29 05:15:04\t\tsha256:{1:064x}\t\tc\n"
    "1970-01-01 08:00:00\t\tUnknown\t\tedge\n"
)


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def line(tag: str, pushed_at: datetime | None = datetime(2022, 3, 29, 21, 15, 4, tzinfo=UTC)) -> HistoryLine:
    return HistoryLine(tag, digest(1), pushed_at)


def item(source: str, target: str = "") -> Item:
    parsed = Repository.parse(source)
    return Item(
        parsed.image, source=parsed, target=Repository.parse(target or f"registry.example.com/mirror/{parsed.image}")
    )


def as_the_ledger_sorts(lines: Sequence[HistoryLine]) -> list[HistoryLine]:
    epoch = datetime.min.replace(tzinfo=UTC)
    return sorted(lines, key=lambda entry: entry.pushed_at or epoch, reverse=True)


def export(entries: Iterable[tuple[str, HistoryLine]], *, folder: Path, zone: ZoneInfo) -> history.ExportReport:
    """Export these lines, each as a page of its own."""
    with history.HistoryExport(folder, zone) as exporting:
        for source, entry in entries:
            exporting.add(source, [entry])
        return exporting.finish()


class TestExport:
    def test_writes_the_old_line_in_the_zone_that_was_asked_for(self, tmp_path: Path) -> None:
        entries = [(PAUSE, line("3.7")), (PAUSE, HistoryLine("edge", "Unknown", None))]

        report = export(entries, folder=tmp_path / "new" / "history", zone=SHANGHAI)

        path = tmp_path / "new" / "history" / "registry.k8s.io__pause.txt"
        assert report.files == report.changed == (path,)
        assert path.read_bytes() == (
            f"2022-03-30 05:15:04\t\t{digest(1)}\t\t3.7\n1970-01-01 08:00:00\t\tUnknown\t\tedge\n".encode()
        )

    def test_keeps_the_port_of_a_registry(self, tmp_path: Path) -> None:
        report = export([("127.0.0.1:5000/x", line("1"))], folder=tmp_path, zone=UTC_ZONE)

        assert [path.name for path in report.files] == ["127.0.0.1:5000__x.txt"]

    def test_leaves_unchanged_and_foreign_files_alone(self, tmp_path: Path) -> None:
        foreign = tmp_path / "quay.io__flannel.txt"
        foreign.write_text("mine")
        export([(PAUSE, line("3.7"))], folder=tmp_path, zone=UTC_ZONE)
        before = (tmp_path / "registry.k8s.io__pause.txt").stat()

        again = export([(PAUSE, line("3.7"))], folder=tmp_path, zone=UTC_ZONE)

        after = (tmp_path / "registry.k8s.io__pause.txt").stat()
        assert again.changed == ()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        assert foreign.read_text() == "mine"

    def test_leaves_the_old_file_and_no_temporary_one_when_writing_fails(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "registry.k8s.io__pause.txt"
        path.write_text("the old content\n")

        def no_room(_descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", no_room)
        with pytest.raises(FerrymanError, match="No space left on device"):
            export([(PAUSE, line("3.7"))], folder=tmp_path, zone=UTC_ZONE)

        assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
        assert path.read_text() == "the old content\n"

    @pytest.mark.parametrize("tag", ["", "../../etc/passwd", "a\tb", "1\n2", "1\r", "1\u2028", "-1", "x" * 129])
    def test_never_writes_a_name_that_is_no_tag(self, tmp_path: Path, tag: str) -> None:
        report = export([(PAUSE, line("good")), (PAUSE, line(tag))], folder=tmp_path, zone=UTC_ZONE)

        assert report.files[0].read_text().splitlines() == [f"2022-03-29 21:15:04\t\t{digest(1)}\t\tgood"]
        assert len(report.problems) == 1

    def test_never_writes_what_is_no_digest(self, tmp_path: Path) -> None:
        entry = HistoryLine("1", "sha256:1\n", None)

        report = export([(PAUSE, entry)], folder=tmp_path, zone=UTC_ZONE)

        assert report.files == ()
        assert list(tmp_path.iterdir()) == []
        assert str(report.problems[0]) == "registry.k8s.io/pause: not written: '1' with digest 'sha256:1\\n'"

    def test_writes_a_pair_once_though_two_targets_hold_it(self, tmp_path: Path) -> None:
        report = export([(PAUSE, line("3.7")), (PAUSE, line("3.7"))], folder=tmp_path, zone=UTC_ZONE)

        assert len(report.files[0].read_text().splitlines()) == 1

    def test_a_time_that_the_zone_cannot_express_is_unknown(self, tmp_path: Path) -> None:
        entry = line("1", datetime(1, 1, 1, tzinfo=UTC))

        report = export([(PAUSE, entry)], folder=tmp_path, zone=ZoneInfo("America/Lima"))

        assert report.files[0].read_text().startswith(history.UNKNOWN_TIME)


class TestFileNames:
    def test_only_sources_that_would_share_a_file_get_longer_names(self) -> None:
        sources = ["docker.io/a/x", "docker.io/b/c/x", "quay.io/a/x", "docker.io/y"]

        assert list(history.file_names(map(Repository.parse, sources)).values()) == [
            "docker.io__a__x.txt",
            "docker.io__b__c__x.txt",
            "quay.io__x.txt",
            "docker.io__y.txt",
        ]

    def test_names_that_hold_double_underscores_stay_apart(self) -> None:
        sources = ["r.io/a__b/x", "r.io/a/b/x", "r.io/x", "r.io/c/a__b__x", "r.io/b__x"]

        names = history.file_names(map(Repository.parse, sources))

        assert len(set(names.values())) == len(sources)
        assert not any("/" in name for name in names.values())


class TestRead:
    def read(self, tmp_path: Path, content: bytes, zone: ZoneInfo = SHANGHAI) -> history.ParsedFile:
        path = tmp_path / "docker.io__x.txt"
        path.write_bytes(content)
        return history.read(path, zone=zone)

    def test_reads_lines_as_windows_editors_leave_them(self, tmp_path: Path) -> None:
        content = (
            f"\ufeff2022-03-30 05:15:04\t\t{digest(1)}\t\t3.7\r\n\r\n1970-01-01 08:00:00\t\tUnknown\t\t3.6".encode()
        )

        parsed = self.read(tmp_path, content)

        assert parsed.problems == ()
        assert parsed.lines == (line("3.7"), HistoryLine("3.6", "Unknown", None))

    @pytest.mark.parametrize(
        ("damaged", "message"),
        [
            (b"\xff\xfe", "not UTF-8 at byte 1"),
            (b"2022-03-30 05:15:04\tUnknown\t1", "found 2 tabs"),
            (b"2022-03-30 05:15:04\t\tUnknown\t\t1\t", "found 5 tabs"),
            (b"2022-03-30 05:15:04\t \tUnknown\t\t", "found 4 tabs"),
            (b"2022-03-30 05:15\t\tUnknown\t\t1", "expected YYYY-MM-DD hh:mm:ss"),
            (b"2022-03-30T05:15:04\t\tUnknown\t\t1", "expected YYYY-MM-DD hh:mm:ss"),
            ("２０２２-03-30 05:15:04\t\tUnknown\t\t1".encode(), "expected YYYY-MM-DD hh:mm:ss"),
            (b"2022-02-30 05:15:04\t\tUnknown\t\t1", "no day and hour of the calendar"),
            (b"0001-01-01 00:00:00\t\tUnknown\t\t1", "no day and hour of the calendar"),
            (b"2022-03-30 05:15:04\t\tunknown\t\t1", "expected sha256:"),
            (b"2022-03-30 05:15:04\t\tsha256:12\t\t1", "expected sha256:"),
            (b"2022-03-30 05:15:04\t\tUnknown\t\t", "'' is not a tag name"),
            (b"2022-03-30 05:15:04\t\tUnknown\t\t../x", "'../x' is not a tag name"),
            (b"2022-03-30 05:15:04\t\tUnknown\t\t1\r\r", "is not a tag name"),
            (b"2022-03-30 05:15:04\t\tUnknown\t\tgood", "stands further up already"),
        ],
    )
    def test_names_a_damaged_line_and_takes_the_others(self, tmp_path: Path, damaged: bytes, message: str) -> None:
        good = b"2022-03-30 05:15:04\t\tUnknown\t\tgood\n"
        last = b"2022-03-30 05:15:04\t\tUnknown\t\tlast\n"

        parsed = self.read(tmp_path, good + damaged + b"\n" + last)

        assert [entry.tag for entry in parsed.lines] == ["good", "last"]
        assert len(parsed.problems) == 1
        assert str(parsed.problems[0]).startswith(f"{parsed.path}:2: ")
        assert message in parsed.problems[0].message

    def test_refuses_an_hour_that_the_zone_skipped(self, tmp_path: Path) -> None:
        parsed = self.read(tmp_path, b"2022-03-27 02:30:00\t\tUnknown\t\t1\n", zone=BERLIN)

        assert parsed.lines == ()
        assert "does not exist in Europe/Berlin" in parsed.problems[0].message

    def test_gives_an_hour_that_came_twice_the_order_of_the_lines(self, tmp_path: Path) -> None:
        content = b"2022-10-30 02:10:00\t\tUnknown\t\tb\n2022-10-30 02:50:00\t\tUnknown\t\ta\n"

        parsed = self.read(tmp_path, content, zone=BERLIN)

        assert [entry.pushed_at for entry in parsed.lines] == [
            datetime(2022, 10, 30, 1, 10, tzinfo=UTC),
            datetime(2022, 10, 30, 0, 50, tzinfo=UTC),
        ]

    def test_cuts_what_it_quotes(self, tmp_path: Path) -> None:
        parsed = self.read(tmp_path, b"x" * 10_000)

        assert len(parsed.problems[0].message) < 200

    def test_a_file_that_cannot_be_read_is_a_problem(self, tmp_path: Path) -> None:
        parsed = history.read(tmp_path, zone=UTC_ZONE)

        assert str(parsed.problems[0]) == f"{tmp_path}: cannot be read: Is a directory"


# Few distinct seconds, around the hour that comes twice in Berlin: ties and both of its passes come up often.
MOMENTS = st.one_of(
    st.none(),
    st.builds(
        lambda seconds, micro: (
            datetime(2022, 10, 29, 23, 30, tzinfo=UTC) + timedelta(seconds=seconds * 300, microseconds=micro)
        ),
        st.integers(0, 40),
        st.integers(0, 999_999),
    ),
    st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
)
LINES = st.lists(
    st.builds(
        HistoryLine,
        st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,20}\Z"),
        st.one_of(st.just("Unknown"), st.integers(0, 3).map(digest)),
        MOMENTS,
    ),
    unique_by=lambda entry: (entry.tag, entry.digest),
)


@given(lines=LINES, zone=st.sampled_from([UTC_ZONE, SHANGHAI, BERLIN, ZoneInfo("America/New_York")]))
def test_import_then_export_gives_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, lines: list[HistoryLine], zone: ZoneInfo
) -> None:
    folder = tmp_path_factory.mktemp("history")
    first = export([(PAUSE, entry) for entry in as_the_ledger_sorts(lines)], folder=folder, zone=zone)

    for path in first.files:
        parsed = history.read(path, zone=zone)
        entries = [(PAUSE, entry) for entry in as_the_ledger_sorts(parsed.lines)]
        second = export(entries, folder=folder, zone=zone)

        assert parsed.problems == ()
        assert len(parsed.lines) == len(lines)
        assert second.files == first.files
        assert second.changed == ()


class TestMatchFiles:
    def match(self, folder: Path, names: Sequence[str], items: Sequence[Item]) -> tuple[dict[str, str], dict[str, str]]:
        for name in names:
            (folder / name).touch()
        matches, problems = history.match_files(folder, items)
        return (
            {path.name: str(found.target) for path, found in matches},
            {Path(problem.file or "").name: problem.message for problem in problems},
        )

    def test_maps_short_and_longer_names(self, tmp_path: Path) -> None:
        items = [item("docker.io/a/x", "r.io/ax"), item("docker.io/b/x", "r.io/bx"), item("quay.io/c/y", "r.io/y")]

        matched, problems = self.match(
            tmp_path, ["docker.io__a__x.txt", "docker.io__b__x.txt", "quay.io__y.txt", "quay.io__c__y.txt"], items
        )

        assert problems == {}
        assert matched == {
            "docker.io__a__x.txt": "r.io/ax",
            "docker.io__b__x.txt": "r.io/bx",
            "quay.io__y.txt": "r.io/y",
            "quay.io__c__y.txt": "r.io/y",
        }

    def test_refuses_to_guess_between_two_sources(self, tmp_path: Path) -> None:
        items = [item("docker.io/a/x", "r.io/ax"), item("docker.io/b/x", "r.io/bx")]

        matched, problems = self.match(tmp_path, ["docker.io__x.txt"], items)

        assert matched == {}
        assert problems["docker.io__x.txt"] == (
            "not imported: it may be about any of docker.io/a/x -> r.io/ax, docker.io/b/x -> r.io/bx; "
            "name it docker.io__a__x.txt or docker.io__b__x.txt"
        )

    def test_refuses_to_guess_between_two_targets(self, tmp_path: Path) -> None:
        items = [item("docker.io/a/x", "r.io/one"), item("docker.io/a/x", "r.io/two")]

        matched, problems = self.match(tmp_path, ["docker.io__x.txt"], items)

        assert matched == {}
        assert "does not say which target" in problems["docker.io__x.txt"]

    def test_names_a_file_that_matches_no_item(self, tmp_path: Path) -> None:
        matched, problems = self.match(tmp_path, ["gcr.io__gone.txt", "notes.md"], [item("docker.io/a/x")])

        assert matched == {}
        assert list(problems) == ["gcr.io__gone.txt"]

    def test_takes_the_files_of_k8s_gcr_io_for_its_successor(self, tmp_path: Path) -> None:
        items = [item("registry.k8s.io/pause", "r.io/pause"), item("registry.k8s.io/coredns/coredns", "r.io/coredns")]

        matched, problems = self.match(tmp_path, ["k8s.gcr.io__pause.txt", "k8s.gcr.io__coredns.txt"], items)

        assert problems == {}
        assert matched == {"k8s.gcr.io__pause.txt": "r.io/pause", "k8s.gcr.io__coredns.txt": "r.io/coredns"}

    def test_prefers_an_item_that_still_names_k8s_gcr_io(self, tmp_path: Path) -> None:
        items = [item("registry.k8s.io/pause", "r.io/new"), item("k8s.gcr.io/pause", "r.io/old")]

        matched, _ = self.match(tmp_path, ["k8s.gcr.io__pause.txt"], items)

        assert matched == {"k8s.gcr.io__pause.txt": "r.io/old"}

    def test_finds_every_file_that_an_export_writes(self, tmp_path: Path) -> None:
        sources = ["r.io/x/y", "r.io/a/x__y", "r.io/coredns", "r.io/coredns/coredns", "r.io/a__b/z", "r.io/a/b/z"]
        exported = export([(source, line("1")) for source in sources], folder=tmp_path, zone=UTC_ZONE)
        items = [item(source, f"t.io/{number}") for number, source in enumerate(sources)]

        matches, problems = history.match_files(tmp_path, items)

        names = history.file_names(entry.source for entry in items)
        assert problems == []
        assert len(exported.files) == len(sources)
        assert {path.name: found.source for path, found in matches} == {name: source for source, name in names.items()}

    def test_a_missing_folder_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="history: no such folder"):
            history.match_files(tmp_path / "history", [])


class TestThroughTheLedger:
    @pytest.fixture
    async def ledger(self, tmp_path: Path) -> AsyncIterator[Ledger]:
        database = await open_new_database(tmp_path / "ferryman.db")
        yield Ledger(database, clock=SystemClock())
        await database.close()

    async def test_gives_the_same_bytes_back(self, ledger: Ledger, tmp_path: Path) -> None:
        folder = tmp_path / "history"
        folder.mkdir()
        path = folder / "docker.io__x.txt"
        path.write_text(OLD_FILE)

        report = await history.import_history(
            ledger, [item("docker.io/a/x")], folder=folder, zone=BERLIN, now=datetime(2026, 1, 1, tzinfo=UTC)
        )
        exported = await history.export_history(ledger, folder=tmp_path / "again", zone=BERLIN)

        assert report == history.ImportReport((history.ImportedFile(path, "x", lines=6, new=5),), ())
        assert [each.name for each in exported.files] == [path.name]
        assert exported.files[0].read_text() == OLD_FILE

    async def test_imports_the_valid_lines_of_a_damaged_file(self, ledger: Ledger, tmp_path: Path) -> None:
        (tmp_path / "docker.io__x.txt").write_text(f"nonsense\n{OLD_FILE}")
        (tmp_path / "docker.io__y.txt").write_text(OLD_FILE)

        report = await history.import_history(
            ledger, [item("docker.io/a/x")], folder=tmp_path, zone=BERLIN, now=datetime(2026, 1, 1, tzinfo=UTC)
        )

        assert [(file.lines, file.new) for file in report.files] == [(6, 5)]
        assert [(Path(problem.file or "").name, problem.line) for problem in report.problems] == [
            ("docker.io__y.txt", None),
            ("docker.io__x.txt", 1),
        ]
        records = [each async for each in ledger.tags()]
        assert {record.tag for record in records if record.status == "synced"} == {"late", "early", "c", "b", "edge"}

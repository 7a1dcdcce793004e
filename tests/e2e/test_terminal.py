"""`ferryman sync` before somebody's eyes: the live view, without the log; elsewhere the log alone."""

from pathlib import Path

import pytest

from tests.support import images
from tests.support.ferryman import Ferryman
from tests.support.processes import RegistryServer, free_port
from tests.support.screen import Screen

NAME = "an-image-whose-name-is-longer-than-any-terminal-should-have-to-show-in-one-of-its-lines"


@pytest.fixture
def filled(ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer) -> Ferryman:
    """Three tags of an image with a long name, some of them slow to read."""
    for number in range(3):
        layers = [images.layer({"file": f"{number} {part}".encode() * 60_000}) for part in range(2)]
        images.push(upstream.url, f"acme/{NAME}", f"1.{number}", images.image(layers))
    ferryman.items.write_text(
        f"""
registries: {{"{upstream.host}": {{bandwidth: 2MB/s}}}}
items: [{{source: {upstream.host}/acme/{NAME}, target: {target.host}/mirror/, transport: direct}}]
"""
    )
    return ferryman


@pytest.mark.parametrize("columns", [80, 120])
def test_it_is_all_there_is_until_the_summary(filled: Ferryman, columns: int) -> None:
    code, sent = filled.run_on_a_terminal("sync", columns=columns)
    assert code == 0, sent
    drawn, _, summary = sent.rpartition("\x1b[?25h")  # the cursor is given back
    during, after = Screen(columns), Screen(columns)
    during.feed(drawn)
    assert "\x1b[?25l" in drawn
    assert f"{NAME[:9]}" in drawn
    assert "1.2 " in drawn
    assert "0 of 1 item" in drawn
    assert "of 3 tags" in drawn
    assert during.wrapped == 0
    assert "level=" not in sent
    after.feed(sent)
    assert after.cursor_is_shown
    shown = "\n".join(after.lines)
    assert "of 3 tags" not in shown
    assert NAME[:9] in summary
    assert "\x1b[?25l" not in summary


def test_ctrl_c_takes_it_away(filled: Ferryman) -> None:
    code, sent = filled.run_on_a_terminal("sync", columns=80, interrupt_at="copy")
    screen = Screen(80)
    screen.feed(sent)
    assert "^C" in sent
    assert (code, [line.rstrip() for line in screen.lines if line.strip()]) == (
        130, ["stopped; what was running is queued again"],
    )  # fmt: skip
    assert screen.cursor_is_shown
    assert {record["status"] for record in filled.status().values()} <= {"queued", "synced"}


def test_the_log_goes_to_a_file_or_shows_on_request(filled: Ferryman) -> None:
    log = filled.folder / "sync.log"
    log.write_text("what stood there\n")
    code, sent = filled.run_on_a_terminal("sync", "--log-file", str(log))
    assert code == 0, sent
    assert "level=" not in sent
    lines = log.read_text().splitlines()
    assert lines[0] == "what stood there"
    assert sum("event=tag_synced" in line for line in lines) == 3

    code, sent = filled.run_on_a_terminal("sync", "--verbose")
    assert code == 0, sent
    assert "event=item_listed" in sent
    assert "\x1b[?25l" in sent


def test_stdout_is_a_terminal_as_well(filled: Ferryman) -> None:
    errors = filled.folder / "errors"
    code, sent = filled.run_on_a_terminal("sync", errors=errors)
    assert code == 0, errors.read_text()
    assert "of 3 tags" in sent
    assert "level=" not in sent
    assert errors.read_text().count("event=tag_synced") == 3


def test_json_goes_to_no_terminal_with_a_view_on_it(filled: Ferryman) -> None:
    errors = filled.folder / "errors"
    code, sent = filled.run_on_a_terminal("sync", "--json", errors=errors)
    assert (code, sent.lstrip()[:1]) == (0, "[")


def test_where_no_terminal_is_there_is_no_view_whatever_the_environment_says(filled: Ferryman) -> None:
    done = filled.run("sync", FORCE_COLOR="1")
    assert done.code == 0
    assert "\x1b[?25l" not in done.out + done.err
    assert done.err.count("event=tag_synced") == 3


def test_what_matters_is_told_at_the_end(filled: Ferryman, target: RegistryServer) -> None:
    closed = [free_port() for _ in range(2)]
    items = "".join(
        f"  - {{source: 127.0.0.1:{port}/acme/gone{number}, target: {target.host}/m/gone-{port}-{number}}}\n"
        for port in closed
        for number in range(2)
    )
    items += f"  - {{source: {filled.items.read_text().partition('source: ')[2].partition(',')[0]}, "
    items += f"target: {target.host}/mirror/, tags: {{include: ['1.0'], pin: ['9.9']}}, transport: direct}}\n"
    filled.items.write_text("items:\n" + items)
    code, sent = filled.run_on_a_terminal("sync", columns=400)
    _, _, summary = sent.rpartition("\x1b[?25h")
    assert code == 1
    assert summary.count("could not be looked at") == 1
    assert "error: 4 items of 2 registries could not be looked at (gone0, gone1, gone0, gone1): " in summary
    assert f"warning: {NAME}: upstream lacks pinned tags: pins: 9.9" in summary

    done = filled.run("status")
    assert done.out.count("could not be looked at since") == 1


def test_a_log_file_that_cannot_be_written_is_told(ferryman: Ferryman, tmp_path: Path) -> None:
    done = ferryman.run("sync", "--log-file", str(tmp_path / "no/such/file"))
    assert (done.code, done.err) == (2, f"error: --log-file {tmp_path}/no/such/file: No such file or directory\n")

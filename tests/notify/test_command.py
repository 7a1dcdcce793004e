"""`ferryman notify --test`, and what `check` says of the URLs."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr

from ferryman import cli, inspection
from ferryman.items.model import Configuration
from ferryman.notify import sending
from ferryman.notify.recipients import recipients
from tests.notify.listener import Listener

HUNTER2 = "hunter2"


@pytest.fixture
def items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, untouched_logging: None) -> Path:
    monkeypatch.delenv("FERRYMAN_NOTIFY", raising=False)
    return tmp_path / "items.yml"


def notify(items: Path, *urls: str, options: tuple[str, ...] = ()) -> Result:
    listed = "".join(f"  - {{url: '{url}', lang: zh}}\n" for url in urls)
    told = f"notify:\n{listed}" if urls else ""
    items.write_text(f"items: [{{source: quay.io/a/b, target: r.io/x}}]\n{told}")
    return CliRunner().invoke(cli.main, ["notify", "--test", "--items", str(items), *options])


@pytest.mark.slow
def test_each_url_gets_a_message_and_one_that_fails_is_told(items: Path, listener: Listener) -> None:
    works = f"json://user:{HUNTER2}@127.0.0.1:{listener.port}/hook"

    result = notify(items, works, f"nosuch://{HUNTER2}", options=("--json",))

    assert result.exit_code == 1
    assert [(found["what"], found["works"]) for found in json.loads(result.stdout)] == [
        ("notify[1] (json)", True), ("notify[2] (nosuch)", False),
    ]  # fmt: skip
    assert HUNTER2 not in result.output
    [received] = listener.received
    assert received.json["title"] == "Ferryman: 通知可用"


@pytest.mark.slow
def test_all_that_works_is_a_table(items: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERRYMAN_NOTIFY", f"json://127.0.0.1:{listener.port}/hook")

    result = notify(items)

    assert result.exit_code == 0
    assert "FERRYMAN_NOTIFY[1] (json)" in result.stdout
    assert len(listener.received) == 1


@pytest.mark.slow
async def test_check_says_whether_apprise_knows_the_urls() -> None:
    named = recipients(Configuration((), {}), SecretStr(f"json://127.0.0.1:1/{HUNTER2} nosuch://{HUNTER2}"))

    findings = await inspection._recipients(named)

    assert [(found.what, found.works) for found in findings] == [
        ("FERRYMAN_NOTIFY[1] (json)", True), ("FERRYMAN_NOTIFY[2] (nosuch)", False),
    ]  # fmt: skip
    assert HUNTER2 not in str(findings)


def test_nobody_to_tell_is_an_error(items: Path) -> None:
    result = notify(items)

    assert (result.exit_code, result.stderr) == (
        2, "error: nobody is told: expected a URL under notify: or in FERRYMAN_NOTIFY\n",
    )  # fmt: skip


def test_a_missing_extra_is_an_error_with_its_mend(items: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "find_spec", lambda _: None)

    result = notify(items, "json://127.0.0.1/x")

    assert (result.exit_code, result.stderr) == (
        2, "error: apprise is not installed: pip install 'ferryman[notify]'\n",
    )  # fmt: skip

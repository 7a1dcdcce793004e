"""Who is told, by names without their URLs."""

from pydantic import SecretStr

from ferryman.items.model import Configuration, Recipient
from ferryman.notify.recipients import recipients

SECRET = "dingtalk://0123456789abcdef"


def test_both_sources_count_and_a_url_once() -> None:
    configuration = Configuration((), {}, notify=(Recipient("json://a/x", language="zh"), Recipient(SECRET)))

    found = recipients(configuration, SecretStr(f" {SECRET}\n slack://a/b/c  SLACK://d/e/f nothing "))

    assert [each.name for each in found] == [
        "notify[1] (json)", "notify[2] (dingtalk)", "FERRYMAN_NOTIFY[2] (slack)", "FERRYMAN_NOTIFY[3] (slack)",
        "FERRYMAN_NOTIFY[4] (?)",
    ]  # fmt: skip
    assert [each.recipient.language for each in found][:2] == ["zh", "en"]
    assert recipients(configuration, None) == found[:2]


def test_the_database_has_a_hash_in_place_of_the_url() -> None:
    [one] = recipients(Configuration((), {}), SecretStr(SECRET))

    assert len(one.key) == 32
    assert "0123456789" not in f"{one.key} {one!r}"

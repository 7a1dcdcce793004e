"""What the services receive through apprise, against the shapes that their vendors document.

apprise knows the vendors' hosts; here its plugins are pointed at a listener.
"""

import base64
import hashlib
import hmac
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest

from ferryman.notify import apprise_child
from ferryman.notify.apprise_child import UNKNOWN_URL, send
from tests.notify.listener import Listener

TITLE = "Ferryman: incomplete: etcd (3 tags missing)"
BODY = "etcd:v3.5, etcd:v3.6 and 1 more\nquay.io: not allowed ‹b›＠all\n\nhttps://ferryman.example.com"
LINES = [line for line in BODY.split("\n") if line]
SECRET = "0123456789abcdef0123456789abcdef"
# Of a library that apprise's plugins load, on Python 3.11.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
Redirect = Callable[..., None]


@pytest.fixture
def redirect(monkeypatch: pytest.MonkeyPatch, listener: Listener) -> Redirect:
    """Point a plugin at the listener: `redirect("dingtalk", "NotifyDingTalk", notify_url="https://…")`."""

    def change(module: str, plugin: str, **urls: str) -> None:
        found = getattr(__import__(f"apprise.plugins.{module}", fromlist=[plugin]), plugin)
        for name, host in urls.items():
            url = getattr(found, name)
            assert url.startswith(host)
            monkeypatch.setattr(found, name, url.replace(host, listener.url))

    return change


def test_dingtalk_receives_a_text_message(listener: Listener, redirect: Redirect) -> None:
    """https://open.dingtalk.com/document/robots/custom-robot-access"""
    redirect("dingtalk", "NotifyDingTalk", notify_url="https://oapi.dingtalk.com")
    listener.otherwise = (200, {"errcode": 0, "errmsg": "ok"})

    assert send(f"dingtalk://{SECRET}", TITLE, BODY, failed=True) is None

    [received] = listener.received
    assert (received.method, received.path, received.query) == ("POST", "/robot/send", {"access_token": SECRET})
    assert received.headers["Content-Type"] == "application/json"
    assert received.json["msgtype"] == "text"
    assert_has_all(received.json["text"]["content"])


def test_dingtalk_receives_a_signature(listener: Listener, redirect: Redirect) -> None:
    redirect("dingtalk", "NotifyDingTalk", notify_url="https://oapi.dingtalk.com")

    assert send(f"dingtalk://SECabc123@{SECRET}", TITLE, BODY, failed=False) is None

    [received] = listener.received
    key, timestamp = b"SECabc123", received.query["timestamp"]
    signature = base64.b64encode(hmac.new(key, f"{timestamp}\nSECabc123".encode(), hashlib.sha256).digest()).decode()
    assert received.query["sign"] in {signature, signature.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")}


def test_feishu_receives_a_text_message(listener: Listener, redirect: Redirect) -> None:
    """https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot"""
    redirect("feishu", "NotifyFeishu", notify_url="https://open.feishu.cn")
    listener.otherwise = (200, {"code": 0, "msg": "success", "data": {}})

    assert send(f"feishu://{SECRET}", TITLE, BODY, failed=True) is None

    [received] = listener.received
    assert (received.method, received.path.rstrip("/")) == ("POST", f"/open-apis/bot/v2/hook/{SECRET}")
    assert received.json["msg_type"] == "text"
    assert_has_all(received.json["content"]["text"])


def test_lark_receives_a_text_message(listener: Listener, redirect: Redirect) -> None:
    redirect("lark", "NotifyLark", notify_url="https://open.larksuite.com")

    assert send(f"lark://{SECRET}", TITLE, BODY, failed=True) is None

    [received] = listener.received
    assert received.path == f"/open-apis/bot/v2/hook/{SECRET}"
    assert_has_all(received.json["content"]["text"])


def test_wecom_receives_a_text_message(listener: Listener, redirect: Redirect) -> None:
    """https://developer.work.weixin.qq.com/document/path/91770"""
    redirect("wecombot", "NotifyWeComBot", notify_url="https://qyapi.weixin.qq.com")
    listener.otherwise = (200, {"errcode": 0, "errmsg": "ok"})

    assert send(f"wecombot://{SECRET}", TITLE, BODY, failed=True) is None

    [received] = listener.received
    assert (received.method, received.path, received.query) == ("POST", "/cgi-bin/webhook/send", {"key": SECRET})
    assert received.json["msgtype"] == "text"
    assert_has_all(received.json["text"]["content"])
    assert len(received.json["text"]["content"].encode()) <= 2048


def test_serverchan_receives_a_form(listener: Listener, redirect: Redirect) -> None:
    """https://sct.ftqq.com/"""
    redirect("serverchan", "NotifyServerChan", notify_url="https://sctapi.ftqq.com")
    listener.otherwise = (200, {"code": 0, "message": "", "data": {}})

    assert send(f"schan://{SECRET}", TITLE, BODY, failed=True) is None

    [received] = listener.received
    form = parse_qs(received.body.decode())
    assert (received.path, form["title"]) == (f"/{SECRET}.send", [TITLE])
    assert_has_all(f"{TITLE}\n{form['desp'][0]}")


def test_slack_receives_no_mention(listener: Listener, redirect: Redirect) -> None:
    redirect("slack", "NotifySlack", webhook_url="https://hooks.slack.com")
    listener.otherwise = (200, "ok")

    send("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/", TITLE, BODY, failed=True)

    [received] = listener.received
    assert received.path == "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    text = received.body.decode("unicode-escape")
    assert "incomplete: etcd" in text
    assert "‹b›＠all" in received.json["attachments"][0]["text"]


def test_discord_receives_a_content(listener: Listener, redirect: Redirect) -> None:
    redirect("discord", "NotifyDiscord", notify_url="https://discord.com")

    assert send(f"discord://1234567890/{SECRET}", TITLE, BODY, failed=True) is None

    [received] = listener.received
    assert received.path == f"/api/webhooks/1234567890/{SECRET}"
    assert_has_all(received.json["content"])


def test_telegram_receives_a_text_for_its_chat(listener: Listener, redirect: Redirect) -> None:
    redirect("telegram", "NotifyTelegram", notify_url="https://api.telegram.org")
    listener.otherwise = (200, {"ok": True, "result": {}})

    assert send("tgram://123456789:abcdefg_hijklmnop/12315544/", TITLE, BODY, failed=True) is None

    received = listener.received[-1]
    assert received.path == "/bot123456789:abcdefg_hijklmnop/sendMessage"
    assert (received.json["chat_id"], "incomplete: etcd" in received.json["text"]) == (12315544, True)


def test_a_webhook_and_ntfy_receive_title_and_text(listener: Listener) -> None:
    assert send(f"json://127.0.0.1:{listener.port}/hook", TITLE, BODY, failed=True) is None
    assert send(f"ntfy://127.0.0.1:{listener.port}/topic", TITLE, BODY, failed=False) is None

    webhook, ntfy = listener.received
    assert (webhook.path, webhook.json["title"], webhook.json["message"]) == ("/hook", TITLE, BODY)
    assert webhook.json["type"] == "warning"
    assert (ntfy.json["topic"], ntfy.json["title"]) == ("topic", TITLE)


REFUSALS = [
    (
        "dingtalk", "NotifyDingTalk", "https://oapi.dingtalk.com",
        (200, {"errcode": 310000, "errmsg": f"keywords not in content, {SECRET}"}),
        "it refuses the message: 310000 keywords not in content, ***",
    ),
    (
        "wecombot", "NotifyWeComBot", "https://qyapi.weixin.qq.com",
        (200, {"errcode": 93000, "errmsg": "invalid webhook url"}),
        "it refuses the message: 93000 invalid webhook url",
    ),
    (
        "serverchan", "NotifyServerChan", "https://sctapi.ftqq.com",
        (200, {"code": 40001, "message": "bad key"}),
        "it refuses the message: 40001 bad key",
    ),
    (
        "feishu", "NotifyFeishu", "https://open.feishu.cn",
        (200, {"code": 19024, "msg": "Key Words Not Found"}),
        "it refuses the message: Key Words Not Found",
    ),
    (
        "feishu", "NotifyFeishu", "https://open.feishu.cn",
        (502, {"msg": f"see https://evil.example/{SECRET}"}),
        "it answers 502: see ***",
    ),
]  # fmt: skip


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: f"{refusal[0]}-{refusal[3][0]}")
def test_what_a_service_says_against_a_message_is_told_without_the_url(
    listener: Listener, redirect: Redirect, refusal: tuple[str, str, str, tuple[int, Any], str]
) -> None:
    module, plugin, host, answer, error = refusal
    redirect(module, plugin, notify_url=host)
    listener.otherwise = answer
    scheme = "schan" if module == "serverchan" else module

    assert send(f"{scheme}://{SECRET}", TITLE, BODY, failed=True) == error


def test_a_service_that_is_not_there_is_told_without_the_url() -> None:
    assert send(f"json://user:{SECRET}@127.0.0.1:1/x", TITLE, BODY, failed=True) == (
        "it cannot be reached: ConnectionError"
    )


@pytest.mark.parametrize(
    "url", ["nosuch://hunter2", "dingtalk://not-a-token!", "https://example.com/hunter2", "json://"]
)
def test_a_url_that_apprise_does_not_know_is_told(url: str) -> None:
    assert apprise_child.check(url) == UNKNOWN_URL
    assert send(url, TITLE, BODY, failed=True) == UNKNOWN_URL


def test_a_url_that_apprise_knows_is_not_called(listener: Listener) -> None:
    assert apprise_child.check(f"json://127.0.0.1:{listener.port}/hook") is None
    assert listener.received == []


def test_apprise_logs_nothing_where_others_read_it(listener: Listener, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    send(f"json://user:{SECRET}@127.0.0.1:{listener.port}/{SECRET}", TITLE, BODY, failed=True)
    listener.otherwise = (500, {})
    send(f"json://user:{SECRET}@127.0.0.1:{listener.port}/{SECRET}", TITLE, BODY, failed=True)
    apprise_child.check(f"nosuch://{SECRET}")

    assert [record for record in caplog.records if record.name.startswith("apprise")] == []
    assert logging.getLogger("apprise").propagate


def assert_has_all(text: str) -> None:
    """Title and body, in their lines."""
    assert [line.strip() for line in text.splitlines() if line.strip()] == [TITLE, *LINES]

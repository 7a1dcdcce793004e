"""The process that sends one message: `python -m ferryman.notify.apprise_child`.

apprise costs 50 MB and seconds, blocks, and has no limit of its own for the whole call. In a process of its own all of
that ends with the message, and it can be killed. What it logs may hold tokens: it goes nowhere but into `_error`.
"""

import contextlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ferryman import log
from ferryman.notify.neutral import neutralised

UNKNOWN_URL = "apprise does not know such a URL, or it lacks a part"
NOT_INSTALLED = "apprise is not installed: pip install 'ferryman[notify]'"
# Services that answer 200 to what they refuse, and say so in the body; apprise looks at the status alone.
_CODE_IN_BODY = {"NotifyDingTalk": "errcode", "NotifyWeComBot": "errcode", "NotifyServerChan": "code"}
_SAYS = ("errmsg", "message", "msg", "description", "error")  # where bodies say what is wrong
_SHORTEST_SECRET = 3  # characters: a shorter part of a URL is no secret, and would blacken every text
_ANY_URL = re.compile(r"(?:[a-z][a-z0-9+.-]*://|/)\S*[/?=]\S*", re.IGNORECASE)
_HIDDEN = "***"
_LONGEST = 200


@dataclass(slots=True)
class _Heard:
    """What is known of a delivery beside whether apprise takes it for one."""

    lines: list[str]  # of apprise's log
    answers: list[Any] = field(default_factory=list)  # of requests
    failures: list[BaseException] = field(default_factory=list)  # of requests


def send(url: str, title: str, body: str, *, failed: bool) -> str | None:
    """Send one message. Returns what went wrong, without a secret; None: the service has accepted it.

    `failed`: it is about something bad, for services that show a colour. Blocks, without a limit.
    """
    with _listening() as heard:
        try:
            service = _service(url)
            if service is None:
                return UNKNOWN_URL
            accepted = _notify(service, title, body, failed=failed)
        except ModuleNotFoundError:
            return NOT_INSTALLED
        except Exception as error:  # noqa: BLE001 - of a plugin: whatever it is, the message was not delivered
            return f"its plugin failed: {type(error).__name__}"
    return _refusal(url, type(service).__name__, heard) if accepted else _error(url, heard)


def check(url: str) -> str | None:
    """Whether apprise knows the URL: what is wrong with it, or None. Sends nothing."""
    with _listening():
        try:
            return UNKNOWN_URL if _service(url) is None else None
        except ModuleNotFoundError:
            return NOT_INSTALLED


def _service(url: str) -> Any:
    import apprise  # noqa: PLC0415 - costs seconds, and is an extra

    asset = apprise.AppriseAsset(
        app_id="Ferryman", app_desc="Ferryman", async_mode=False, allow_templates=False, image_url_mask=""
    )
    return apprise.Apprise.instantiate(url, asset=asset)


def _notify(service: Any, title: str, body: str, *, failed: bool) -> bool:
    import apprise  # noqa: PLC0415 - costs seconds, and is an extra

    everything = apprise.Apprise(asset=service.asset)
    everything.add(service)
    kind = apprise.NotifyType.WARNING if failed else apprise.NotifyType.INFO
    # TEXT: apprise escapes it for services that read HTML or Markdown.
    return bool(everything.notify(body=body, title=title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT))


@contextlib.contextmanager
def _listening() -> Iterator[_Heard]:
    """Hear what requests gets, and what apprise logs, which is kept from every other log."""
    with log.diverted("apprise") as lines:
        heard = _Heard(lines)
        with _hearing_requests(heard):
            yield heard


@contextlib.contextmanager
def _hearing_requests(heard: _Heard) -> Iterator[None]:
    try:
        import requests  # noqa: PLC0415 - comes with apprise
    except ModuleNotFoundError:
        yield
        return
    sending = requests.Session.send

    def send(session: Any, *args: Any, **options: Any) -> Any:
        try:
            answer = sending(session, *args, **options)
        except requests.RequestException as error:
            heard.failures.append(error)
            raise
        heard.answers.append(answer)
        return answer

    requests.Session.send = send  # type: ignore[method-assign, assignment]  # there is no hook for all sessions
    try:
        yield
    finally:
        requests.Session.send = sending  # type: ignore[method-assign]


def _refusal(url: str, plugin: str, heard: _Heard) -> str | None:
    """What a service says against a message in a body with the status 200."""
    name = _CODE_IN_BODY.get(plugin)
    if name is None or not heard.answers:
        return None
    body = _json(heard.answers[-1])
    code = str(body.get(name, 0))
    return None if code == "0" else _redacted(url, f"it refuses the message: {_said(body, code)}")


def _error(url: str, heard: _Heard) -> str:
    refused = [answer for answer in heard.answers if not answer.ok]
    if refused:
        said = _said(_json(refused[-1]), "")
        return _redacted(url, f"it answers {refused[-1].status_code}{': ' if said else ''}{said}")
    if heard.failures:
        return f"it cannot be reached: {type(heard.failures[-1]).__name__}"
    if heard.answers and (said := _said(_json(heard.answers[-1]), "")):
        return _redacted(url, f"it refuses the message: {said}")
    return _redacted(url, " ".join(heard.lines) or "it does not take the message, and does not say why")


def _json(answer: Any) -> dict[str, Any]:
    try:
        body = json.loads(answer.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _said(body: dict[str, Any], code: str) -> str:
    said = next((str(body[name]) for name in _SAYS if body.get(name)), "")
    return " ".join(part for part in (code, said) if part)


def _redacted(url: str, text: str) -> str:
    """The text without any part of the URL, in one short line."""
    for part in sorted(_parts(url), key=len, reverse=True):
        text = text.replace(part, _HIDDEN)
    return neutralised(_ANY_URL.sub(_HIDDEN, text), _LONGEST).replace(neutralised(_HIDDEN), _HIDDEN)


def _parts(url: str) -> set[str]:
    """What of a URL may be a secret: everything but its scheme."""
    rest = url.partition("://")[2]
    pieces = {rest, *re.split(r"[/?&=@:#]", rest), *(value for _, value in parse_qsl(urlsplit(url).query))}
    pieces |= {unquote(piece) for piece in pieces}
    return {piece for piece in pieces if len(piece) >= _SHORTEST_SECRET}


def main() -> None:
    """Read a task as JSON from stdin, and write what came of it to stdout, a list of errors or nulls."""
    task = json.load(sys.stdin)
    output, sys.stdout = sys.stdout, sys.stderr  # a plugin that prints must not break the answer
    if "check" in task:
        errors = [check(url) for url in task["check"]]
    else:
        errors = [send(task["url"], task["title"], task["body"], failed=task["failed"])]
    json.dump(errors, output)


if __name__ == "__main__":
    main()

"""Send one message by apprise, in a process of its own that is killed when it takes too long."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from importlib.util import find_spec
from typing import Any

from ferryman.notify.apprise_child import NOT_INSTALLED
from ferryman.notify.messages import Message

Send = Callable[[str, Message], Awaitable[str | None]]  # of a URL: what went wrong, or None
LONGEST = 60.0  # seconds for a message: a mail server may think for long
_CHILD = (sys.executable, "-P", "-m", "ferryman.notify.apprise_child")  # -P: not what is called alike in this folder


def is_installed() -> bool:
    """Whether the extra `notify` is there. Does not import it."""
    return find_spec("apprise") is not None


async def send(url: str, message: Message) -> str | None:
    """Send a message. Returns what went wrong, without any secret; None: the service has accepted it."""
    task = {"url": url, "title": message.title, "body": message.body, "failed": message.failed}
    [error] = await _run(task, 1)
    return error


async def check(urls: Sequence[str]) -> list[str | None]:
    """Whether apprise knows these URLs: what is wrong with each, or None. Sends nothing."""
    return await _run({"check": list(urls)}, len(urls)) if urls else []


async def _run(task: dict[str, Any], answers: int) -> list[str | None]:
    if not is_installed():
        return [NOT_INSTALLED] * answers
    pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    # What the child prints to stderr may contain the URL.
    child = await asyncio.create_subprocess_exec(*_CHILD, stdin=pipe, stdout=pipe, stderr=nowhere)
    try:
        async with asyncio.timeout(LONGEST):
            output, _ = await child.communicate(json.dumps(task).encode())
        errors: list[str | None] = json.loads(output)
    except TimeoutError:
        return [f"it does not take the message within {LONGEST:.0f} seconds"] * answers
    except ValueError:
        return ["apprise ended without an answer"] * answers
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    return errors

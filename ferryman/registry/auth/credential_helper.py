"""Docker's credential helpers: programs that return a login over pipes.

Source: docker/docker-credential-helpers, "Development". Secrets are never passed in arguments or variables.
"""

import asyncio
import json
import re
import shutil
from collections.abc import Mapping

from ferryman.registry.http.error_responses import quoted

_NAME = re.compile(r"[A-Za-z0-9._-]+")
# "Not found" of docker-credential-helpers, of Docker Desktop, and of the credential stores of macOS and Windows.
_NONE = re.compile(
    r"credentials? not found|no (stored )?credentials?\b|could not be found in the keychain|element not found",
    re.IGNORECASE,
)
# Our own variables hold secrets: they are not passed to helpers.
_OURS = re.compile(r"FERRYMAN_|TARGET(_|$)|DOCKER_AUTH_CONFIG$")
_TIMEOUT = 30.0  # seconds; some helpers call a cloud API


class HelperFailed(Exception):
    """A helper is not installed, times out or fails. The message holds no secret."""


async def ask_helper(
    name: str, server: str, *, environment: Mapping[str, str], time_limit: float = _TIMEOUT
) -> tuple[str, str] | None:
    """Username and secret for `server`; None: the helper has none. Raises HelperFailed."""
    program = f"docker-credential-{name}"
    if not _NAME.fullmatch(name):
        raise HelperFailed(f"{name!r} is no name of a credential helper")
    found = shutil.which(program, path=environment.get("PATH"))
    if found is None:
        raise HelperFailed(f"{program}, which is not installed")
    try:
        async with asyncio.timeout(time_limit):
            status, output = await _run(found, server, environment)
    except TimeoutError:
        raise HelperFailed(f"{program} did not answer within {time_limit:g} s") from None
    except OSError as error:
        raise HelperFailed(f"{program} cannot be run: {error.strerror}") from error
    if status != 0:
        # Helpers write their errors to stdout.
        if _NONE.search(output):
            return None
        raise HelperFailed(f"{program} failed: {quoted(output) or f'exit status {status}'}")
    return _parse(program, output)


async def _run(program: str, server: str, environment: Mapping[str, str]) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        program,
        "get",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: value for name, value in environment.items() if not _OURS.match(name)},
    )
    try:
        output, _ = await process.communicate(server.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode(errors="replace")


def _parse(program: str, output: str) -> tuple[str, str] | None:
    try:
        answer = json.loads(output)
        username, secret = answer["Username"], answer["Secret"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise HelperFailed(
            f"{program} answered something other than a login"
        ) from None  # without a cause: it may hold the secret
    if not isinstance(username, str) or not isinstance(secret, str):
        raise HelperFailed(f"{program} answered something other than a login")
    return (username, secret) if secret else None

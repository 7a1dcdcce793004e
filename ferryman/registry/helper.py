"""Docker's credential helpers: programs that are asked for a login over pipes.

Source: docker/docker-credential-helpers, "Development". Secrets never stand in an argument or a variable.
"""

import asyncio
import json
import re
import shutil
from collections.abc import Mapping

from ferryman.registry.answers import quoted

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_NONE = "credentials not found in native keychain"
_PATIENCE = 30.0  # seconds; some ask a cloud


class HelperMissing(Exception):
    """The helper is not installed; reads `docker-credential-x, which is not installed`."""


async def ask_helper(
    name: str, server: str, *, environment: Mapping[str, str], patience: float = _PATIENCE
) -> tuple[str, str] | None:
    """Username and secret for `server`; None: the helper has none.

    Raises HelperMissing, and ValueError with a sentence for a helper that fails.
    """
    program = f"docker-credential-{name}"
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a credential helper")
    found = shutil.which(program, path=environment.get("PATH"))
    if found is None:
        raise HelperMissing(f"{program}, which is not installed")
    try:
        async with asyncio.timeout(patience):
            status, output = await _run(found, server, environment)
    except TimeoutError:
        raise ValueError(f"{program} did not answer within {patience:g} s") from None
    except OSError as error:
        raise ValueError(f"{program} cannot be run: {error.strerror}") from error
    if status != 0:
        # Helpers write their errors to stdout.
        if _NONE in output:
            return None
        raise ValueError(f"{program} failed: {quoted(output) or f'exit status {status}'}")
    return _parse(program, output)


async def _run(program: str, server: str, environment: Mapping[str, str]) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        program,
        "get",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=dict(environment),
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
        raise ValueError(f"{program} answered something other than a login") from None  # it may hold the secret
    if not isinstance(username, str) or not isinstance(secret, str):
        raise ValueError(f"{program} answered something other than a login")  # noqa: TRY004
    return (username, secret) if secret else None

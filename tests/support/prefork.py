"""Forks the program, for each call once, from a process that has the libraries loaded: see tests/support/starting.py.

`python -P prefork.py DESCRIPTOR PROGRAM` listens on that socket, and ends with its stdin. A call is a line of JSON; the
process's pid and its exit code go back, a line each. All of Ferryman is imported anew for each call, in its folder and
with its environment, and the process ends as any program does.
"""

import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import time
from typing import Any

LIBRARIES = (
    *("aiodocker", "aiohttp", "aiosqlite", "alembic.command", "alembic.runtime.migration", "click.shell_completion"),
    *(
        "cronsim",
        "packaging.version",
        "pydantic.dataclasses",
        "pydantic.json_schema",
        "pydantic.main",
        "pydantic.types",
    ),
    *("rich.live", "rich.progress", "rich.table", "sqlalchemy", "sqlalchemy.dialects.sqlite.aiosqlite"),
    *("structlog.processors", "yaml", "yarl", "zoneinfo"),
)


def serve(listener: socket.socket) -> Any:
    """Fork for every call. Returns the call in the process that is to be the program; None: stdin has ended."""
    with listener, selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how those that answer have ended
        while sys.stdin not in {key.fileobj for key, _ in selector.select()}:
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    return answer(connection)
    return None


def answer(connection: socket.socket) -> Any:
    """Fork the program, and send what comes of it. Returns the call, in the program only."""
    with connection.makefile("rwb", buffering=0) as stream:
        call = json.loads(stream.readline())
        if (pid := os.fork()) == 0:
            return call
        stream.write(b"%d\n" % pid)
        stream.write(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os._exit(0)


def become(call: dict[str, Any], program: str) -> None:
    """Be the process that was started with this folder, environment, stdout, stderr and these arguments."""
    for number, name in enumerate([os.devnull, call["out"], call["err"]]):
        opened = os.open(name, os.O_WRONLY if number else os.O_RDONLY)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(call["folder"])
    os.environ.clear()
    os.environ.update(call["environment"])
    time.tzset()
    sys.argv = [program, *call["arguments"]]
    if any(name.startswith("COVERAGE_PROCESS_") for name in os.environ):
        importlib.import_module("coverage").process_startup()  # a new Python does it by itself


if __name__ == "__main__":
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.freeze()
    if (asked := serve(socket.socket(fileno=int(sys.argv[1])))) is not None:
        become(asked, sys.argv[2])
        importlib.import_module("ferryman.cli").main()

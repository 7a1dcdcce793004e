"""Forks the program, for each call once, from a process that has it loaded: see tests/support/starting.py.

`python -P prefork.py DESCRIPTOR PROGRAM` listens on that socket, and ends with its stdin. A call is a line of JSON; the
process's pid and its exit code go back, a line each. Every call is made in its own folder and with its own environment,
of which no module of Ferryman reads anything when it is imported, and the process ends as any program does.
"""

import gc
import importlib
import inspect
import json
import os
import selectors
import signal
import socket
import sys
import time
from typing import Any

# What functions import, in many a call.
_LAZY = (
    "coverage.sqldata",
    "ferryman.store.database.migrate",
    "ferryman.transports.direct.transport",
    "ferryman.transports.engine.transport",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "structlog.processors",
)


def load() -> None:
    """Import what calls need, so that they need not. What then is run but once is measured where tests import it."""
    for command in importlib.import_module("ferryman.cli").COMMANDS:
        importlib.import_module(f"ferryman.commands.{command.replace('-', '_')}")
    for module in _LAZY:
        importlib.import_module(module)
    inspect.stack()  # lists the files of all modules once: coverage.py, when it starts, would in every process
    gc.freeze()


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
    load()
    if (asked := serve(socket.socket(fileno=int(sys.argv[1])))) is not None:
        become(asked, sys.argv[2])
        importlib.import_module("ferryman.cli").main()

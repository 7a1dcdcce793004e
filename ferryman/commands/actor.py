"""Who uses the command line, for the audit log."""

import getpass
import os

from ferryman.store.queue.lease_owners import this_host


def this_user() -> str:
    """`cli:<user>@<host>`; in a container without a name for its user: `cli:<number>@<container>`."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return f"cli:{name}@{this_host()}"

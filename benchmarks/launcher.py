"""Run one command and report its cost: `python -I -S launcher.py REPORT COMMAND...`.

The kernel counts a child's memory from before its exec, when it still is its parent's: so the parent has to be small,
and imports little. The cost includes all processes that the command has waited for; of their memory, the largest's.
"""

import os
import sys
import time

report, *command = sys.argv[1:]
began = time.perf_counter()
child = os.posix_spawnp(command[0], command, os.environ)
_, status, usage = os.wait4(child, 0)
wall = time.perf_counter() - began
with open(report, "w") as file:  # noqa: PTH123 - pathlib is large
    print(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, file=file)
sys.exit(os.waitstatus_to_exitcode(status) % 256)

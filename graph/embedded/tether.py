"""Run as a program: become COMMAND, tied to the life of the process that asked for it.

Usage: python -I -S tether.py OWNER_PID NICENESS COMMAND...

It does between fork and exec what `preexec_fn` may not safely do in a process with threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    owner, niceness, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != owner:
        # The owner died before the tie was made, so its death will never be told.
        sys.exit("the process that asked for this one is gone")
    os.nice(niceness)
    os.execv(command[0], command)  # noqa: S606 -- becoming the command is the purpose

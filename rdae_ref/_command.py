"""The first moments of the command, before NumPy is loaded: Ctrl-C ends it at once, and closed streams are opened.

The package imports this before anything else. Where the package is used as a library, nothing is changed.
"""

import os
import signal
import sys

__all__ = ["begin", "end", "finish"]

NAMES = ("-m", "rdae-ref", "rdae-ref.exe")  # the first is that of ``python -m`` while it imports a package
INTERRUPTED = 130  # the exit code, as of a process that the signal ended


def begin() -> None:
    """Let Ctrl-C raise KeyboardInterrupt: from here on there is work to be ended in good order."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, _interrupt)


def finish() -> None:
    """Let Ctrl-C end the process at once again, without a traceback."""
    if _is_command and signal.getsignal(signal.SIGINT) in (_interrupt, signal.default_int_handler):
        signal.signal(signal.SIGINT, _end)


def end() -> None:
    """Ignore Ctrl-C: all is done, and the exit code stays that of the work while the interpreter ends."""
    # Python would give the signal back to the system, and one that comes then would end the process by the signal.
    if _is_command and signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Interrupt(KeyboardInterrupt):
    """Ctrl-C: Python ends by the signal if a KeyboardInterrupt itself has ever left the ``exec`` of a text."""


def _interrupt(*_: object) -> None:
    raise _Interrupt


def _end(*_: object) -> None:
    os._exit(INTERRUPTED)


def _open_streams() -> None:
    """Open the streams that were closed: the next file would get the number of one, and what is printed into it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free: this one
    sys.stdout, sys.stderr = sys.stdout or os.fdopen(1, "w"), sys.stderr or os.fdopen(2, "w")


# Processes that the command starts have its arguments, too, and multiprocessing's signals.
_program = os.path.basename((getattr(sys, "argv", None) or [""])[0])
_is_command = "multiprocessing" not in sys.modules and _program in NAMES
if _is_command:
    finish()
    _open_streams()

# SPDX-License-Identifier: AGPL-3.0-or-later
"""The process: it imports Synapse once, and forks into a server at each `hello`.

So a restart costs no import. The server says its process in its own `hello`; whoever kills that one finds
this one ready for the next.
"""

import argparse
import contextlib
import ctypes
import gc
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from . import chance

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Reads commands from standard input until it ends."""
    arguments = read_arguments()
    pin_hashes()
    source, sink = take_pipes()
    chance.install()

    from . import clock

    clock.install()
    write_log(arguments.log)

    from . import template
    from .lines import Lines
    from .seat import Seat, Wrong

    prepared = template.ensure(arguments.templates)
    # All that is here by now is here for good, and shared with the servers.
    gc.collect()
    gc.freeze()
    lines = Lines(source, sink)
    while (hello := lines.command()) is not None:
        server = os.fork()
        if server == 0:
            serve(Seat, Wrong, lines, hello, prepared)
        _, status = os.waitpid(server, 0)
        if status != 0:
            lines.say("gone", status=os.waitstatus_to_exitcode(status))


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="seat.py", description="Synapse as a seat of Backfire.")
    parser.add_argument(
        "--templates",
        type=Path,
        default=Path(sys.prefix) / "var" / "backfire-seat",
        help="where prepared databases are kept (default: %(default)s)",
    )
    parser.add_argument(
        "--log", default="WARNING", help="the least level that goes to standard error (default: %(default)s)"
    )
    return parser.parse_args()


def pin_hashes() -> None:
    """Starts the process again if the order of hashes is another in each."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def take_pipes() -> tuple[int, int]:
    """Standard input and output for the protocol alone: what others print goes to standard error."""
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return source, sink


def write_log(level: str) -> None:
    from twisted.python import log

    logging.basicConfig(
        level=level.upper(), stream=sys.stderr, format="%(created).3f %(levelname)s %(name)s: %(message)s"
    )
    log.PythonLoggingObserver().start()
    # It misses the metrics of a reactor that has none.
    logging.getLogger("synapse.metrics._reactor_metrics").setLevel(logging.ERROR)


def serve(seat: type, wrong: type[Exception], lines: Any, hello: dict, prepared: Path) -> None:
    """The life of one server, which is the life of this process."""
    die_with_parent()
    status, command = 1, hello
    try:
        running = seat(lines, hello, prepared)
        running.done(hello)
        while (command := lines.command()) is not None and running.obey(command):
            pass
        status = 0
    except wrong as error:
        lines.say("error", id=command.get("id"), message=str(error))
    except BaseException as error:
        sys.excepthook(*sys.exc_info())
        lines.say("error", id=command.get("id"), message=f"{type(error).__name__}: {error}")
    finally:
        sys.stderr.flush()
        # No farewell: what Synapse does when it is shut down is not what a crash does.
        os._exit(status)


def die_with_parent() -> None:
    """Nobody would end this process if the one that waits for it is gone."""
    # Where there is no such thing, the end of standard input ends it.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

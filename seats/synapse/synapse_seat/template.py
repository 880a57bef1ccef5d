# SPDX-License-Identifier: AGPL-3.0-or-later
"""A database that is prepared but empty, made once for each release and copied for each server.

To bring an empty file to the schema of today, and to run all the updates that Synapse does in the background
then, takes longer than all else at the start of a server, once Synapse is loaded. No server's name or key is
in it.
"""

import os
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path

from . import chance, server
from .clock import reactor

# A change of what is prepared here makes another file.
EDITION = 1

# Synapse does what it does in the background when there is nothing else to do; an hour is more than enough.
LONGEST_MS = 3_600_000


def path(folder: Path) -> Path:
    """Where the prepared database lies."""
    return folder / f"template-{EDITION}-synapse-{server.VERSION}-sqlite-{sqlite3.sqlite_version}.db"


def ensure(folder: Path) -> Path:
    """The prepared database; makes it if there is none. Several processes may do so at once."""
    ready = path(folder)
    if ready.exists():
        return ready
    folder.mkdir(parents=True, exist_ok=True)
    # In a process of its own, so that nothing is left of it in this one.
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                os.replace(prepare(Path(scratch)), ready)
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise RuntimeError("the database could not be prepared")
    return ready


def prepare(scratch: Path) -> Path:
    """Lets a server of no name start once and come to rest."""
    chance.reseed("template")
    reactor.set_time(0, 0)
    database, service = scratch / "homeserver.db", scratch / "service.yaml"
    name = "template.invalid"
    service.write_text(server.service_file(name))
    hello = {"server_name": name, "key": {"id": "ed25519:0", "seed": "A" * 43}}
    built = server.build(server.configuration(hello, database, service))
    server.run(built)
    updates = [database.updates for database in built.get_datastores().databases]
    reactor.advance(LONGEST_MS, lambda: all(update._all_done for update in updates))
    connection = sqlite3.connect(database)
    left = connection.execute("SELECT update_name FROM background_updates").fetchall()
    if left:
        raise RuntimeError(f"updates in the background were not done: {left}")
    flat = scratch / "flat.db"
    connection.execute("VACUUM INTO ?", (str(flat),))
    connection.close()
    return flat


def copy(ready: Path, to: Path) -> None:
    """Gives a new server its database."""
    shutil.copyfile(ready, to)

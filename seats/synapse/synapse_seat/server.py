# SPDX-License-Identifier: AGPL-3.0-or-later
"""Synapse itself: its configuration, and how it is started on the simulated reactor."""

import hashlib
import inspect
from pathlib import Path
from typing import Any

import synapse
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.app import _base
from synapse.app.homeserver import SynapseHomeServer
from synapse.config.homeserver import HomeServerConfig
from synapse.logging.context import LoggingContext
from twisted.internet import defer

from .clock import reactor

VERSION: str = synapse.__version__

# The localpart of the application service through which users act. It is nobody who takes part.
SERVICE = "_seat"

NO_LIMIT = {"per_second": 1_000_000, "burst_count": 1_000_000}


def room_versions() -> list[str]:
    """The versions of rooms that this release knows."""
    return sorted(KNOWN_ROOM_VERSIONS, key=lambda version: (len(version), version))


def token(server_name: str) -> str:
    """What the users' application service shows. It never leaves the process."""
    return hashlib.sha256(f"users of {server_name}".encode()).hexdigest()


def limits() -> dict:
    """A scenario that floods a server means to."""
    kinds = (
        "rc_message rc_registration rc_admin_redaction rc_joins_per_room rc_3pid_validation rc_reports "
        "rc_room_creation rc_user_directory rc_registration_token_validity"
    )
    limits: dict[str, Any] = {kind: NO_LIMIT for kind in kinds.split()}
    limits["rc_joins"] = {"local": NO_LIMIT, "remote": NO_LIMIT}
    limits["rc_login"] = {"address": NO_LIMIT, "account": NO_LIMIT, "failed_attempts": NO_LIMIT}
    limits["rc_invites"] = {"per_room": NO_LIMIT, "per_user": NO_LIMIT, "per_issuer": NO_LIMIT}
    limits["rc_federation"] = {
        "window_size": 1000,
        "sleep_limit": 1_000_000,
        "sleep_delay": 0,
        "reject_limit": 1_000_000,
        "concurrent": 1_000,
    }
    return limits


def configuration(hello: dict, database: Path, service: Path) -> dict:
    """The configuration of a server for its place. What the run wants of it stands above all else."""
    name, key = hello["server_name"], hello["key"]
    algorithm, _, version = key["id"].partition(":")
    options = hello.get("options", {})
    federation = {}
    if "back_off_ms" in options:
        federation["destination_min_retry_interval"] = options["back_off_ms"]["first"]
        federation["destination_max_retry_interval"] = options["back_off_ms"]["longest"]
    config = {
        "server_name": name,
        "report_stats": False,
        "signing_key": f"{algorithm} {version} {key['seed']}",
        "old_signing_keys": {
            old["id"]: {"key": old["public"], "expired_ts": old["expired_ts"]}
            for old in hello.get("old_keys", [])
        },
        "macaroon_secret_key": token(name),
        "form_secret": token(name),
        "trusted_key_servers": [],
        "suppress_key_server_warning": True,
        "database": {
            "name": "sqlite3",
            "args": {"database": str(database), "cp_min": 1, "cp_max": 1, "check_same_thread": False},
        },
        "listeners": [
            {
                "port": 8008,
                "type": "http",
                "tls": False,
                "bind_addresses": ["127.0.0.1"],
                "resources": [{"names": ["client", "federation"], "compress": False}],
            }
        ],
        "app_service_config_files": [str(service)],
        # Its users do what they do; nobody tells the service what happens.
        "notify_appservices_from_worker": "nobody",
        "federation": federation,
        "federation_ip_range_blacklist": [],
        "ip_range_blacklist": [],
        # What has no part in what servers tell each other of rooms, and would only cost time.
        "caches": {"expire_caches": False},
        "enable_media_repo": False,
        "presence": {"enabled": False},
        "push": {"enabled": False},
        "update_user_directory_from_worker": "nobody",
        "user_directory": {"enabled": False},
        **limits(),
    }
    if "key_validity_ms" in options:
        config["key_refresh_interval"] = options["key_validity_ms"]
    config.update(options.get("software", {}))
    return config


def service_file(server_name: str) -> str:
    """The registration of the application service that may act as any user of the server. JSON is YAML."""
    return f"""id: seat
url: null
as_token: {token(server_name)}
hs_token: {token(server_name)}
sender_localpart: {SERVICE}
rate_limited: false
namespaces: {{ users: [{{ exclusive: false, regex: "@.*" }}], aliases: [], rooms: [] }}
"""


def accepted(function: Any, **arguments: Any) -> dict:
    """Those of the arguments that this release has a name for."""
    names = inspect.signature(function).parameters
    return {name: value for name, value in arguments.items() if name in names}


def build(config: dict) -> SynapseHomeServer:
    """A server with its database prepared, that doesn't run yet."""
    parsed = HomeServerConfig()
    parsed.parse_config_dict(config, "", "")
    options = accepted(SynapseHomeServer.__init__, reactor=reactor, version_string=f"Synapse/{VERSION}")
    server = SynapseHomeServer(config["server_name"], config=parsed, **options)
    with context(config["server_name"]):
        server.setup()
    for database in server.get_datastores().databases:
        relax(database.engine)
    return server


def relax(engine: Any) -> None:
    """The database has to outlive the process, not the machine: nobody waits for the disk."""
    on_new_connection = engine.on_new_connection

    def relaxed(connection: Any) -> None:
        on_new_connection(connection)
        connection.execute("PRAGMA synchronous = OFF")

    engine.on_new_connection = relaxed


def run(server: SynapseHomeServer) -> None:
    """Starts a server that was built, as Synapse starts itself once its reactor runs."""

    async def start() -> None:
        await _base.start(server, **accepted(_base.start, freeze=False))
        for database in server.get_datastores().databases:
            database.updates.start_doing_background_updates()

    reactor.start()
    failures: list = []
    with context(server.hostname):
        started = defer.ensureDeferred(start())
    started.addErrback(failures.append)
    reactor.settle()
    if failures:
        failures[0].raiseException()


def context(server_name: str) -> LoggingContext:
    """What Synapse's log says of whom it was written by."""
    try:
        return LoggingContext(name="seat", server_name=server_name)
    except TypeError:
        # Older releases knew one server in a process.
        return LoggingContext("seat")

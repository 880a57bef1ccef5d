# SPDX-License-Identifier: AGPL-3.0-or-later
"""A seat for Synapse: one unmodified homeserver as a child process on a simulated clock.

It speaks the protocol of `docs/seat-protocol.md`. Synapse is imported as it is installed; everything here is
about what it stands on: the clock and the reactor, chance, the wires to other servers, its users, and its
database.
"""

PROTOCOL = 1

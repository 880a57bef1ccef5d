#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""The command of the seat: run it with the Python of an environment that has Synapse."""

from synapse_seat.process import main

if __name__ == "__main__":
    main()

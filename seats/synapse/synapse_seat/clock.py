# SPDX-License-Identifier: AGPL-3.0-or-later
"""The reactor that Synapse runs on: Twisted's in-memory one, with a clock that others move.

There are no threads: what is meant for one is queued and run by the reactor itself, one call after the other.
Time is counted in whole milliseconds; a call is due at the first of them that is not before its time.
"""

import heapq
import itertools
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.base import DelayedCall
from twisted.internet.main import installReactor
from twisted.internet.task import LoopingCall
from twisted.internet.testing import MemoryReactorClock
from twisted.python import failure, log, threadpool

# More calls than any instant of a real run has; whoever makes them goes round in a circle.
MOST_CALLS_AT_ONCE = 10_000_000

# Seconds that may be added or lost by computing with times since 1970 in floating point, many times over.
NOISE = 1e-5


class SimulatedReactor(MemoryReactorClock):
    """Runs what is due, and moves on only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self._epoch = 0
        self._queue: deque = deque()
        self._timers: list = []
        self._numbers = itertools.count()

    # --- What Synapse sees.

    def seconds(self) -> float:
        # A microsecond more than the whole millisecond, or else `int(seconds * 1000)` is often one too small.
        return (self._epoch + self.now) / 1000 + 1e-6

    def callLater(self, delay: float, function: Callable, *args: Any, **kwargs: Any) -> DelayedCall:
        if isinstance(function, LoopingCall) and 0 < delay < NOISE:
            # The end of an interval that was just missed by noise is this one, which is being worked off.
            delay += function.interval
        call = DelayedCall(
            self.seconds() + delay, function, args, kwargs, lambda call: None, self._push, self.seconds
        )
        self._push(call)
        return call

    def getDelayedCalls(self) -> list:
        return [call for _, _, call in self._timers if call.active()]

    def callFromThread(self, function: Callable, *args: Any, **kwargs: Any) -> None:
        self._queue.append((function, args, kwargs))

    def callInThread(self, function: Callable, *args: Any, **kwargs: Any) -> None:
        self._queue.append((function, args, kwargs))

    def getThreadPool(self) -> "InlinePool":
        return pool

    def installNameResolver(self, resolver: Any) -> Any:
        # No name is ever looked up. Older releases of Twisted have no such method here.
        return resolver

    def suggestThreadPoolSize(self, size: int) -> None:
        pass

    # --- What the seat does.

    def set_time(self, now: int, wall: int) -> None:
        """The run's clock shows `now`, and the server's own `wall` milliseconds since 1970.

        Timers that are set move along: they measure how long, not until when.
        """
        epoch = wall - now
        for _, _, call in self._timers:
            call.time += (epoch - self._epoch) / 1000
        self._epoch, self.now = epoch, now

    def start(self) -> None:
        """The reactor runs from here on."""
        self.running = self.hasRun = True
        for function, args, kwargs in self.whenRunningHooks:
            function(*args, **kwargs)

    def next_due(self) -> int | None:
        """When the next call is due."""
        while self._timers:
            due, _, call = self._timers[0]
            if call.active():
                true_due = self._due(call)
                if true_due <= due:
                    return due
                heapq.heapreplace(self._timers, (true_due, next(self._numbers), call))
            else:
                heapq.heappop(self._timers)
        return None

    def settle(self) -> None:
        """Runs all that is due at this instant."""
        for _ in range(MOST_CALLS_AT_ONCE):
            if self._queue:
                function, args, kwargs = self._queue.popleft()
            else:
                due = self.next_due()
                if due is None or due > self.now:
                    return
                _, _, call = heapq.heappop(self._timers)
                call.called = 1
                function, args, kwargs = call.func, call.args, call.kw
            try:
                function(*args, **kwargs)
            except Exception:
                log.err(failure.Failure(), "a call of the reactor failed")
        raise RuntimeError(f"nothing comes to rest at {self.now} ms")

    def advance(self, to: int, enough: Callable[[], bool]) -> None:
        """Goes on to `to` from one call to the next, or to the first instant after which it is `enough`."""
        while not enough():
            due = self.next_due()
            if due is None or due > to:
                self.now = max(self.now, to)
                return
            self.now = due
            self.settle()

    def _push(self, call: DelayedCall) -> None:
        heapq.heappush(self._timers, (self._due(call), next(self._numbers), call))

    def _due(self, call: DelayedCall) -> int:
        return math.ceil((call.getTime() - NOISE) * 1000) - self._epoch


class InlinePool:
    """A pool of threads that has none."""

    min = max = 1
    name = "inline"

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        self.threads: list = []
        self.working: list = []
        self.workers = 0
        self.worked: Callable[[], None] = lambda: None

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def callInThread(self, function: Callable, *args: Any, **kwargs: Any) -> None:
        reactor.callFromThread(function, *args, **kwargs)

    def callInThreadWithCallback(
        self, then: Callable | None, function: Callable, *args: Any, **kwargs: Any
    ) -> None:
        def work() -> None:
            try:
                succeeded, result = True, function(*args, **kwargs)
            except Exception:
                succeeded, result = False, failure.Failure()
            pool.worked()
            if then is not None:
                then(succeeded, result)

        reactor.callFromThread(work)


reactor = SimulatedReactor()
pool = InlinePool()


def install() -> None:
    """Makes this the reactor, the pool of threads and the time of the whole process."""
    installReactor(reactor)
    threadpool.ThreadPool = InlinePool
    time.time = reactor.seconds

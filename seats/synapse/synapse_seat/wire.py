# SPDX-License-Identifier: AGPL-3.0-or-later
"""Requests that come in and requests that go out.

What comes in takes the road of any request: it is put as bytes into a connection of the listener that Synapse
opened on the in-memory reactor. What goes out is taken at the one place through which Synapse talks to other
servers, the agent of its federation client.
"""

import itertools
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from twisted.internet import defer, error
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone, ResponseNeverReceived
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse
from zope.interface import implementer

from .clock import reactor
from .lines import Lines, body_fields

# Said of the connection, and not of the message: there is no connection here.
OF_THE_CONNECTION = {
    b"connection",
    b"content-length",
    b"date",
    b"keep-alive",
    b"server",
    b"transfer-encoding",
}

Answer = Callable[[int, list, bytes], None]


class Connection(StringTransport):
    """The far end of a connection that carries one request."""

    def __init__(self, factory: Any, answer: Answer) -> None:
        super().__init__()
        self._answer = answer
        self._ended = False
        self._protocol = factory.buildProtocol(self.getPeer())
        self._protocol.makeConnection(self)

    def send(self, method: str, uri: str, headers: list, body: bytes) -> None:
        head = [f"{method} {uri} HTTP/1.0".encode("latin-1")]
        for name, value in headers:
            if name.lower().encode("latin-1") not in OF_THE_CONNECTION:
                head.append(f"{name}: {value}".encode("latin-1"))
        head.append(b"Content-Length: %d" % len(body))
        self._protocol.dataReceived(b"\r\n".join(head) + b"\r\n\r\n" + body)

    def loseConnection(self) -> None:
        super().loseConnection()
        # Whoever closes it is in the middle of something.
        reactor.callFromThread(self._end)

    def abortConnection(self) -> None:
        self.loseConnection()

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        self._protocol.connectionLost(Failure(error.ConnectionDone()))
        head, _, body = self.value().partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        status = int(first.split(b" ", 2)[1])
        headers = [line.split(b": ", 1) for line in lines]
        kept = [
            [name.decode("latin-1"), value.decode("latin-1")]
            for name, value in headers
            if name.lower() not in OF_THE_CONNECTION
        ]
        self._answer(status, kept, body)


class Inbound:
    """Hands requests to Synapse's listener."""

    def __init__(self) -> None:
        [(_, self._factory, _, _)] = reactor.tcpServers
        self.open = 0

    def put(self, method: str, uri: str, headers: list, body: bytes, answer: Answer) -> None:
        self.open += 1

        def answered(status: int, headers: list, body: bytes) -> None:
            self.open -= 1
            answer(status, headers, body)

        Connection(self._factory, answered).send(method, uri, headers, body)


@implementer(IAgent)
class Outbound:
    """Takes what Synapse asks of other servers to the pipe."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._numbers = itertools.count(1)
        self._asked: dict[int, defer.Deferred] = {}

    @property
    def open(self) -> int:
        return len(self._asked)

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: Any = None
    ) -> defer.Deferred:
        number = next(self._numbers)
        said = False

        def cancel(_: defer.Deferred) -> None:
            if self._asked.pop(number, None) is not None and said:
                self._lines.say("abandon", ask=number)

        def ask(_: Any) -> None:
            nonlocal said
            if number not in self._asked:
                return
            said = True
            url = urlsplit(uri.decode("ascii"))
            pairs = (headers or Headers()).getAllRawHeaders()
            flat = [
                [name.decode("latin-1"), value.decode("latin-1")]
                for name, values in pairs
                if name.lower() not in OF_THE_CONNECTION
                for value in values
            ]
            self._lines.say(
                "ask",
                ask=number,
                to=url.netloc,
                method=method.decode("ascii"),
                uri=url.path + (f"?{url.query}" if url.query else ""),
                headers=flat,
                **body_fields(b"".join(sink.written)),
            )

        answer: defer.Deferred = defer.Deferred(cancel)
        self._asked[number] = answer
        sink = Sink()
        produced = bodyProducer.startProducing(sink) if bodyProducer else defer.succeed(None)
        produced.addCallback(ask)
        return answer

    def answer(self, number: int, status: int, headers: list, body: bytes) -> None:
        """Another server has answered. What Synapse no longer waits for is nobody's loss."""
        waiting = self._asked.pop(number, None)
        if waiting is not None:
            waiting.callback(Response(status, headers, body))

    def fail(self, number: int, why: str) -> None:
        """A request came to nothing."""
        waiting = self._asked.pop(number, None)
        if waiting is None:
            return
        if why == "refused":
            waiting.errback(error.ConnectionRefusedError())
        else:
            waiting.errback(ResponseNeverReceived([Failure(error.ConnectionLost())]))


class Sink:
    """Consumes the body of a request."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        pass

    def unregisterProducer(self) -> None:
        pass


@implementer(IResponse)
class Response:
    """An answer, all of which is there."""

    version = (b"HTTP", 1, 1)
    request = None
    previousResponse = None

    def __init__(self, status: int, headers: list, body: bytes) -> None:
        self.code = status
        self.phrase = b""
        self.headers = Headers()
        for name, value in headers:
            self.headers.addRawHeader(name.encode("latin-1"), value.encode("latin-1"))
        self.length = len(body)
        self._body = body

    def setPreviousResponse(self, response: IResponse) -> None:
        self.previousResponse = response

    def deliverBody(self, protocol: Any) -> None:
        transport = StringTransport()
        protocol.makeConnection(transport)
        if self._body:
            protocol.dataReceived(self._body)
        # Who has read enough hangs up.
        lost = error.ConnectionDone() if transport.disconnecting else ResponseDone()
        protocol.connectionLost(Failure(lost))

"""The registration desk of the lab's HIS: a small HTTP service in front of PostgreSQL.

GET  /health                200 when the database answers, 503 when it does not
POST /registrations         body {"patient": "...", "department": "..."}; 201 with the stored row
GET  /registrations/count   {"count": n}
GET  /registrations/{id}    the stored row, or 404

Runs inside an emulated VM, so it spares instructions: one thread, one selector, one database connection
that is opened again whenever it breaks. A request that gets no 2xx may still have been stored.
"""

# psycopg2 is in the guest only, so its types are not known where this file is checked.
# pyright: basic, reportMissingImports=false, reportMissingModuleSource=false

import json
import select
import selectors
import socket
import sys
import time
from typing import Any

import psycopg2
import psycopg2.extensions

PORT = 8080
DATABASE_TIMEOUT_S = 2.0
RECONNECT_PAUSE_S = 0.5
REQUEST_LIMIT_BYTES = 16384
CLIENT_LIMIT = 64
REASONS = {
    200: "OK",
    201: "Created",
    400: "Bad Request",
    404: "Not Found",
    413: "Content Too Large",
    503: "Service Unavailable",
}
COLUMNS = (
    "id, patient, department, to_char(registered_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
)


class Database:
    """One connection, opened when first needed and again after it broke."""

    def __init__(self, address: str) -> None:
        self.dsn = f"host={address} dbname=his user=his application_name=registration"
        self.connection = None
        self.retry_at_s = 0.0
        self.deadline_s = 0.0
        # libpq waits for ever on a server that stopped; with this every wait ends at our deadline.
        psycopg2.extensions.set_wait_callback(self.wait)

    def wait(self, connection) -> None:
        while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
            left_s = self.deadline_s - time.monotonic()
            reading = [connection] if state == psycopg2.extensions.POLL_READ else []
            writing = [connection] if state == psycopg2.extensions.POLL_WRITE else []
            if left_s <= 0 or not any(select.select(reading, writing, [], left_s)):
                raise psycopg2.OperationalError(f"no answer within {DATABASE_TIMEOUT_S} s")

    def ask(self, statement: str, values: tuple = ()) -> Any:
        """First row of the statement's result. Raises psycopg2.Error; the next call connects anew."""
        now_s = time.monotonic()
        self.deadline_s = now_s + DATABASE_TIMEOUT_S
        if self.connection is None:
            if now_s < self.retry_at_s:
                raise psycopg2.OperationalError("database did not answer a moment ago")
            # Set before the attempt: one slow attempt must not make every waiting client pay for another.
            self.retry_at_s = self.deadline_s + RECONNECT_PAUSE_S
            self.connection = psycopg2.connect(self.dsn)
            self.connection.autocommit = True
            self.retry_at_s = 0.0
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchone()
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            broken, self.connection = self.connection, None
            broken.close()
            raise


class BadRequest(Exception):
    """What the client sent is not a request we understand."""


def answer(database: Database, method: str, path: str, body: bytes) -> tuple[int, dict]:
    """(status, object) for one request."""
    try:
        if method == "GET" and path == "/health":
            database.ask("select 1")
            return 200, {"status": "ok"}
        if method == "POST" and path == "/registrations":
            return register(database, body)
        if method == "GET" and path == "/registrations/count":
            return 200, {"count": count(database)}
        if method == "GET" and path.startswith("/registrations/"):
            return find(database, path.rpartition("/")[2])
    except psycopg2.Error as error:
        return 503, {"error": str(error).strip()}
    return 404, {"error": "no such thing here"}


def count(database: Database) -> int:
    return database.ask("select count(*) from registrations")[0]


def register(database: Database, body: bytes) -> tuple[int, dict]:
    try:
        form = json.loads(body)
        patient, department = str(form["patient"])[:100], str(form["department"])[:100]
    except (ValueError, KeyError, TypeError):
        return 400, {"error": 'body must be {"patient": "...", "department": "..."}'}
    stored = database.ask(
        f"insert into registrations (patient, department) values (%s, %s) returning {COLUMNS}",
        (patient, department),
    )
    return 201, row(stored)


def find(database: Database, text: str) -> tuple[int, dict]:
    if not text.isdecimal() or len(text) > 18:
        return 404, {"error": "an id is a number"}
    stored = database.ask(f"select {COLUMNS} from registrations where id = %s", (int(text),))
    return (200, row(stored)) if stored else (404, {"error": f"no registration {text}"})


def row(stored: tuple) -> dict:
    return dict(zip(("id", "patient", "department", "registered_at"), stored, strict=True))


def take_request(received: bytearray) -> tuple[str, str, bytes, bool] | None:
    """(method, path, body, keep_alive) removed from the front of `received`, or None while incomplete."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        if len(received) > REQUEST_LIMIT_BYTES:
            raise BadRequest("header too long")
        return None
    lines = received[:end].decode("latin-1").split("\r\n")
    try:
        method, path, version = lines[0].split(" ")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        length = int(headers.get("content-length", "0"))
    except ValueError as error:
        raise BadRequest("not an HTTP/1.1 request with a Content-Length") from error
    if not 0 <= length <= REQUEST_LIMIT_BYTES:
        raise BadRequest(f"body must be at most {REQUEST_LIMIT_BYTES} bytes")
    whole = end + 4 + length
    if len(received) < whole:
        return None
    body = bytes(received[end + 4 : whole])
    del received[:whole]
    closing = headers.get("connection", "").lower() == "close" or version == "HTTP/1.0"
    return method, path, body, not closing


def response(status: int, content: dict, keep_alive: bool) -> bytes:
    body = json.dumps(content).encode()
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: {'keep-alive' if keep_alive else 'close'}\r\n\r\n"
    )
    return head.encode() + body


class Desk:
    """The listening socket and its clients."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.selector = selectors.DefaultSelector()
        self.clients: dict[Any, bytearray] = {}
        self.listener = socket.create_server(("0.0.0.0", PORT), backlog=CLIENT_LIMIT)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ)

    def serve(self) -> None:
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    self.accept()
                elif key.fileobj in self.clients:  # not dropped a moment ago, to let a new one in
                    self.read(key.fileobj)

    def accept(self) -> None:
        client, _ = self.listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.settimeout(1.0)  # a client that does not take its answer must not hold up the others
        if len(self.clients) >= CLIENT_LIMIT:
            self.drop(next(iter(self.clients)))  # the oldest: probes of a dead host never say goodbye
        self.clients[client] = bytearray()
        self.selector.register(client, selectors.EVENT_READ)

    def read(self, client: Any) -> None:
        try:
            if not self.converse(client):
                self.drop(client)
        except OSError:
            self.drop(client)

    def converse(self, client: socket.socket) -> bool:
        """Answer every whole request that has come in; False when the conversation is over."""
        part = client.recv(REQUEST_LIMIT_BYTES)
        received = self.clients[client]
        received += part
        try:
            while part and (request := take_request(received)):
                method, path, body, keep = request
                client.sendall(response(*answer(self.database, method, path, body), keep))
                if not keep:
                    return False
        except BadRequest as error:
            client.sendall(response(400, {"error": str(error)}, False))
            return False
        return bool(part)

    def drop(self, client: socket.socket) -> None:
        self.selector.unregister(client)
        del self.clients[client]
        client.close()


if __name__ == "__main__":
    Desk(Database(sys.argv[1])).serve()

"""The NetBIOS session service: its handshake by hand, then smbprotocol over the session that it gave."""

import os
import socket
import struct

import pytest

pytest.importorskip("smbprotocol", reason="smbprotocol is not installed")

import smbprotocol.connection
from smbprotocol.transport import Tcp

from test_smbprotocol import connected, write_and_read

SESSION_REQUEST, POSITIVE_RESPONSE, NEGATIVE_RESPONSE, KEEP_ALIVE = 0x81, 0x82, 0x83, 0x85
ANY_NAME = "*SMBSERVER"


def encoded(name, service):
    """A NetBIOS name as [RFC1002] 4.1 writes it: two letters per half byte."""
    padded = name.upper().encode().ljust(15) + bytes([service])
    return b"\x20" + b"".join(bytes([0x41 + (byte >> 4), 0x41 + (byte & 15)]) for byte in padded) + b"\0"


def ask(connection, called=ANY_NAME):
    """Send a session request; return the type and the body of the answer."""
    body = encoded(called, 0x20) + encoded("A-CLIENT", 0)
    connection.sendall(struct.pack(">BBH", SESSION_REQUEST, 0, len(body)) + body)
    kind, _, length = struct.unpack(">BBH", receive(connection, 4))
    return kind, receive(connection, length)


def receive(connection, length):
    """Exactly so many bytes."""
    data = b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        assert more, f"the connection ended after {len(data)} of {length} bytes"
        data += more
    return data


def test_a_session_request_is_answered(server):
    with socket.create_connection((server.host, server.netbios_port), 10) as connection:
        assert ask(connection) == (POSITIVE_RESPONSE, b"")


def test_a_malformed_session_request_is_not_granted(server):
    with socket.create_connection((server.host, server.netbios_port), 10) as connection:
        connection.sendall(struct.pack(">BBH", SESSION_REQUEST, 0, 4) + b"\xff\xff\xff\xff")
        answer = connection.recv(5)
        assert answer[:1] in (b"", bytes([NEGATIVE_RESPONSE]))


@pytest.mark.parametrize("keep_alives", [0, 3], ids=["plain", "with keep-alives"])
def test_smb_runs_over_a_session(server, folder, monkeypatch, keep_alives):
    if keep_alives and server.name == "samba":
        pytest.skip("Samba ends a connection over a keep-alive")
    idle = struct.pack(">BBH", KEEP_ALIVE, 0, 0) * keep_alives

    class Session(Tcp):
        """A transport whose connection begins with a session request."""

        def connect(self):
            super().connect()
            assert ask(self._sock)[0] == POSITIVE_RESPONSE

        def send(self, header):
            with self._sock_lock:
                self._sock.sendall(idle)
            super().send(header)

    monkeypatch.setattr(smbprotocol.connection, "Tcp", Session)
    for dialect in ("2.0.2", "3.1.1"):
        with connected(server, dialect, signed=True, port=server.netbios_port) as tree:
            data = write_and_read(tree, rf"{folder}\{dialect}", 300_000)
        assert (server.folder("work") / folder / dialect).read_bytes() == data


def test_the_direct_port_does_not_take_part(server):
    with socket.create_connection((server.host, server.port), 10) as connection:
        body = os.urandom(8)
        connection.sendall(struct.pack(">BBH", SESSION_REQUEST, 0, len(body)) + body)
        assert connection.recv(5)[:1] in (b"", bytes([NEGATIVE_RESPONSE])) or server.name == "samba"

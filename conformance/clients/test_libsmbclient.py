"""libsmbclient, the library below gvfs, Kodi and many others, called as they call it: by URL, one context per user."""

import ctypes
import ctypes.util
import errno
import hashlib
import os

import pytest

from server import ACCOUNTS

LIBRARY = ctypes.util.find_library("smbclient")
pytestmark = pytest.mark.skipif(not LIBRARY, reason="libsmbclient is not installed")

AUTHENTICATE = ctypes.CFUNCTYPE(
    None, ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_char), ctypes.c_int,
    ctypes.POINTER(ctypes.c_char), ctypes.c_int, ctypes.POINTER(ctypes.c_char), ctypes.c_int,
)


class Entry(ctypes.Structure):
    """`struct smbc_dirent`, up to its name."""

    _fields_ = [("type", ctypes.c_uint), ("length", ctypes.c_uint), ("comment_length", ctypes.c_uint),
                ("comment", ctypes.c_char_p), ("name_length", ctypes.c_uint), ("name", ctypes.c_char * 1)]


class Client:
    """The library's plain calls, with a failed one as an OSError."""

    def __init__(self, server):
        self.library = ctypes.CDLL(LIBRARY, use_errno=True)
        self.base = f"smb://{server.host}:{server.port}"
        self.library.smbc_readdir.restype = ctypes.POINTER(Entry)
        self.library.smbc_lseek.restype = ctypes.c_int64
        self.library.smbc_lseek.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int]
        self.library.smbc_write.restype = self.library.smbc_read.restype = ctypes.c_ssize_t
        self.authenticate = AUTHENTICATE(authenticate_as_alice)
        self.check(self.library.smbc_init(self.authenticate, 0))

    def check(self, result):
        """The result, unless it says that the call failed."""
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result

    def url(self, path):
        return f"{self.base}/{path}".encode()

    def write(self, path, data):
        handle = self.check(self.library.smbc_open(self.url(path), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666))
        done = 0
        while done < len(data):
            done += self.check(self.library.smbc_write(handle, data[done:], ctypes.c_size_t(len(data) - done)))
        self.check(self.library.smbc_close(handle))

    def read(self, path, at=0):
        handle = self.check(self.library.smbc_open(self.url(path), os.O_RDONLY, 0))
        self.check(self.library.smbc_lseek(handle, at, os.SEEK_SET))
        room, data = ctypes.create_string_buffer(1 << 20), b""
        while count := self.check(self.library.smbc_read(handle, room, ctypes.c_size_t(len(room)))):
            data += room.raw[:count]
        self.check(self.library.smbc_close(handle))
        return data

    def names(self, path):
        handle = self.check(self.library.smbc_opendir(self.url(path)))
        found = []
        while entry := self.library.smbc_readdir(handle):
            found.append(ctypes.string_at(ctypes.addressof(entry.contents) + Entry.name.offset).decode())
        self.check(self.library.smbc_closedir(handle))
        return found

    def call(self, name, *paths):
        return self.check(getattr(self.library, name)(*(self.url(p) if isinstance(p, str) else p for p in paths)))


def authenticate_as_alice(_server, _share, domain, domain_room, user, user_room, password, password_room):
    """What the library calls when it wants to know who it is."""
    for target, room, value in ((domain, domain_room, b"WORKGROUP"), (user, user_room, b"alice"),
                                (password, password_room, ACCOUNTS["alice"].encode())):
        ctypes.memmove(target, value + b"\0", min(room, len(value) + 1))


@pytest.fixture(scope="module")
def client(server):
    return Client(server)


def test_files_travel_both_ways(server, client, folder):
    data = os.urandom(5_000_000)
    client.write(f"work/{folder}/f", data)
    behind = (server.folder("work") / folder / "f").read_bytes()
    assert hashlib.sha256(behind).digest() == hashlib.sha256(data).digest()
    assert client.read(f"work/{folder}/f") == data
    assert client.read(f"work/{folder}/f", 4_999_990) == data[-10:]


def test_the_server_lists_shares_and_a_share_lists_names(server, client, folder):
    assert {"work", "readonly", "public", "sealed"} <= set(client.names(""))
    for name in ("one", "two", "drei ü"):
        (server.folder("work") / folder / name).touch()
    assert set(client.names(f"work/{folder}")) - {".", ".."} == {"one", "two", "drei ü"}


def test_directories_renames_and_removals(server, client, folder):
    inside = server.folder("work") / folder
    client.call("smbc_mkdir", f"work/{folder}/d", 0o777)
    client.write(f"work/{folder}/d/a", b"x")
    client.call("smbc_rename", f"work/{folder}/d/a", f"work/{folder}/d/b")
    assert [path.name for path in (inside / "d").iterdir()] == ["b"]
    with pytest.raises(OSError) as refusal:
        client.call("smbc_rmdir", f"work/{folder}/d")
    assert refusal.value.errno == errno.ENOTEMPTY
    client.call("smbc_unlink", f"work/{folder}/d/b")
    client.call("smbc_rmdir", f"work/{folder}/d")
    assert list(inside.iterdir()) == []


def test_errors_are_the_ones_posix_knows(client, folder):
    for path, expected in ((f"work/{folder}/missing", errno.ENOENT), ("private/f", errno.EACCES),
                           ("nowhere/f", errno.ENODEV)):
        with pytest.raises(OSError) as refusal:
            client.read(path)
        assert refusal.value.errno in (expected, errno.ENOENT if expected == errno.ENODEV else expected), path

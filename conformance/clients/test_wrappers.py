"""Wrappers over shares, as a client meets them."""

import shutil
import time

import pytest

import server as servers
from test_smbclient import smbclient

pytestmark = [
    pytest.mark.skipif(not shutil.which("smbclient"), reason="smbclient is not installed"),
    pytest.mark.skipif(servers.chosen() is not servers.Smbd, reason="another server is configured in another way"),
]


def wrapper(kind, *settings):
    """The lines of one wrapper's section."""
    return ("[[share.wrapper]]", f'kind = "{kind}"', *settings)


class Wrapped(servers.Smbd):
    """A server with a share under each wrapper."""

    def layout(self):
        def share(name, *lines):
            return servers.Share(name, self.scratch / name, smbd=lines)

        return [
            share("recycled", *wrapper("recycle", "versions = 2", 'exclude = ["*.tmp"]')),
            share("vetoed", *wrapper("veto", 'names = ["*.exe", "secret"]')),
            share("kept", *wrapper("worm")),
            share("frozen", *wrapper("read-only")),
            share("watched", *wrapper("audit"), *wrapper("veto", 'names = ["*.exe"]')),
            share("slow", *wrapper("limit", 'user_bytes_per_second = "1 MiB"')),
        ]

    def fill(self):
        (self.folder("frozen") / "notice").write_bytes(b"Look, do not touch.\n")
        (self.folder("vetoed") / "virus.exe").write_bytes(b"MZ")
        (self.folder("vetoed") / "secret").mkdir()
        (self.folder("vetoed") / "letter.txt").write_bytes(b"dear\n")

    def render(self):
        return '[log]\naudit = "debug"\n' + super().render()


@pytest.fixture(scope="module")
def wrapped():
    with Wrapped() as running:
        yield running


@pytest.fixture
def local(tmp_path):
    """A folder with two files to put."""
    (tmp_path / "one").write_bytes(b"one\n")
    (tmp_path / "two").write_bytes(b"two\n")
    return tmp_path


def test_deleted_files_are_in_their_users_folder(wrapped, local):
    commands = "mkdir d; cd d; put one a; rm a; put two a; rm a; put one b.tmp; rm b.tmp"
    smbclient(wrapped, commands, share="recycled", cwd=local).ok()
    kept = wrapped.folder("recycled") / ".recycle/alice/d"
    contents = {path.name: path.read_bytes() for path in kept.iterdir()}
    assert contents == {"a": b"one\n", "a (2)": b"two\n"}
    assert not list((wrapped.folder("recycled") / "d").iterdir())
    smbclient(wrapped, r"cd .recycle\alice\d; get a; rm a", share="recycled", cwd=local).ok()
    assert not (kept / "a").exists()


def test_each_user_has_a_recycle_folder_of_his_own(wrapped, local):
    smbclient(wrapped, "put one mine; rm mine", share="recycled", user="alice", cwd=local).ok()
    smbclient(wrapped, "put two his; rm his", share="recycled", user="bob", cwd=local).ok()
    assert (wrapped.folder("recycled") / ".recycle/bob/his").read_bytes() == b"two\n"
    smbclient(wrapped, r"ls .recycle\bob\*", share="recycled", user="bob").ok()


def test_vetoed_names_do_not_exist(wrapped, local):
    listing = smbclient(wrapped, "ls", share="vetoed").ok().output
    assert "letter.txt" in listing and "virus.exe" not in listing and "secret" not in listing
    smbclient(wrapped, "get virus.exe", share="vetoed", cwd=local).failed("OBJECT_NAME_NOT_FOUND")
    smbclient(wrapped, r"ls secret\*", share="vetoed").failed("OBJECT_NAME_NOT_FOUND")
    smbclient(wrapped, "put one new.EXE", share="vetoed", cwd=local).failed("ACCESS_DENIED")
    assert not (wrapped.folder("vetoed") / "new.EXE").exists()


def test_files_are_written_once(wrapped, local):
    smbclient(wrapped, "put one file; get file back", share="kept", cwd=local).ok()
    for change in ("put two file", "rm file", "rename file other"):
        smbclient(wrapped, change, share="kept", cwd=local).failed("")
    kept = wrapped.folder("kept")
    assert [path.name for path in kept.iterdir()] == ["file"]
    assert (kept / "file").read_bytes() == b"one\n"


def test_nothing_of_a_read_only_share_changes(wrapped, local):
    smbclient(wrapped, "get notice", share="frozen", cwd=local).ok()
    for change in ("put one new", "rm notice", "mkdir d", "rename notice other"):
        smbclient(wrapped, change, share="frozen", cwd=local).failed("ACCESS_DENIED")
    assert [path.name for path in wrapped.folder("frozen").iterdir()] == ["notice"]


def test_the_log_says_who_did_what(wrapped, local):
    smbclient(wrapped, "put one file; put one no.exe; rm file", share="watched", cwd=local).failed("ACCESS_DENIED")
    lines = [line for line in wrapped.log().splitlines() if "smb::audit" in line and 'share="watched"' in line]
    assert all('user="alice"' in line for line in lines)

    def told(operation, status, name):
        return any(f'operation="{operation}"' in line and f"status={status} " in line and f'name="{name}"' in line
                   for line in lines)

    assert told("write", "SUCCESS", "file") and told("delete", "SUCCESS", "file")
    assert told("open", "ACCESS_DENIED", "no.exe")


def test_bytes_come_no_faster_than_the_limit(wrapped, tmp_path):
    (tmp_path / "large").write_bytes(bytes(4 << 20))
    begun = time.monotonic()
    smbclient(wrapped, "put large", share="slow", cwd=tmp_path).ok()
    # A second's worth goes at once.
    assert time.monotonic() - begun > 2.5
    assert (wrapped.folder("slow") / "large").stat().st_size == 4 << 20

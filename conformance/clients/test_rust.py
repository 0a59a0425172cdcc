"""The Rust crate `smb`: a client of its own, from the bytes to NTLM, which signs whatever it does not encrypt."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from server import ACCOUNTS, ROOT

pytestmark = pytest.mark.skipif(not shutil.which("cargo"), reason="cargo is not installed")

PROJECT = Path(__file__).parent / "rust"
#: Beside the workspace's own files, so that building one does not throw the other away.
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "clients-rust"
DIALECTS = ["2.0.2", "2.1", "3.0", "3.0.2", "3.1.1"]
ENCRYPTING = DIALECTS[2:]
SIZE = 1_000_003


@pytest.fixture(scope="module")
def program():
    """The client, built: about 150 seconds of a processor the first time."""
    subprocess.run(["cargo", "build", "--quiet", "--locked", "--manifest-path", PROJECT / "Cargo.toml",
                    "--target-dir", TARGET], check=True)
    return TARGET / "debug/rust-client"


def visit(program, server, dialect, protection, folder, user="alice", password=None, share="work"):
    """What the client says about writing, reading and listing in a folder."""
    password = ACCOUNTS[user] if password is None else password
    run = subprocess.run([program, dialect, protection, f"{server.host}:{server.port}", share, folder, user, password],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    return (run.stdout + run.stderr).strip()


def arrived(server, folder):
    """The size of the file that the client leaves behind."""
    return (server.folder("work") / folder / "from-rust").stat().st_size


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_dialect_works_signed(program, server, folder, dialect):
    assert visit(program, server, dialect, "sign", folder) == "ok"
    assert arrived(server, folder) == SIZE


@pytest.mark.parametrize("dialect", ENCRYPTING)
def test_each_dialect_that_can_works_encrypted(program, server, folder, dialect):
    assert visit(program, server, dialect, "encrypt", folder) == "ok"
    assert arrived(server, folder) == SIZE


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_server_that_requires_signing_is_served(program, special_server, dialect):
    strict = special_server(signing="required")
    folder = strict.folder("work") / f"rust-{dialect}"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    assert visit(program, strict, dialect, "sign", folder.name) == "ok"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_wrong_password_is_a_failed_log_on(program, server, folder, dialect):
    assert "Logon Failure" in visit(program, server, dialect, "sign", folder, password="wrong")

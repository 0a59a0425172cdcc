"""The administration share, driven by smbclient."""

import json
import os
import re
import shutil
import subprocess
import time

import pytest

import server as servers
from server import ACCOUNTS
from test_smbclient import smbclient

pytestmark = [
    pytest.mark.skipif(not shutil.which("smbclient"), reason="smbclient is not installed"),
    pytest.mark.skipif(servers.chosen() is not servers.Smbd, reason="no other server has such a share"),
]

#: A member of the account group Administrators.
BOSS = ("boss", "Boss-y-3")


class Administered(servers.Smbd):
    """A server with an administration share, and an administrator."""

    accounts = {**ACCOUNTS, BOSS[0]: BOSS[1]}
    unix_names = {**servers.UNIX_NAMES, BOSS[0]: "man"}
    #: further lines of the share's section
    lines = ()

    def command(self):
        line = super().command()
        accounts = self.scratch / "accounts"
        text = re.sub(rf"(?m)^({BOSS[0]}:.*)$", r"\1;groups=Administrators", accounts.read_text())
        accounts.write_text(text)
        return line

    def render(self):
        return super().render() + "\n".join(["[[share]]", 'name = "admin$"', 'kind = "config"', *self.lines]) + "\n"


def admin(server, commands, *arguments, cwd=None, **more):
    """Run `commands` as the administrator on the administration share."""
    return smbclient(server, commands, *arguments, share="admin$", user=BOSS[0], password=BOSS[1], cwd=cwd, **more)


def listing(server, folder):
    """The names in a folder of the share."""
    output = admin(server, rf'ls "{folder}\*"').ok().output
    rows = re.findall(r"^  (.+?) +([A-Z]+)  +\d+  \w{3} \w{3} ", output, re.M)
    return {name for name, _ in rows} - {".", ".."}


def read(server, name, tmp_path):
    """What a file of the share holds."""
    admin(server, f'get "{name}" got', cwd=tmp_path).ok()
    return (tmp_path / "got").read_text()


def write(server, name, value, tmp_path):
    """Give a file of the share this value; the run, which may have failed."""
    (tmp_path / "value").write_text(value)
    return admin(server, f'put value "{name}"', cwd=tmp_path)


@pytest.fixture(scope="module")
def server():
    with Administered() as running:
        yield running


def test_only_administrators_are_let_in(server):
    smbclient(server, "ls", share="admin$").failed("ACCESS_DENIED")
    assert listing(server, "") == {"statistics", "settings"}


def test_statistics_are_read_as_text_and_as_json(server, tmp_path):
    requests = json.loads(read(server, r"statistics\requests.json", tmp_path))
    negotiate = next(row for row in requests if row["command"] == "NEGOTIATE")
    assert negotiate["succeeded"] > 0 and negotiate["measured"] > 0 and negotiate["p99_us"] > 0
    assert "CREATE" in read(server, r"statistics\requests.txt", tmp_path)
    sessions = json.loads(read(server, r"statistics\sessions.json", tmp_path))
    assert any(session["user"] == BOSS[0] for session in sessions)
    assert isinstance(json.loads(read(server, r"statistics\opens.json", tmp_path)), list)
    assert any("statistics_opens" in name for name in listing(server, r"statistics\opens"))
    shares = {share["name"]: share for share in json.loads(read(server, r"statistics\shares.json", tmp_path))}
    assert shares["work"]["folder"] == str(server.folder("work"))
    facts = {row["fact"]: row["value"] for row in json.loads(read(server, r"statistics\server.json", tmp_path))}
    assert facts["sessions"] > 0 and facts["bytes received"] > 0
    assert "OFFSET" in read(server, r"statistics\locks.txt", tmp_path)


def idle_client(server):
    """A client of alice's that has a session and does nothing."""
    line = ["smbclient", f"//{server.host}/work", "-p", str(server.port), "-s", os.devnull,
            "-U", f"alice%{ACCOUNTS['alice']}"]
    return subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(condition, seconds=10):
    """Wait until something is true, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
    return found


def test_a_session_is_closed_by_deleting_its_file(server):
    client = idle_client(server)

    def of_alice():
        return {name for name in listing(server, r"statistics\sessions") if " alice " in name}

    try:
        (name,) = wait_for(of_alice)
        admin(server, rf'del "statistics\sessions\{name}"').ok()
        wait_for(lambda: not of_alice())
    finally:
        client.kill()
        client.wait()


def test_reports_are_neither_written_nor_deleted(server, tmp_path):
    before = listing(server, "statistics")
    write(server, r"statistics\server.txt", "x", tmp_path).failed("ACCESS_DENIED")
    write(server, r"statistics\new.txt", "x", tmp_path).failed("ACCESS_DENIED")
    admin(server, r"mkdir statistics\new").failed("ACCESS_DENIED")
    admin(server, r"del statistics\server.txt").failed("ACCESS_DENIED")
    admin(server, r"rmdir statistics").failed("ACCESS_DENIED")
    assert listing(server, "statistics") == before


def test_settings_are_changed_while_the_server_runs(server, tmp_path):
    assert read(server, r"settings\server\comment", tmp_path) == '""\n'
    write(server, r"settings\server\comment", "A fine server", tmp_path).ok()
    assert read(server, r"settings\server\comment", tmp_path) == '"A fine server"\n'
    assert 'comment = "A fine server"' in read(server, r"settings\effective.toml", tmp_path)
    # A share that becomes read-only is so at once.
    write(server, r"settings\share work\read_only", "true", tmp_path).ok()
    smbclient(server, "put value", cwd=tmp_path).failed("ACCESS_DENIED")
    write(server, r"settings\share work\read_only", "false", tmp_path).ok()
    smbclient(server, "put value; rm value", cwd=tmp_path).ok()


def test_a_setting_that_does_not_fit_is_explained(server, tmp_path):
    write(server, r"settings\limits\opens", "many", tmp_path).failed("INVALID_PARAMETER")
    assert "give a whole number" in read(server, r"settings\last_error.txt", tmp_path)
    assert read(server, r"settings\limits\opens", tmp_path) == "1000000\n"
    write(server, r"settings\share work\path", "'/'", tmp_path).failed("ACCESS_DENIED")
    write(server, r"settings\share admin$\users", "[]", tmp_path).failed("ACCESS_DENIED")
    assert str(server.folder("work")) in read(server, r"settings\share work\path", tmp_path)

"""The administration share, driven by smbclient."""

import json
import os
import re
import select
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


def idle_client(server, share="work"):
    """A client of alice's that has a session and does nothing but what its standard input says."""
    line = ["smbclient", f"//{server.host}/{share}", "-p", str(server.port), "-s", os.devnull,
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


def test_an_open_is_closed_by_deleting_its_file(server):
    client = idle_client(server, "readonly")

    def of_alice():
        return {name for name in listing(server, r"statistics\opens") if "alice readonly notice.txt" in name}

    try:
        client.stdin.write(b"open notice.txt\n")
        client.stdin.flush()
        (name,) = wait_for(of_alice)
        admin(server, rf'del "statistics\opens\{name}"').ok()
        assert not of_alice()
        sessions = listing(server, r"statistics\sessions")
        assert any(" alice " in name for name in sessions), "the session goes on"
    finally:
        client.kill()
        client.wait()


def test_an_administrator_may_close_his_own_session(server):
    run = admin(server, r'del "statistics\sessions\*"')
    assert "USER_SESSION_DELETED" in run.output or "NETWORK" in run.output or "CONNECTION" in run.output, run.output
    # And comes back.
    assert "sessions" in listing(server, "statistics")


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


# ---- compartments


def control_groups():
    """Where control groups of version 2 are mounted, if somewhere."""
    for line in open("/proc/mounts"):
        _, folder, kind, *_ = line.split()
        if kind == "cgroup2":
            return folder
    return None


def made_group():
    """A control group for this test run alone, or none where it cannot be made."""
    if not (parent := control_groups()):
        return None
    group = os.path.join(parent, f"smbd-test-{os.getpid()}")
    try:
        os.mkdir(group)
    except OSError:
        return None
    return group


def remove_group(group):
    """End what is in a group, and remove it with all below it."""
    with open(os.path.join(group, "cgroup.kill"), "w") as kill:
        kill.write("1")
    for folder, _, _ in os.walk(group, topdown=False):
        for _ in range(50):
            try:
                os.rmdir(folder)
                break
            except OSError:
                time.sleep(0.1)


class Compartments(Administered):
    """A server whose administration share has compartments."""

    def __init__(self, group):
        self.group = group
        self.lines = [
            "[share.compartments]", f'control_group = "{group}"', 'end_after = "2 s"', 'look_every = "100 ms"',
            "[[share.program]]", f'path = "{SLEEP}"', 'arguments = ["[0-9]*", "1???"]',
            'users = ["nobody"]', 'environment = ["MARK"]', 'folders = ["/usr"]',
            "[[share.program]]", f'path = "{SHELL}"', 'arguments = ["-c", "trap*"]',
        ]
        super().__init__()


SLEEP = os.path.realpath(shutil.which("sleep") or "/bin/sleep")
SHELL = os.path.realpath("/bin/sh")


@pytest.fixture(scope="module")
def compartments():
    group = made_group()
    if group is None:
        pytest.skip("no control group of version 2 can be made here")
    try:
        with Compartments(group) as running:
            yield running
    finally:
        remove_group(group)


def describe(*lines, program=SLEEP):
    return "\n".join([f'program = "{program}"', *lines]) + "\n"


def start(server, description, tmp_path, folder="start_bin"):
    """Start what a description says; the run, which may have failed."""
    (tmp_path / "job").write_text(description)
    return admin(server, rf"put job {folder}\job; rename {folder}\job {folder}\start", cwd=tmp_path)


def processes(server, folder="processes"):
    """The processes of a compartment, by number."""
    return {int(name.rsplit(".", 1)[1]): name for name in listing(server, folder)}


def test_a_group_is_made_and_removed_with_its_folder(compartments):
    assert {"processes", "start_bin", "statistics", "settings"} <= listing(compartments, "")
    admin(compartments, r"mkdir subcompartment_web; mkdir subcompartment_web\subcompartment_in").ok()
    web = os.path.join(compartments.group, "web")
    assert os.path.isdir(os.path.join(web, "in"))
    assert "subcompartment_in" in listing(compartments, "subcompartment_web")
    admin(compartments, "rmdir subcompartment_web").failed("DIRECTORY_NOT_EMPTY")
    assert os.path.isdir(web)
    admin(compartments, r"rmdir subcompartment_web\subcompartment_in; rmdir subcompartment_web").ok()
    assert not os.path.isdir(web)


def test_other_folders_and_files_are_not_made(compartments, tmp_path):
    (tmp_path / "x").write_text("x")
    before = set(os.listdir(compartments.group))
    for command in ("mkdir web", "mkdir subcompartment_", r"mkdir processes\x", "put x", r"put x processes\x",
                    "mkdir subcompartment_cgroup.x"):
        run = admin(compartments, command, cwd=tmp_path)
        assert "NT_STATUS" in run.output, command
    admin(compartments, r"mkdir subcompartment_..\..\x").failed("")
    assert set(os.listdir(compartments.group)) == before
    admin(compartments, "rmdir processes").failed("")
    admin(compartments, "rmdir start_bin").failed("")


def test_a_process_is_started_shown_and_ended(compartments, tmp_path):
    admin(compartments, "mkdir subcompartment_job").ok()
    folder = r"subcompartment_job"
    run = start(compartments, describe('arguments = ["1001"]', 'folder = "/usr"', "[environment]", 'MARK = "7"'),
                tmp_path, rf"{folder}\start_bin")
    run.ok()
    ((number, name),) = wait_for(lambda: processes(compartments, rf"{folder}\processes")).items()
    assert name == f"sleep.{number}"
    facts = f"/proc/{number}"
    assert open(f"{facts}/cmdline").read() == f"{SLEEP}\0" + "1001\0"
    environment = open(f"{facts}/environ").read().split("\0")
    assert "MARK=7" in environment and sorted(v.split("=")[0] for v in environment if v) == ["MARK", "PATH"]
    assert os.readlink(f"{facts}/cwd") == "/usr"
    assert os.stat(facts).st_uid == 65534
    assert open(f"{facts}/cgroup").read().strip().endswith(f"/{os.path.basename(compartments.group)}/job")
    assert all(os.readlink(f"{facts}/fd/{fd}") == "/dev/null" for fd in os.listdir(f"{facts}/fd"))
    # The description has served its purpose.
    assert listing(compartments, rf"{folder}\start_bin") == set()
    admin(compartments, rf'get "{folder}\processes\{name}" x', cwd=tmp_path).failed("ACCESS_DENIED")
    admin(compartments, rf"rmdir {folder}").failed("DIRECTORY_NOT_EMPTY")
    admin(compartments, rf'del "{folder}\processes\{name}"').ok()
    wait_for(lambda: not os.path.exists(facts))
    assert processes(compartments, rf"{folder}\processes") == {}
    admin(compartments, rf"rmdir {folder}").ok()


def test_a_process_that_does_not_want_to_end_is_killed(compartments, tmp_path):
    stubborn = describe("""arguments = ["-c", "trap '' TERM; while :; do :; done"]""", program=SHELL)
    start(compartments, stubborn, tmp_path).ok()
    ((number, name),) = wait_for(lambda: processes(compartments)).items()
    time.sleep(0.3)
    admin(compartments, rf'del "processes\{name}"').ok()
    assert os.path.exists(f"/proc/{number}/cmdline"), "it has two seconds"
    wait_for(lambda: not processes(compartments))


def test_a_process_moves_with_its_file(compartments, tmp_path):
    admin(compartments, "mkdir subcompartment_a; mkdir subcompartment_b").ok()
    start(compartments, describe('arguments = ["1002"]'), tmp_path, r"subcompartment_a\start_bin").ok()
    ((number, name),) = wait_for(lambda: processes(compartments, r"subcompartment_a\processes")).items()
    source, target = rf"subcompartment_a\processes\{name}", rf"subcompartment_b\processes\{name}"
    admin(compartments, rf'rename "{source}" "subcompartment_b\processes\other.1"').failed("ACCESS_DENIED")
    admin(compartments, rf'rename "{source}" "statistics\{name}"').failed("ACCESS_DENIED")
    assert number in processes(compartments, r"subcompartment_a\processes")
    admin(compartments, rf'rename "{source}" "{target}"').ok()
    assert processes(compartments, r"subcompartment_a\processes") == {}
    assert open(f"/proc/{number}/cgroup").read().strip().endswith("/b")
    admin(compartments, rf'del "{target}"; rmdir subcompartment_a').ok()
    wait_for(lambda: not processes(compartments, r"subcompartment_b\processes"))
    admin(compartments, "rmdir subcompartment_b").ok()


@pytest.mark.parametrize("description, status, why", [
    (describe('arguments = ["rm -rf"]'), "ACCESS_DENIED", "arguments"),
    (describe('user = "root"'), "ACCESS_DENIED", "user: it may not run as root"),
    (describe('folder = "/etc"'), "ACCESS_DENIED", "folder"),
    (describe("[environment]", 'LD_PRELOAD = "x"'), "ACCESS_DENIED", "environment: LD_PRELOAD"),
    (describe(program="/bin/../bin/sleep"), "ACCESS_DENIED", "may not be started here"),
    (describe(program="/usr/bin/python3"), "ACCESS_DENIED", "may not be started here"),
    ("sleep for a while", "INVALID_PARAMETER", "TOML"),
    (describe("colour = 7"), "INVALID_PARAMETER", "unknown field"),
], ids=["arguments", "user", "folder", "environment", "path", "program", "text", "field"])
def test_what_is_not_allowed_is_refused_and_explained(compartments, tmp_path, description, status, why):
    start(compartments, description, tmp_path).failed(status)
    assert why in read(compartments, r"start_bin\last_error.txt", tmp_path)
    assert processes(compartments) == {}
    # What was refused can be mended.
    assert "job" in listing(compartments, "start_bin")
    admin(compartments, r"del start_bin\job").ok()


def test_a_file_called_start_is_not_made(compartments, tmp_path):
    (tmp_path / "job").write_text(describe())
    admin(compartments, r"put job start_bin\start", cwd=tmp_path).failed("ACCESS_DENIED")
    admin(compartments, r"mkdir start_bin\Start").failed("ACCESS_DENIED")
    assert "start" not in listing(compartments, "start_bin")
    assert processes(compartments) == {}


def test_limits_are_read_and_written_as_the_kernel_does(compartments, tmp_path):
    admin(compartments, "mkdir subcompartment_limited").ok()
    group = os.path.join(compartments.group, "limited")
    try:
        limits = [name for name in ("cpu.max", "memory.max", "pids.max") if os.path.exists(f"{group}/{name}")]
        if not limits:
            pytest.skip("this machine's control groups of version 2 have no limits")
        assert set(limits) <= listing(compartments, "subcompartment_limited")
        values = {"cpu.max": ("50000 100000", "50000 100000\n"), "memory.max": ("16M", "16777216\n"),
                  "pids.max": ("7", "7\n")}
        for name in limits:
            value, shown = values[name]
            write(compartments, rf"subcompartment_limited\{name}", value, tmp_path).ok()
            assert open(f"{group}/{name}").read() == shown
            assert read(compartments, rf"subcompartment_limited\{name}", tmp_path) == shown
            write(compartments, rf"subcompartment_limited\{name}", "a lot", tmp_path).failed("INVALID_PARAMETER")
            assert open(f"{group}/{name}").read() == shown
    finally:
        admin(compartments, "rmdir subcompartment_limited").ok()


def test_who_watches_sees_a_process_end(compartments, tmp_path):
    start(compartments, describe('arguments = ["1003"]'), tmp_path).ok()
    ((number, name),) = wait_for(lambda: processes(compartments)).items()
    line = ["stdbuf", "-oL", "smbclient", f"//{compartments.host}/admin$", "-p", str(compartments.port), "-s", os.devnull,
            "-U", "%".join(BOSS), "-c", "notify processes"]
    watcher = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        time.sleep(1)
        os.kill(number, 9)
        # smbclient shows the kind of change and the name: 2 is FILE_ACTION_REMOVED.
        readable, _, _ = select.select([watcher.stdout], [], [], 10)
        assert readable, "nothing was told"
        assert watcher.stdout.readline().split() == ["0002", name]
    finally:
        watcher.kill()
        watcher.wait()


def test_a_machine_without_control_groups_is_told_how_to_get_them(tmp_path):
    class Misled(Administered):
        lines = ["[share.compartments]", f'control_group = "{tmp_path}"']

    with pytest.raises(RuntimeError, match="no control group of version 2.*Delegate=yes"):
        Misled().__enter__()

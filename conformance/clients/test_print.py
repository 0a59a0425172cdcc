"""A print share, as clients print on it and look at it."""

import os
import pathlib
import pwd
import shutil
import subprocess
import time

import pytest

import server as servers
from test_smbclient import smbclient

pytestmark = [
    pytest.mark.skipif(not shutil.which("smbclient"), reason="smbclient is not installed"),
    pytest.mark.skipif(servers.chosen() is not servers.Smbd, reason="another server is configured in another way"),
]

#: The client cannot encrypt.
SMB2_ONLY = "--option=client max protocol=SMB2_10"
#: All that the client sends is encrypted.
SEALED = "--client-protection=encrypt"

needs_rpcclient = pytest.mark.skipif(not shutil.which("rpcclient"), reason="rpcclient is not installed")


class PrintServer(servers.Smbd):
    """A server with a printer that puts documents into the folder `paper`, and one whose jobs wait. Carol administers it."""

    accounts = {**servers.ACCOUNTS, "carol": "Christmas-3"}
    unix_names = {**servers.UNIX_NAMES, "carol": "man"}

    def layout(self):
        def printer(name, command, *lines, encrypted=False):
            return servers.Share(
                name, self.scratch / name, guest=not encrypted, encrypted=encrypted, mode=0o700,
                smbd=('kind = "print"', f"print_command = {command}", *lines),
            )

        paper = self.scratch / "paper"
        paper.mkdir(mode=0o777, exist_ok=True)
        paper.chmod(0o777)
        # Who it is, in which groups; that it leads a group of processes; what it has open, but for the list itself.
        witness = f"(id -u; id -G; ps -o pgid= -p $$ | grep -cw $$; ls /proc/$$/fd | tr '\\n' ' ') > {paper}/facts"
        return [
            printer("laser", ["cp", "/dev/stdin", f"{paper}/{{job}}-{{user}}-{{title}}"], 'comment = "second floor"'),
            printer("broken", ["false"]),
            printer("patient", [], 'print_job_size = "1 MiB"', "print_jobs = 3"),
            printer("witness", ["sh", "-c", witness], 'force_user = "games"'),
            printer("slow", ["sh", "-c", f"sleep 7357 & echo $! > {paper}/number; wait"], 'print_timeout = "1 s"'),
            printer("shared", [], "print_jobs_per_user = 2"),
            printer("staff", [], 'permissions = "D:(A;;FA;;;BA)"'),
            printer("sealed", [], encrypted=True),
        ]

    def fill(self):
        """The queues are empty."""

    def command(self):
        line = super().command()
        accounts = self.scratch / "accounts"
        lines = accounts.read_text().splitlines()
        lines = [line + (";groups=Administrators" if line.startswith("carol:") else "") for line in lines]
        accounts.write_text("\n".join(lines) + "\n")
        # Whoever starts it leaves a descriptor open.
        return ["sh", "-c", 'exec "$@" 7</dev/null', "sh", *line]

    def paper(self):
        """What has been printed, by name."""
        return {path.name: path.read_bytes() for path in (self.scratch / "paper").iterdir()}

    def restart(self):
        """The program ends and is started again."""
        line = self.process.args
        self.process.terminate()
        self.process.wait(20)
        self.command = lambda: line
        self.start()


def wait_for(condition):
    """Waits a while for something to become true."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it has not come true"
        time.sleep(0.05)


@pytest.fixture
def printers():
    with PrintServer() as running:
        yield running


@pytest.fixture
def local(tmp_path):
    """A folder with a document."""
    (tmp_path / "report.ps").write_bytes(b"%!PS\nshowpage\n")
    return tmp_path


def on(printers, share, commands, *options, user="alice", cwd=None):
    """Runs commands of smbclient on one of the printers."""
    return smbclient(printers, commands, *options, share=share, user=user, cwd=cwd)


def jobs(printers, share, user="alice"):
    """The names of the jobs in a listing."""
    lines = [line.split() for line in on(printers, share, "ls", user=user).ok().output.splitlines()]
    return sorted(line[0] for line in lines if len(line) > 2 and line[1] == "N")


@pytest.mark.parametrize("command", ["print report.ps", "put report.ps"])
def test_a_document_is_printed_when_it_is_closed(printers, local, command):
    on(printers, "laser", command, cwd=local).ok()
    wait_for(lambda: jobs(printers, "laser") == [])
    assert printers.paper() == {"1-alice-report.ps": b"%!PS\nshowpage\n"}
    assert list(printers.folder("laser").iterdir()) == [printers.folder("laser") / "lock"]


def test_jobs_wait_survive_a_restart_and_are_deleted_by_their_owner(printers, local):
    for _ in range(2):
        on(printers, "patient", "print report.ps", cwd=local).ok()
    printers.restart()
    assert jobs(printers, "patient") == ["1-report.ps", "2-report.ps"]
    on(printers, "patient", "del 1-report.ps", user="bob").failed("ACCESS_DENIED")
    assert jobs(printers, "patient", user="bob") == ["1-report.ps", "2-report.ps"]
    on(printers, "patient", "del 1-report.ps").ok()
    assert jobs(printers, "patient") == ["2-report.ps"]


def test_a_full_queue_and_a_document_that_is_too_long_are_refused(printers, local):
    (local / "long").write_bytes(bytes(2 << 20))
    on(printers, "patient", "put long", cwd=local).failed("NO_SPOOL_SPACE")
    assert jobs(printers, "patient") == []
    for _ in range(3):
        on(printers, "patient", "print report.ps", cwd=local).ok()
    on(printers, "patient", "print report.ps", cwd=local).failed("PRINT_QUEUE_FULL")
    assert len(jobs(printers, "patient")) == 3


def test_one_user_does_not_fill_a_queue(printers, local):
    for _ in range(2):
        on(printers, "shared", "print report.ps", cwd=local).ok()
    on(printers, "shared", "print report.ps", cwd=local).failed("PRINT_QUEUE_FULL")
    assert jobs(printers, "shared") == ["1-report.ps", "2-report.ps"]
    on(printers, "shared", "print report.ps", user="bob", cwd=local).ok()
    on(printers, "shared", "del 1-report.ps").ok()
    on(printers, "shared", "print report.ps", cwd=local).ok()
    assert jobs(printers, "shared") == ["2-report.ps", "3-report.ps", "4-report.ps"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root prints as somebody else")
def test_the_command_is_nobody_but_its_user_and_has_nothing_open_but_its_streams(printers, local):
    on(printers, "witness", "print report.ps", cwd=local).ok()
    wait_for(lambda: jobs(printers, "witness") == [])
    games = pwd.getpwnam("games")
    told = printers.paper()["facts"].decode().split()
    assert told == [str(games.pw_uid), str(games.pw_gid), "1", "0", "1", "2"]


def test_a_command_that_takes_too_long_ends_with_what_it_has_started(printers, local):
    on(printers, "slow", "print report.ps", cwd=local).ok()
    wait_for(lambda: "was not printed" in printers.log())
    number = int(printers.paper()["number"])
    wait_for(lambda: b"7357" not in command_line(number))
    assert jobs(printers, "slow") == ["1-report.ps"]


def command_line(number):
    """What a process was called by; nothing if it has ended."""
    try:
        return pathlib.Path(f"/proc/{number}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


def test_what_cannot_be_printed_stays(printers, local):
    on(printers, "broken", "print report.ps", cwd=local).ok()
    wait_for(lambda: "was not printed" in printers.log())
    assert jobs(printers, "broken") == ["1-report.ps"]


def test_nothing_but_documents_is_made_and_nothing_is_read_back(printers, local):
    on(printers, "patient", "print report.ps", cwd=local).ok()
    on(printers, "patient", "mkdir folder").failed("NOT_SUPPORTED")
    on(printers, "patient", "get 1-report.ps -").failed("ACCESS_DENIED")
    assert jobs(printers, "patient") == ["1-report.ps"]


def test_print_shares_are_listed_as_printers(printers):
    listed = smbclient(printers, "", "-L", printers.host).output
    assert any(line.split()[:2] == ["laser", "Printer"] for line in listed.splitlines()), listed


def ask(printers, command, *options, user="alice"):
    """What rpcclient says to one command."""
    line = ["rpcclient", printers.host, "-p", str(printers.port), "-s", os.devnull,
            "-U", f"{user}%{printers.accounts[user]}", *options, "-c", command]
    return subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60).stdout


@needs_rpcclient
def test_printers_are_enumerated_and_opened(printers):
    for level in (0, 1, 2, 4, 5):
        said = ask(printers, f"enumprinters {level}")
        assert f"\\\\{printers.host}\\laser" in said and f"\\\\{printers.host}\\patient" in said, said
    assert "comment:[second floor]" in ask(printers, "getprinter laser 2")
    # It asks for all rights, which ordinary users do not have.
    assert "WERR_ACCESS_DENIED" in ask(printers, "openprinter_ex laser")
    assert "successfully" in ask(printers, "openprinter_ex laser", user="carol")
    assert "WERR_INVALID_PRINTER_NAME" in ask(printers, "openprinter_ex inkjet", user="carol")


@needs_rpcclient
def test_a_printer_is_not_there_for_those_whom_the_share_keeps_out(printers):
    on(printers, "staff", "ls").failed("ACCESS_DENIED")
    assert "staff" not in ask(printers, "enumprinters 1")
    assert "staff" in ask(printers, "enumprinters 1", user="carol")
    assert "WERR_ACCESS_DENIED" in ask(printers, "enumjobs staff 1")


@needs_rpcclient
def test_a_printer_that_wants_encryption_is_not_reached_without(printers):
    on(printers, "sealed", "ls", SMB2_ONLY).failed("ACCESS_DENIED")
    assert "sealed" not in ask(printers, "enumprinters 1")
    assert "WERR_ACCESS_DENIED" in ask(printers, "enumjobs sealed 1")
    assert "sealed" in ask(printers, "enumprinters 1", SEALED)
    assert "WERR" not in ask(printers, "enumjobs sealed 1", SEALED)


@needs_rpcclient
def test_the_queue_is_told_and_jobs_are_deleted_from_afar(printers, local):
    for _ in range(2):
        on(printers, "patient", "print report.ps", cwd=local).ok()
    said = ask(printers, "enumjobs patient 2")
    assert "jobid[1]: alice report.ps" in said and "jobid[2]: alice report.ps" in said and "14 bytes" in said, said
    assert "WERR_ACCESS_DENIED" in ask(printers, "setjob patient 1 5", user="bob")
    assert "WERR" not in ask(printers, "setjob patient 1 5")
    assert jobs(printers, "patient") == ["2-report.ps"]
    assert "jobid[2]" in ask(printers, "getjob patient 2 1")


@needs_rpcclient
def test_printers_are_not_added_from_afar(printers):
    said = ask(printers, "addprinter new new driver port", user="carol")
    assert "result was" in said and "WERR_OK" not in said, said
    assert "new" not in ask(printers, "enumprinters 1", user="carol")


def spooler(printers):
    """A pipe to the print spooler, by impacket."""
    transport = pytest.importorskip("impacket.dcerpc.v5.transport", reason="impacket is not installed")
    from impacket.dcerpc.v5 import rprn

    rpc = transport.SMBTransport(printers.host, printers.port, r"\spoolss", "alice", servers.ACCOUNTS["alice"]).get_dce_rpc()
    rpc.connect()
    rpc.bind(rprn.MSRPC_UUID_RPRN)
    return rprn, rpc


def test_impacket_lists_and_opens_printers(printers):
    rprn, rpc = spooler(printers)
    told = rprn.hRpcEnumPrinters(rpc, rprn.PRINTER_ENUM_LOCAL, level=1)
    assert told["pcReturned"] == len(printers.shares) - 1, "all but the one for the staff"
    handle = rprn.hRpcOpenPrinter(rpc, "\\\\server\\patient\0", accessRequired=rprn.PRINTER_ACCESS_USE)["pHandle"]
    assert rprn.hRpcClosePrinter(rpc, handle)["ErrorCode"] == 0
    for name, why in [("inkjet", "INVALID_PRINTER_NAME"), ("staff", "ACCESS_DENIED")]:
        with pytest.raises(rprn.DCERPCException, match=f"(?i){why}"):
            rprn.hRpcOpenPrinter(rpc, f"\\\\server\\{name}\0", accessRequired=rprn.PRINTER_ACCESS_USE)


def test_a_document_is_printed_as_far_as_it_came_when_the_connection_is_lost(printers):
    """[MS-SMB2] 3.3.7.1 closes the open, and closing prints; Samba does so, too."""
    smbconnection = pytest.importorskip("impacket.smbconnection", reason="impacket is not installed")
    client = smbconnection.SMBConnection(printers.host, printers.host, sess_port=printers.port)
    client.login("alice", servers.ACCOUNTS["alice"])
    tree = client.connectTree("patient")
    document = client.createFile(tree, "half", desiredAccess=0x40000000, shareMode=0)
    client.writeFile(tree, document, b"the first page")
    client.getSMBServer().get_socket().close()
    wait_for(lambda: list(printers.folder("patient").glob("*.job")))
    assert jobs(printers, "patient") == ["1-half"]
    assert [path.read_bytes() for path in printers.folder("patient").glob("*.data")] == [b"the first page"]


@pytest.mark.skipif(not shutil.which("net"), reason="net is not installed")
def test_net_lists_printers(printers):
    line = ["net", "rpc", "printer", "list", "-S", printers.host, "-p", str(printers.port), "-s", os.devnull,
            "-U", f"alice%{servers.ACCOUNTS['alice']}"]
    said = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60).stdout
    assert "printer 2: laser, shared as: laser" in said, said

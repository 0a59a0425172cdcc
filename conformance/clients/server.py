"""Servers that the client tests run against.

A `Server` owns a scratch folder, a free port and one process, and ends exactly that process. `Smbd` is the program under
test; `Samba` is a stand-in that proves the tests themselves (`SERVER=samba`, root only). Both offer the same shares and
accounts, so that a test that fails against one and not the other says something about that one.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: Accounts and their passwords; `alice` owns the files, `bob` is a stranger to `private`.
ACCOUNTS = {"alice": "Wonder-land-1", "bob": "Build-er-2"}

#: The users of this machine whom they are served as by a server that runs as root; every Debian has these.
UNIX_NAMES = {"alice": "games", "bob": "daemon"}


@dataclass
class Settings:
    """What a test may want to differ from the ordinary server."""

    #: "offered" or "required"
    signing: str = "offered"
    #: "offered" or "required"
    encryption: str = "offered"
    #: oldest dialect the server takes, as written in the configuration file
    oldest_dialect: str = "2.0.2"


@dataclass
class Share:
    """One share of the test servers: its name, and the folder behind it with its mode."""

    name: str
    folder: Path
    writable: bool = True
    guest: bool = False
    encrypted: bool = False
    hidden: bool = False
    users: tuple = ()
    mode: int = 0o777
    #: further lines of the share's section, by kind of server
    smbd: tuple = ()
    samba: tuple = ()


class Server:
    """A running server on 127.0.0.1. Use as a context manager."""

    host = "127.0.0.1"
    accounts = ACCOUNTS
    unix_names = UNIX_NAMES

    def __init__(self, settings=None):
        self.settings = settings or Settings()
        self.scratch = Path(tempfile.mkdtemp(prefix="smb-server-"))
        self.scratch.chmod(0o755)
        self.port, self.netbios_port = free_ports(2)
        self.process = self.line = None
        self.shares = {share.name: share for share in self.layout()}
        for share in self.shares.values():
            share.folder.mkdir(mode=share.mode, exist_ok=True)
            share.folder.chmod(share.mode)
        self.fill()

    def layout(self):
        """Every share, with a folder each."""
        return [
            Share("work", self.scratch / "work"),
            Share("readonly", self.scratch / "readonly", writable=False),
            Share("public", self.scratch / "public", guest=True),
            Share("private", self.scratch / "private", users=("bob",)),
            Share("sealed", self.scratch / "sealed", encrypted=True),
            Share("hidden$", self.scratch / "hidden", hidden=True),
        ]

    def fill(self):
        """Put into the shares what must be there from the start."""
        (self.folder("readonly") / "notice.txt").write_bytes(b"Look, do not touch.\n")

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.discard()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def command(self):
        """Write the configuration; return the command line of the server."""
        raise NotImplementedError

    def start(self):
        self.line = self.line or self.command()
        log = open(self.scratch / "server.log", "ab")
        self.process = subprocess.Popen(
            self.line, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        log.close()
        deadline = time.monotonic() + 20
        while not answers(self.host, self.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start:\n{self.log()[-4000:]}")
            time.sleep(0.05)

    def kill(self):
        """End the server as a failure would, at once; `start` may follow."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """End the server and remove its scratch folder. A server that died on its own, or does not end, is an error."""
        died = self.process.poll()
        if died is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
        ended, log = self.process.poll() is not None, self.log()
        self.discard()
        if died is not None:
            raise RuntimeError(f"the server ended during the tests, status {died}:\n{log[-4000:]}")
        if not ended:
            raise RuntimeError(f"the server ignored SIGTERM for 20 s:\n{log[-4000:]}")

    def discard(self):
        """Make sure that nothing is left."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def log(self):
        """What the server has logged so far."""
        return (self.scratch / "server.log").read_text(errors="replace")

    def folder(self, share):
        """The folder behind a share."""
        return self.shares[share].folder


class Smbd(Server):
    """The program under test."""

    name = "smbd"
    program = Path(os.environ.get("SMBD", ROOT / "target/release/smbd"))

    def command(self):
        configuration = self.scratch / "smbd.toml"
        configuration.write_text(self.render())
        for name, password in self.accounts.items():
            add = [self.program, "user", "--config", configuration, "add", name]
            if os.geteuid() == 0:
                user = pwd.getpwnam(self.unix_names[name])
                add += ["--uid", str(user.pw_uid), "--gid", str(user.pw_gid)]
            subprocess.run(add, input=f"{password}\n", text=True, check=True, capture_output=True)
        return [str(self.program), "--config", str(configuration)]

    def render(self):
        lines = [
            "[server]", f'listen = ["{self.host}:{self.port}"]',
            f'netbios_listen = ["{self.host}:{self.netbios_port}"]', f'state_dir = "{self.scratch}/state"',
            f'accounts = "{self.scratch}/accounts"', f'min_dialect = "{self.settings.oldest_dialect}"',
            # A guest knows this machine by another address.
            'interfaces = ["127.0.0.1", "10.0.2.2;speed=10000000000,capability=RSS"]',
            f'signing = "{self.settings.signing}"', f'encryption = "{self.settings.encryption}"',
        ]
        guests = self.settings.encryption != "required"
        if guests:
            lines.append('guest = "bad-user"')
        for share in self.shares.values():
            lines += ["[[share]]", f'name = "{share.name}"', f'path = "{share.folder}"',
                      f"read_only = {str(not share.writable).lower()}", f"guest = {str(share.guest and guests).lower()}",
                      f"hidden = {str(share.hidden).lower()}", f"users = {list(share.users)}"]
            if share.encrypted:
                lines.append('encryption = "required"')
            lines += share.smbd
        return "\n".join(lines) + "\n"


class Samba(Server):
    """Samba's smbd, laid out the same way."""

    name = "samba"
    def command(self):
        for folder in ("private", "lock", "state", "cache", "pid", "ncalrpc"):
            (self.scratch / "samba" / folder).mkdir(parents=True)
        (self.scratch / "samba/ncalrpc").chmod(0o755)
        configuration = self.scratch / "smb.conf"
        configuration.write_text(self.render())
        (self.scratch / "usermap").write_text("".join(f"{unix} = {name}\n" for name, unix in self.unix_names.items()))
        for name, unix in self.unix_names.items():
            subprocess.run(
                ["smbpasswd", "-c", configuration, "-s", "-a", unix],
                input=f"{self.accounts[name]}\n{self.accounts[name]}\n", text=True, check=True, capture_output=True,
            )
        return ["smbd", "-F", "--no-process-group", "-s", str(configuration)]

    def render(self):
        state = self.scratch / "samba"
        lines = [
            "[global]", "netbios name = STANDIN", "server role = standalone server", "map to guest = bad user",
            f"interfaces = {self.host}/8", "bind interfaces only = yes", f"smb ports = {self.port} {self.netbios_port}",
            "disable netbios = yes", "load printers = no", "printcap name = /dev/null", "log level = 1",
            "logging = file", f"log file = {self.scratch}/server.log", f"username map = {self.scratch}/usermap",
            f"private dir = {state}/private", f"lock directory = {state}/lock", f"state directory = {state}/state",
            f"cache directory = {state}/cache", f"pid directory = {state}/pid", f"ncalrpc dir = {state}/ncalrpc",
            "server min protocol = " + {"2.0.2": "SMB2_02", "3.1.1": "SMB3_11"}[self.settings.oldest_dialect],
            "server signing = " + ("mandatory" if self.settings.signing == "required" else "auto"),
            "ea support = yes", "store dos attributes = yes", "vfs objects = streams_xattr",
        ]
        if self.settings.encryption == "required":
            lines.append("server smb encrypt = required")
        for share in self.shares.values():
            lines += [f"[{share.name}]", f"path = {share.folder}", "create mask = 0666", "directory mask = 0777",
                      f"read only = {'no' if share.writable else 'yes'}", f"guest ok = {'yes' if share.guest else 'no'}",
                      f"browseable = {'no' if share.hidden else 'yes'}"]
            if share.encrypted:
                lines.append("server smb encrypt = required")
            if share.users:
                lines.append("valid users = " + " ".join(self.unix_names[user] for user in share.users))
            lines += share.samba
        return "\n".join(lines) + "\n"


def chosen():
    """The class of the server that this run tests."""
    return {"smbd": Smbd, "samba": Samba}[os.environ.get("SERVER", "smbd")]


def free_ports(count):
    """Ports on the loopback address that nobody listens on at this moment."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def is_free(host, port):
    """May this user listen there, and does nobody yet?"""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            return True
        except OSError:
            return False


def answers(host, port):
    """Does anybody accept connections there?"""
    try:
        socket.create_connection((host, port), 1).close()
        return True
    except OSError:
        return False

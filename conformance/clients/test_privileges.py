"""What privileges open on files: to administrators nothing by themselves, to others what the account file says.

`bob` owns a file that the host and, in half of the cases, a stored descriptor keep from everybody else; `alice` is a user
whom the host's administrator grants privileges to, and `boss` is a member of Administrators who is not root.
"""

import contextlib
import os
import signal
import time

import pytest

import server as servers
from server import ACCOUNTS
from test_rpc import ADMINISTRATOR, pytestmark as has_tools, rpcclient
import test_rpc

pytest.importorskip("impacket", reason="impacket is not installed")

from impacket.dcerpc.v5 import samr, srvs
from impacket.dcerpc.v5.dtypes import MAXIMUM_ALLOWED
from impacket.dcerpc.v5.rpcrt import DCERPCException
from impacket.ldap.ldaptypes import LDAP_SID, SR_SECURITY_DESCRIPTOR
from impacket.smb3structs import SMB2_DIALECT_21
from impacket.smbconnection import SessionError, SMBConnection

from test_rpc_administration import ALICE, allowing, bound
from test_rpc_groups import number_of, opened

pytestmark = [has_tools, pytest.mark.skipif(os.geteuid() != 0, reason="the host keeps files apart for root's server only")]

BOB = ("bob", ACCOUNTS["bob"])
READ, WRITE, APPEND, ALL = 0x1, 0x2, 0x4, 0x001F01FF
DELETE, READ_CONTROL, WRITE_DAC, WRITE_OWNER, SYSTEM_SECURITY = 0x10000, 0x20000, 0x40000, 0x80000, 0x01000000
BACKUP_INTENT = 0x4000
OPEN, OVERWRITE_IF = 1, 5
SECURITY, OWNER, DACL, SACL = 3, 1, 4, 8
#: BACKUP_SECURITY_INFORMATION, which stands for all parts of a descriptor.
WHOLE = 0x10000
MEMORY = "ram"


class Smbd(test_rpc.Smbd):
    """Our server with a share in memory besides, whose files nothing but descriptors keep apart."""

    host = "127.0.0.78"

    def render(self):
        return super().render() + f'[[share]]\nname = "{MEMORY}"\nkind = "memory"\n'


@pytest.fixture(scope="module")
def server():
    if servers.chosen() is not servers.Smbd:
        pytest.skip("it is about our account file")
    with Smbd() as running:
        yield running


def accounts(server):
    return server.scratch / "accounts"


def sid_of(server, name):
    return rpcclient(server, f"lookupnames {name}")[1].split()[1]


@contextlib.contextmanager
def granted(server, holder, rights):
    """The host's administrator writes a line into the account file, for a while."""
    before = accounts(server).read_text()
    sid = holder if holder.startswith("S-") else sid_of(server, holder)
    try:
        reload(server, before + f"+{sid}:{rights}\n", lambda said: rights.split(",")[0] in said, sid)
        yield sid
    finally:
        reload(server, before, lambda said: rights.split(",")[0] not in said, sid)


def reload(server, text, is_in_force, sid):
    accounts(server).write_text(text)
    os.kill(server.process.pid, signal.SIGHUP)
    deadline = time.monotonic() + 10
    while not is_in_force(rpcclient(server, f"lsaenumacctrights {sid}")[1]):
        assert time.monotonic() < deadline, "the server did not take the account file over"
        time.sleep(0.05)


class Client:
    """Somebody's session, and what it does by single messages."""

    def __init__(self, server, user, share="work", dialect=None):
        self.connection = SMBConnection(server.host, server.host, sess_port=server.port, preferredDialect=dialect)
        self.connection.login(*user)
        self.tree = self.connection.connectTree(share)

    def open(self, name, access, options=0, disposition=OPEN):
        return self.connection.openFile(self.tree, name, desiredAccess=access, shareMode=7, creationOption=options,
                                        creationDisposition=disposition)

    def tries(self, name, access, options=0, disposition=OPEN):
        """What opening comes to: the status, or nothing if it is granted."""
        try:
            self.connection.closeFile(self.tree, self.open(name, access, options, disposition))
        except SessionError as refused:
            return refused.getErrorString()[0]

    def read(self, name, options=0):
        opened = self.open(name, READ, options)
        contents = self.connection.readFile(self.tree, opened)
        self.connection.closeFile(self.tree, opened)
        return contents

    def write(self, name, contents):
        opened = self.open(name, ALL, disposition=OVERWRITE_IF)
        self.connection.writeFile(self.tree, opened, contents)
        self.connection.closeFile(self.tree, opened)

    def set_security(self, name, part, descriptor, access, options=0):
        opened = self.open(name, access, options)
        try:
            self.connection.getSMBServer().setInfo(self.tree, opened, descriptor, SECURITY, 0, part)
        except Exception as refused:
            return str(refused)
        finally:
            self.connection.closeFile(self.tree, opened)

    def owner(self, name, options=0):
        opened = self.open(name, READ_CONTROL, options)
        told = self.connection.getSMBServer().queryInfo(self.tree, opened, infoType=SECURITY, fileInfoClass=0,
                                                        additionalInformation=OWNER)
        self.connection.closeFile(self.tree, opened)
        return SR_SECURITY_DESCRIPTOR(told)["OwnerSid"].formatCanonical()


def owned_by(sid):
    """A descriptor in bytes that has an owner and nothing else."""
    descriptor = SR_SECURITY_DESCRIPTOR()
    descriptor["Revision"], descriptor["Sbz1"], descriptor["Control"] = b"\1", b"\0", 0x8000
    descriptor["GroupSid"] = descriptor["Sacl"] = descriptor["Dacl"] = b""
    descriptor["OwnerSid"] = LDAP_SID()
    descriptor["OwnerSid"].fromCanonical(sid)
    return descriptor.getData()


@pytest.fixture(params=["by the host", "by a descriptor", "in memory"])
def secret(request, server):
    """The share and the name of a file of bob's that nobody else may use, with a named stream."""
    share = MEMORY if request.param == "in memory" else "work"
    name = f"secret {request.param}"
    bob = Client(server, BOB, share)
    bob.write(name, b"bob's")
    bob.write(f"{name}:notes", b"bob's, too")
    if request.param != "by the host":
        descriptor = allowing(ALL, sid_of(server, "bob"))
        assert bob.set_security(name, DACL, descriptor, WRITE_DAC) is None
    if share == "work":
        (server.folder("work") / name).chmod(0o600)
    yield share, name
    assert bob.read(name) == b"bob's" and bob.read(f"{name}:notes") == b"bob's, too"
    assert bob.tries(name, DELETE, 0x1000) is None
    bob.connection.close()


@pytest.mark.parametrize("parts", [DACL, OWNER, SACL, 0x10, 0x20, 0x40, WHOLE, WHOLE | DACL], ids=hex)
def test_administrators_set_and_read_no_descriptor_by_the_server_service(server, secret, parts):
    share, name = secret
    theirs = SR_SECURITY_DESCRIPTOR(allowing(ALL, sid_of(server, ADMINISTRATOR[0])))
    theirs["Control"] = 0x8004
    for part in ("OwnerSid", "GroupSid"):
        theirs[part] = LDAP_SID()
        theirs[part].fromCanonical(Client(server, BOB, share).owner(name))
    rpc = bound(server)
    wanted = [bytes([byte]) for byte in theirs.getData()]
    with pytest.raises(DCERPCException, match="(?i)access_denied"):
        srvs.hNetrpSetFileSecurity(rpc, f"{share}\0", f"\\{name}\0", parts, wanted)
    if parts & (SACL | WHOLE):
        with pytest.raises(DCERPCException, match="(?i)access_denied"):
            srvs.hNetrpGetFileSecurity(rpc, f"{share}\0", f"\\{name}\0", parts)
    assert Client(server, ADMINISTRATOR, share).tries(name, READ) == "STATUS_ACCESS_DENIED"


@pytest.mark.parametrize("user", [ALICE, ADMINISTRATOR], ids=["user", "administrator"])
@pytest.mark.parametrize("options", [0, BACKUP_INTENT], ids=["", "for a backup"])
def test_without_privileges_nobody_gets_at_the_file_of_another(server, secret, user, options):
    share, name = secret
    client = Client(server, user, share)
    # Whoever may delete what is in the folder may delete the file.
    for access in (READ, WRITE, APPEND, WRITE_DAC, WRITE_OWNER, WRITE_OWNER | READ):
        assert client.tries(name, access, options) == "STATUS_ACCESS_DENIED", hex(access)
    assert client.tries(f"{name}:notes", READ, options) == "STATUS_ACCESS_DENIED"
    assert client.tries(name, READ_CONTROL | SYSTEM_SECURITY, options) == "STATUS_PRIVILEGE_NOT_HELD"
    assert client.tries(name, WRITE, options, OVERWRITE_IF) == "STATUS_ACCESS_DENIED"
    client.connection.close()


def test_a_backup_reads_with_that_intent_and_changes_nothing(server, secret):
    share, name = secret
    with granted(server, "alice", "SeBackupPrivilege"):
        client = Client(server, ALICE, share)
        assert client.tries(name, READ) == "STATUS_ACCESS_DENIED"
        assert client.read(name, BACKUP_INTENT) == b"bob's"
        assert client.read(f"{name}:notes", BACKUP_INTENT) == b"bob's, too"
        for access in (WRITE, APPEND, WRITE_DAC, WRITE_OWNER):
            assert client.tries(name, access, BACKUP_INTENT) == "STATUS_ACCESS_DENIED", hex(access)
        assert client.tries(name, SYSTEM_SECURITY, BACKUP_INTENT) == "STATUS_PRIVILEGE_NOT_HELD"
        assert client.tries(name, WRITE, BACKUP_INTENT, OVERWRITE_IF) == "STATUS_ACCESS_DENIED"
    assert client.tries(name, READ, BACKUP_INTENT) == "STATUS_ACCESS_DENIED", "live sessions lose it, too"
    client.connection.close()


def test_who_may_take_ownership_takes_it_for_itself_alone(server, secret):
    share, name = secret
    me, bobs = sid_of(server, "alice"), sid_of(server, "bob")
    with granted(server, "alice", "SeTakeOwnershipPrivilege"):
        client = Client(server, ALICE, share)
        assert client.tries(name, READ) == "STATUS_ACCESS_DENIED"
        assert "INVALID_OWNER" in client.set_security(name, OWNER, owned_by("S-1-5-32-544"), WRITE_OWNER)
        before = Client(server, BOB, share).owner(name)
        refused = client.set_security(name, OWNER, owned_by(me), WRITE_OWNER)
        # Where no descriptor is stored, the host decides who owns a file.
        assert refused is None or share == "work" and "ACCESS_DENIED" in refused
        client.connection.close()
    bob = Client(server, BOB, share)
    if refused is None:
        assert bob.owner(name) == me != before
        assert bob.set_security(name, OWNER, owned_by(bobs), WRITE_OWNER) is None
    assert bob.owner(name) in (bobs, before)


def test_owners_give_nothing_away(server):
    bob = Client(server, BOB)
    bob.write("mine", b"")
    before = bob.owner("mine")
    for sid in (sid_of(server, "alice"), "S-1-5-18", "S-1-5-32-544"):
        assert "INVALID_OWNER" in bob.set_security("mine", OWNER, owned_by(sid), WRITE_OWNER)
    assert bob.owner("mine") == before
    with granted(server, "bob", "SeRestorePrivilege"):
        restoring = Client(server, BOB)
        assert restoring.set_security("mine", OWNER, owned_by("S-1-5-18"), WRITE_OWNER) is None
        assert restoring.owner("mine") == "S-1-5-18"


def test_system_lists_are_for_those_who_hold_the_privilege(server, secret):
    share, name = secret
    with granted(server, "alice", "SeSecurityPrivilege"):
        client = Client(server, ALICE, share)
        for access in (READ, WRITE_DAC, WRITE_OWNER, SYSTEM_SECURITY | READ):
            assert client.tries(name, access, BACKUP_INTENT) == "STATUS_ACCESS_DENIED", hex(access)
        assert client.tries(name, SYSTEM_SECURITY) is None
        client.connection.close()


def test_no_privilege_changes_what_lies_on_a_share_that_nobody_may_change(server):
    notice = server.folder("readonly") / "notice.txt"
    before = notice.stat()
    rights = "SeSecurityPrivilege,SeTakeOwnershipPrivilege,SeBackupPrivilege,SeRestorePrivilege"
    with granted(server, ADMINISTRATOR[0], rights):
        client = Client(server, ADMINISTRATOR, "readonly")
        for access in (WRITE, APPEND, DELETE, WRITE_DAC, WRITE_OWNER):
            assert client.tries("notice.txt", access, BACKUP_INTENT) == "STATUS_ACCESS_DENIED", hex(access)
        no_list = SR_SECURITY_DESCRIPTOR(owned_by("S-1-1-0")).getData()
        assert "ACCESS_DENIED" in client.set_security("notice.txt", SACL, no_list, SYSTEM_SECURITY)
        with pytest.raises(DCERPCException, match="(?i)access_denied"):
            srvs.hNetrpSetFileSecurity(bound(server), "readonly\0", "\\notice.txt\0", SACL, [bytes([byte]) for byte in no_list])
    assert (notice.stat().st_mode, notice.stat().st_ctime_ns) == (before.st_mode, before.st_ctime_ns)


def test_guests_hold_nothing_whoever_is_granted_it(server):
    (server.folder("public") / "closed").write_bytes(b"root's")
    (server.folder("public") / "closed").chmod(0o600)
    with granted(server, "S-1-1-0", "SeBackupPrivilege,SeRestorePrivilege,SeTakeOwnershipPrivilege"):
        guest = Client(server, ("nobody in particular", "x"), "public", SMB2_DIALECT_21)
        for access in (READ, WRITE, WRITE_OWNER, WRITE_DAC):
            assert guest.tries("closed", access, BACKUP_INTENT) == "STATUS_ACCESS_DENIED", hex(access)
        user = Client(server, ALICE, "public")
        assert user.read("closed", BACKUP_INTENT) == b"root's"


def test_administrators_grant_no_privilege_over_files_from_a_client(server):
    before = accounts(server).read_text()
    for right in ("SeBackupPrivilege", "SeRestorePrivilege", "SeTakeOwnershipPrivilege", "SeSecurityPrivilege"):
        for sid in (sid_of(server, ADMINISTRATOR[0]), "S-1-5-32-544", "S-1-1-0"):
            _, said = rpcclient(server, f"lsaaddacctrights {sid} SeNetworkLogonRight {right}")
            assert "ACCESS_DENIED" in said, said
    assert accounts(server).read_text() == before
    assert "does not let SeBackupPrivilege" in server.log()
    with granted(server, "alice", "SeBackupPrivilege") as alice:
        _, said = rpcclient(server, f"lsaremoveacctrights {alice} SeBackupPrivilege")
        assert "STATUS" not in said and f"+{alice}" not in accounts(server).read_text()


def test_an_account_that_is_removed_leaves_no_rights(server):
    _, said = rpcclient(server, "createdomuser carol")
    assert "STATUS" not in said, said
    with granted(server, "carol", "SeBackupPrivilege") as carol:
        rpcclient(server, "deletedomuser carol")
        assert f"+{carol}" not in accounts(server).read_text()
        rpcclient(server, "createdomuser carol")
        assert sid_of(server, "carol") != carol


def enable(server, name, control=samr.USER_NORMAL_ACCOUNT):
    rpc, domain, _ = opened(server)
    user = samr.hSamrOpenUser(rpc, domain, MAXIMUM_ALLOWED, number_of(rpc, domain, name))["UserHandle"]
    info = samr.SAMPR_USER_INFO_BUFFER()
    info["tag"] = samr.USER_INFORMATION_CLASS.UserControlInformation
    info["Control"]["UserAccountControl"] = control
    samr.hSamrSetInformationUser2(rpc, user, info)


def test_an_account_of_roots_name_is_not_served_as_root(server):
    _, said = rpcclient(server, "createdomuser root; setuserinfo2 root 24 Root-er-4")
    assert "STATUS" not in said, said
    enable(server, "root")
    with pytest.raises(SessionError, match="(?i)access_denied"):
        Client(server, ("root", "Root-er-4"))
    _, said = rpcclient(server, "netsessenum", user="root", password="Root-er-4")
    assert "ACCESS_DENIED" in said.upper(), said
    rpcclient(server, "deletedomuser root")


def test_administrators_do_not_change_the_account_that_is_served_as_root(server):
    before, boss = accounts(server).read_text(), sid_of(server, ADMINISTRATOR[0])
    superuser = f"superuser:{'0' * 32}:uid=0"
    reload(server, before + superuser + f"\n+{boss}:SeAuditPrivilege\n", lambda said: "SeAudit" in said, boss)
    for change in ("setuserinfo2 superuser 24 Super-5", "deletedomuser superuser"):
        _, said = rpcclient(server, change)
        assert "ACCESS_DENIED" in said, said
    with pytest.raises(DCERPCException, match="(?i)access_denied"):
        enable(server, "superuser", samr.USER_ACCOUNT_DISABLED)
    assert superuser in accounts(server).read_text()
    reload(server, before, lambda said: "SeAudit" not in said, boss)


class Forced(Smbd):
    """One where root owns all that is done on shares."""

    host = "127.0.0.79"

    def render(self):
        return super().render() + '[identity]\nforce_user = "root"\n'


def test_who_owns_files_as_root_by_force_does_not_administer_by_it():
    with Forced() as server:
        client = Client(server, ALICE)
        client.write("alices", b"")
        assert (server.folder("work") / "alices").stat().st_uid == 0
        client.connection.close()
        for command in ("netsessenum", "createdomuser mallory"):
            assert "ACCESS_DENIED" in rpcclient(server, command, user="alice")[1].upper()
        assert "mallory" not in accounts(server).read_text()
        assert "ACCESS_DENIED" not in rpcclient(server, "netsessenum")[1].upper()

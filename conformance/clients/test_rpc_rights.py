"""Who holds which rights, as administrators look at it and change it from a client, and what follows from it."""

import os

import pytest

import server as servers
from test_rpc import ADMINISTRATOR, Smbd, net, pytestmark, rpcclient

pytest.importorskip("impacket", reason="impacket is not installed")

from impacket.dcerpc.v5 import lsad, lsat
from impacket.dcerpc.v5.rpcrt import DCERPCException
from impacket.smbconnection import SessionError

from test_rpc_administration import ALICE, bound, logged_on

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="net wants port 445")
STRANGER = "S-1-5-21-7-8-9-1000"
ACCESS_SYSTEM_SECURITY = 0x01000000
FILE_READ_ATTRIBUTES = 0x80


class Trusting(Smbd):
    """Our server where administrators may grant every privilege from a client."""

    def render(self):
        return super().render() + "[identity]\nprivileges_from_clients = true\n"


@pytest.fixture(scope="module")
def server():
    if servers.chosen() is not servers.Smbd:
        pytest.skip("it is about our account file")
    with Trusting() as running:
        yield running


def accounts(server):
    """The account file."""
    return (server.scratch / "accounts").read_text()


def sid_of(server, name):
    return rpcclient(server, f"lookupnames {name}")[1].split()[1]


def opened(server, user=ADMINISTRATOR):
    """A pipe to the local security authority, and a handle on its policy."""
    rpc = bound(server, user, r"\lsarpc", lsat.MSRPC_UUID_LSAT)
    return rpc, lsad.hLsarOpenPolicy2(rpc, lsad.MAXIMUM_ALLOWED)["PolicyHandle"]


def rights(server, sid):
    """The names of the rights that somebody holds; none for somebody unknown."""
    status, said = rpcclient(server, f"lsaenumacctrights {sid}")
    return [line.strip() for line in said.splitlines() if line.startswith("\t")] if status == 0 else None


def test_rights_are_granted_listed_and_taken_away(server):
    before, alice = accounts(server), sid_of(server, "alice")
    assert rights(server, alice) is None
    _, said = rpcclient(server, f"lsaaddacctrights {alice} SeBackupPrivilege SeNetworkLogonRight")
    assert "STATUS" not in said, said
    assert rights(server, alice) == ["SeBackupPrivilege", "SeNetworkLogonRight"]
    assert accounts(server) == before + f"+{alice}:SeBackupPrivilege,SeNetworkLogonRight\n"
    assert (server.scratch / "accounts").stat().st_mode & 0o777 == 0o600
    assert alice in rpcclient(server, "lsaenumsid")[1]
    _, said = rpcclient(server, f"lsaremoveacctrights {alice} SeNetworkLogonRight")
    assert rights(server, alice) == ["SeBackupPrivilege"], said
    rpcclient(server, f"lsaremoveacctrights {alice} SeBackupPrivilege")
    assert rights(server, alice) is None and accounts(server) == before


def test_only_administrators_change_rights_and_only_those_that_there_are(server):
    before, alice = accounts(server), sid_of(server, "alice")
    for command in [f"lsaaddacctrights {alice} SeTcbPrivilege", f"lsacreateaccount {STRANGER}",
                    "lsaremoveacctrights S-1-5-32-544 SeBackupPrivilege"]:
        _, said = rpcclient(server, command, user="alice")
        assert "ACCESS_DENIED" in said, said
    _, said = rpcclient(server, f"lsaaddacctrights {alice} SeBackupPrivilege SeNothingPrivilege")
    assert "NO_SUCH_PRIVILEGE" in said, said
    _, said = rpcclient(server, f"lsaremoveacctrights {STRANGER} SeBackupPrivilege")
    assert "OBJECT_NAME_NOT_FOUND" in said, said
    assert accounts(server) == before


def test_an_account_is_made_changed_by_its_handle_and_deleted(server):
    before = accounts(server)
    _, said = rpcclient(server, f"lsacreateaccount {STRANGER}")
    assert "successfully created" in said, said
    assert "OBJECT_NAME_COLLISION" in rpcclient(server, f"lsacreateaccount {STRANGER}")[1]
    rpc, policy = opened(server)
    account = lsad.hLsarOpenAccount(rpc, policy, STRANGER)["AccountHandle"]
    backup = lsad.LSAPR_LUID_AND_ATTRIBUTES()
    backup["Luid"]["LowPart"], backup["Luid"]["HighPart"], backup["Attributes"] = 17, 0, 0
    lsad.hLsarAddPrivilegesToAccount(rpc, account, [backup])
    lsad.hLsarSetSystemAccessAccount(rpc, account, 2)
    assert lsad.hLsarGetSystemAccessAccount(rpc, account)["SystemAccess"] == 2
    assert "17\t" in rpcclient(server, f"lsaenumprivsaccount {STRANGER}")[1]
    assert accounts(server) == before + f"+{STRANGER}:SeBackupPrivilege,SeNetworkLogonRight\n"
    other = lsad.hLsarOpenAccount(rpc, policy, STRANGER)["AccountHandle"]
    lsad.hLsarRemovePrivilegesFromAccount(rpc, account, [backup])
    assert rights(server, STRANGER) == ["SeNetworkLogonRight"]
    lsad.hLsarDeleteObject(rpc, account)
    with pytest.raises(DCERPCException, match="(?i)invalid_handle|0xc0000008"):
        lsad.hLsarGetSystemAccessAccount(rpc, other)
    assert accounts(server) == before


@pytest.mark.parametrize("holder", ["alice", "S-1-5-32-545"], ids=["user", "group"])
def test_a_privilege_is_in_force_at_once_and_no_longer_than_it_is_held(server, holder):
    sid = sid_of(server, holder) if holder == "alice" else holder
    (server.folder("work") / "ledger").write_bytes(b"")
    connection = logged_on(server, ALICE)
    tree = connection.connectTree("work")

    def reads_the_system_list():
        access = FILE_READ_ATTRIBUTES | ACCESS_SYSTEM_SECURITY
        try:
            connection.closeFile(tree, connection.openFile(tree, "ledger", desiredAccess=access, shareMode=7))
            return True
        except SessionError as refused:
            assert "PRIVILEGE_NOT_HELD" in str(refused)
            return False

    assert not reads_the_system_list()
    rpcclient(server, f"lsaaddacctrights {sid} SeSecurityPrivilege")
    assert reads_the_system_list()
    rpcclient(server, f"lsaremoveacctrights {sid} SeSecurityPrivilege")
    assert not reads_the_system_list()
    connection.close()


def test_who_may_not_come_over_the_network_reaches_no_share(server):
    alice = sid_of(server, "alice")
    rpcclient(server, f"lsaaddacctrights {alice} SeDenyNetworkLogonRight")
    try:
        with pytest.raises(SessionError, match="(?i)logon_type_not_granted"):
            logged_on(server, ALICE).connectTree("work")
    finally:
        rpcclient(server, f"lsaremoveacctrights {alice} SeDenyNetworkLogonRight")
    logged_on(server, ALICE).connectTree("work")


@needs_root
def test_net_grants_lists_and_revokes(server):
    before = accounts(server)
    assert net(server, "rights", "grant", "alice", "SeBackupPrivilege")[0] == 0
    try:
        assert "SeBackupPrivilege" in net(server, "rights", "list", "alice")[1]
        assert "alice" in net(server, "rights", "list", "accounts")[1]
        assert "alice" in net(server, "rights", "list", "privileges", "SeBackupPrivilege")[1]
        assert "SeTakeOwnershipPrivilege" in net(server, "rights", "list")[1]
    finally:
        assert net(server, "rights", "revoke", "alice", "SeBackupPrivilege")[0] == 0
    assert accounts(server) == before

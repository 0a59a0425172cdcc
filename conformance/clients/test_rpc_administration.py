"""What administrators are told and may do over the server service, by impacket, at every level."""

import os
import time

import pytest

from server import ACCOUNTS
from test_rpc import ADMINISTRATOR, Smbd, pytestmark, rpcclient, run, server  # noqa: F401
import server as servers

impacket = pytest.importorskip("impacket", reason="impacket is not installed")

from impacket.dcerpc.v5 import lsad, lsat, rpcrt, srvs, transport
from impacket.dcerpc.v5.rpcrt import DCERPCException
from impacket.ldap.ldaptypes import ACCESS_ALLOWED_ACE, ACCESS_MASK, ACE, ACL, LDAP_SID, SR_SECURITY_DESCRIPTOR
from impacket.nmb import NetBIOSError
from impacket.smb3structs import SMB2_DIALECT_21
from impacket.smbconnection import SessionError, SMBConnection

ALICE = ("alice", ACCOUNTS["alice"])


def bound(server, user=ADMINISTRATOR, pipe=r"\srvsvc", interface=srvs.MSRPC_UUID_SRVS, level=None, dialect=None):
    """A pipe bound to a service, with a log-on inside the pipe where a level is given. It is encrypted, if the dialect can."""
    through = transport.SMBTransport(server.host, server.port, pipe, *user)
    if dialect:
        through.preferred_dialect(dialect)
    rpc = through.get_dce_rpc()
    if level:
        rpc.set_credentials(*user)
        rpc.set_auth_type(rpcrt.RPC_C_AUTHN_WINNT)
        rpc.set_auth_level(level)
    rpc.connect()
    rpc.bind(interface)
    return rpc


def logged_on(server, user=ALICE):
    connection = SMBConnection(server.host, server.host, sess_port=server.port)
    connection.login(*user)
    return connection


@pytest.mark.parametrize("level", [0, 1, 2, 10, 502])
def test_sessions_are_listed_at_every_level_and_for_administrators_only(server, level):
    with_session = logged_on(server)
    listed = srvs.hNetrSessionEnum(bound(server), "\0", "\0", level)
    entries = listed["InfoStruct"]["SessionInfo"][f"Level{level}"]["Buffer"]
    assert len(entries) >= 2
    if level:
        names = [entry[f"sesi{level}_username"] for entry in entries]
        assert "alice\0" in names and "boss\0" in names
    with pytest.raises(DCERPCException, match="(?i)access_denied"):
        srvs.hNetrSessionEnum(bound(server, ALICE), "\0", "\0", level)
    with_session.close()


@pytest.mark.parametrize("level", [rpcrt.RPC_C_AUTHN_LEVEL_PKT_INTEGRITY, rpcrt.RPC_C_AUTHN_LEVEL_PKT_PRIVACY])
def test_packets_are_protected_for_a_client_that_signs_headers_unasked(server, level):
    rpc = bound(server, level=level)
    for _ in range(2):
        assert srvs.hNetrSessionEnum(rpc, "\0", "\0", 10)["ErrorCode"] == 0


def test_a_session_grows_idle_until_it_asks_for_something(server):
    idler = logged_on(server)

    def idle():
        listed = srvs.hNetrSessionEnum(bound(server), "\0", "alice\0", 10)
        return min(entry["sesi10_idle_time"] for entry in listed["InfoStruct"]["SessionInfo"]["Level10"]["Buffer"])

    time.sleep(1.2)
    assert idle() >= 1
    idler.connectTree("work")
    assert idle() == 0
    idler.close()


def test_sessions_are_ended_by_administrators_only(server):
    victim = logged_on(server)
    tree = victim.connectTree("work")
    with pytest.raises(DCERPCException, match="(?i)access_denied"):
        srvs.hNetrSessionDel(bound(server, ALICE), "\0", "alice\0")
    assert victim.listPath("work", "*") is not None
    srvs.hNetrSessionDel(bound(server), "\0", "alice\0")
    with pytest.raises((SessionError, NetBIOSError)):
        victim.openFile(tree, "x", creationDisposition=3)
    with pytest.raises(DCERPCException, match="(?i)user_?not_?found|2221|0x8ad"):
        srvs.hNetrSessionDel(bound(server), "\0", "nobody\0")


@pytest.mark.parametrize("level", [0, 1])
def test_connections_to_a_share_are_listed(server, level):
    user = logged_on(server)
    user.connectTree("work")
    listed = srvs.hNetrConnectionEnum(bound(server), "work\0", level)
    entries = listed["InfoStruct"]["ConnectInfo"][f"Level{level}"]["Buffer"]
    assert len(entries) == 1
    if level:
        assert entries[0]["coni1_username"] == "alice\0" and entries[0]["coni1_netname"] == "work\0"
    with pytest.raises(DCERPCException, match="(?i)access_denied"):
        srvs.hNetrConnectionEnum(bound(server, ALICE), "work\0", level)
    user.close()


def test_open_files_are_listed_looked_at_and_closed(server):
    user = logged_on(server)
    tree = user.connectTree("work")
    opened = user.createFile(tree, "open.txt")
    rpc = bound(server)
    numbers = {}
    for level in (2, 3):
        entries = srvs.hNetrFileEnum(rpc, "\0", "alice\0", level)["InfoStruct"]["FileInfo"][f"Level{level}"]["Buffer"]
        numbers[level] = [entry[f"fi{level}_id"] for entry in entries]
    [number] = [entry["fi3_id"] for entry in entries if entry["fi3_path_name"].endswith("\\open.txt\0")]
    assert numbers[2] == numbers[3]
    told = srvs.hNetrFileGetInfo(rpc, number, 3)["InfoStruct"]["FileInfo3"]
    assert told["fi3_username"] == "alice\0"
    with pytest.raises(DCERPCException, match="(?i)access_denied"):
        srvs.hNetrFileClose(bound(server, ALICE), number)
    srvs.hNetrFileClose(rpc, number)
    with pytest.raises(SessionError, match="FILE_CLOSED"):
        user.readFile(tree, opened)
    with pytest.raises(DCERPCException):
        srvs.hNetrFileClose(rpc, number)
    user.close()


def test_counters_grow_with_what_they_count(server):
    rpc = bound(server)

    def told():
        return srvs.hNetrServerStatisticsGet(rpc, "\0", 0, 0)["InfoStruct"]

    before = told()
    user = logged_on(server)
    tree = user.connectTree("readonly")
    with pytest.raises(SessionError):
        user.createFile(tree, "refused")
    user.closeFile(tree, user.openFile(tree, "notice.txt", desiredAccess=0x80))
    with pytest.raises(SessionError):
        logged_on(server, ("alice", "wrong"))
    after = told()
    for counter, least in (("sts0_fopens", 1), ("sts0_permerrors", 1), ("sts0_pwerrors", 1),
                           ("sts0_bytesrcvd_low", 500), ("sts0_bytessent_low", 500)):
        assert after[counter] >= before[counter] + least, counter
    assert abs(after["sts0_start"] - time.time()) < 3600 and after["sts0_sopens"] >= 2
    user.close()
    for rpc, options in ((rpc, 1), (bound(server, ALICE), 0)):
        with pytest.raises(DCERPCException):
            srvs.hNetrServerStatisticsGet(rpc, "\0", 0, options)


def test_disks_time_and_names_are_told(server):
    rpc = bound(server)
    assert srvs.hNetrServerDiskEnum(rpc, 0)["ErrorCode"] == 0
    assert abs(srvs.hNetrRemoteTOD(rpc)["BufferPtr"]["tod_elapsedt"] - time.time()) < 60
    assert srvs.hNetprNameValidate(rpc, "share\0", 9)["ErrorCode"] == 0
    with pytest.raises(DCERPCException, match="(?i)invalid_name"):
        srvs.hNetprNameValidate(rpc, "a/b\0", 9)


def test_descriptors_of_files_are_read_and_set(server):
    (server.folder("work") / "secured").write_bytes(b"x")
    (server.folder("work") / "secured").chmod(0o666)
    rpc = bound(server)
    told = srvs.hNetrpGetFileSecurity(rpc, "work\0", "\\secured\0", 7)
    descriptor = SR_SECURITY_DESCRIPTOR(data=bytes(told))
    assert descriptor["OwnerSid"] is not None and descriptor["Dacl"] is not None
    with pytest.raises(DCERPCException, match="(?i)access_denied"):
        srvs.hNetrpGetFileSecurity(bound(server, ALICE), "work\0", "\\secured\0", 7)
    with pytest.raises(DCERPCException):
        srvs.hNetrpGetFileSecurity(rpc, "work\0", "\\none\0", 7)


def test_descriptors_of_a_share_that_wants_encryption_are_not_told_in_clear(server):
    (server.folder("sealed") / "letter").write_bytes(b"x")
    letter = "sealed\0", "\\letter\0", 7
    assert srvs.hNetrpGetFileSecurity(bound(server), *letter)
    with pytest.raises(DCERPCException, match="(?i)access_denied"):
        srvs.hNetrpGetFileSecurity(bound(server, dialect=SMB2_DIALECT_21), *letter)


def test_descriptors_are_not_set_where_the_share_lets_nobody_write(server):
    administrator = logged_on(server, ADMINISTRATOR)
    administrator.createFile(administrator.connectTree("work"), "owned")
    owner = (server.folder("work") / "owned").stat()
    notice = server.folder("readonly") / "notice.txt"
    os.chown(notice, owner.st_uid, owner.st_gid)
    before = notice.stat()
    rpc, wanted = bound(server), [bytes([byte]) for byte in allowing(0x1F01FF, "S-1-1-0")]
    assert srvs.hNetrpGetFileSecurity(rpc, "readonly\0", "\\notice.txt\0", 7)
    with pytest.raises(DCERPCException, match="(?i)access_denied"):
        srvs.hNetrpSetFileSecurity(rpc, "readonly\0", "\\notice.txt\0", 4, wanted)
    administrator.close()
    assert (notice.stat().st_mode, notice.stat().st_ctime_ns) == (before.st_mode, before.st_ctime_ns)


def allowing(rights, sid):
    """A descriptor in bytes that gives one holder some rights, and nobody else any."""
    ace = ACE()
    ace["AceType"], ace["AceFlags"] = ACCESS_ALLOWED_ACE.ACE_TYPE, 0
    inner = ACCESS_ALLOWED_ACE()
    inner["Mask"] = ACCESS_MASK()
    inner["Mask"]["Mask"] = rights
    inner["Sid"] = LDAP_SID()
    inner["Sid"].fromCanonical(sid)
    ace["Ace"] = inner
    acl = ACL()
    acl["AclRevision"], acl["Sbz1"], acl["Sbz2"] = 2, 0, 0
    acl.aces = [ace]
    descriptor = SR_SECURITY_DESCRIPTOR()
    descriptor["Revision"], descriptor["Sbz1"], descriptor["Control"] = b"\1", b"\0", 0x8004
    descriptor["OwnerSid"] = descriptor["GroupSid"] = descriptor["Sacl"] = b""
    descriptor["Dacl"] = acl
    return descriptor.getData()


def set_permissions(rpc, share, descriptor):
    info = srvs.hNetrShareGetInfo(rpc, share, 502)["InfoStruct"]["ShareInfo502"]
    info["shi502_security_descriptor"] = [bytes([byte]) for byte in descriptor]
    info["shi502_reserved"] = len(descriptor)
    return srvs.hNetrShareSetInfo(rpc, share, 502, info)


def test_permissions_of_a_share_that_was_added_are_set_told_and_kept_to(server):
    folder = server.scratch / "permitted"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    (folder / "f").write_bytes(b"x")
    rpc = bound(server)
    _, said = rpcclient(server, f"netshareadd {folder} permitted")
    assert "permitted\0" in [share["shi1_netname"] for share in srvs.hNetrShareEnum(rpc, 1)["InfoStruct"]["ShareInfo"]
                             ["Level1"]["Buffer"]], said
    try:
        reading, everything = 0x1200A9, 0x1F01FF
        bob = rpcclient(server, "lookupnames bob")[1].split()[1]
        set_permissions(rpc, "permitted\0", allowing(reading, "S-1-5-11"))
        user = logged_on(server)
        tree = user.connectTree("permitted")
        user.closeFile(tree, user.openFile(tree, "f", desiredAccess=1))
        with pytest.raises(SessionError, match="ACCESS_DENIED"):
            user.createFile(tree, "new")
        assert not (folder / "new").exists()
        set_permissions(rpc, "permitted\0", allowing(everything, bob))
        with pytest.raises(SessionError, match="ACCESS_DENIED"):
            logged_on(server).connectTree("permitted")
        other = logged_on(server, ("bob", ACCOUNTS["bob"]))
        tree = other.connectTree("permitted")
        other.closeFile(tree, other.createFile(tree, "by bob"))
        said = rpcclient(server, "netsharegetinfo permitted 502")[1]
        assert bob in said, said
        with pytest.raises(DCERPCException, match="(?i)access_denied"):
            set_permissions(bound(server, ALICE), "permitted\0", allowing(everything, "S-1-1-0"))
        with pytest.raises(DCERPCException, match="(?i)access_denied"):
            set_permissions(rpc, "work\0", allowing(everything, "S-1-1-0"))
    finally:
        srvs.hNetrShareDel(rpc, "permitted\0")


def trailer(*commands):
    """A verification trailer of commands and their values."""
    signature = bytes.fromhex("8ae3137102f43671")
    *others, last = commands
    rest = [(number, value) for number, value in others] + [(last[0] | 0x4000, last[1])]
    return signature + b"".join(number.to_bytes(2, "little") + len(value).to_bytes(2, "little") + value
                                for number, value in rest)


def test_a_request_that_was_changed_on_its_way_is_refused(server):
    ndr = bytes.fromhex("045d888aeb1cc9119fe808002b104860") + (2).to_bytes(4, "little")
    interface = bytes.fromhex("c84f324b7016d30112785a47bf6ee188") + (3).to_bytes(4, "little")
    remote_time = (28, bytes(4))
    rpc = bound(server, ALICE, level=rpcrt.RPC_C_AUTHN_LEVEL_CONNECT)
    rpc.call(remote_time[0], remote_time[1] + trailer((2, interface + ndr)))
    assert len(rpc.recv()) > 40
    rpc.call(remote_time[0], remote_time[1] + trailer((2, ndr + interface)))
    with pytest.raises(DCERPCException, match="(?i)access_denied"):
        rpc.recv()
    rpc.call(remote_time[0], remote_time[1] + trailer((0x8009, b"")))
    with pytest.raises(DCERPCException, match="(?i)access_denied"):
        rpc.recv()
    rpc.call(*remote_time)
    assert len(rpc.recv()) > 40


def test_handles_are_for_the_pipes_of_one_user(server):
    one = bound(server, pipe=r"\lsarpc", interface=lsat.MSRPC_UUID_LSAT)
    policy = lsad.hLsarOpenPolicy2(one, lsad.MAXIMUM_ALLOWED)["PolicyHandle"]
    stranger = bound(server, ALICE, r"\lsarpc", lsat.MSRPC_UUID_LSAT)
    with pytest.raises(DCERPCException, match="(?i)context_mismatch"):
        lsad.hLsarClose(stranger, policy)
    lsad.hLsarClose(one, policy)


class WithAnonymous(Smbd):
    """Our server that lets in who gives no name."""

    host = "127.0.0.79"

    def render(self):
        return super().render().replace("[server]\n", "[server]\nanonymous = true\n", 1)


def test_who_gives_no_name_is_not_let_in_unless_a_setting_says_so_and_then_only_browses(server):
    def ask(other, command):
        return run("rpcclient", other.host, "-p", str(other.port), "-s", "/dev/null", "-N", "-U", "%", "-c", command)

    status, said = ask(server, "netshareenum 1")
    assert status != 0 and "netname" not in said, said
    if servers.chosen() is not servers.Smbd:
        pytest.skip("it is about our setting")
    with WithAnonymous() as other:
        status, said = ask(other, "netshareenum 1")
        assert status == 0 and "netname: work" in said, said
        for command in ("enumdomusers", "lookupnames alice", "lookupsids S-1-5-32-544", "netsessenum", "netshareenum 2",
                        "querydispinfo", "enumprivs", "chgpasswd2 alice x y"):
            said = ask(other, command)[1]
            assert "ACCESS_DENIED" in said, f"{command}: {said}"

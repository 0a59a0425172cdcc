"""Groups of the account file as administrators keep them from a client, by `net rpc`, rpcclient and impacket."""

import os

import pytest

import server as servers
from test_rpc import ADMINISTRATOR, net, pytestmark, rpcclient, run, server  # noqa: F401

pytest.importorskip("impacket", reason="impacket is not installed")

from impacket.dcerpc.v5 import rpcrt, samr, srvs, transport
from impacket.dcerpc.v5.dtypes import MAXIMUM_ALLOWED, RPC_SID
from impacket.dcerpc.v5.rpcrt import DCERPCException
from impacket.smbconnection import SessionError

from test_rpc_administration import ALICE, WithAnonymous, allowing, bound, logged_on, set_permissions

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="net wants port 445")


def accounts(server):
    """The account file."""
    return (server.scratch / "accounts").read_text()


def opened(server, user=ADMINISTRATOR, name=None):
    """A pipe to the account database, and a handle on the machine's domain or the one of that name."""
    rpc = bound(server, user, r"\samr", samr.MSRPC_UUID_SAMR)
    database = samr.hSamrConnect(rpc)["ServerHandle"]
    domains = [entry["Name"] for entry in samr.hSamrEnumerateDomainsInSamServer(rpc, database)["Buffer"]["Buffer"]]
    sid = samr.hSamrLookupDomainInSamServer(rpc, database, name or domains[0])["DomainId"]
    return rpc, samr.hSamrOpenDomain(rpc, database, MAXIMUM_ALLOWED, sid)["DomainHandle"], sid.formatCanonical()


def alias(rpc, domain, number, access=MAXIMUM_ALLOWED):
    return samr.hSamrOpenAlias(rpc, domain, access, number)["AliasHandle"]


def sid(text):
    made = RPC_SID()
    made.fromCanonical(text)
    return made


def sids(*texts):
    array = samr.SAMPR_PSID_ARRAY()
    array["Count"] = len(texts)
    for text in texts:
        one = samr.PSAMPR_SID_INFORMATION()
        one["SidPointer"] = sid(text)
        array["Sids"].append(one)
    return array


def number_of(rpc, domain, name):
    return samr.hSamrLookupNamesInDomain(rpc, domain, [name])["RelativeIds"]["Element"][0]["Data"]


def told(rpc, handle, level=samr.ALIAS_INFORMATION_CLASS.AliasGeneralInformation):
    general = samr.hSamrQueryInformationAlias(rpc, handle, level)["Buffer"]["General"]
    return general["Name"], general["AdminComment"], general["MemberCount"]


def set_alias(rpc, handle, name=None, comment=None):
    buffer = samr.SAMPR_ALIAS_INFO_BUFFER()
    classes = samr.ALIAS_INFORMATION_CLASS
    buffer["tag"] = classes.AliasNameInformation if name else classes.AliasAdminCommentInformation
    if name:
        buffer["Name"]["Name"] = name
    else:
        buffer["AdminComment"]["AdminComment"] = comment
    return samr.hSamrSetInformationAlias(rpc, handle, buffer)


@needs_root
def test_net_makes_fills_lists_and_deletes_a_group(server):
    before = accounts(server)
    assert net(server, "group", "add", "crew", "-L", "-C", "Who sails")[0] == 0
    try:
        assert (server.scratch / "accounts").stat().st_mode & 0o777 == 0o600
        assert accounts(server).startswith(before), "what was there stays as it was"
        assert ";comment=Who sails\n" in accounts(server)
        assert "crew" in net(server, "group", "list", "local")[1].split()
        status, said = net(server, "group", "add", "CREW", "-L")
        assert status != 0 and "exists" in said, said
        assert net(server, "group", "members", "crew")[1] == ""
        assert net(server, "group", "addmem", "crew", "alice")[0] == 0
        assert "MEMBER_IN_ALIAS" in net(server, "group", "addmem", "crew", "alice")[1]
        assert net(server, "group", "members", "crew")[1].endswith("\\alice\n")
        assert "(Local Group: 4)" in rpcclient(server, "lookupnames crew")[1]
        assert net(server, "group", "delmem", "crew", "alice")[0] == 0
        assert "crew" in net(server, "group", "list", "local")[1].split(), "it outlives its last member"
        assert net(server, "group", "addmem", "crew", "alice")[0] == 0
    finally:
        status, said = net(server, "group", "delete", "crew")
    assert status == 0, said
    assert "crew" not in accounts(server)
    assert "NONE_MAPPED" in rpcclient(server, "lookupnames crew")[1]


def test_a_group_of_the_domain_is_not_made_but_an_alias(server):
    before = accounts(server)
    assert "NOT_SUPPORTED" in rpcclient(server, "createdomgroup global")[1]
    assert "SPECIAL_ACCOUNT" in rpcclient(server, "deletedomgroup None")[1]
    assert "SPECIAL_ACCOUNT" in rpcclient(server, "deletealias builtin 545")[1]
    assert "SPECIAL_ACCOUNT" in rpcclient(server, "deletealias builtin 544")[1]
    for taken, status in (("alice", "USER_EXISTS"), ("None", "GROUP_EXISTS"), ("users", "ALIAS_EXISTS"),
                          ("administrators", "ALIAS_EXISTS"), ("a/b", "INVALID_ACCOUNT_NAME")):
        assert status in rpcclient(server, f"createdomalias {taken}")[1]
    assert accounts(server) == before


def test_members_of_a_group_get_in_where_it_may(server):
    folder = server.scratch / "for-crew"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    services = bound(server)
    rpcclient(server, f"netshareadd {folder} crew-only")
    rpc, domain, base = opened(server)
    made = samr.hSamrCreateAliasInDomain(rpc, domain, "crew", MAXIMUM_ALLOWED)
    handle, number = made["AliasHandle"], made["RelativeId"]
    alice = f"{base}-{number_of(rpc, domain, 'alice')}"

    def gets_in():
        connection = logged_on(server)
        try:
            connection.connectTree("crew-only")
            return True
        except SessionError as refused:
            assert "ACCESS_DENIED" in str(refused)
            return False
        finally:
            connection.close()

    try:
        set_permissions(services, "crew-only\0", allowing(0x1F01FF, f"{base}-{number}"))
        assert not gets_in()
        samr.hSamrAddMemberToAlias(rpc, handle, sid(alice))
        assert gets_in()
        set_alias(rpc, handle, name="sailors")
        assert told(rpc, handle) == ("sailors", "", 1), "an open alias stays the same under another name"
        assert f"{base}-{number}" in rpcclient(server, "lookupnames sailors")[1]
        assert gets_in(), "and so do those who are in it"
        samr.hSamrRemoveMemberFromAlias(rpc, handle, sid(alice))
        assert not gets_in()
    finally:
        samr.hSamrDeleteAlias(rpc, handle)
        srvs.hNetrShareDel(services, "crew-only\0")
    with pytest.raises(DCERPCException, match="(?i)context_mismatch"):
        samr.hSamrDeleteAlias(rpc, handle)
    again = samr.hSamrCreateAliasInDomain(rpc, domain, "crew", MAXIMUM_ALLOWED)
    samr.hSamrDeleteAlias(rpc, again["AliasHandle"])
    assert again["RelativeId"] > number, "a number is never given out again"


def test_several_members_come_and_go_at_once(server):
    rpc, domain, base = opened(server)
    handle = samr.hSamrCreateAliasInDomain(rpc, domain, "crew", MAXIMUM_ALLOWED)["AliasHandle"]
    alice, bob = (f"{base}-{number_of(rpc, domain, name)}" for name in ("alice", "bob"))

    def members():
        found = samr.hSamrGetMembersInAlias(rpc, handle)["Members"]["Sids"]
        return sorted(one["SidPointer"].formatCanonical() for one in found)

    try:
        set_alias(rpc, handle, comment="Who sails; and, more")
        pytest.fail("a text that the file cannot hold was taken")
    except DCERPCException as refused:
        assert "INVALID_PARAMETER" in str(refused)
    try:
        set_alias(rpc, handle, comment="Who sails")
        samr.hSamrAddMemberToAlias(rpc, handle, sid(alice))
        samr.hSamrAddMultipleMembersToAlias(rpc, handle, sids(alice, bob))
        assert members() == sorted([alice, bob]) and told(rpc, handle) == ("crew", "Who sails", 2)
        found = samr.hSamrGetAliasMembership(rpc, domain, sids(bob))["Membership"]["Element"]
        assert [one["Data"] for one in found] == [number_of(rpc, domain, "crew")]
        samr.hSamrRemoveMultipleMembersFromAlias(rpc, handle, sids(bob, "S-1-5-21-1-2-3-4"))
        assert members() == [alice]
        before = accounts(server)
        for member, status in ((f"{base}-77", "NO_SUCH_MEMBER"), ("S-1-1-0", "INVALID_MEMBER"), ("S-1-5-32-544", "INVALID_MEMBER")):
            with pytest.raises(DCERPCException, match=status):
                samr.hSamrAddMultipleMembersToAlias(rpc, handle, sids(bob, member))
        with pytest.raises(DCERPCException, match="MEMBER_NOT_IN_ALIAS"):
            samr.hSamrRemoveMemberFromAlias(rpc, handle, sid(bob))
        assert accounts(server) == before
    finally:
        samr.hSamrDeleteAlias(rpc, handle)


def test_who_is_no_administrator_changes_no_group(server):
    rpc, domain, base = opened(server)
    handle = samr.hSamrCreateAliasInDomain(rpc, domain, "crew", MAXIMUM_ALLOWED)["AliasHandle"]
    number = number_of(rpc, domain, "crew")
    before = accounts(server)
    try:
        for user in (ALICE, ("bob", servers.ACCOUNTS["bob"])):
            theirs, domain, base = opened(server, user)
            own = f"{base}-{number_of(theirs, domain, user[0])}"
            for access in (1, 2, 0x10, 0x10000, 0xF001F):
                with pytest.raises(DCERPCException, match="(?i)access_denied"):
                    alias(theirs, domain, number, access)
            looking = alias(theirs, domain, number)
            assert told(theirs, looking)[0] == "crew"
            with pytest.raises(DCERPCException, match="(?i)access_denied"):
                told(theirs, alias(theirs, domain, number, 4))
            for change in (lambda: samr.hSamrCreateAliasInDomain(theirs, domain, "pirates", 8),
                           lambda: samr.hSamrAddMemberToAlias(theirs, looking, sid(own)),
                           lambda: samr.hSamrAddMultipleMembersToAlias(theirs, looking, sids(own)),
                           lambda: samr.hSamrRemoveMemberFromAlias(theirs, looking, sid(own)),
                           lambda: samr.hSamrRemoveMultipleMembersFromAlias(theirs, looking, sids(own)),
                           lambda: set_alias(theirs, looking, name="pirates"),
                           lambda: set_alias(theirs, looking, comment="pirates"),
                           lambda: samr.hSamrRemoveMemberFromForeignDomain(theirs, domain, sid(own)),
                           lambda: samr.hSamrDeleteAlias(theirs, looking)):
                with pytest.raises(DCERPCException, match="(?i)access_denied"):
                    change()
            theirs, builtin, _ = opened(server, user, "Builtin")
            with pytest.raises(DCERPCException, match="(?i)access_denied"):
                samr.hSamrAddMemberToAlias(theirs, alias(theirs, builtin, 544), sid(own))
        assert accounts(server) == before
    finally:
        samr.hSamrDeleteAlias(rpc, handle)


def test_who_is_an_administrator_no_longer_is_none_on_what_is_open(server):
    rpc, domain, base = opened(server)
    own = f"{base}-{number_of(rpc, domain, 'alice')}"
    boss, builtin, _ = opened(server, name="Builtin")
    administrators = alias(boss, builtin, 544)
    samr.hSamrAddMemberToAlias(boss, administrators, sid(own))
    try:
        theirs, domain, _ = opened(server, ALICE, "Builtin")
        kept = alias(theirs, domain, 544)
        samr.hSamrRemoveMemberFromAlias(boss, administrators, sid(own))
        before = accounts(server)
        with pytest.raises((DCERPCException, SessionError)):
            samr.hSamrAddMemberToAlias(theirs, kept, sid(own))
        # Another pipe over the same connection to IPC$.
        through = theirs.get_rpc_transport()
        connection = through.get_smb_connection()
        again = transport.SMBTransport(server.host, server.port, r"\samr", smb_connection=connection)
        # Of its own accord it would connect to the share afresh.
        connection.connectTree = lambda _: through._SMBTransport__tid
        rpc = again.get_dce_rpc()
        rpc.connect()
        rpc.bind(samr.MSRPC_UUID_SAMR)
        database = samr.hSamrConnect(rpc)["ServerHandle"]
        builtin_sid = samr.hSamrLookupDomainInSamServer(rpc, database, "Builtin")["DomainId"]
        domain = samr.hSamrOpenDomain(rpc, database, MAXIMUM_ALLOWED, builtin_sid)["DomainHandle"]
        with pytest.raises(DCERPCException, match="(?i)access_denied"):
            alias(rpc, domain, 544, 1)
        assert accounts(server) == before
    finally:
        samr.hSamrRemoveMultipleMembersFromAlias(boss, administrators, sids(own))


@pytest.mark.parametrize("loss", ["membership", "account"])
def test_who_has_logged_on_inside_a_pipe_may_no_more_than_the_accounts_say_now(server, loss):
    rpcclient(server, "createdomuser dora; setuserinfo2 dora 24 Dora-6-Dora")
    boss, domain, base = opened(server)
    dora = number_of(boss, domain, "dora")
    builtin, groups, _ = opened(server, name="Builtin")
    samr.hSamrAddMemberToAlias(builtin, alias(builtin, groups, 544), sid(f"{base}-{dora}"))
    user = samr.hSamrOpenUser(boss, domain, MAXIMUM_ALLOWED, dora)["UserHandle"]
    enabled = samr.SAMPR_USER_INFO_BUFFER()
    enabled["tag"] = samr.USER_INFORMATION_CLASS.UserControlInformation
    enabled["Control"]["UserAccountControl"] = samr.USER_NORMAL_ACCOUNT
    samr.hSamrSetInformationUser2(boss, user, enabled)
    # The session is of somebody else's, whom nothing is taken from.
    rpc = transport.SMBTransport(server.host, server.port, r"\srvsvc", *ALICE).get_dce_rpc()
    rpc.set_credentials("dora", "Dora-6-Dora")
    rpc.set_auth_type(rpcrt.RPC_C_AUTHN_WINNT)
    rpc.set_auth_level(rpcrt.RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
    rpc.connect()
    rpc.bind(srvs.MSRPC_UUID_SRVS)
    assert srvs.hNetrSessionEnum(rpc, "\0", "\0", 10)["ErrorCode"] == 0
    if loss == "membership":
        samr.hSamrRemoveMemberFromAlias(builtin, alias(builtin, groups, 544), sid(f"{base}-{dora}"))
    else:
        samr.hSamrDeleteUser(boss, user)
    for _ in range(2):
        with pytest.raises(DCERPCException, match="(?i)access_denied"):
            srvs.hNetrSessionEnum(rpc, "\0", "\0", 10)
    rpcclient(server, "deletedomuser dora")
    assert "dora" not in accounts(server)


def test_who_gives_no_name_changes_no_group(server):
    with WithAnonymous() as other:
        before = accounts(other)
        for command in ("createdomalias pirates", "deletealias builtin 544", "enumalsgroups domain", "createdomgroup x"):
            said = run("rpcclient", other.host, "-p", str(other.port), "-s", os.devnull, "-N", "-U", "%", "-c", command)[1]
            assert "ACCESS_DENIED" in said, said
        assert accounts(other) == before


def test_changes_are_told_to_the_log(server):
    rpcclient(server, "createdomalias logged")
    number = rpcclient(server, "lookupnames logged")[1].split("-")[-1].split()[0]
    rpcclient(server, f"deletealias domain {number}")
    log = server.log()
    for what in ('group "logged" added', 'group "logged" removed'):
        [line] = [line for line in log.splitlines() if what in line]
        assert "smb::accounts" in line and "boss" in line, line

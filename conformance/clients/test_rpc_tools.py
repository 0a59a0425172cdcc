"""Tools that administrators use, as they are: the scripts of the impacket package, and more of rpcclient and net."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server import ACCOUNTS
from test_rpc import ADMINISTRATOR, net, pytestmark, rpcclient, server  # noqa: F401

SCRIPTS = Path(sys.executable).parent

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="the scripts want port 445")


def script(server, name, *arguments, user=ADMINISTRATOR):
    """What a script of impacket says of the server."""
    path = SCRIPTS / name
    if not path.exists():
        pytest.skip(f"{name} is not installed")
    target = f"{user[0]}:{user[1]}@{server.host}"
    done = subprocess.run([sys.executable, str(path), *[target if one == "TARGET" else one for one in arguments]],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


@needs_root
def test_lookupsid_finds_accounts_and_groups_by_their_numbers(server):
    said = script(server, "lookupsid.py", "TARGET", "1100", user=("alice", ACCOUNTS["alice"]))
    assert "alice (SidTypeUser)" in said and "None (SidTypeGroup)" in said, said


@needs_root
def test_samrdump_lists_accounts(server):
    said = script(server, "samrdump.py", "TARGET")
    assert "Received 3 entries" in said and "alice" in said, said


@needs_root
def test_net_asks_and_changes_accounts(server):
    def net(*line):
        return script(server, "net.py", "TARGET", *line)

    assert "alice" in net("user") and "None" in net("group") and "Administrators" in net("localgroup")
    assert "boss" in net("localgroup", "-name", "Administrators")
    said = net("user", "-name", "alice")
    assert "alice" in said and "Account active" in said and "None" in said, said
    try:
        net("user", "-create", "erin", "-newPasswd", "Erin-1-Erin")
        assert rpcclient(server, "getusername", user="erin", password="Erin-1-Erin")[0] == 0
        net("localgroup", "-name", "Administrators", "-join", "erin")
        assert "erin" in net("localgroup", "-name", "Administrators")
        net("localgroup", "-name", "Administrators", "-unjoin", "erin")
        assert "erin" not in net("localgroup", "-name", "Administrators")
        net("user", "-disable", "erin")
        assert rpcclient(server, "getusername", user="erin", password="Erin-1-Erin")[0] != 0
        net("user", "-enable", "erin")
        assert rpcclient(server, "getusername", user="erin", password="Erin-1-Erin")[0] == 0
    finally:
        net("user", "-remove", "erin")
    assert "erin" not in net("user")


@needs_root
def test_the_scripts_of_those_who_may_not_change_nothing(server):
    before = (server.scratch / "accounts").read_text()
    said = script(server, "net.py", "TARGET", "user", "-create", "mallory", "-newPasswd", "M-1",
                  user=("alice", ACCOUNTS["alice"]))
    assert "doesn't have the right" in said, said
    said = script(server, "net.py", "TARGET", "user", "-remove", "bob", user=("alice", ACCOUNTS["alice"]))
    assert "denied" in said.lower(), said
    assert (server.scratch / "accounts").read_text() == before


@needs_root
def test_changepasswd_changes_the_password_of_who_knows_the_old_one(server):
    said = script(server, "changepasswd.py", "TARGET", "-newpass", "Other-4", user=("bob", ACCOUNTS["bob"]))
    assert "changed successfully" in said, said
    said = script(server, "changepasswd.py", "TARGET", "-newpass", ACCOUNTS["bob"], user=("bob", "Other-4"))
    assert "changed successfully" in said, said


@needs_root
def test_reg_and_machine_role_are_answered(server):
    said = script(server, "reg.py", "TARGET", "query", "-keyName", r"HKLM\SOFTWARE", "-s")
    assert "CurrentMajorVersionNumber" in said, said
    assert "Standalone Server" in script(server, "machine_role.py", "TARGET")


@needs_root
def test_netview_tells_who_is_there(server):
    said = script(server, "netview.py", "boss:Boss-y-3", "-target", server.host, "-noloop")
    assert "boss logged from host" in said, said


@needs_root
def test_rpcmap_finds_what_a_pipe_serves(server):
    binding = f"ncacn_np:{server.host}[\\pipe\\srvsvc]"
    said = script(server, "rpcmap.py", binding, "-auth-transport", ":".join(ADMINISTRATOR), "-auth-level", "1")
    assert "4B324FC8-1670-01D3-1278-5A47BF6EE188" in said.upper(), said


@pytest.mark.parametrize("command, expected", [
    ("netsharegetinfo work 502", "S-1-1-0"),
    ("netsharegetinfo work 1005", "csc caching: 0"),
    ("netremotetod", ""),
    ("netdiskenum", ""),
    ("netnamevalidate work 9", ""),
    ("netconnenum work", ""),
    ("lsaquerysecobj", "S-1-5-32-544"),
    ("lsaenumsid", "S-1-5-32-544"),
    ("lsaenumacctrights S-1-5-32-544", "SeNetworkLogonRight"),
    ("lsaenumprivsaccount S-1-5-32-544", "found 0 privileges"),
    ("lsalookupprivvalue SeBackupPrivilege", "0:17"),
    ("getdispname SeBackupPrivilege", "Back up files"),
    ("lookupnames4 alice", "S-1-5-21-"),
    ("lookupsids3 S-1-1-0", "Everyone (5)"),
    ("lookupnames_level 1 alice", "S-1-5-21-"),
    ("lookupsids_level 1 S-1-5-32-544", "BUILTIN\\Administrators (4)"),
    ("enumdomgroups", "group:[None] rid:[0x201]"),
    ("querygroup 0x201", "Group Name:\tNone"),
    ("querygroupmem 0x201", "rid:["),
    ("getdompwinfo", "min_password_length: 1"),
    ("querydominfo 7", "Server Role:"),
    ("querydominfo 9", "Domain Server State:"),
    ("querydominfo 12", "lockout"),
    ("samquerysecobj", "S-1-5-32-544"),
    ("lookupdomain BUILTIN", "S-1-5-32"),
    ("wkssvc_wkstagetinfo 102", ""),
    ("wkssvc_enumerateusers", ""),
    ("wkssvc_getjoininformation", "WORKGROUP (2)"),
])
def test_rpcclient_is_answered(server, command, expected):
    status, said = rpcclient(server, command)
    assert status == 0 and expected in said, said


@pytest.mark.parametrize("level", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 20, 21])
def test_every_class_of_an_account_is_told(server, level):
    samr = pytest.importorskip("impacket.dcerpc.v5.samr", reason="impacket is not installed")
    from impacket.dcerpc.v5 import transport

    rpc = transport.SMBTransport(server.host, server.port, r"\samr", "alice", ACCOUNTS["alice"]).get_dce_rpc()
    rpc.connect()
    rpc.bind(samr.MSRPC_UUID_SAMR)
    database = samr.hSamrConnect(rpc)["ServerHandle"]
    domains = samr.hSamrEnumerateDomainsInSamServer(rpc, database)["Buffer"]["Buffer"]
    sid = samr.hSamrLookupDomainInSamServer(rpc, database, domains[0]["Name"])["DomainId"]
    domain = samr.hSamrOpenDomain(rpc, database, domainId=sid)["DomainHandle"]
    number = samr.hSamrLookupNamesInDomain(rpc, domain, ("alice",))["RelativeIds"]["Element"][0]["Data"]
    user = samr.hSamrOpenUser(rpc, domain, userId=number)["UserHandle"]
    told = samr.hSamrQueryInformationUser2(rpc, user, level)
    assert told["ErrorCode"] == 0
    text = {1: "UserName", 3: "UserName", 5: "UserName", 6: "UserName", 7: "UserName", 21: "UserName"}
    if level in text:
        arm = told["Buffer"].fields[told["Buffer"].union[level][0]]
        assert arm[text[level]] == "alice"


@needs_root
def test_net_adds_and_deletes_users_and_lists_groups(server):
    status, said = net(server, "user", "add", "dave", "Dave-5-Dave")
    assert status == 0, said
    try:
        assert rpcclient(server, "getusername", user="dave", password="Dave-5-Dave")[0] == 0
    finally:
        status, said = net(server, "user", "delete", "dave")
    assert status == 0, said
    assert "dave" not in net(server, "user")[1].split()
    assert "Administrators" in net(server, "group")[1]
    status, said = net(server, "group", "members", "Administrators")
    assert status == 0 and "\\boss" in said, said
    status, said = net(server, "rights", "list")
    assert status == 0 and "SeBackupPrivilege" in said, said
    assert net(server, "share", "allowedusers")[0] == 0

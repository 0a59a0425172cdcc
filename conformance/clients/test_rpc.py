"""Remote administration over the pipes of IPC$: rpcclient, `net rpc` and impacket ask, and change what they may."""

import os
import shutil
import subprocess

import pytest

import server as servers
from server import ACCOUNTS

pytestmark = pytest.mark.skipif(not shutil.which("rpcclient") or not shutil.which("net"),
                                reason="rpcclient and net are not installed")

ADMINISTRATOR = ("boss", "Boss-y-3")


class Smbd(servers.Smbd):
    """Our server with an administrator: a member of the account group Administrators."""

    accounts = {**ACCOUNTS, ADMINISTRATOR[0]: ADMINISTRATOR[1]}
    unix_names = {**servers.UNIX_NAMES, ADMINISTRATOR[0]: "man"}
    host = "127.0.0.77"

    def __init__(self):
        super().__init__()
        # Some subcommands of net look nowhere but at port 445.
        if os.geteuid() == 0:
            self.port = 445

    def command(self):
        line = super().command()
        accounts = self.scratch / "accounts"
        lines = accounts.read_text().splitlines()
        lines = [line + (";groups=Administrators" if line.startswith(ADMINISTRATOR[0] + ":") else "") for line in lines]
        accounts.write_text("\n".join(lines) + "\n")
        return line


@pytest.fixture(scope="module")
def server():
    if servers.chosen() is not servers.Smbd:
        pytest.skip("it is about our account file")
    with Smbd() as running:
        yield running


def run(*line):
    """What a program says, to either side, and its status."""
    done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def rpcclient(server, command, user=ADMINISTRATOR[0], password=None, binding=None):
    """The output of one command of rpcclient."""
    password = password or {**ACCOUNTS, ADMINISTRATOR[0]: ADMINISTRATOR[1]}[user]
    target = f"ncacn_np:{server.host}[{binding}]" if binding else server.host
    return run("rpcclient", target, "-p", str(server.port), "-s", os.devnull, "-U", f"{user}%{password}", "-c", command)


def net(server, *arguments, user=ADMINISTRATOR):
    """The output of one `net rpc`."""
    return run("net", "rpc", *arguments, "-S", server.host, "-p", str(server.port), "-s", os.devnull,
               "-U", "%".join(user))


@pytest.mark.parametrize("command, expected", [
    ("srvinfo", "platform_id"),
    ("netshareenumall", "netname: work"),
    ("netshareenum 2", "path:"),
    ("netsharegetinfo work", "netname: work"),
    ("netsessenum", "entries"),
    ("netfileenum", "\\PIPE\\srvsvc"),
    ("lsaquery", "Domain Name: WORKGROUP"),
    ("lookupnames alice Administrators Everyone", "S-1-5-32-544 (Local Group: 4)"),
    ("lookupsids S-1-5-32-544 S-1-1-0", "BUILTIN\\Administrators (4)"),
    ("enumprivs", "SeBackupPrivilege"),
    ("getusername", "Account Name: boss"),
    ("enumdomains", "name:[BUILTIN]"),
    ("enumdomusers", "user:[alice]"),
    ("queryuser alice", "User Name   :\talice"),
    ("enumalsgroups builtin", "group:[Administrators] rid:[0x220]"),
    ("queryaliasmem builtin 544", "sid:[S-1-5-21-"),
    ("querydominfo", "Total Users:\t3"),
    ("querydispinfo", "Account: alice"),
    ("samlookupnames domain alice", "name alice:"),
])
def test_rpcclient_is_answered(server, command, expected):
    status, said = rpcclient(server, command)
    assert status == 0 and expected in said, said


@pytest.mark.parametrize("binding", ["connect,ntlm", "packet,ntlm", "sign,ntlm", "seal,ntlm", "packet,spnego", "sign,spnego", "seal,spnego"])
def test_packets_are_protected_as_the_client_asks(server, binding):
    status, said = rpcclient(server, "lookupnames alice", binding=binding)
    assert status == 0 and "S-1-5-21-" in said, said


def test_identifiers_and_names_are_translated_both_ways(server):
    _, said = rpcclient(server, "lookupnames alice", user="alice")
    sid = said.split()[1]
    _, said = rpcclient(server, f"lookupsids {sid}", user="alice")
    assert said.split()[1].endswith("\\alice"), said


def test_users_ask_but_do_not_change(server):
    for command in ["netsessenum", "netshareenum 2", "createdomuser mallory"]:
        status, said = rpcclient(server, command, user="alice")
        assert status != 0 or "ACCESS_DENIED" in said or "ACCESS_DENIED" in said.upper(), said
    _, said = rpcclient(server, "enumdomusers")
    assert "mallory" not in said
    status, said = net(server, "share", "add", f"mine={server.scratch}", user=("alice", ACCOUNTS["alice"]))
    assert status != 0
    _, said = rpcclient(server, "netshareenumall")
    assert "netname: work" in said and "netname: mine" not in said


def test_a_user_changes_its_own_password_and_nobody_without_the_old_one(server):
    _, said = rpcclient(server, "createdomuser carol; setuserinfo2 carol 24 First-1")
    assert "STATUS" not in said, said
    text = (server.scratch / "accounts").read_text()
    assert "carol:" in text
    status, said = rpcclient(server, "chgpasswd2 alice Wrong-0 Other-4", user="bob")
    assert "WRONG_PASSWORD" in said, said
    status, said = rpcclient(server, f"chgpasswd2 bob {ACCOUNTS['bob']} Other-4", user="bob")
    assert status == 0, said
    status, said = rpcclient(server, f"chgpasswd2 bob Other-4 {ACCOUNTS['bob']}", user="bob", password="Other-4")
    assert status == 0, said
    _, said = rpcclient(server, "deletedomuser carol")
    assert "carol:" not in (server.scratch / "accounts").read_text(), said


@pytest.mark.skipif(os.geteuid() != 0, reason="net wants port 445")
def test_shares_are_added_and_removed_and_outlive_a_reload(server):
    folder = server.scratch / "added"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    status, said = net(server, "share", "add", f"added={folder}", "-C", "from afar")
    assert status == 0, said
    assert "added" in net(server, "share", "list")[1].split()
    (folder / "f").write_text("x")
    status, said = run("smbclient", f"//{server.host}/added", "-p", str(server.port), "-s", os.devnull,
                       "-U", f"alice%{ACCOUNTS['alice']}", "-c", "ls")
    assert status == 0 and " f " in said, said
    assert net(server, "share", "add", f"added={folder}")[0] != 0, "there is one already"
    assert net(server, "share", "add", f"nowhere={folder}/none")[0] != 0
    status, said = net(server, "share", "delete", "added")
    assert status == 0, said
    assert "added" not in net(server, "share", "list")[1].split()
    assert net(server, "share", "delete", "work")[0] != 0, "it stands in the configuration"
    assert "work" in net(server, "share", "list")[1].split()


@pytest.mark.skipif(os.geteuid() != 0, reason="net wants port 445")
def test_net_lists_users_and_open_files(server):
    status, said = net(server, "user")
    assert status == 0 and "alice" in said.split(), said
    status, said = net(server, "file")
    assert status == 0, said
    status, said = net(server, "info")
    assert status == 0 and "Num users: 3" in said, said


@pytest.mark.parametrize("representation", [("8a885d04-1ceb-11c9-9fe8-08002b104860", "2.0"),
                                            ("71710533-beba-4937-8319-b5dbef9ccc36", "1.0")], ids=["ndr", "ndr64"])
def test_impacket_is_answered_in_both_representations(server, representation):
    pytest.importorskip("impacket", reason="impacket is not installed")
    from impacket.dcerpc.v5 import lsad, lsat, samr, srvs, transport

    def bound(pipe, interface):
        through = transport.SMBTransport(server.host, server.port, pipe, *ADMINISTRATOR)
        rpc = through.get_dce_rpc()
        rpc.connect()
        rpc.bind(interface, transfer_syntax=representation)
        return rpc

    rpc = bound(r"\srvsvc", srvs.MSRPC_UUID_SRVS)
    for level in (0, 1, 2, 502):
        shares = srvs.hNetrShareEnum(rpc, level)["InfoStruct"]["ShareInfo"][f"Level{level}"]["Buffer"]
        assert "work\0" in [share[f"shi{level}_netname"] for share in shares]
    rpc = bound(r"\lsarpc", lsat.MSRPC_UUID_LSAT)
    policy = lsad.hLsarOpenPolicy2(rpc, lsad.MAXIMUM_ALLOWED)["PolicyHandle"]
    names = lsat.hLsarLookupSids(rpc, policy, ("S-1-5-32-544",), lsat.LSAP_LOOKUP_LEVEL.LsapLookupWksta)
    assert names["TranslatedNames"]["Names"][0]["Name"] == "Administrators"
    rpc = bound(r"\samr", samr.MSRPC_UUID_SAMR)
    database = samr.hSamrConnect(rpc)["ServerHandle"]
    domains = samr.hSamrEnumerateDomainsInSamServer(rpc, database)["Buffer"]["Buffer"]
    sid = samr.hSamrLookupDomainInSamServer(rpc, database, domains[0]["Name"])["DomainId"]
    domain = samr.hSamrOpenDomain(rpc, database, domainId=sid)["DomainHandle"]
    users = samr.hSamrEnumerateUsersInDomain(rpc, domain)["Buffer"]["Buffer"]
    assert "alice" in [user["Name"] for user in users]
    alice = next(user["RelativeId"] for user in users if user["Name"] == "alice")
    handle = samr.hSamrOpenUser(rpc, domain, userId=alice)["UserHandle"]
    told = samr.hSamrQueryInformationUser2(rpc, handle, samr.USER_INFORMATION_CLASS.UserAllInformation)
    assert told["Buffer"]["All"]["UserName"] == "alice"

"""The registry, services, the machine's role and shutting down over the pipes of IPC$, and which names are names of pipes."""

import uuid

import pytest

from server import ACCOUNTS
from test_rpc import ADMINISTRATOR, net, pytestmark, rpcclient, server  # noqa: F401

impacket = pytest.importorskip("impacket", reason="impacket is not installed")

from impacket.dcerpc.v5 import epm, rrp, scmr, transport
from impacket.dcerpc.v5.rpcrt import DCERPCException

CURRENT_VERSION = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
REPRESENTATIONS = pytest.mark.parametrize(
    "representation", [("8a885d04-1ceb-11c9-9fe8-08002b104860", "2.0"),
                       ("71710533-beba-4937-8319-b5dbef9ccc36", "1.0")], ids=["ndr", "ndr64"])
NDR = ("8a885d04-1ceb-11c9-9fe8-08002b104860", "2.0")


def registry(server, user="alice", representation=NDR):
    """A pipe bound to the registry, and the handle of HKEY_LOCAL_MACHINE."""
    password = {**ACCOUNTS, ADMINISTRATOR[0]: ADMINISTRATOR[1]}[user]
    rpc = transport.SMBTransport(server.host, server.port, r"\winreg", user, password).get_dce_rpc()
    rpc.connect()
    rpc.bind(rrp.MSRPC_UUID_RRP, transfer_syntax=representation)
    return rpc, rrp.hOpenLocalMachine(rpc)["phKey"]


@REPRESENTATIONS
def test_keys_and_values_are_read(server, representation):
    rpc, root = registry(server, representation=representation)
    key = rrp.hBaseRegOpenKey(rpc, root, CURRENT_VERSION.lower(), samDesired=rrp.KEY_READ)["phkResult"]
    told = rrp.hBaseRegQueryInfoKey(rpc, key)
    assert told["lpcValues"] == 5 and told["lpcSubKeys"] == 0
    assert rrp.hBaseRegQueryValue(rpc, key, "CurrentVersion") == (rrp.REG_SZ, "10.0\0")
    assert rrp.hBaseRegQueryValue(rpc, key, "CurrentMajorVersionNumber") == (rrp.REG_DWORD, 10)
    names = [rrp.hBaseRegEnumValue(rpc, key, at)["lpValueNameOut"] for at in range(told["lpcValues"])]
    assert "ProductName\0" in names
    with pytest.raises(DCERPCException, match="NO_MORE_ITEMS"):
        rrp.hBaseRegEnumValue(rpc, key, told["lpcValues"])
    assert [rrp.hBaseRegEnumKey(rpc, root, at)["lpNameOut"] for at in range(2)] == ["SOFTWARE\0", "SYSTEM\0"]
    with pytest.raises(DCERPCException, match="NO_MORE_ITEMS"):
        rrp.hBaseRegEnumKey(rpc, root, 2)
    assert rrp.hBaseRegGetVersion(rpc, key)["lpdwVersion"] < 6
    rrp.hBaseRegCloseKey(rpc, key)
    with pytest.raises(DCERPCException):
        rrp.hBaseRegQueryInfoKey(rpc, key)


@pytest.mark.parametrize("user", ["alice", ADMINISTRATOR[0]])
def test_nobody_changes_the_registry(server, user):
    rpc, root = registry(server, user)
    for wanted in (rrp.KEY_SET_VALUE, rrp.KEY_CREATE_SUB_KEY, rrp.KEY_WOW64_64KEY | rrp.KEY_READ):
        with pytest.raises(DCERPCException, match="(?i)access_denied"):
            rrp.hBaseRegOpenKey(rpc, root, CURRENT_VERSION, samDesired=wanted)
    key = rrp.hBaseRegOpenKey(rpc, root, CURRENT_VERSION, samDesired=rrp.MAXIMUM_ALLOWED)["phkResult"]
    for change in (lambda: rrp.hBaseRegSetValue(rpc, key, "ProductName\0", rrp.REG_SZ, "Other\0"),
                   lambda: rrp.hBaseRegDeleteValue(rpc, key, "ProductName\0"),
                   lambda: rrp.hBaseRegDeleteKey(rpc, root, "SOFTWARE\0"),
                   lambda: rrp.hBaseRegCreateKey(rpc, root, "New\0", samDesired=rrp.KEY_READ)):
        with pytest.raises(DCERPCException, match="(?i)access_denied"):
            change()
    assert rrp.hBaseRegQueryValue(rpc, key, "ProductName") == (rrp.REG_SZ, "SMB server\0")
    with pytest.raises(DCERPCException, match="FILE_NOT_FOUND"):
        rrp.hBaseRegOpenKey(rpc, root, "New")


def test_net_reads_the_registry(server):
    status, said = net(server, "registry", "enumerate", rf"HKLM\{CURRENT_VERSION}")
    assert status == 0 and "SMB server" in said, said
    status, said = net(server, "registry", "getvalue", r"HKLM\SYSTEM\CurrentControlSet\Control\ProductOptions",
                       "ProductType")
    assert status == 0 and "ServerNT" in said, said
    # It tells a refusal, and success by its status.
    _, said = net(server, "registry", "setvalue", rf"HKLM\{CURRENT_VERSION}", "ProductName", "sz", "x")
    assert "denied" in said.lower(), said


def test_rpcclient_is_told_of_a_standalone_server(server):
    status, said = rpcclient(server, "dsroledominfo")
    assert status == 0 and "Machine Role = [2]" in said, said


def test_nobody_shuts_the_machine_down(server):
    for line in (["shutdown", "-C", "now", "-t", "0"], ["abortshutdown"]):
        status, said = net(server, *line)
        assert status != 0, said
    assert rpcclient(server, "srvinfo")[0] == 0


def test_names_of_pipes_are_no_paths_and_are_waited_for(server):
    pytest.importorskip("smbprotocol", reason="smbprotocol is not installed")
    from smbprotocol.connection import Connection
    from smbprotocol.exceptions import ObjectNameNotFound
    from smbprotocol.ioctl import IOCTLFlags, SMB2IOCTLRequest
    from smbprotocol.open import (CreateDisposition, CreateOptions, FileAttributes, FilePipePrinterAccessMask,
                                  ImpersonationLevel, Open, ShareAccess)
    from smbprotocol.session import Session
    from smbprotocol.tree import TreeConnect

    connection = Connection(uuid.uuid4(), server.host, server.port)
    connection.connect()
    try:
        session = Session(connection, "alice", ACCOUNTS["alice"])
        session.connect()
        tree = TreeConnect(session, rf"\\{server.host}\IPC$")
        tree.connect()

        def wait(name):
            name = name.encode("utf-16-le")
            request = SMB2IOCTLRequest()
            request["ctl_code"] = 0x00110018
            request["file_id"] = b"\xff" * 16
            request["flags"] = IOCTLFlags.SMB2_0_IOCTL_IS_FSCTL
            request["buffer"] = bytes(8) + len(name).to_bytes(4, "little") + bytes(2) + name
            sent = connection.send(request, session.session_id, tree.tree_connect_id)
            return connection.receive(sent)

        for name in ("winreg", "SRVSVC"):
            wait(name)
        for name in ("none", "", r"\winreg", r"pipe\winreg", "mdssvc"):
            with pytest.raises(ObjectNameNotFound):
                wait(name)
            if name:
                with pytest.raises(ObjectNameNotFound):
                    Open(tree, name).create(ImpersonationLevel.Impersonation, FilePipePrinterAccessMask.GENERIC_READ,
                                            FileAttributes.FILE_ATTRIBUTE_NORMAL, ShareAccess.FILE_SHARE_READ,
                                            CreateDisposition.FILE_OPEN, CreateOptions.FILE_NON_DIRECTORY_FILE)
    finally:
        connection.disconnect()


def test_net_looks_at_services_and_controls_none(server):
    assert "LanmanServer" in net(server, "service", "list")[1]
    said = net(server, "service", "status", "LanmanServer")[1]
    assert "Display Name         = Server" in said and "running" in said.lower(), said
    for command, error in [("stop", "INVALID_SERVICE_CONTROL"), ("pause", "INVALID_SERVICE_CONTROL"), ("delete", "ACCESS_DENIED")]:
        status, said = net(server, "service", command, "LanmanServer")
        assert status != 0 and f"WERR_{error}" in said, said
    assert "LanmanServer" in net(server, "service", "list")[1]


@pytest.mark.parametrize("representation", [NDR, ("71710533-beba-4937-8319-b5dbef9ccc36", "1.0")], ids=["ndr", "ndr64"])
def test_impacket_looks_at_services(server, representation):
    rpc = transport.SMBTransport(server.host, server.port, r"\svcctl", *ADMINISTRATOR).get_dce_rpc()
    rpc.connect()
    rpc.bind(scmr.MSRPC_UUID_SCMR, transfer_syntax=representation)
    manager = scmr.hROpenSCManagerW(rpc)["lpScHandle"]
    listed = scmr.hREnumServicesStatusW(rpc, manager)
    assert [entry["lpServiceName"] for entry in listed] == ["LanmanServer\0"]
    service = scmr.hROpenServiceW(rpc, manager, "lanmanserver\0")["lpServiceHandle"]
    status = scmr.hRQueryServiceStatus(rpc, service)["lpServiceStatus"]
    assert status["dwCurrentState"] == scmr.SERVICE_RUNNING
    config = scmr.hRQueryServiceConfigW(rpc, service)["lpServiceConfig"]
    assert config["lpDisplayName"] == "Server\0"
    with pytest.raises(DCERPCException, match="ERROR_INVALID_SERVICE_CONTROL"):
        scmr.hRControlService(rpc, service, scmr.SERVICE_CONTROL_STOP)
    status = scmr.hRQueryServiceStatus(rpc, service)["lpServiceStatus"]
    assert status["dwCurrentState"] == scmr.SERVICE_RUNNING


def test_the_endpoint_mapper_leads_to_pipes(server):
    def mapper():
        # Its functions bind themselves.
        rpc = transport.SMBTransport(server.host, server.port, r"\epmapper", *ADMINISTRATOR).get_dce_rpc()
        rpc.connect()
        return rpc

    where = epm.hept_map(server.host, scmr.MSRPC_UUID_SCMR, protocol="ncacn_np", dce=mapper())
    assert where.rstrip("\0").endswith(r"[\PIPE\svcctl]")
    with pytest.raises(DCERPCException):
        epm.hept_map(server.host, scmr.MSRPC_UUID_SCMR, protocol="ncacn_ip_tcp", dce=mapper())
    entries = epm.hept_lookup(server.host, dce=mapper())
    assert {"srvsvc", "winreg", "epmapper"} <= {entry["annotation"].decode().rstrip("\0") for entry in entries}
    status, said = rpcclient(server, "epmlookup")
    assert status == 0 and "winreg" in said and "no more entries" in said, said

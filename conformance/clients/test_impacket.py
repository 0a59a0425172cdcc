"""The Python client impacket: its own NTLM, its own negotiation, and DCE/RPC over IPC$."""

import functools
import io
import os

import pytest

pytest.importorskip("impacket", reason="impacket is not installed")

from impacket import ntlm
from impacket.dcerpc.v5 import srvs, transport, wkst
from impacket.dcerpc.v5.rpcrt import DCERPCException
from impacket.nt_errors import (
    STATUS_ACCESS_DENIED,
    STATUS_BAD_NETWORK_NAME,
    STATUS_LOGON_FAILURE,
    STATUS_OBJECT_NAME_COLLISION,
    STATUS_OBJECT_NAME_NOT_FOUND,
)
from impacket.smb3structs import SMB2_DIALECT_002, SMB2_DIALECT_21, SMB2_DIALECT_30, SMB2_DIALECT_311
from impacket.smbconnection import SMBConnection, SessionError

from server import ACCOUNTS

DIALECTS = {"2.0.2": SMB2_DIALECT_002, "2.1": SMB2_DIALECT_21, "3.0": SMB2_DIALECT_30, "3.1.1": SMB2_DIALECT_311}


def logged_on(server, dialect=None, user="alice", password=None, domain="", **login):
    """A connection with a session of `user`."""
    connection = SMBConnection(server.host, server.host, sess_port=server.port, preferredDialect=dialect, timeout=30)
    connection.login(user, ACCOUNTS.get(user, "") if password is None else password, domain, **login)
    return connection


def refused(status):
    """A context that expects this NtStatus."""
    return pytest.raises(SessionError, check=lambda error: error.getErrorCode() == status)


def bound(connection, pipe, interface):
    """A DCE/RPC binding over a pipe of IPC$."""
    through = transport.SMBTransport(connection.getRemoteName(), connection.getRemoteHost(), filename=pipe,
                                     smb_connection=connection)
    rpc = through.get_dce_rpc()
    rpc.connect()
    rpc.bind(interface)
    return rpc


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_dialect_is_the_one_negotiated_and_carries_a_file(server, folder, dialect):
    data = os.urandom(1_500_000)
    connection = logged_on(server, DIALECTS[dialect])
    assert connection.getDialect() == DIALECTS[dialect]
    connection.putFile("work", rf"{folder}\f", io.BytesIO(data).read)
    assert (server.folder("work") / folder / "f").read_bytes() == data
    back = io.BytesIO()
    connection.getFile("work", rf"{folder}\f", back.write)
    assert back.getvalue() == data
    connection.logoff()


def test_the_server_chooses_its_newest_dialect(server):
    assert logged_on(server).getDialect() == SMB2_DIALECT_311


@pytest.mark.parametrize("dialect", ["2.1", "3.0", "3.1.1"])
def test_a_server_that_requires_signing_is_served_signed(special_server, dialect):
    connection = logged_on(special_server(signing="required"), DIALECTS[dialect])
    assert connection.isSigningRequired()
    connection.putFile("work", f"signed-{dialect}", io.BytesIO(b"signed").read)


@pytest.mark.parametrize("dialect", ["3.0", "3.1.1"])
def test_a_server_that_requires_encryption_is_served_encrypted(special_server, dialect):
    connection = logged_on(special_server(encryption="required"), DIALECTS[dialect])
    connection.putFile("work", f"sealed-{dialect}", io.BytesIO(b"sealed").read)


def test_a_hash_logs_on_where_the_password_would(server):
    connection = logged_on(server, password="", nthash=ntlm.compute_nthash(ACCOUNTS["alice"]).hex())
    connection.listPath("work", "*")


def test_domains_are_accepted_and_wrong_passwords_are_not(server):
    logged_on(server, domain="SOMEWHERE").logoff()
    with refused(STATUS_LOGON_FAILURE):
        logged_on(server, password="wrong")


def test_ntlm_version_1_is_refused(server, monkeypatch):
    monkeypatch.setattr(ntlm, "getNTLMSSPType3", functools.partial(ntlm.getNTLMSSPType3, use_ntlmv2=False))
    with pytest.raises(SessionError):
        logged_on(server, SMB2_DIALECT_21)


def test_files_and_directories(server, folder):
    inside = server.folder("work") / folder
    connection = logged_on(server)
    connection.createDirectory("work", rf"{folder}\d")
    with refused(STATUS_OBJECT_NAME_COLLISION):
        connection.createDirectory("work", rf"{folder}\d")
    connection.putFile("work", rf"{folder}\d\a", io.BytesIO(b"content").read)
    connection.rename("work", rf"{folder}\d\a", rf"{folder}\d\b")
    listed = {entry.get_longname(): entry for entry in connection.listPath("work", rf"{folder}\d\*")}
    assert set(listed) == {".", "..", "b"}
    assert listed["b"].get_filesize() == 7 and listed["."].is_directory() and not listed["b"].is_directory()
    connection.deleteFile("work", rf"{folder}\d\b")
    connection.deleteDirectory("work", rf"{folder}\d")
    assert not (inside / "d").exists()
    with refused(STATUS_OBJECT_NAME_NOT_FOUND):
        connection.deleteFile("work", rf"{folder}\gone")


def test_shares_are_refused_and_missing(server):
    connection = logged_on(server)
    with refused(STATUS_BAD_NETWORK_NAME):
        connection.connectTree("nowhere")
    with refused(STATUS_ACCESS_DENIED):
        connection.connectTree("private")


def test_unknown_pipes_are_not_found(server):
    connection = logged_on(server)
    tree = connection.connectTree("IPC$")
    with refused(STATUS_OBJECT_NAME_NOT_FOUND):
        connection.openFile(tree, r"\no-such-pipe")


def test_srvsvc_lists_the_shares(server):
    named = {share["shi1_netname"][:-1]: share for share in logged_on(server).listShares()}
    assert {"work", "readonly", "public", "sealed", "IPC$"} <= set(named)
    assert named["work"]["shi1_type"] == srvs.STYPE_DISKTREE
    assert named["IPC$"]["shi1_type"] & 0xFF == srvs.STYPE_IPC


def test_srvsvc_answers_about_a_share_the_server_and_the_time(server):
    rpc = bound(logged_on(server), r"\srvsvc", srvs.MSRPC_UUID_SRVS)
    info = srvs.hNetrShareGetInfo(rpc, "work\0", 1)
    assert info["InfoStruct"]["ShareInfo1"]["shi1_netname"] == "work\0"
    with pytest.raises(DCERPCException):
        srvs.hNetrShareGetInfo(rpc, "nowhere\0", 1)
    about = srvs.hNetrServerGetInfo(rpc, 101)["InfoStruct"]["ServerInfo101"]
    assert about["sv101_name"]
    assert 1971 <= 1970 + srvs.hNetrRemoteTOD(rpc)["BufferPtr"]["tod_elapsedt"] // 31_557_600 < 2100


def test_wkssvc_answers_about_the_workstation(server):
    rpc = bound(logged_on(server), r"\wkssvc", wkst.MSRPC_UUID_WKST)
    assert wkst.hNetrWkstaGetInfo(rpc, 100)["WkstaInfo"]["WkstaInfo100"]["wki100_computername"]


def test_an_unknown_interface_and_an_unknown_call_are_faults(server):
    with pytest.raises(DCERPCException):
        bound(logged_on(server), r"\srvsvc", ("11111111-2222-3333-4444-555555555555", "1.0"))
    rpc = bound(logged_on(server), r"\srvsvc", srvs.MSRPC_UUID_SRVS)
    rpc.call(999, b"")
    with pytest.raises(DCERPCException):
        rpc.recv()


def test_a_request_in_many_fragments_is_put_together(server):
    rpc = bound(logged_on(server), r"\srvsvc", srvs.MSRPC_UUID_SRVS)
    rpc.set_max_fragment_size(24)
    assert srvs.hNetrShareGetInfo(rpc, "work\0", 1)["InfoStruct"]["ShareInfo1"]["shi1_netname"] == "work\0"

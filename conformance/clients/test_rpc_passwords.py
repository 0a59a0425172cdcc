"""New passwords that are encrypted with AES, by impacket: users change their own, administrators set everybody's."""

import hashlib
import hmac
import os
import secrets
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from server import ACCOUNTS
from test_rpc import ADMINISTRATOR, pytestmark, rpcclient, server  # noqa: F401

pytest.importorskip("impacket", reason="impacket is not installed")
ciphers = pytest.importorskip("cryptography.hazmat.primitives.ciphers", reason="cryptography is not installed")

from impacket import ntlm
from impacket.dcerpc.v5 import samr
from impacket.dcerpc.v5.dtypes import MAXIMUM_ALLOWED, NULL, PRPC_UNICODE_STRING, RPC_UNICODE_STRING, UCHAR, ULONG, ULONGLONG, USHORT
from impacket.dcerpc.v5.ndr import NDRCALL, NDRPOINTER, NDRSTRUCT, NDRUniConformantArray, NDRUniFixedArray
from impacket.dcerpc.v5.rpcrt import DCERPCException
from impacket.dcerpc.v5.samr import DCERPCSessionError  # noqa: F401: answers of requests of this module are looked up here
from impacket.dcerpc.v5.transport import SMBTransport
from impacket.smb3structs import SMB2_DIALECT_21
from impacket.smbconnection import SMBConnection

from test_rpc_administration import ALICE, WithAnonymous, bound
from test_rpc_groups import accounts, number_of, opened

ENCRYPTION, MAC = (f"Microsoft SAM {purpose} key AEAD-AES-256-CBC-HMAC-SHA512 16\0".encode()
                   for purpose in ("encryption", "MAC"))


class BYTES(NDRPOINTER):
    referent = (("Data", NDRUniConformantArray),)


class PROOF(NDRUniFixedArray):
    def getDataLen(self, data, offset=0):
        return 64


class SALT(NDRUniFixedArray):
    def getDataLen(self, data, offset=0):
        return 16


class ENCRYPTED_PASSWORD(NDRSTRUCT):
    structure = (("AuthData", PROOF), ("Salt", SALT), ("Length", ULONG), ("Cipher", BYTES), ("Iterations", ULONGLONG))


class ChangePassword(NDRCALL):
    """SamrUnicodeChangePasswordUser4."""
    opnum = 73
    structure = (("ServerName", PRPC_UNICODE_STRING), ("UserName", RPC_UNICODE_STRING), ("Password", ENCRYPTED_PASSWORD))


class ChangePasswordResponse(NDRCALL):
    structure = (("ErrorCode", ULONG),)


class NEW_PASSWORD(NDRSTRUCT):
    structure = (("Password", ENCRYPTED_PASSWORD), ("Expired", UCHAR))


class SetPassword(NDRCALL):
    """SamrSetInformationUser2 with UserInternal7Information."""
    opnum = 58
    structure = (("UserHandle", samr.SAMPR_HANDLE), ("Class", USHORT), ("Tag", USHORT), ("New", NEW_PASSWORD))


class SetPasswordResponse(ChangePasswordResponse):
    pass


def encrypted(password, key, salt, iterations):
    """What carries a new password, encrypted with a key."""
    text = password.encode("utf-16le")
    clear = len(text).to_bytes(2, "little") + text + secrets.token_bytes(512 - len(text))
    clear += bytes([16 - len(clear) % 16]) * (16 - len(clear) % 16)
    encryption_key = hmac.digest(key, ENCRYPTION, "sha512")[:32]
    encryptor = ciphers.Cipher(ciphers.algorithms.AES(encryption_key), ciphers.modes.CBC(salt)).encryptor()
    cipher = encryptor.update(clear) + encryptor.finalize()
    made = ENCRYPTED_PASSWORD()
    made["AuthData"] = hmac.digest(hmac.digest(key, MAC, "sha512"), b"\1" + salt + cipher + b"\1", "sha512")
    made["Salt"], made["Length"], made["Iterations"] = salt, len(cipher), iterations
    made["Cipher"] = list(cipher)
    return made


def change_request(name, old, new, iterations=10_000):
    """What changes a password by proving the old one."""
    salt = secrets.token_bytes(16)
    key = hashlib.pbkdf2_hmac("sha512", ntlm.NTOWFv1(old), salt, iterations, 16)
    request = ChangePassword()
    request["ServerName"], request["UserName"] = NULL, name
    request["Password"] = encrypted(new, key, salt, iterations)
    return request


def change(server, who, name, old, new, iterations=10_000, spoil=lambda password: None):
    """Changes a password as its owner does."""
    rpc = bound(server, who, r"\samr", samr.MSRPC_UUID_SAMR)
    request = change_request(name, old, new, iterations)
    spoil(request["Password"])
    return rpc.request(request)


def logs_on(server, user, password):
    return rpcclient(server, "getusername", user=user, password=password)[0] == 0


def test_clients_are_told_that_passwords_may_be_encrypted_with_aes(server):
    rpc = bound(server, ALICE, r"\samr", samr.MSRPC_UUID_SAMR)
    told = samr.hSamrConnect5(rpc, desiredAccess=0x31)
    assert told["OutRevisionInfo"]["V1"]["SupportedFeatures"] == 0x10


def test_a_user_changes_its_password(server):
    old, new = ACCOUNTS["bob"], "Ünder-4"
    change(server, ("bob", old), "BOB", old, new)
    try:
        assert logs_on(server, "bob", new) and not logs_on(server, "bob", old)
        change(server, ALICE, "bob", new, "Other-5", 5_000)
        assert logs_on(server, "bob", "Other-5"), "whoever knows the old password may"
    finally:
        rpcclient(server, f"setuserinfo2 bob 24 {old}")
    assert logs_on(server, "bob", old)


def spoil_proof(password):
    password["AuthData"] = bytes(64)


def spoil_cipher(password):
    password["Cipher"] = [0] * password["Length"]


def leave_cipher_out(password):
    password["Cipher"], password["Length"] = NULL, 0


def tell_another_length(password):
    password["Length"] -= 16


@pytest.mark.parametrize("how", [
    {"old": "Wrong-0"}, {"name": "nobody"}, {"name": ""}, {"new": ""}, {"iterations": 4_999}, {"iterations": 1},
    {"spoil": spoil_proof}, {"spoil": spoil_cipher}, {"spoil": leave_cipher_out}, {"spoil": tell_another_length},
], ids=str)
def test_what_does_not_prove_the_old_password_changes_none(server, how):
    before = accounts(server)
    arguments = {"name": "bob", "old": ACCOUNTS["bob"], "new": "Other-5", **how}
    with pytest.raises(DCERPCException, match="(?i)wrong_password|bad_stub"):
        change(server, ("bob", ACCOUNTS["bob"]), **arguments)
    assert accounts(server) == before
    log = server.log()
    assert "Other-5" not in log and ACCOUNTS["bob"] not in log


def test_more_work_than_there_may_be_is_refused_without_doing_it(server):
    def too_many(password):
        password["Iterations"] = 2**40

    began = time.monotonic()
    with pytest.raises(DCERPCException, match="(?i)wrong_password"):
        change(server, ALICE, "alice", ACCOUNTS["alice"], "Other-5", spoil=too_many)
    assert time.monotonic() - began < 5


def test_others_are_served_while_a_key_is_made(server):
    old = ACCOUNTS["bob"]
    with ThreadPoolExecutor(6) as pool:
        wrong = [pool.submit(change, server, ALICE, "bob", "Wrong-0", "Other-5", 60_000) for _ in range(5)]
        served = 0
        while not all(one.done() for one in wrong):
            began = time.monotonic()
            assert "alice" in rpcclient(server, "enumdomusers")[1]
            assert time.monotonic() - began < 20
            served += 1
        statuses = {str(one.exception()) for one in wrong}
    assert served > 0 and all("WRONG_PASSWORD" in one or "RESOURCES" in one for one in statuses), statuses
    assert logs_on(server, "bob", old)


def user(rpc, domain, name, access=MAXIMUM_ALLOWED):
    return samr.hSamrOpenUser(rpc, domain, access, number_of(rpc, domain, name))["UserHandle"]


def set_password(rpc, handle, new, expired=0, key=None):
    """Sets a password as administrators do."""
    request = SetPassword()
    request["UserHandle"], request["Class"], request["Tag"], request["New"]["Expired"] = handle, 31, 31, expired
    key = key or rpc.get_rpc_transport().get_smb_connection().getSessionKey()[:16]
    request["New"]["Password"] = encrypted(new, key, secrets.token_bytes(16), 0)
    return rpc.request(request)


def test_an_administrator_sets_a_password(server):
    old, new = ACCOUNTS["bob"], "Set-by-boss-6"
    rpc, domain, _ = opened(server)
    handle = user(rpc, domain, "bob")
    before = accounts(server)
    with pytest.raises(DCERPCException, match="(?i)wrong_password"):
        set_password(rpc, handle, new, key=os.urandom(16))
    assert accounts(server) == before
    set_password(rpc, handle, new)
    try:
        assert logs_on(server, "bob", new) and not logs_on(server, "bob", old)
        set_password(rpc, handle, new, expired=1)
        assert not logs_on(server, "bob", new)
    finally:
        set_password(rpc, handle, old)
    assert logs_on(server, "bob", old)


@pytest.mark.parametrize("level", [18, 21, 23, 24, 25, 26])
def test_each_class_that_carries_a_password_sets_it(server, level):
    old, new = ACCOUNTS["bob"], f"Level-{level}-x"
    status, said = rpcclient(server, f"setuserinfo2 bob {level} {new}")
    try:
        assert status == 0 and logs_on(server, "bob", new), said
        before = accounts(server)
        status, said = rpcclient(server, f"setuserinfo2 bob {level} Other-5", user="alice")
        assert "ACCESS_DENIED" in said and accounts(server) == before, said
    finally:
        rpcclient(server, f"setuserinfo2 bob 24 {old}")
    assert logs_on(server, "bob", old)


def test_who_is_no_administrator_sets_no_password(server):
    before = accounts(server)
    rpc, domain, _ = opened(server, ALICE)
    with pytest.raises(DCERPCException, match="(?i)access_denied"):
        user(rpc, domain, "bob", 0x80)
    for name in ("bob", "alice"):
        with pytest.raises(DCERPCException, match="(?i)access_denied"):
            set_password(rpc, user(rpc, domain, name), "Other-5")
    assert accounts(server) == before


def test_who_gives_no_name_changes_no_password(server):
    with WithAnonymous() as other:
        before = accounts(other)
        connection = SMBConnection(other.host, other.host, sess_port=other.port, preferredDialect=SMB2_DIALECT_21)
        connection.login("", "")
        rpc = SMBTransport(other.host, other.port, r"\samr", smb_connection=connection).get_dce_rpc()
        rpc.connect()
        rpc.bind(samr.MSRPC_UUID_SAMR)
        with pytest.raises(DCERPCException, match="(?i)access_denied"):
            rpc.request(change_request("bob", ACCOUNTS["bob"], "Other-5"))
        assert accounts(other) == before

"""The Python client smbprotocol: single messages, so that what smbclient hides can be asked for and looked at."""

import contextlib
import hashlib
import os
import uuid

import pytest

pytest.importorskip("smbprotocol", reason="smbprotocol is not installed")

from smbprotocol.change_notify import ChangeNotifyFlags, CompletionFilter, FileAction, FileSystemWatcher
from smbprotocol.connection import Ciphers, Connection, Dialects, SigningAlgorithms
from smbprotocol.create_contexts import (
    CreateContextName,
    SMB2CreateContextRequest,
    SMB2CreateQueryMaximalAccessRequest,
    SMB2CreateQueryMaximalAccessResponse,
)
from smbprotocol.exceptions import SMBConnectionClosed, SMBException, SMBResponseException
from smbprotocol.file_info import (
    FileAllInformation,
    FileBasicInformation,
    FileDispositionInformation,
    FileEndOfFileInformation,
    FileFsFullSizeInformation,
    FileFsVolumeInformation,
    FileInformationClass,
    FileInternalInformation,
    FileRenameInformation,
    FileStandardInformation,
    InfoType,
)
from smbprotocol.header import NtStatus
from smbprotocol.open import (
    CreateDisposition,
    CreateOptions,
    DirectoryAccessMask,
    FileAttributes,
    FilePipePrinterAccessMask,
    ImpersonationLevel,
    LockFlags,
    Open,
    QueryDirectoryFlags,
    ShareAccess,
    SMB2LockElement,
    SMB2QueryInfoRequest,
    SMB2QueryInfoResponse,
    SMB2SetInfoRequest,
)
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect

from server import ACCOUNTS

DIALECTS = {
    "2.0.2": Dialects.SMB_2_0_2,
    "2.1": Dialects.SMB_2_1_0,
    "3.0": Dialects.SMB_3_0_0,
    "3.0.2": Dialects.SMB_3_0_2,
    "3.1.1": Dialects.SMB_3_1_1,
}
SIGNING = {
    "HMAC-SHA256": SigningAlgorithms.HMAC_SHA256,
    "AES-CMAC": SigningAlgorithms.AES_CMAC,
    "AES-GMAC": SigningAlgorithms.AES_GMAC,
}
CIPHERS = {
    "AES-128-CCM": Ciphers.AES_128_CCM,
    "AES-128-GCM": Ciphers.AES_128_GCM,
    "AES-256-CCM": Ciphers.AES_256_CCM,
    "AES-256-GCM": Ciphers.AES_256_GCM,
}
#: two that smbprotocol does not name
STATUS_FILE_LOCK_CONFLICT = 0xC0000054
STATUS_LOCK_NOT_GRANTED = 0xC0000055
SHARE_ALL = ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE | ShareAccess.FILE_SHARE_DELETE
ALL_ACCESS = (FilePipePrinterAccessMask.GENERIC_READ | FilePipePrinterAccessMask.GENERIC_WRITE
              | FilePipePrinterAccessMask.DELETE)


@contextlib.contextmanager
def connected(server, dialect=None, signed=False, encrypted=False, user="alice", share="work", port=None,
              **negotiate):
    """A tree connect to a share, on a connection of its own."""
    connection = Connection(uuid.uuid4(), server.host, port or server.port, require_signing=signed)
    connection.connect(DIALECTS[dialect] if dialect else None, timeout=30, **negotiate)
    try:
        session = Session(connection, user, ACCOUNTS[user], require_encryption=encrypted, auth_protocol="ntlm")
        session.connect()
        yield tree_connected(session, rf"\\{server.host}\{share}")
    finally:
        connection.disconnect(True)


def tree_connected(session, name):
    """A tree connect. 3.1.1 wants its request signed even where nothing else is, which this client does not do itself."""
    tree = TreeConnect(session, name)
    required = session.signing_required
    session.signing_required = required or session.connection.dialect == Dialects.SMB_3_1_1
    try:
        tree.connect(require_secure_negotiate=required or session.encrypt_data)
    finally:
        session.signing_required = required
    return tree


def opened(tree, name, access=ALL_ACCESS, share=SHARE_ALL, disposition=CreateDisposition.FILE_OPEN_IF,
           options=CreateOptions.FILE_NON_DIRECTORY_FILE, contexts=None):
    """An open of a file."""
    handle = Open(tree, name)
    handle.answered_contexts = handle.create(
        ImpersonationLevel.Impersonation, access, FileAttributes.FILE_ATTRIBUTE_NORMAL, share, disposition, options, contexts
    )
    return handle


def opened_directory(tree, name, disposition=CreateDisposition.FILE_OPEN):
    """An open of a directory, to look at it."""
    return opened(tree, name, DirectoryAccessMask.GENERIC_READ, disposition=disposition,
                  options=CreateOptions.FILE_DIRECTORY_FILE)


def query(handle, structure, information_class, kind=InfoType.SMB2_0_INFO_FILE, room=4096):
    """The answer to a QUERY_INFO, as a structure."""
    request = SMB2QueryInfoRequest()
    request["info_type"] = kind
    request["file_info_class"] = information_class
    request["output_buffer_length"] = room
    request["file_id"] = handle.file_id
    response = SMB2QueryInfoResponse()
    response.unpack(exchange(handle, request)["data"].get_value())
    answer = structure()
    answer.unpack(response["buffer"].get_value())
    return answer


def set_info(handle, information_class, buffer):
    """Send a SET_INFO about a file."""
    request = SMB2SetInfoRequest()
    request["info_type"] = InfoType.SMB2_0_INFO_FILE
    request["file_info_class"] = information_class
    request["file_id"] = handle.file_id
    request["buffer"] = buffer
    exchange(handle, request)


def exchange(handle, request):
    """Send one request on the connection of an open; return the response."""
    tree = handle.tree_connect
    sent = handle.connection.send(request, tree.session.session_id, tree.tree_connect_id)
    return handle.connection.receive(sent, timeout=30)


def refused(status):
    """A context that expects this NtStatus."""
    return pytest.raises(SMBResponseException, match=f"0x{status:08x}")


def write_and_read(tree, name, size=1_000_000):
    """Write random bytes in pieces, read them back in others, compare."""
    data = os.urandom(size)
    handle = opened(tree, name)
    piece = min(handle.connection.max_write_size, 65536)
    for at in range(0, size, piece):
        handle.write(data[at:at + piece], at)
    piece = min(handle.connection.max_read_size, 65536) - 1000
    back = b"".join(handle.read(at, min(piece, size - at)) for at in range(0, size, piece))
    handle.close()
    assert hashlib.sha256(back).digest() == hashlib.sha256(data).digest()
    return data


# ---- dialects, signing, encryption


@pytest.mark.parametrize("signed", [False, True], ids=["plain", "signed"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_dialect_is_the_one_negotiated_and_carries_data(server, folder, dialect, signed):
    with connected(server, dialect, signed=signed) as tree:
        assert tree.session.connection.dialect == DIALECTS[dialect]
        data = write_and_read(tree, rf"{folder}\f")
    assert (server.folder("work") / folder / "f").read_bytes() == data


@pytest.mark.parametrize("algorithm", SIGNING)
def test_each_signing_algorithm_is_the_one_negotiated(server, folder, algorithm):
    with connected(server, "3.1.1", signed=True, preferred_signing_algos=[SIGNING[algorithm]]) as tree:
        assert tree.session.connection.signing_algorithm_id == SIGNING[algorithm]
        write_and_read(tree, rf"{folder}\f")


@pytest.mark.parametrize("cipher", CIPHERS)
def test_each_cipher_is_the_one_negotiated(server, folder, cipher):
    with connected(server, "3.1.1", encrypted=True, preferred_encryption_algos=[CIPHERS[cipher]]) as tree:
        assert tree.session.connection.cipher_id == CIPHERS[cipher]
        assert tree.session.encrypt_data
        write_and_read(tree, rf"{folder}\f")


@pytest.mark.parametrize("dialect", ["3.0", "3.0.2"])
def test_older_dialects_encrypt_too(server, folder, dialect):
    with connected(server, dialect, encrypted=True) as tree:
        write_and_read(tree, rf"{folder}\f")


def test_a_share_can_ask_for_encryption(server):
    with connected(server, "3.1.1", share="sealed") as tree:
        assert tree.encrypt_data
        write_and_read(tree, "f", 100_000)


def test_a_server_can_ask_for_signing_and_encryption(special_server):
    with connected(special_server(signing="required"), "3.1.1") as tree:
        assert tree.session.signing_required
        write_and_read(tree, "f", 100_000)
    with connected(special_server(encryption="required"), "3.1.1") as tree:
        assert tree.session.encrypt_data
        write_and_read(tree, "f", 100_000)


def test_a_wrong_signature_is_not_obeyed(server, folder):
    with connected(server, "3.1.1", signed=True) as tree:
        handle = opened(tree, rf"{folder}\f")
        handle.write(b"before")
        good = tree.session.signing_key
        tree.session.signing_key = bytes(len(good))
        with pytest.raises((SMBException, SMBConnectionClosed)):
            handle.write(b"tamper")
    assert (server.folder("work") / folder / "f").read_bytes() == b"before"


def test_the_secure_negotiate_check_passes(server):
    for dialect in ("2.1", "3.0", "3.0.2"):
        with connected(server, dialect, signed=True):
            pass


def test_two_sessions_on_one_connection_have_their_own_rights(server):
    with connected(server, "3.1.1") as tree:
        connection = tree.session.connection
        bob = Session(connection, "bob", ACCOUNTS["bob"], require_encryption=False, auth_protocol="ntlm")
        bob.connect()
        private = tree_connected(bob, rf"\\{server.host}\private")
        write_and_read(private, "f", 1000)
        with refused(NtStatus.STATUS_ACCESS_DENIED):
            tree_connected(tree.session, rf"\\{server.host}\private")


def test_an_unsigned_tree_connect_of_3_1_1_is_refused(server):
    with connected(server, "3.1.1") as tree, pytest.raises(SMBException):
        TreeConnect(tree.session, rf"\\{server.host}\work").connect()


# ---- credits, large messages, compounds


@pytest.mark.parametrize("dialect", ["2.1", "3.0", "3.1.1"])
def test_eight_megabytes_in_one_read_and_one_write(server, folder, dialect):
    size = 8 << 20
    data = os.urandom(size)
    with connected(server, dialect) as tree:
        connection = tree.session.connection
        assert connection.supports_multi_credit
        if min(connection.max_write_size, connection.max_read_size) < size:
            pytest.skip("the server's largest message is smaller")
        connection.echo(sid=tree.session.session_id, credit_request=256)
        handle = opened(tree, rf"{folder}\f")
        handle.write(data)
        connection.echo(sid=tree.session.session_id, credit_request=256)
        assert handle.read(0, size) == data
    assert (server.folder("work") / folder / "f").read_bytes() == data


def test_offsets_beyond_four_gigabytes(server, folder):
    at = (5 << 30) + 12345
    with connected(server, "3.1.1") as tree:
        handle = opened(tree, rf"{folder}\f")
        handle.write(b"far away", at)
        assert handle.read(at, 8) == b"far away"
        assert handle.read(4 << 30, 10) == bytes(10)
        assert query(handle, FileStandardInformation, FileInformationClass.FILE_STANDARD_INFORMATION)[
            "end_of_file"].get_value() == at + 8
    path = server.folder("work") / folder / "f"
    assert path.stat().st_size == at + 8 and path.stat().st_blocks < 4096


def test_a_related_compound_opens_writes_reads_and_closes_at_once(server, folder):
    with connected(server, "3.1.1") as tree:
        handle = Open(tree, rf"{folder}\f")
        steps = [
            handle.create(ImpersonationLevel.Impersonation, ALL_ACCESS, FileAttributes.FILE_ATTRIBUTE_NORMAL, SHARE_ALL,
                          CreateDisposition.FILE_CREATE, CreateOptions.FILE_NON_DIRECTORY_FILE, send=False),
            handle.write(b"in one go", 0, send=False),
            handle.read(0, 9, send=False),
            handle.close(get_attributes=True, send=False),
        ]
        requests = handle.connection.send_compound(
            [message for message, _ in steps], tree.session.session_id, tree.tree_connect_id, related=True
        )
        answers = [receive(request) for (_, receive), request in zip(steps, requests)]
        assert answers[1] == 9 and answers[2] == b"in one go"
        assert handle.end_of_file == 9


def test_the_failure_of_a_compounds_head_is_the_answer_to_all(server, folder):
    with connected(server, "3.1.1") as tree:
        handle = Open(tree, rf"{folder}\missing")
        steps = [
            handle.create(ImpersonationLevel.Impersonation, ALL_ACCESS, FileAttributes.FILE_ATTRIBUTE_NORMAL, SHARE_ALL,
                          CreateDisposition.FILE_OPEN, CreateOptions.FILE_NON_DIRECTORY_FILE, send=False),
            handle.read(0, 9, send=False),
            handle.close(send=False),
        ]
        requests = handle.connection.send_compound(
            [message for message, _ in steps], tree.session.session_id, tree.tree_connect_id, related=True
        )
        for request in requests:
            with refused(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND):
                handle.connection.receive(request, timeout=30)


# ---- files and directories


def test_create_contexts_answer_the_maximal_access(server, folder):
    context = SMB2CreateContextRequest()
    context["buffer_name"] = CreateContextName.SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST
    context["buffer_data"] = SMB2CreateQueryMaximalAccessRequest()
    with connected(server, "3.1.1") as tree:
        handle = opened(tree, rf"{folder}\f", contexts=[context])
        answer = next(c for c in handle.answered_contexts if isinstance(c, SMB2CreateQueryMaximalAccessResponse))
        assert answer["query_status"].get_value() == NtStatus.STATUS_SUCCESS
        assert answer["maximal_access"].get_value() & 0x13019F == 0x13019F


def test_nothing_is_made_or_deleted_in_a_read_only_share(server):
    inside = server.folder("readonly")
    before = sorted(path.name for path in inside.iterdir())
    looking, deleting = FilePipePrinterAccessMask.FILE_READ_ATTRIBUTES, CreateOptions.FILE_DELETE_ON_CLOSE
    with connected(server, "3.1.1", share="readonly") as tree:
        for disposition in (CreateDisposition.FILE_CREATE, CreateDisposition.FILE_OPEN_IF, CreateDisposition.FILE_SUPERSEDE):
            with pytest.raises(SMBResponseException):
                opened(tree, "new", looking, disposition=disposition)
        for access in (FilePipePrinterAccessMask.DELETE, FilePipePrinterAccessMask.MAXIMUM_ALLOWED):
            with pytest.raises(SMBResponseException):
                opened(tree, "notice.txt", access, disposition=CreateDisposition.FILE_OPEN, options=deleting)
        opened(tree, "notice.txt", looking).close()
    assert sorted(path.name for path in inside.iterdir()) == before


def test_share_modes_exclude(server, folder):
    with connected(server, "3.1.1") as first, connected(server, "2.1") as second:
        holder = opened(first, rf"{folder}\f", share=ShareAccess.FILE_SHARE_READ)
        with refused(NtStatus.STATUS_SHARING_VIOLATION):
            opened(second, rf"{folder}\f")
        reader = opened(second, rf"{folder}\f", FilePipePrinterAccessMask.GENERIC_READ)
        reader.close()
        holder.close()
        opened(second, rf"{folder}\f").close()


def test_byte_range_locks_exclude(server, folder):
    with connected(server, "3.1.1") as first, connected(server, "3.0") as second:
        mine, yours = opened(first, rf"{folder}\f"), opened(second, rf"{folder}\f")
        mine.write(b"0123456789")
        mine.lock([lock_element(2, 4, LockFlags.SMB2_LOCKFLAG_EXCLUSIVE_LOCK)])
        with refused(STATUS_LOCK_NOT_GRANTED):
            yours.lock([lock_element(5, 1, LockFlags.SMB2_LOCKFLAG_SHARED_LOCK)])
        with refused(STATUS_FILE_LOCK_CONFLICT):
            yours.write(b"x", 3)
        assert yours.read(6, 4) == b"6789"
        mine.lock([lock_element(2, 4, LockFlags.SMB2_LOCKFLAG_UNLOCK)])
        yours.lock([lock_element(0, 10, LockFlags.SMB2_LOCKFLAG_EXCLUSIVE_LOCK)])


def lock_element(offset, length, flags):
    """One element of a LOCK request that does not wait."""
    element = SMB2LockElement()
    element["offset"] = offset
    element["length"] = length
    element["flags"] = flags
    if flags != LockFlags.SMB2_LOCKFLAG_UNLOCK:
        element["flags"].set_flag(LockFlags.SMB2_LOCKFLAG_FAIL_IMMEDIATELY)
    return element


def test_information_about_a_file(server, folder):
    with connected(server, "3.1.1") as tree:
        handle = opened(tree, rf"{folder}\f")
        handle.write(b"x" * 4321)
        everything = query(handle, FileAllInformation, FileInformationClass.FILE_ALL_INFORMATION)
        assert everything["standard_information"]["end_of_file"].get_value() == 4321
        assert everything["standard_information"]["number_of_links"].get_value() == 1
        internal = query(handle, FileInternalInformation, FileInformationClass.FILE_INTERNAL_INFORMATION)
        assert internal["index_number"].get_value() == everything["internal_information"]["index_number"].get_value() != 0
        with refused(NtStatus.STATUS_INFO_LENGTH_MISMATCH):
            query(handle, FileBasicInformation, FileInformationClass.FILE_BASIC_INFORMATION, room=39)


def test_information_about_the_file_system(server):
    with connected(server, "3.1.1") as tree:
        root = opened_directory(tree, "")
        sizes = query(root, FileFsFullSizeInformation, 7, InfoType.SMB2_0_INFO_FILESYSTEM)
        assert sizes["total_allocation_units"].get_value() >= sizes["caller_available_units"].get_value() > 0
        assert sizes["bytes_per_sector"].get_value() in (512, 1024, 2048, 4096)
        query(root, FileFsVolumeInformation, 1, InfoType.SMB2_0_INFO_FILESYSTEM)


def test_end_of_file_can_be_set_both_ways(server, folder):
    path = server.folder("work") / folder / "f"
    with connected(server, "3.1.1") as tree:
        handle = opened(tree, rf"{folder}\f")
        handle.write(b"0123456789")
        for size, left in ((4, b"0123"), (8, b"0123\0\0\0\0")):
            end = FileEndOfFileInformation()
            end["end_of_file"] = size
            set_info(handle, FileInformationClass.FILE_END_OF_FILE_INFORMATION, end)
            assert path.read_bytes() == left


def test_times_and_attributes_can_be_set(server, folder):
    when = 125_000_000_000_000_000
    with connected(server, "3.1.1") as tree:
        handle = opened(tree, rf"{folder}\f")
        basic = FileBasicInformation()
        for name in ("creation_time", "last_access_time", "last_write_time"):
            basic[name] = when
        basic["file_attributes"] = FileAttributes.FILE_ATTRIBUTE_HIDDEN
        set_info(handle, FileInformationClass.FILE_BASIC_INFORMATION, basic)
        handle.close()
        again = opened(tree, rf"{folder}\f", FilePipePrinterAccessMask.GENERIC_READ)
        read = query(again, FileBasicInformation, FileInformationClass.FILE_BASIC_INFORMATION)
        assert read.pack()[:24] == basic.pack()[:24]
        assert read["file_attributes"].has_flag(FileAttributes.FILE_ATTRIBUTE_HIDDEN)


def test_rename_follows_the_open_and_replaces_only_when_told(server, folder):
    inside = server.folder("work") / folder
    with connected(server, "3.1.1") as tree:
        first, second = opened(tree, rf"{folder}\a"), opened(tree, rf"{folder}\b")
        second.write(b"b")
        second.close()
        first.write(b"a")
        rename = FileRenameInformation()
        rename["file_name"] = rf"{folder}\b"
        with refused(NtStatus.STATUS_OBJECT_NAME_COLLISION):
            set_info(first, FileInformationClass.FILE_RENAME_INFORMATION, rename)
        rename["replace_if_exists"] = True
        set_info(first, FileInformationClass.FILE_RENAME_INFORMATION, rename)
        first.write(b"A")
        first.close()
    assert (inside / "b").read_bytes() == b"A" and not (inside / "a").exists()


def test_delete_waits_for_the_last_close(server, folder):
    path = server.folder("work") / folder / "f"
    with connected(server, "3.1.1") as tree:
        first, second = opened(tree, rf"{folder}\f"), opened(tree, rf"{folder}\f")
        disposition = FileDispositionInformation()
        disposition["delete_pending"] = True
        set_info(first, FileInformationClass.FILE_DISPOSITION_INFORMATION, disposition)
        with refused(NtStatus.STATUS_DELETE_PENDING):
            opened(tree, rf"{folder}\f")
        first.close()
        assert path.exists()
        second.close()
        assert not path.exists()


def test_listing_ten_thousand_names_in_small_pieces(server, folder):
    inside = server.folder("work") / folder
    names = {f"file-{n:05}" for n in range(10_000)}
    for name in names:
        (inside / name).touch()
    with connected(server, "3.1.1") as tree:
        directory = opened_directory(tree, folder)
        seen = list_names(directory, room=4096)
        assert len(seen) == len(set(seen)) == 10_002
        assert set(seen) == names | {".", ".."}
        assert set(list_names(directory, restart=True, pattern="file-0123*")) == {f"file-0123{d}" for d in range(10)}


def list_names(directory, room=65536, pattern="*", restart=False):
    """All names that an enumeration yields."""
    names, flags = [], QueryDirectoryFlags.SMB2_RESTART_SCANS if restart else 0
    while True:
        try:
            entries = directory.query_directory(
                pattern, FileInformationClass.FILE_NAMES_INFORMATION, flags=flags, max_output=room
            )
        except SMBResponseException as end:
            assert end.status in (NtStatus.STATUS_NO_MORE_FILES, NtStatus.STATUS_NO_SUCH_FILE)
            return names
        names += [entry["file_name"].get_value().decode("utf-16-le") for entry in entries]
        flags = 0


def test_a_change_made_by_another_client_is_notified(server, folder):
    with connected(server, "3.1.1") as watching, connected(server, "3.1.1") as acting:
        directory = opened_directory(watching, folder)
        watcher = FileSystemWatcher(directory)
        watcher.start(CompletionFilter.FILE_NOTIFY_CHANGE_FILE_NAME, ChangeNotifyFlags.SMB2_WATCH_TREE)
        # Requests of two connections have no order: the first change may come before the watch.
        for attempt in range(10):
            opened(acting, rf"{folder}\appeared-{attempt}").close()
            if watcher.response_event.wait(1):
                break
        else:
            pytest.fail("no notification came")
        seen = [(entry["action"].get_value(), entry["file_name"].get_value()) for entry in watcher.wait()]
        assert (FileAction.FILE_ACTION_ADDED, f"appeared-{attempt}") in seen, seen


def test_a_change_made_beside_the_server_is_notified(server, folder):
    if server.name != "smbd":
        pytest.skip("Samba hears of such changes only where its notifications are set up for it")
    with connected(server, "3.1.1") as tree:
        watcher = FileSystemWatcher(opened_directory(tree, folder))
        watcher.start(CompletionFilter.FILE_NOTIFY_CHANGE_FILE_NAME)
        tree.session.connection.echo(sid=tree.session.session_id)
        (server.folder("work") / folder / "made-beside").write_text("by somebody else")
        assert watcher.response_event.wait(20)
        seen = [(entry["action"].get_value(), entry["file_name"].get_value()) for entry in watcher.wait()]
        assert (FileAction.FILE_ACTION_ADDED, "made-beside") in seen, seen


def test_a_pending_notification_can_be_cancelled_and_others_go_on(server, folder):
    with connected(server, "3.1.1") as tree:
        directory = opened_directory(tree, folder)
        watcher = FileSystemWatcher(directory)
        watcher.start(CompletionFilter.FILE_NOTIFY_CHANGE_FILE_NAME)
        write_and_read(tree, "meanwhile", 10_000)
        tree.session.connection.echo(sid=tree.session.session_id)
        watcher.cancel()
        assert watcher.response_event.wait(20) and watcher.cancelled


def test_a_closed_open_and_a_strange_tree_are_refused(server, folder):
    with connected(server, "3.1.1") as tree:
        handle = opened(tree, rf"{folder}\f")
        handle.write(b"x")
        request, _ = handle.read(0, 1, send=False)
        handle.close()
        with refused(NtStatus.STATUS_FILE_CLOSED):
            exchange(handle, request)
        tree.disconnect()
        sent = handle.connection.send(request, tree.session.session_id)
        with refused(NtStatus.STATUS_NETWORK_NAME_DELETED):
            handle.connection.receive(sent, timeout=30)


def test_a_lost_connection_closes_its_opens(server, folder):
    with connected(server, "3.1.1") as tree:
        opened(tree, rf"{folder}\f", share=0)
        tree.session.connection.transport.close()
        with connected(server, "3.1.1") as other:
            for _ in range(50):
                try:
                    opened(other, rf"{folder}\f").close()
                    break
                except SMBResponseException as refusal:
                    assert refusal.status == NtStatus.STATUS_SHARING_VIOLATION
            else:
                pytest.fail("the open outlived its connection")

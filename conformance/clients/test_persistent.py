"""Opens that outlive the server: the real program is killed and started again, and a client goes on where it was."""

import contextlib
import subprocess
import time
import uuid

import pytest

pytest.importorskip("smbprotocol", reason="smbprotocol is not installed")

from smbprotocol.connection import Capabilities, Connection, Dialects
from smbprotocol.create_contexts import (
    CreateContextName,
    DurableHandleFlags,
    LeaseState,
    SMB2CreateContextRequest,
    SMB2CreateDurableHandleReconnectV2,
    SMB2CreateDurableHandleRequestV2,
    SMB2CreateRequestLeaseV2,
)
from smbprotocol.file_info import FileInformationClass, FileRenameInformation
from smbprotocol.exceptions import SMBResponseException
from smbprotocol.header import NtStatus
from smbprotocol.open import (
    CreateDisposition,
    CreateOptions,
    FileAttributes,
    FilePipePrinterAccessMask,
    ImpersonationLevel,
    LockFlags,
    Open,
    RequestedOplockLevel,
    ShareAccess,
    SMB2LockElement,
)
from smbprotocol.session import Session

import server as servers
from test_smbprotocol import opened, refused, set_info, tree_connected

pytestmark = pytest.mark.skipif(servers.chosen() is not servers.Smbd, reason="another server is configured in another way")

RWH = LeaseState.SMB2_LEASE_READ_CACHING | LeaseState.SMB2_LEASE_WRITE_CACHING | LeaseState.SMB2_LEASE_HANDLE_CACHING
ACCESS = FilePipePrinterAccessMask.GENERIC_READ | FilePipePrinterAccessMask.GENERIC_WRITE | FilePipePrinterAccessMask.DELETE
SHARE = ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE | ShareAccess.FILE_SHARE_DELETE
FILE_NOT_AVAILABLE, LOCK_NOT_GRANTED, INSUFFICIENT_RESOURCES = 0xC0000467, 0xC0000055, 0xC000009A
LEASE_KEY = b"a lease, the 1st"


class Lasting(servers.Smbd):
    """A server with a share whose opens outlive it."""

    def layout(self):
        return [servers.Share("lasting", self.scratch / "lasting", smbd=("continuous_availability = true",))]

    def fill(self):
        """Nothing is there from the start."""


@pytest.fixture
def lasting():
    with Lasting() as running:
        yield running


@contextlib.contextmanager
def client(server, guid):
    """A tree connect of a client that knows persistent opens. The server may go while it lives."""
    connection = Connection(guid, server.host, server.port, require_signing=False)
    connection.client_capabilities |= (
        Capabilities.SMB2_GLOBAL_CAP_PERSISTENT_HANDLES | Capabilities.SMB2_GLOBAL_CAP_LEASING
    )
    connection.connect(Dialects.SMB_3_1_1, timeout=30)
    try:
        session = Session(connection, "alice", server.accounts["alice"], require_encryption=False)
        session.connect()
        yield tree_connected(session, rf"\\{server.host}\lasting")
    finally:
        with contextlib.suppress(Exception):
            connection.disconnect(close=False)


def context(structure, **fields):
    """A create context."""
    for name, value in fields.items():
        structure[name] = value
    request = SMB2CreateContextRequest()
    request["buffer_name"] = structure.NAME
    request["buffer_data"] = structure
    return request


def lease():
    return context(SMB2CreateRequestLeaseV2(), lease_key=LEASE_KEY, lease_state=RWH, epoch=b"\x07\x00",
                   parent_lease_key=bytes(16))


def create(tree, name, contexts, options=0, level=RequestedOplockLevel.SMB2_OPLOCK_LEVEL_LEASE):
    """An open, with the contexts of the answer by name."""
    handle = Open(tree, name)
    answered = handle.create(
        ImpersonationLevel.Impersonation, ACCESS, FileAttributes.FILE_ATTRIBUTE_NORMAL, SHARE,
        CreateDisposition.FILE_OPEN_IF, CreateOptions.FILE_NON_DIRECTORY_FILE | options, contexts, oplock_level=level,
    )
    handle.answered = {type(one).__name__: one for one in answered or []}
    return handle


def persistent(tree, name, guid, options=0):
    request = context(SMB2CreateDurableHandleRequestV2(), flags=DurableHandleFlags.SMB2_DHANDLE_FLAG_PERSISTENT,
                      create_guid=guid)
    handle = create(tree, name, [request, lease()], options)
    granted = handle.answered["SMB2CreateDurableHandleResponseV2"]["flags"].get_value()
    assert granted == DurableHandleFlags.SMB2_DHANDLE_FLAG_PERSISTENT
    return handle


def take_up_again(tree, name, guid, file_id):
    request = context(SMB2CreateDurableHandleReconnectV2(), file_id=file_id, create_guid=guid,
                      flags=DurableHandleFlags.SMB2_DHANDLE_FLAG_PERSISTENT)
    return create(tree, name, [request, lease()])


def lock(handle, offset):
    element = SMB2LockElement()
    element["offset"], element["length"] = offset, 10
    element["flags"] = LockFlags.SMB2_LOCKFLAG_EXCLUSIVE_LOCK | LockFlags.SMB2_LOCKFLAG_FAIL_IMMEDIATELY
    handle.lock([element])


def mount(undo, *arguments):
    """Mount something until `undo` is closed."""
    made = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"nothing can be mounted here: {made.stderr.strip()}")
    undo.callback(subprocess.run, ["umount", "--lazy", str(arguments[-1])], check=True)


def restart(server):
    server.kill()
    server.start()


def test_a_client_goes_on_where_it_was_when_the_server_was_killed(lasting):
    guid, create_guid = uuid.uuid4(), uuid.uuid4()
    with client(lasting, guid) as tree:
        handle = persistent(tree, "file", create_guid)
        handle.write(b"written before the server died", 0)
        lock(handle, 5)
        file_id = handle.file_id
        restart(lasting)
    with client(lasting, uuid.uuid4()) as other, refused(FILE_NOT_AVAILABLE):
        opened(other, "file")
    with client(lasting, guid) as tree:
        handle = take_up_again(tree, "file", create_guid, file_id)
        answered = handle.answered["SMB2CreateResponseLeaseV2"]
        assert answered["lease_key"].get_value() == LEASE_KEY
        assert answered["lease_state"].get_value() == RWH
        assert answered["epoch"].get_value() == 8
        assert handle.read(0, 100) == b"written before the server died"
        with refused(LOCK_NOT_GRANTED):
            lock(handle, 10)
        handle.write(b"WRITTEN AFTER", 0)
        handle.close()
        restart(lasting)
    with client(lasting, guid) as tree:
        with refused(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND):
            take_up_again(tree, "file", create_guid, file_id)
        opened(tree, "file").close()
    assert (lasting.folder("lasting") / "file").read_bytes() == b"WRITTEN AFTERe the server died"


def test_a_file_that_was_renamed_is_found_again_and_deleted_on_close_all_the_same(lasting):
    guid, create_guid = uuid.uuid4(), uuid.uuid4()
    with client(lasting, guid) as tree:
        handle = persistent(tree, "file", create_guid, CreateOptions.FILE_DELETE_ON_CLOSE)
        rename = FileRenameInformation()
        rename["file_name"] = "renamed"
        set_info(handle, FileInformationClass.FILE_RENAME_INFORMATION, rename)
        restart(lasting)
    assert (lasting.folder("lasting") / "renamed").exists()
    with client(lasting, guid) as tree:
        take_up_again(tree, "renamed", create_guid, handle.file_id).close()
    assert list(lasting.folder("lasting").iterdir()) == []


def test_another_file_is_not_served_under_the_old_open(lasting):
    guid, create_guid = uuid.uuid4(), uuid.uuid4()
    file = lasting.folder("lasting") / "file"
    with client(lasting, guid) as tree:
        handle = persistent(tree, "file", create_guid, CreateOptions.FILE_DELETE_ON_CLOSE)
        lasting.kill()
        file.rename(file.with_name("kept"))
        file.write_bytes(b"another")
        lasting.start()
    with client(lasting, guid) as tree, refused(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND):
        take_up_again(tree, "file", create_guid, handle.file_id)
    assert file.read_bytes() == b"another"
    assert file.with_name("kept").exists()


def test_an_orderly_stop_leaves_opens_to_the_next_server(lasting):
    guid, create_guid = uuid.uuid4(), uuid.uuid4()
    with client(lasting, guid) as tree:
        handle = persistent(tree, "file", create_guid, CreateOptions.FILE_DELETE_ON_CLOSE)
        lasting.process.terminate()
        assert lasting.process.wait(20) == 0
        lasting.start()
    with client(lasting, guid) as tree:
        take_up_again(tree, "file", create_guid, handle.file_id).close()
    assert not (lasting.folder("lasting") / "file").exists()
    assert (lasting.folder("lasting")).exists()


def test_the_records_of_many_opens_come_back_together(lasting):
    guid = uuid.uuid4()
    guids = [uuid.uuid4() for _ in range(50)]
    with client(lasting, guid) as tree:
        ids = []
        for number, create_guid in enumerate(guids):
            request = context(SMB2CreateDurableHandleRequestV2(), create_guid=create_guid,
                              flags=DurableHandleFlags.SMB2_DHANDLE_FLAG_PERSISTENT)
            handle = create(tree, f"file{number}", [request], level=RequestedOplockLevel.SMB2_OPLOCK_LEVEL_BATCH)
            handle.write(b"%d" % number, 0)
            ids.append(handle.file_id)
        restart(lasting)
    with client(lasting, guid) as tree:
        for number, (create_guid, file_id) in enumerate(zip(guids, ids)):
            request = context(SMB2CreateDurableHandleReconnectV2(), file_id=file_id, create_guid=create_guid,
                              flags=DurableHandleFlags.SMB2_DHANDLE_FLAG_PERSISTENT)
            handle = create(tree, "", [request], level=RequestedOplockLevel.SMB2_OPLOCK_LEVEL_BATCH)
            assert handle.read(0, 10) == b"%d" % number
            handle.close()


def test_an_open_waits_for_a_file_system_that_is_mounted_late(lasting):
    guid, create_guid = uuid.uuid4(), uuid.uuid4()
    folder, volume = lasting.folder("lasting"), lasting.scratch / "volume"
    volume.mkdir()
    with contextlib.ExitStack() as undo:
        mount(undo, "-t", "tmpfs", "-o", "mode=777", "tmpfs", volume)
        lasting.kill()
        with contextlib.ExitStack() as unmounted:
            mount(unmounted, "--bind", volume, folder)
            lasting.start()
            with client(lasting, guid) as tree:
                handle = persistent(tree, "file", create_guid)
                handle.write(b"written before the server died", 0)
                lasting.kill()
        lasting.start()
        assert list(folder.iterdir()) == []
        with client(lasting, guid) as tree, refused(FILE_NOT_AVAILABLE):
            take_up_again(tree, "file", create_guid, handle.file_id)
        mount(undo, "--bind", volume, folder)
        time.sleep(3)
        with client(lasting, guid) as tree:
            handle = take_up_again(tree, "file", create_guid, handle.file_id)
            assert handle.read(0, 100) == b"written before the server died"
            handle.close()
        lasting.kill()
        lasting.start()


def test_what_a_full_disk_does_not_take_is_not_promised(lasting):
    guid, create_guid = uuid.uuid4(), uuid.uuid4()
    state = lasting.scratch / "state"
    lasting.kill()
    with contextlib.ExitStack() as undo:
        mount(undo, "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", state)
        lasting.start()
        with client(lasting, guid) as tree:
            first = persistent(tree, "first", create_guid)
            lock(first, 0)
            filler = state / "filler"
            with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            with contextlib.suppress(SMBResponseException):
                for held in range(1, 100_000):
                    lock(first, 10 * held)
            request = context(SMB2CreateDurableHandleRequestV2(), create_guid=uuid.uuid4(),
                              flags=DurableHandleFlags.SMB2_DHANDLE_FLAG_PERSISTENT)
            with refused(INSUFFICIENT_RESOURCES):
                create(tree, "second", [request], level=RequestedOplockLevel.SMB2_OPLOCK_LEVEL_NONE)
            filler.unlink()
            lock(first, 10 * held)
            restart(lasting)
        with client(lasting, guid) as tree:
            first = take_up_again(tree, "first", create_guid, first.file_id)
            for number in (0, held - 1, held):
                with refused(LOCK_NOT_GRANTED):
                    lock(first, 10 * number)
            lock(first, 10 * (held + 1))
            first.close()
        lasting.kill()
    lasting.start()

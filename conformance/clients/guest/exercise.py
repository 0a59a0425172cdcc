"""Runs inside the guest: mounts the server with the kernel's client in several ways and exercises each mount.

    exercise.py HOST PORT USER PASSWORD SHARE

Prints one line per check, `ok MOUNT.CHECK SECONDS` or `FAIL MOUNT.CHECK REASON`. Nothing else is needed from the outside.
"""

import hashlib
import multiprocessing
import os
import random
import re
import shutil
import subprocess
import sys
import time
import traceback

import fsx

HOST, PORT, USER, PASSWORD, SHARE = sys.argv[1:6]
POINT = "/mnt/exercise"
#: Where the second mount is that some exercises need: another client, as far as the server can tell.
OTHER = "/mnt/other"

#: Names of the mounts and their options. The caches are kept strict, as by default.
MOUNTS = {
    "2.1": "vers=2.1",
    "3.0": "vers=3.0",
    "3.1.1": "vers=3.1.1",
    "3.1.1-sign": "vers=3.1.1,sign",
    "3.1.1-seal": "vers=3.1.1,seal",
    "3.1.1-multichannel": "vers=3.1.1,multichannel,max_channels=4",
}
#: How many files the tree has: a source tree's worth once, and enough to see a difference elsewhere.
TREE_FILES = {"3.1.1": 2000}
FEWER_FILES = 60
#: The mount that fsx works on too, if it is there, and how long.
FSX_MOUNT, FSX_STEPS = "3.1.1", 150


def main():
    os.makedirs(POINT, exist_ok=True)
    os.makedirs(OTHER, exist_ok=True)
    for name, options in MOUNTS.items():
        if not check(f"{name}.mount", mount, options):
            continue
        try:
            for exercise in (channels, tree, random_io, shared_file, two_mounts, names, attributes, large_directory):
                check(f"{name}.{exercise.__name__}", exercise, name)
            if name == FSX_MOUNT and fsx.is_there():
                check(f"{name}.fsx", fsx_and_reader, name, POINT, OTHER, "cache=strict")
                check(f"{name}.fsx_uncached", fsx_and_reader, name, OTHER, POINT, "cache=none")
        finally:
            check(f"{name}.unmount", run, "umount", POINT)


def check(name, function, *arguments):
    """Run a check and print its line; whether it held."""
    start = time.monotonic()
    try:
        function(*arguments)
    except Exception as failure:
        where = str(failure.__cause__ or "".join(traceback.format_tb(failure.__traceback__))).strip()
        print("FAIL", name, repr(failure), "|", " | ".join(where.splitlines()[-6:]), flush=True)
        return False
    print("ok", name, f"{time.monotonic() - start:.1f}", flush=True)
    return True


def run(*command):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def mount(options, point=POINT):
    common = f"username={USER},password={PASSWORD},port={PORT},nosharesock"
    run("mount", "-t", "cifs", f"//{HOST}/{SHARE}", point, "-o", f"{common},{options}")


def drop_caches():
    """Make the next read ask the server."""
    run("sync")
    with open("/proc/sys/vm/drop_caches", "w") as drop:
        drop.write("3")


# ---- connections


def channels(name):
    """A mount has as many connections as it asked for; the kernel goes on adding them while the mount is in use."""
    wanted = 3 if "multichannel" in name else 0
    deadline = time.monotonic() + 60
    while True:
        with open("/proc/fs/cifs/DebugData") as file:
            found = re.search(r"Extra Channels: (\d+)", state := file.read())
        extra = int(found[1]) if found else 0
        if extra == wanted and "RECONNECTING" not in state:
            return
        assert time.monotonic() < deadline, f"{extra} further channels: {state[-1500:]}"
        time.sleep(1)


# ---- a tree of files, in and out


def tree(name):
    """Copy a tree to the server and back; each copy must have the checksums of the first."""
    source, there, back = "/tmp/tree", f"{POINT}/tree-{name}", "/tmp/back"
    make_tree(source, TREE_FILES.get(name, FEWER_FILES))
    with open("/tmp/sums", "wb") as sums:
        subprocess.run("find . -type f -print0 | xargs -0 sha256sum", shell=True, check=True, cwd=source, stdout=sums)
    run("cp", "-r", source, there)
    drop_caches()
    for path, copy in ((there, "the copy on the server"), (back, "the copy that came back")):
        if path == back:
            run("cp", "-r", there, back)
        verdict = subprocess.run(["sha256sum", "-c", "--quiet", "/tmp/sums"], cwd=path, capture_output=True, text=True)
        assert verdict.returncode == 0, f"{copy}: {verdict.stdout[:500]}"
        assert count_files(path) == count_files(source), f"{copy} has other files"
    for path in (source, there, back):
        run("rm", "-r", path)
    assert not os.path.exists(there)


def count_files(root):
    return sum(len(files) for _, _, files in os.walk(root))


def make_tree(root, files):
    """Files of many sizes below folders of several depths, with names that a source tree may have."""
    chance = random.Random(files)
    for number in range(files):
        folder = os.path.join(root, *(f"d{chance.randrange(5)}" for _ in range(chance.randrange(1, 4))))
        os.makedirs(folder, exist_ok=True)
        ending = chance.choice([".c", ".h", ".rs", " (copy).txt", ".ü", ""])
        with open(os.path.join(folder, f"file_{number}{ending}"), "wb") as file:
            file.write(chance.randbytes(chance.choice([0, 1, 100, 3_000, 10_000, 40_000])))


# ---- random input and output, verified


def random_io(name):
    """Several processes, each with its own file and its own idea of what must be in it."""
    with multiprocessing.Pool(3) as pool:
        pool.starmap(work_on_own_file, [(f"{POINT}/own-{name}-{seed}", seed) for seed in range(3)])


def work_on_own_file(path, seed, steps=250, limit=400_000):
    chance, model = random.Random(seed), bytearray()
    with open(path, "w+b", buffering=0) as file:
        for step in range(steps):
            at, length = chance.randrange(limit), chance.randrange(1, 30_000)
            action = chance.random()
            if action < 0.45:
                data = chance.randbytes(length)
                os.pwrite(file.fileno(), data, at)
                model.extend(bytes(max(0, at - len(model))))
                model[at:at + length] = data
            elif action < 0.85:
                assert os.pread(file.fileno(), length, at) == model[at:at + length], f"step {step}: read of {length} at {at}"
            elif action < 0.92:
                os.ftruncate(file.fileno(), at)
                model[at:] = bytes(max(0, at - len(model)))
            elif action < 0.97:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            else:
                assert os.fstat(file.fileno()).st_size == len(model), f"step {step}: size"
    with open(path, "rb") as file:
        assert file.read() == model, "the whole file at the end"
    os.unlink(path)


def shared_file(name):
    """Several processes write interleaved blocks of one file; each block must be whole.

    Blocks are whole pages: Linux 6.12 signs a page and sends it while another process still changes it, and the server must
    refuse that. The file has its size from the start: where several extend it under one lease, Linux 7.2 now and then loses
    the last block, whichever server it talks to.
    """
    path, writers, blocks, size = f"{POINT}/shared-{name}", 3, 20, 8_192
    with open(path, "wb") as file:
        file.truncate(writers * blocks * size)
    with multiprocessing.Pool(writers) as pool:
        pool.starmap(write_blocks, [(path, writer, writers, blocks, size) for writer in range(writers)])
    drop_caches()
    with open(path, "rb") as file:
        for block in range(writers * blocks):
            assert file.read(size) == block_content(block, size), f"block {block}"
        assert file.read() == b""
    os.unlink(path)


def write_blocks(path, writer, writers, blocks, size):
    handle = os.open(path, os.O_RDWR)
    for turn in range(blocks):
        block = turn * writers + writer
        os.pwrite(handle, block_content(block, size), block * size)
    os.fsync(handle)
    os.close(handle)


def two_mounts(name, turns=12):
    """Two clients, each with its own caches: what one changes the other sees."""
    folder = f"caches-{name}"
    mount(MOUNTS[name], OTHER)
    try:
        os.mkdir(f"{POINT}/{folder}")
        write_and_read(folder, turns)
        list_and_remove(folder, turns)
        os.mkdir(f"{POINT}/{folder}/empty")
        soon(lambda: os.path.exists(f"{OTHER}/{folder}/empty"))
        os.rmdir(f"{OTHER}/{folder}/empty")
        soon(lambda: not os.path.exists(f"{POINT}/{folder}/empty"))
    finally:
        run("umount", OTHER)
    # Linux 7.2 may keep a file open for a second after its last close although it has given up its right to, when it is
    # asked for that while it opens the file again. What is open stays in its folder, so the other client goes first.
    os.unlink(f"{POINT}/{folder}/file")
    os.rmdir(f"{POINT}/{folder}")


def write_and_read(folder, turns):
    """In turns one writes and the other, which has the file open and cached, reads."""
    path = f"{folder}/file"
    open(f"{POINT}/{path}", "wb").close()
    with open(f"{POINT}/{path}", "r+b", buffering=0) as one, open(f"{OTHER}/{path}", "r+b", buffering=0) as other:
        handles = [one.fileno(), other.fileno()]
        for turn in range(turns):
            writer, reader = handles[turn % 2], handles[1 - turn % 2]
            data = hashlib.sha256(str(turn).encode()).digest() * 256
            os.pwrite(writer, data, 0)
            os.fsync(writer)
            # Who writes does not wait until others have dropped what they have read, [MS-FSA] 2.1.4.12.
            soon(lambda: os.pread(reader, len(data), 0) == data)
    for turn in range(turns):
        here, there = (POINT, OTHER) if turn % 2 else (OTHER, POINT)
        with open(f"{here}/{path}", "w") as file:
            file.write("x" * turn + "!")
        soon(lambda: open(f"{there}/{path}").read() == "x" * turn + "!")


def fsx_and_reader(name, here, there, cache):
    """fsx works on a file while the other client reads the whole of it again and again. One of the two is the mount that
    is there already, which caches."""
    file = f"fsx-{cache}"
    mount(f"{MOUNTS[name]},{cache}", OTHER)
    try:
        open(f"{here}/{file}", "wb").close()
        ended = multiprocessing.Event()
        reader = multiprocessing.Process(target=read_until, args=(f"{there}/{file}", ended))
        reader.start()
        try:
            twin = fsx.work(f"{here}/{file}", 1, FSX_STEPS, cache == "cache=strict")
        finally:
            ended.set()
            reader.join()
        assert reader.exitcode == 0, "the other client could not read"
        soon(lambda: fsx.same(f"{there}/{file}", twin))
        os.unlink(f"{here}/{file}")
    finally:
        run("umount", OTHER)


def read_until(path, ended):
    while not ended.is_set():
        with open(path, "rb") as file:
            file.read()
        time.sleep(0.02)


def list_and_remove(folder, turns):
    """In turns one makes a file and reads it, so that its handle may be kept; the other lists and removes it."""
    for turn in range(turns):
        here, there = (POINT, OTHER) if turn % 2 else (OTHER, POINT)
        os.listdir(f"{there}/{folder}")
        with open(f"{here}/{folder}/new", "w") as file:
            file.write("new")
        with open(f"{here}/{folder}/new") as file:
            assert file.read() == "new"
        soon(lambda: "new" in os.listdir(f"{there}/{folder}"))
        os.unlink(f"{there}/{folder}/new")
        soon(lambda: "new" not in os.listdir(f"{here}/{folder}"))


def soon(holds, seconds=3):
    """The kernel takes sizes and names as known for a second, whatever the server says meanwhile, and is told of changes
    while who made them goes on."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "what was cached is not forgotten"
        time.sleep(0.05)


def block_content(block, size):
    return hashlib.sha256(str(block).encode()).digest() * (size // 32) + b"." * (size % 32)


# ---- names, attributes, directories


def names(name):
    """Create, rename, replace, remove; each as the kernel's callers expect it."""
    folder = f"{POINT}/names-{name}"
    os.mkdir(folder)
    assert raises(FileExistsError, os.mkdir, folder)
    for odd in ("with space", "ünïcödé 🦀", "x" * 250, ".hidden", "UPPER"):
        with open(f"{folder}/{odd}", "w") as file:
            file.write(odd)
    assert sorted(os.listdir(folder)) == sorted(["with space", "ünïcödé 🦀", "x" * 250, ".hidden", "UPPER"])
    os.rename(f"{folder}/with space", f"{folder}/moved")
    os.replace(f"{folder}/moved", f"{folder}/UPPER")
    assert open(f"{folder}/UPPER").read() == "with space"
    os.mkdir(f"{folder}/sub")
    os.rename(f"{folder}/UPPER", f"{folder}/sub/deep")
    os.rename(f"{folder}/sub", f"{folder}/bus")
    assert os.listdir(f"{folder}/bus") == ["deep"]
    assert raises(OSError, os.rmdir, f"{folder}/bus")
    with open(f"{folder}/bus/deep") as still_open:
        os.unlink(f"{folder}/bus/deep")
        assert still_open.read() == "with space"
    shutil.rmtree(folder)
    assert raises(FileNotFoundError, os.listdir, folder)


def attributes(name):
    """Times, sizes, sparse files and the state of the file system."""
    path = f"{POINT}/attributes-{name}"
    with open(path, "wb") as file:
        file.write(b"12345")
    # The client shows an access time before the write time as the write time.
    os.utime(path, ns=(1_345_678_901_234_567_800, 1_234_567_890_123_456_700))
    drop_caches()
    assert os.stat(path).st_atime_ns == 1_345_678_901_234_567_800
    assert os.stat(path).st_mtime_ns == 1_234_567_890_123_456_700
    far = 5 << 30
    with open(path, "r+b") as file:
        os.pwrite(file.fileno(), b"far", far)
        assert os.pread(file.fileno(), 8, far - 5) == b"\0\0\0\0\0far"
    assert os.stat(path).st_size == far + 3
    os.truncate(path, 3)
    assert open(path, "rb").read() == b"123"
    os.chmod(path, 0o444)
    os.chmod(path, 0o644)
    assert os.statvfs(POINT).f_blocks > os.statvfs(POINT).f_bavail > 0
    os.unlink(path)


def large_directory(name, count=300):
    """A folder that needs several replies to list; every name once."""
    folder = f"{POINT}/large-{name}"
    os.mkdir(folder)
    expected = [f"{number:04}-{'n' * (number % 120)}" for number in range(count)]
    for file in expected:
        os.close(os.open(f"{folder}/{file}", os.O_CREAT | os.O_WRONLY, 0o644))
    drop_caches()
    assert sorted(os.listdir(folder)) == expected
    shutil.rmtree(folder)


def raises(kind, function, *arguments):
    """Whether the call fails in this way."""
    try:
        function(*arguments)
    except kind:
        return True
    return False


if __name__ == "__main__":
    main()

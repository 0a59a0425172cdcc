"""Runs inside the guest: works on one mount while the server is killed and started again, and tells of any error.

    failover.py HOST PORT USER PASSWORD SHARE SECONDS CACHE

Two programs work for that long. One writes, reads back and locks through opens that it keeps. The other is fsx, if it is
there, again and again on a new file, with all that programs do to files. In the end all of it is checked anew.
Prints `ok PROGRAM WHAT` or `FAIL PROGRAM WHAT`. On the share, the file `at-work` is there as soon as they have begun.
"""

import fcntl
import os
import random
import subprocess
import sys
import threading
import time

import fsx

HOST, PORT, USER, PASSWORD, SHARE, SECONDS, CACHE = sys.argv[1:8]
POINT = "/mnt/failover"
BLOCK = 8192
BLOCKS = 256
#: How many steps fsx does to each file.
STEPS = 60


def main():
    os.makedirs(POINT, exist_ok=True)
    mount()
    open(f"{POINT}/at-work", "w").close()
    end = time.monotonic() + float(SECONDS)
    exerciser = threading.Thread(target=tell, args=("fsx", exercise, end))
    if fsx.is_there():
        exerciser.start()
    tell("locker", write_and_lock, end)
    if fsx.is_there():
        exerciser.join()
    subprocess.run(["umount", POINT], check=True)


def mount():
    options = f"username={USER},password={PASSWORD},port={PORT},vers=3.1.1,persistenthandles,hard,cache={CACHE}"
    subprocess.run(["mount", "-t", "cifs", f"//{HOST}/{SHARE}", POINT, "-o", options], check=True)


def tell(name, program, end):
    """Have a program work until then, and print how it went."""
    try:
        print("ok", name, program(end), flush=True)
    except BaseException as failure:
        print("FAIL", name, repr(failure), flush=True)


def exercise(end):
    """fsx on one file after the other. What is on the server is compared when all is done."""
    twins = {}
    while time.monotonic() < end:
        path = f"{POINT}/fsx-{len(twins)}"
        twins[path] = fsx.work(path, len(twins) + 1, STEPS, CACHE == "strict")
    with open("/proc/sys/vm/drop_caches", "w") as drop:
        drop.write("3")
    for path, twin in twins.items():
        assert fsx.same(path, twin), f"{path} is another in the end"
    return f"{len(twins)} files"


def write_and_lock(end):
    """Everything that is written is known here too, and compared. Nothing is done but by opens that are kept: where a
    connection is lost under a request with a path, or under fsync, this client tells the program so."""
    dice, model = random.Random(7), [bytes(BLOCK)] * BLOCKS
    path = f"{POINT}/file"
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    os.ftruncate(file, BLOCK * BLOCKS)
    locked = os.open(f"{POINT}/locked", os.O_RDWR | os.O_CREAT)
    fcntl.lockf(locked, fcntl.LOCK_EX | fcntl.LOCK_NB, 100, 0)
    rounds = 0
    while time.monotonic() < end:
        at = dice.randrange(BLOCKS)
        if dice.random() < 0.5:
            model[at] = dice.randbytes(BLOCK)
            written = repeated(os.pwrite, file, model[at], at * BLOCK)
            assert written == BLOCK, written
        else:
            found = repeated(os.pread, file, BLOCK, at * BLOCK)
            assert found == model[at], f"block {at} is another: {len(found)} bytes, {found[:20]}"
        if rounds % 16 == 0:
            repeated(os.pwrite, locked, b"%8d" % rounds, 0)
        rounds += 1
    os.close(file)
    os.close(locked)
    with open(path, "rb") as again:
        for at, block in enumerate(model):
            assert again.read(BLOCK) == block, f"block {at} is another in the end"
    return f"{rounds} rounds"


def repeated(call, *arguments):
    """Do as told by EAGAIN, with which this client may answer what was under way when the connection was lost."""
    while True:
        try:
            return call(*arguments)
        except BlockingIOError:
            time.sleep(0.1)


main()

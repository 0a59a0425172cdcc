"""Runs inside the guest: works on one mount while the server is killed and started again, and tells of any error.

    failover.py HOST PORT USER PASSWORD SHARE SECONDS OPTIONS

Writes, reads back and locks through opens that it keeps, for that long, then checks all of it anew.
Prints `ok WHAT` or `FAIL WHAT`. On the share, the file `at-work` is there as soon as it has begun.
"""

import fcntl
import os
import random
import subprocess
import sys
import time

HOST, PORT, USER, PASSWORD, SHARE, SECONDS, OPTIONS = sys.argv[1:8]
POINT = "/mnt/failover"
BLOCK = 8192
BLOCKS = 256


def main():
    os.makedirs(POINT, exist_ok=True)
    common = f"username={USER},password={PASSWORD},port={PORT},vers=3.1.1,persistenthandles,hard"
    subprocess.run(["mount", "-t", "cifs", f"//{HOST}/{SHARE}", POINT, "-o", f"{common},{OPTIONS}"], check=True)
    try:
        print(f"ok {work(random.Random(7))} rounds", flush=True)
    except Exception as failure:
        print("FAIL", repr(failure), flush=True)
        raise
    finally:
        subprocess.run(["umount", POINT])


def work(dice):
    """Everything that is written is known here too, and compared. Nothing is done but by opens that are kept: where a
    connection is lost under a request with a path, or under fsync, this client tells the program so."""
    model = [bytes(BLOCK)] * BLOCKS
    path = f"{POINT}/file"
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    os.ftruncate(file, BLOCK * BLOCKS)
    locked = os.open(f"{POINT}/locked", os.O_RDWR | os.O_CREAT)
    fcntl.lockf(locked, fcntl.LOCK_EX | fcntl.LOCK_NB, 100, 0)
    open(f"{POINT}/at-work", "w").close()
    end = time.monotonic() + float(SECONDS)
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
    return rounds


def repeated(call, *arguments):
    """Do as told by EAGAIN, with which this client may answer what was under way when the connection was lost."""
    while True:
        try:
            return call(*arguments)
        except BlockingIOError:
            time.sleep(0.1)


main()

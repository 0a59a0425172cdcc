"""Inside the guest: the file system exerciser `fsx`, which others wrote, at work on a file.

From a seed and a number of steps it does the same to any file. So each run has a twin in the guest's memory, with which its
file is compared: fsx itself compares only what it reads on the way.
"""

import os
import subprocess

PROGRAM = "/fsx/fsx"
TWINS = "/tmp/fsx"
#: Every operation that fsx has, and how often.
WEIGHTS = {
    "close_open": 2, "invalidate": 1, "mapread": 10, "mapwrite": 10, "read": 10, "write": 10, "truncate": 5, "fsync": 2,
    "fdatasync": 2, "posix_fallocate": 2, "punch_hole": 3, "sendfile": 5, "posix_fadvise": 3, "copy_file_range": 5,
}


def is_there():
    """Whether this guest was given the program."""
    return os.path.exists(PROGRAM)


def work(path, seed, steps, is_cached):
    """Have fsx work on a file; the path of its twin. It must find what it has written, and see no error."""
    os.makedirs(TWINS, exist_ok=True)
    configuration, twin = f"{TWINS}/{seed}.toml", f"{TWINS}/{seed}"
    weights = {name: weight for name, weight in WEIGHTS.items() if name not in left_out(is_cached)}
    with open(configuration, "w") as file:
        file.write("[weights]\n" + "".join(f"{name} = {weights.get(name, 0)}\n" for name in WEIGHTS))
    for target in (path, twin):
        run = subprocess.run(
            [PROGRAM, "-v", "-N", str(steps), "-S", str(seed), "-f", configuration, "-P", TWINS, target],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )
        assert run.returncode == 0, f"fsx, seed {seed}, status {run.returncode}: {' | '.join(run.stdout.splitlines()[-8:])}"
    return twin


def left_out(is_cached):
    """Linux 6.12 loses what is written through a mapping into a page that was not cached when a write ended within it: it
    sends as much of the page as that write had filled, whichever server it talks to. Without a cache there is no such page."""
    return {"mapwrite"} if is_cached and os.uname().release.startswith("6.12.") else set()


def same(path, twin):
    """Whether two files have the same contents."""
    with open(path, "rb") as one, open(twin, "rb") as other:
        return one.read() == other.read()

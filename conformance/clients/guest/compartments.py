"""Runs inside the guest, with the server's program: the administration share over control groups that have every limit, used
through the kernel's client.

    compartments.py PROGRAM

Prints one line per check, `ok CHECK SECONDS` or `FAIL CHECK REASON`.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import traceback

PROGRAM = sys.argv[1]
GROUPS = "/sys/fs/cgroup"
GROUP = f"{GROUPS}/compartments"
SCRATCH = "/tmp/server"
POINT = "/mnt/admin"
PASSWORD = "Boss-y-3"
SLEEP = os.path.realpath(shutil.which("sleep"))

CONFIGURATION = f"""
[server]
listen = ["127.0.0.1:4450"]
state_dir = "{SCRATCH}/state"
accounts = "{SCRATCH}/accounts"
[[share]]
name = "admin$"
kind = "config"
[share.compartments]
control_group = "{GROUP}"
look_every = "100 ms"
[[share.program]]
path = "{SLEEP}"
arguments = ["*"]
users = ["nobody"]
"""


def main():
    check("start", start)
    for one in (folders, limits, refused_limits, processes, crowded, values, watched):
        check(one.__name__, one)
    check("unmount", run, "umount", POINT)


def check(name, function, *arguments):
    """Run a check and print its line."""
    begun = time.monotonic()
    try:
        function(*arguments)
    except Exception as failure:
        where = "".join(traceback.format_tb(failure.__traceback__)).strip()
        print("FAIL", name, repr(failure), "|", " | ".join(where.splitlines()[-4:]), flush=True)
    else:
        print("ok", name, f"{time.monotonic() - begun:.1f}", flush=True)


def run(*command, **more):
    return subprocess.run(command, check=True, **more)


def start():
    """The server runs in a group of its own, the compartments stand beside it, and the share is mounted."""
    run("mount", "-t", "cgroup2", "none", GROUPS)
    for group in ("server", "compartments"):
        os.mkdir(f"{GROUPS}/{group}")
    put(f"{GROUPS}/server/cgroup.procs", str(os.getpid()))
    put(f"{GROUPS}/cgroup.subtree_control", "+cpu +memory +pids +io")
    os.makedirs(SCRATCH)
    configuration = f"{SCRATCH}/smbd.toml"
    put(configuration, CONFIGURATION)
    run(PROGRAM, "user", "--config", configuration, "add", "boss", input=f"{PASSWORD}\n", text=True)
    accounts = open(f"{SCRATCH}/accounts").read()
    put(f"{SCRATCH}/accounts", re.sub("(?m)^(boss:.*)$", r"\1;groups=Administrators", accounts))
    log = open(f"{SCRATCH}/log", "w")
    subprocess.Popen([PROGRAM, "--config", configuration], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    os.makedirs(POINT)
    options = f"username=boss,password={PASSWORD},port=4450,vers=3.1.1,actimeo=0"
    wait_for(lambda: subprocess.run(["mount", "-t", "cifs", "//127.0.0.1/admin$", POINT, "-o", options]).returncode == 0)


def put(path, text):
    """Write a value as a shell does."""
    with open(path, "w") as file:
        file.write(text)


def get(path):
    with open(path) as file:
        return file.read()


def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)
    return found


def folders():
    """A folder is a group, with every limit that the group above can give."""
    os.mkdir(f"{POINT}/subcompartment_web")
    assert os.path.isdir(f"{GROUP}/web")
    expected = {"cpu.max", "memory.max", "pids.max", "io.max", "processes", "start_bin"}
    assert set(os.listdir(f"{POINT}/subcompartment_web")) == expected
    os.mkdir(f"{POINT}/subcompartment_web/subcompartment_in")
    assert "cpu.max" in os.listdir(f"{POINT}/subcompartment_web/subcompartment_in")
    os.rmdir(f"{POINT}/subcompartment_web/subcompartment_in")
    assert not os.path.exists(f"{GROUP}/web/in")


def limits():
    """A value is what the kernel makes of it."""
    for name, value, shown in [("cpu.max", "50000 100000\n", "50000 100000\n"), ("memory.max", "16M", "16777216\n"),
                               ("pids.max", "1\n", "1\n"), ("memory.max", "max", "max\n")]:
        put(f"{POINT}/subcompartment_web/{name}", value)
        assert get(f"{GROUP}/web/{name}") == shown, name
        assert get(f"{POINT}/subcompartment_web/{name}") == shown, name


def refused_limits():
    """What the kernel refuses is refused, and changes nothing."""
    for name in ("cpu.max", "memory.max", "pids.max", "io.max"):
        before = get(f"{GROUP}/web/{name}")
        try:
            put(f"{POINT}/subcompartment_web/{name}", "as much as you like")
        except OSError:
            pass
        else:
            raise AssertionError(f"{name} took it")
        assert get(f"{GROUP}/web/{name}") == before


def begin(folder):
    """Start a program in a compartment; its file."""
    put(f"{folder}/start_bin/job", f'program = "{SLEEP}"\narguments = ["600"]\n')
    os.rename(f"{folder}/start_bin/job", f"{folder}/start_bin/start")
    (name,) = wait_for(lambda: os.listdir(f"{folder}/processes"))
    return name


def processes():
    """Programs are started, moved and ended with a shell's commands."""
    web, other = f"{POINT}/subcompartment_web", f"{POINT}/subcompartment_other"
    os.mkdir(other)
    name = begin(web)
    number = name.rsplit(".", 1)[1]
    assert name == f"sleep.{number}" and get(f"/proc/{number}/cgroup").strip().endswith("/compartments/web")
    assert os.listdir(f"{web}/start_bin") == []
    os.rename(f"{web}/processes/{name}", f"{other}/processes/{name}")
    assert get(f"/proc/{number}/cgroup").strip().endswith("/compartments/other")
    os.unlink(f"{other}/processes/{name}")
    wait_for(lambda: not os.path.exists(f"/proc/{number}"))
    assert os.listdir(f"{other}/processes") == []
    os.rmdir(other)


def crowded():
    """What the kernel lets into no compartment is explained."""
    put(f"{POINT}/start_bin/job", f'program = "{SLEEP}"\n')
    try:
        os.rename(f"{POINT}/start_bin/job", f"{POINT}/start_bin/start")
    except OSError:
        assert "whose subcompartments have limits" in get(f"{POINT}/start_bin/last_error.txt")
    else:
        raise AssertionError("the root took a process in, though a group below it has limits")
    assert os.listdir(f"{POINT}/processes") == []


def values():
    """Settings are written and reports are read."""
    put(f"{POINT}/settings/server/comment", '"from the kernel"\n')
    assert get(f"{POINT}/settings/server/comment") == '"from the kernel"\n'
    rows = {row["command"]: row for row in json.loads(get(f"{POINT}/statistics/requests.json"))}
    assert rows["CREATE"]["succeeded"] > 10 and rows["CREATE"]["p50_us"] > 0


def watched():
    """A process that ends by itself is gone from the folder."""
    web = f"{POINT}/subcompartment_web"
    name = begin(web)
    os.kill(int(name.rsplit(".", 1)[1]), 9)
    wait_for(lambda: not os.listdir(f"{web}/processes"))
    os.rmdir(web)
    assert not os.path.exists(f"{GROUP}/web")


main()

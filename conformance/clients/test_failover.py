"""The Linux kernel's client on a persistent mount, in a guest: programs work while the server is killed and started again."""

import re
import subprocess
import time
from pathlib import Path

import pytest

import server as servers
from server import ACCOUNTS
from test_kernel import FSX, IMAGE, KERNELS, RUN, fsx_folder
from test_persistent import Lasting

pytestmark = pytest.mark.skipif(servers.chosen() is not servers.Smbd, reason="another server is configured in another way")

#: How long the programs work, and how often the server dies meanwhile.
SECONDS, DEATHS = 24, 3
BOOT_SECONDS, GUEST_SECONDS = 120, 300


@pytest.fixture(scope="module")
def programs_said():
    """`programs_said(kernel, cache)`: from the name of a program to what it said of its work on such a mount."""
    said = {}

    def lines(kernel, cache):
        if (kernel, cache) not in said:
            with Lasting() as server:
                said[kernel, cache] = let_them_work(server, kernel, cache)
        return said[kernel, cache]

    return lines


@pytest.mark.parametrize("program", ["locker", pytest.param("fsx", marks=FSX)])
@pytest.mark.parametrize("cache", ["strict", "none"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_program_goes_on_while_the_server_dies_again_and_again(programs_said, kernel, cache, program):
    said = programs_said(kernel, cache)
    verdict, detail = said.get(program, ("FAIL", f"the guest said nothing about it: {said['status']}"))
    assert verdict == "ok", detail
    assert said["restored"] == DEATHS


def let_them_work(lasting, kernel, cache):
    guest = start_guest(lasting, kernel, cache)
    try:
        if not wait_for(lasting.folder("lasting") / "at-work", guest):
            pytest.fail(f"the guest did not begin: {guest.communicate(timeout=GUEST_SECONDS)}")
        for _ in range(DEATHS):
            time.sleep(SECONDS / (DEATHS + 1))
            lasting.kill()
            time.sleep(1)
            lasting.start()
        told, errors = guest.communicate(timeout=GUEST_SECONDS)
    finally:
        guest.kill()
    said = {name: (verdict, detail) for verdict, name, detail in re.findall(r"^(ok|FAIL) (\S+) (.*)$", told, re.M)}
    said["status"] = (guest.returncode, errors[-2000:])
    said["restored"] = lasting.log().count("restored persistent opens")
    return said


def start_guest(server, kernel, cache):
    if not RUN.exists():
        pytest.skip("the guest's run script is not there")
    if not list((IMAGE / "boot").glob(f"{kernel}*")) or not (IMAGE / "root.img").exists():
        pytest.skip(f"no guest with kernel {kernel} was built")
    scripts = f"{Path(__file__).parent}/guest:/host:ro"
    work = f"python3 -B /host/failover.py 10.0.2.2 {server.port} alice {ACCOUNTS['alice']} lasting {SECONDS} {cache}"
    return subprocess.Popen(
        [RUN, "-k", kernel, "-t", str(GUEST_SECONDS), "-s", scripts, *fsx_folder(), "-c", work],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )


def wait_for(path, guest):
    """Whether the file has come before the guest has ended or has had its time."""
    deadline = time.monotonic() + BOOT_SECONDS
    while not path.exists():
        if guest.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True

"""The Linux kernel's client on a persistent mount, in a guest: a program works while the server is killed and started again."""

import subprocess
import time
from pathlib import Path

import pytest

import server as servers
from server import ACCOUNTS
from test_kernel import IMAGE, KERNELS, RUN
from test_persistent import Lasting

pytestmark = pytest.mark.skipif(servers.chosen() is not servers.Smbd, reason="another server is configured in another way")

#: How long the program works, and how often the server dies meanwhile.
SECONDS, DEATHS = 24, 3
BOOT_SECONDS, GUEST_SECONDS = 120, 300


@pytest.fixture
def lasting():
    with Lasting() as running:
        yield running


@pytest.mark.parametrize("cache", ["strict", "none"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_program_goes_on_while_the_server_dies_again_and_again(lasting, kernel, cache):
    guest = start_guest(lasting, kernel, cache)
    try:
        if not wait_for(lasting.folder("lasting") / "at-work", guest):
            pytest.fail(f"the guest did not begin: {guest.communicate(timeout=GUEST_SECONDS)}")
        for _ in range(DEATHS):
            time.sleep(SECONDS / (DEATHS + 1))
            lasting.kill()
            time.sleep(1)
            lasting.start()
        said, errors = guest.communicate(timeout=GUEST_SECONDS)
    finally:
        guest.kill()
    assert "\nok " in f"\n{said}", said + errors
    assert lasting.log().count("restored persistent opens") == DEATHS


def start_guest(server, kernel, cache):
    if not RUN.exists():
        pytest.skip("the guest's run script is not there")
    if not list((IMAGE / "boot").glob(f"{kernel}*")) or not (IMAGE / "root.img").exists():
        pytest.skip(f"no guest with kernel {kernel} was built")
    scripts = f"{Path(__file__).parent}/guest:/host:ro"
    work = f"python3 -B /host/failover.py 10.0.2.2 {server.port} alice {ACCOUNTS['alice']} lasting {SECONDS} cache={cache}"
    return subprocess.Popen(
        [RUN, "-k", kernel, "-t", str(GUEST_SECONDS), "-s", scripts, "-c", work],
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

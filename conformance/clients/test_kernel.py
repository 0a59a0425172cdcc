"""The Linux kernel's client, in a guest of each kernel that was built: six kinds of mount, each put to work.

The guest is outside this repository (`GUEST` names its `run`, by default the sibling folder `../shared/vm`); where it or its
image is missing, these tests are skipped. One guest is started per kernel; it prints a line per check, and each is a test.
"""

import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

import server as servers
from server import ACCOUNTS, ROOT

RUN = Path(os.environ.get("GUEST", ROOT.parent / "shared/vm/run"))
#: The file system exerciser, linked statically, so that it runs in the guest too.
EXERCISER = Path(os.environ.get("FSX", ROOT / "target/fsx/bin/fsx"))
FSX = pytest.mark.skipif(not EXERCISER.exists(), reason="fsx is not installed")
IMAGE = Path(os.environ.get("SMBVM_DIR", Path(tempfile.gettempdir()) / "smbvm"))
KERNELS = ["6.12", "7.2"]
MOUNTS = ["2.1", "3.0", "3.1.1", "3.1.1-sign", "3.1.1-seal", "3.1.1-multichannel"]
CHECKS = ["mount", "channels", "tree", "random_io", "shared_file", "two_mounts", "names", "attributes", "large_directory", "unmount"]
FSX_CHECKS = ["3.1.1.fsx", "3.1.1.fsx_uncached"]
COMPARTMENT_CHECKS = ["start", "folders", "limits", "refused_limits", "processes", "crowded", "values", "watched", "unmount"]
GUEST_SECONDS = 600
#: On a busy machine an emulated timer can be late enough to end a kernel's start, before it has met the server.
BOOTS = 3


@pytest.fixture(scope="module")
def guest_said(server):
    """`guest_said(kernel)`: from the name of a check to what the guest of this kernel said about it."""
    said = {}

    def lines(kernel):
        if kernel not in said:
            said[kernel] = run_guest(server, kernel)
        return said[kernel]

    return lines


@pytest.fixture(scope="module")
def compartments_said():
    """The same about the administration share of a server that runs in the guest, where control groups have every limit."""
    said = {}

    def lines(kernel):
        if kernel not in said:
            program = servers.Smbd.program
            script = f"python3 -B /host/compartments.py /program/{program.name}; tail -n 40 /tmp/server/log"
            said[kernel] = boot(kernel, script, "-s", f"{program.parent}:/program:ro")
        return said[kernel]

    return lines


def run_guest(server, kernel):
    return boot(kernel, f"python3 -B /host/exercise.py 10.0.2.2 {server.port} alice {ACCOUNTS['alice']} work",
                *fsx_folder())


def fsx_folder():
    """The options that give the exerciser to a guest."""
    return ["-s", f"{EXERCISER.parent}:/fsx:ro"] if EXERCISER.exists() else []


def boot(kernel, script, *options):
    """Run a script in a guest of this kernel, which finds the folder `guest` at /host; what it said."""
    if not RUN.exists():
        pytest.skip("the guest's run script is not there")
    if not list((IMAGE / "boot").glob(f"{kernel}*")) or not (IMAGE / "root.img").exists():
        pytest.skip(f"no guest with kernel {kernel} was built")
    for _ in range(BOOTS):
        guest = subprocess.run(
            [RUN, "-k", kernel, "-t", str(GUEST_SECONDS), "-s", f"{Path(__file__).parent}/guest:/host:ro",
             *options, "-c", script],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )
        print(guest.stdout, guest.stderr)
        if guest.stdout:
            break
    found = re.findall(r"^(ok|FAIL) (\S+) (.*)$", guest.stdout, re.M)
    said = {name: (verdict, detail) for verdict, name, detail in found}
    said["status"] = (guest.returncode, guest.stderr[-2000:])
    return said


def assert_said_ok(said, check):
    verdict, detail = said.get(check, ("FAIL", f"the guest said nothing about it: {said['status']}"))
    assert verdict == "ok", detail


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_kernel(guest_said, kernel, mount, check):
    assert_said_ok(guest_said(kernel), f"{mount}.{check}")


@FSX
@pytest.mark.parametrize("check", FSX_CHECKS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_fsx_while_another_client_reads(guest_said, kernel, check):
    assert_said_ok(guest_said(kernel), check)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_guest_ended_well(guest_said, kernel):
    assert guest_said(kernel)["status"][0] == 0


@pytest.mark.skipif(servers.chosen() is not servers.Smbd, reason="no other server has such a share")
@pytest.mark.parametrize("check", COMPARTMENT_CHECKS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_administration_share(compartments_said, kernel, check):
    assert_said_ok(compartments_said(kernel), check)

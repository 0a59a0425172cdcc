"""Fixtures shared by the client tests: one ordinary server for all of them, and special ones on demand."""

import contextlib
import re

import pytest

import server as servers


@pytest.fixture(scope="session")
def server():
    """The ordinary server: everything offered, nothing required."""
    with servers.chosen()() as running:
        yield running


@pytest.fixture(scope="session")
def special_server():
    """`special_server(signing="required")`: a server with other settings, started once for all tests that want it."""
    with contextlib.ExitStack() as stack:
        running = {}

        def start(**settings):
            key = tuple(sorted(settings.items()))
            if key not in running:
                running[key] = stack.enter_context(servers.chosen()(servers.Settings(**settings)))
            return running[key]

        yield start


@pytest.fixture
def folder(server, request):
    """The name of a fresh folder of the share `work`, made for this test alone."""
    name = re.sub(r"\W+", "_", request.node.name)[:80]
    path = server.folder("work") / name
    path.mkdir(mode=0o777)
    path.chmod(0o777)
    return name

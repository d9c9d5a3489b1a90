"""Servers for the tests: each test gets its own, on free ports, and all end with it."""
import os
import pathlib
import subprocess

import pytest
from destination import Destination
from fake_dns import FakeDns
from gateway import BINARY, ROOT, Gateway, Rules
from postfix import Postfix, why_not


def pytest_collection_modifyitems(items):
    if not os.access(BINARY, os.X_OK):
        pytest.exit(f"there is no {BINARY}: set POSTERN, or build it with `./do run`", returncode=2)


@pytest.fixture
def destination():
    server = Destination()
    yield server
    server.stop()


@pytest.fixture
def destinations():
    """Starts further ones: destinations(address, port, …)."""
    servers = []

    def start(*arguments, **options):
        servers.append(Destination(*arguments, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def fake_dns():
    server = FakeDns()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def postfix():
    reason = why_not()
    if reason:
        pytest.skip(reason)
    server = Postfix()
    yield server
    server.stop()


@pytest.fixture
def rules(tmp_path, destination):
    """A rules directory whose every next hop is `destination`."""
    return Rules(tmp_path, upstream=destination.port)


@pytest.fixture
def serve():
    """Starts a gateway on a rules directory: serve(rules, …)."""
    gateways = []

    def start(*arguments):
        gateways.append(Gateway(*arguments))
        return gateways[-1]

    yield start
    for gateway in gateways:
        gateway.stop()


@pytest.fixture
def certificate(tmp_path):
    """(chain file, key file) of a self-signed certificate for mx.gate.test."""
    return make_certificate(tmp_path, "mx.gate.test")


def make_certificate(folder, name):
    chain, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
                    "-keyout", key, "-out", chain], check=True, capture_output=True, timeout=60)
    return chain, key


def corpus():
    """Real messages: POSTERN_CORPUS, or ../shared/corpus beside the repository; none if neither is there."""
    folder = pathlib.Path(os.environ.get("POSTERN_CORPUS", ROOT.parent / "shared/corpus"))
    return sorted(folder.glob("*.eml"))

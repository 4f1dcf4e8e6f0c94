"""What all tests share: hypothesis profiles, and tools that a machine may lack.

A test that needs such a tool asks for its fixture (``chromium``, ``latex``, ``cuda``, ``small_disk``). Where the tool
is absent the test is skipped, and pytest's summary says so; where ZEROLOSS_DEMAND names the tool, as tox does, its
absence is a failure, and so is a run in which no test asks for it.
"""

import importlib.util
import os
import shutil
import subprocess

import pytest
from hypothesis import HealthCheck, settings

# What is written does not depend on whose terminal the tests run in.
for _name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "ZEROLOSS_TRACEBACK"):
    os.environ.pop(_name, None)

# A loaded machine is no bug: no deadline, no complaint about slow generation.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("default"), derandomize=True, print_blob=True)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

DEMANDED = frozenset(filter(None, os.environ.get("ZEROLOSS_DEMAND", "").split(",")))


def need(tool, found):
    """Return what was found of a tool; without it skip the test, or fail it where the tool is demanded."""
    if not found:
        (pytest.fail if tool in DEMANDED else pytest.skip)(f"{tool} is not available on this machine")
    return found


@pytest.fixture(scope="session")
def chromium():
    """Path of a Chromium that takes screenshots."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return need("chromium", next(filter(None, map(shutil.which, names)), None))


@pytest.fixture(scope="session")
def latex():
    """Path of a pdflatex that compiles the tables."""
    return need("latex", shutil.which("pdflatex"))


@pytest.fixture(scope="session")
def cuda():
    """The torch device of a GPU."""
    if not importlib.util.find_spec("torch"):
        return need("cuda", None)
    import torch

    return need("cuda", torch.cuda.is_available() and torch.device("cuda"))


@pytest.fixture(scope="session")
def small_disk():
    """The start of a command that runs the rest of it with its first argument, a folder, as a file system of 1 MB."""
    script = 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"'
    for rights in (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]):
        command = [*rights, "sh", "-c", script]
        if shutil.which("unshare") and not subprocess.run([*command, "/mnt", "true"], capture_output=True).returncode:
            return command
    return need("small_disk", None)


def pytest_collection_finish(session):
    """A run that demands a tool no test uses would check nothing."""
    idle = DEMANDED - {name for item in session.items for name in item.fixturenames}
    if idle:
        raise pytest.UsageError(f"ZEROLOSS_DEMAND names {', '.join(sorted(idle))}, but no collected test uses it")

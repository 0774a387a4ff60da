"""The limit of open files is raised at start, and a low one is said."""

import subprocess
import sys

import pytest

from streamlab.process.open_files import few_open_files

if sys.platform == "win32":
    pytest.skip("Windows has no such limit", allow_module_level=True)

PROGRAM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
from streamlab.process.open_files import raise_open_files_limit
print(raise_open_files_limit(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(("soft", "hard", "after"), [(64, 256, 256), (256, 4_096, 4_096), (512, 512, 512)])
def test_the_soft_limit_becomes_the_hard_one(soft: int, hard: int, after: int) -> None:
    """In a process of its own, for it cannot be taken back."""
    command = [sys.executable, "-c", PROGRAM, str(soft), str(hard)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.split() == [str(after)] * 2


@pytest.mark.parametrize(("limit", "readers"), [(256, "156"), (1_023, "923"), (50, "0")])
def test_a_low_limit_is_said_with_what_it_means(limit: int, readers: str) -> None:
    """How many people can read at once."""
    said = few_open_files(limit)
    assert said
    assert f"about {readers} people" in said


def test_of_enough_nothing_is_said() -> None:
    """1,024 is what most systems begin with."""
    assert few_open_files(1_024) is None

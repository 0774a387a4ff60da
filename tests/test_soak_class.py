"""A class that lasts: 300 clients over three protocols, pages, questions, cuts, and what befalls servers.

`LAB_SOAK_MINUTES` is its length, 60 by default; four do to see it work. The table is printed (`-s`) and goes into
`artifacts/`, with the logs of all processes.
"""

import json
import os
from pathlib import Path

import pytest

from tests import stack as deployment
from tests.crowd import many_descriptors
from tests.readers import Readers
from tests.redis_server import RedisServer
from tests.school import School, Soak
from tests.soak_report import problems, record, table
from tests.stack import ROOT, needs_nginx

image = deployment.image

MINUTES = float(os.environ.get("LAB_SOAK_MINUTES") or 60)
CLIENTS = 300
PAGES = 20
ARTIFACTS = ROOT / "artifacts"


@needs_nginx
@pytest.mark.soak
@pytest.mark.anyio
async def test_a_class_loses_nothing_and_leaves_nothing(tmp_path: Path, image: Path, own_redis: RedisServer) -> None:
    """Whatever befalls the servers, each follower has each event once, as the log has it, each run has one end, and
    no process grows while the class goes on or keeps anything of it when all have gone.
    """
    school = School(tmp_path, image, own_redis)
    with many_descriptors():
        async with school.running(), Readers(school.stack.nginx) as readers:
            soak = Soak(school, readers, MINUTES * 60)
            await soak.hold(CLIENTS, PAGES)
            assert [name for name, process in school.processes.items() if not process.running] == []
    wrong = list(problems(soak))
    written = "\n".join([table(soak), "", *(f"wrong: {each}" for each in wrong)])
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / "soak_class.txt").write_text(written + "\n")
    (ARTIFACTS / "soak_class.json").write_text(json.dumps(record(soak, wrong)))
    for name, process in school.processes.items():
        (ARTIFACTS / f"soak_class_{name}.log").write_text(process.logged)
    print(f"\n{written}")
    assert not wrong

"""`python -m scripts.record_race`: records the races that the first page replays, by the app's engine.

Its own demo model answers over HTTP, as for everybody; each language's second race is taken, the first one warms up.
"""

import time

from benchmarks.harness import ROOT
from components.page.texts import LANGUAGES, texts
from streamlab.engine import Engine, engine_in_thread
from streamlab.events.recording import write_recording
from streamlab.models.options import Options
from streamlab.race.race import whole_of
from streamlab.race.recorded import MODEL, file_of
from streamlab.settings import Settings


def main() -> None:
    with engine_in_thread(Settings(_env_file=None, lab_store="memory:")) as engine:
        for language in LANGUAGES:
            question = texts(language)["home.question"]
            race(engine, question)
            for lane, recording in race(engine, question).items():
                (ROOT / "streamlab" / "data" / file_of(language, lane)).write_bytes(recording)


def race(engine: Engine, question: str) -> dict[str, bytes]:
    """Run a race to its end, and return both recordings."""
    turn = engine.portal.call(engine.races.start, question, Options(MODEL)).turns[-1]
    recordings = {}
    for lane, run_id in (("whole", whole_of(turn)), ("streamed", turn.run_id)):
        log = engine.portal.call(engine.hub.open, run_id)
        while not log.done:
            time.sleep(0.1)
        recordings[lane] = write_recording(log.since(0))
    return recordings


if __name__ == "__main__":
    main()

"""The command: measures, and writes what it found. Standard output is only for what was asked for."""

import logging
import os
import signal
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from streamlab.demo_model import DEMO, is_demo
from streamlab.demo_model.process import DemoModel
from streamlab.latency.arguments import STDOUT, Arguments, ArgumentsError, parser, read_arguments
from streamlab.latency.context import left_out
from streamlab.latency.interruption import INTERRUPTED, uninterrupted
from streamlab.latency.measurement import write_measurement
from streamlab.latency.observation import Observation, encode_observation, write_csv
from streamlab.latency.plan import Plan, order
from streamlab.latency.progress import CallProgress, encode_progress
from streamlab.latency.summary import summarize
from streamlab.latency.table import point, print_summary
from streamlab.settings import Settings, SettingsError, load_settings

GOOD, BAD, WRONG_ARGUMENTS = 0, 1, 2

EXPLAINED = {
    "proxy": "The proxy is the one in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY; hosts in NO_PROXY are reached without it.",
    "certificate": "SSL_CERT_FILE names a file of the certificates that are trusted, SSL_CERT_DIR a folder.",
}

PLAIN_WIDTH = 160  # of a table that no terminal bounds


@dataclass
class CommandRun:
    """One run of the command: what was measured stays here, however it ends."""

    arguments: Arguments
    settings: Settings
    console: Console
    asked: Event
    _observations: list[Observation] = field(default_factory=list)
    _made_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _gone: bool = False  # whoever read standard output

    def run(self) -> int:
        """Measure, write what was asked for, and return the exit status."""
        status = GOOD
        try:
            self._measure()
        except KeyboardInterrupt:
            status = INTERRUPTED
        except BrokenPipeError:
            self._gone, status = True, BAD
        except Exception as error:  # its message may hold what was sent
            self.console.print(f"The measurement broke off: {type(error).__name__}.")
            status = BAD
        with uninterrupted():
            return max(status, self._finish())

    def _measure(self) -> None:
        # Not at the top: it loads LangChain, which takes seconds, and wrong arguments are to be told at once.
        from streamlab.latency.calls import measure
        from streamlab.models.network import problems

        for remark in (*self.settings.remarks, *problems()):
            self.console.print(remark)
        plan = self.arguments.plan
        with ExitStack() as stack:
            url = self.arguments.demo_url or ""
            if not url and any(map(is_demo, plan.models)):
                url = stack.enter_context(DemoModel()).base_url
            show = stack.enter_context(_progress(plan, self.console, quiet=self.arguments.quiet))
            calls = measure(plan, self.settings, url, self.arguments.gateway, self._tell)
            for observation in stack.enter_context(closing(calls)):
                self._observations.append(observation)
                if self.asked.is_set():
                    raise KeyboardInterrupt
                if self.arguments.lines:
                    _to_stdout(encode_observation(observation) + b"\n")
                show(observation)

    def _tell(self, progress: CallProgress) -> None:
        if self.arguments.progress:
            _to_stdout(encode_progress(progress) + b"\n")

    def _finish(self) -> int:
        plan, seen = self.arguments.plan, self._observations
        whole = len(seen) == len(order(plan))
        document = partial(write_measurement, seen, plan, self._made_at, complete=whole)
        written = self._write(document, self.arguments.json)
        written = self._write(partial(write_csv, seen), self.arguments.csv) and written
        counted = [each for each in seen if not each.warm_up]
        if not self.arguments.quiet and counted:
            print_summary(summarize(seen, plan.target, plan.models), self.console)
        failed = Counter(sorted(each.error for each in seen if each.error and not each.too_long))
        if failed:
            codes = ", ".join(f"{code} {number}" for code, number in failed.items())
            self.console.print(f"{failed.total()} of {len(seen)} calls failed: {codes}.")
        for code in failed.keys() & EXPLAINED:
            self.console.print(EXPLAINED[code])
        for model, length in left_out(plan, seen):
            self.console.print(f"The context of {model} is too short for {length:,} tokens, which are left out.")
        if not counted:
            self.console.print("Nothing was measured.")
        sound = bool(counted) and not failed and not any(each.streamed_underneath for each in counted)
        return GOOD if written and sound else BAD

    def _write(self, make: Callable[[], bytes], path: str | None) -> bool:
        """Make a file and write it where a path is given; return False when it could not be written."""
        try:
            if path == STDOUT and not self._gone:
                _to_stdout(make())
            elif path is not None and path != STDOUT:
                Path(path).write_bytes(make())
        except BrokenPipeError:
            self._gone = True
            return False
        except OSError as error:
            self.console.print(f"{path} could not be written: {error.strerror}.")
            return False
        return True


def main(asked: Event, given: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status. Raises SystemExit for --help and unknown arguments.

    `asked` is set by a signal to end early.
    """
    _quiet_libraries()
    namespace = parser().parse_args(given)
    console = _console()
    try:
        settings = load_settings()
        arguments = read_arguments(namespace, next(iter(settings.lab_models), DEMO), settings)
    except (SettingsError, ArgumentsError) as error:
        console.print(str(error))
        return WRONG_ARGUMENTS
    if namespace.lifeline:
        threading.Thread(target=_end_with_input, name="lifeline", daemon=True).start()
    return CommandRun(arguments, settings, console, asked).run()


def _end_with_input() -> None:
    """End this process when whoever started it has gone, however it went: nobody reads what is measured any more."""
    # Not sys.stdin: its lock, held by a daemon thread, is a fatal error when the interpreter ends.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _console() -> Console:
    console = Console(stderr=True, markup=False, highlight=False, emoji=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    return console


@contextmanager
def _progress(plan: Plan, console: Console, *, quiet: bool) -> Iterator[Callable[[Observation], None]]:
    """Show progress, between calls only: a bar that moves by itself would disturb what is measured."""
    total = len(order(plan))
    if quiet:
        yield lambda observation: None
    elif not console.is_terminal:
        calls = count(1)
        yield lambda seen: console.print(f"{next(calls)}/{total} {_told(seen)}")
    else:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
            task = progress.add_task("measuring", total=total)
            progress.refresh()

            def show(observation: Observation) -> None:
                progress.update(task, advance=1, description=_named(observation), refresh=True)

            yield show


def _told(seen: Observation) -> str:
    moments = {"first text": seen.ttft, "last text": seen.last_text, "end": seen.e2e}
    known = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in moments.items() if seconds is not None)
    times = f": {known}" if seen.e2e is not None else ""
    error = f": {seen.error}" if seen.error else ""
    return f"{_named(seen)} {seen.model}{times}{error}"


def _named(observation: Observation) -> str:
    length = f" {point(observation)}" if observation.prompt_length else ""
    return f"{'warm-up' if observation.warm_up else f'pair {observation.pair}'} {observation.way}{length}"


def _to_stdout(data: bytes) -> None:
    """Write to standard output. Raises BrokenPipeError when nobody reads it any more."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # Else Python tries again when it ends, and complains.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _quiet_libraries() -> None:
    """Silence logs and warnings of libraries: they could hold what was sent."""
    logging.getLogger().addHandler(logging.NullHandler())
    if not sys.warnoptions:
        warnings.simplefilter("ignore")

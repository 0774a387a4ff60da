"""The arguments of `python -m streamlab.latency`."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError

from streamlab.latency.context import fitted
from streamlab.latency.plan import DIRECT, GATEWAY_TOKEN, WAYS, GatewayAddress, Plan, Way, order, plan_problem
from streamlab.settings import Settings

PROMPT = "In about 200 words: why does an answer that is shown while it arrives feel faster?"
STDIN = STDOUT = "-"


class ArgumentsError(Exception):
    """What is wrong with the arguments, as one sentence."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """`json` and `csv` are where to write: a path, `-` for standard output, or None."""

    plan: Plan
    json: str | None
    csv: str | None
    lines: bool
    progress: bool
    demo_url: str | None
    gateway: GatewayAddress | None
    quiet: bool


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m streamlab.latency",
        description="Measure how long a model's answers take, streamed and not. Progress and the table go to "
        "standard error.",
        epilog="Ends with 0 when all went well, 1 when a call failed, 2 for wrong arguments, 130 when interrupted.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--model", action="append", metavar="NAME", help="may be given up to four times; default: the first of "
        "LAB_MODELS, or demo")  # fmt: skip
    add("--prompt", default=PROMPT)
    add("--system", default="", metavar="TEXT", help="the system prompt")
    add("--max-tokens", type=int, metavar="N", help="the longest answer, 16 to 4000; default: no limit")
    add("--pairs", type=int, metavar="N", help="1 to 100; default: %(default)s")
    add("--ways", help=f"of {', '.join(WAYS)}; default: {','.join(DIRECT)}, and gateway where one is "
        "given")  # fmt: skip
    add("--prompt-lengths", metavar="N,N", help="make the prompt so many tokens long, 100 to 100000 each, and ask it "
        "twice: with a beginning that no cache has, and once more as it was. Such as 100,1000,8000; the default of "
        "--ways is then stream")  # fmt: skip
    add("--warm-ups", type=int, metavar="N", help="calls of each model and way that are not counted, 0 to 5; default: "
        "%(default)s")  # fmt: skip
    add("--temperature", type=float, metavar="T", help="0 to 2")
    add("--seed", type=int, metavar="N", help="of the order; default: %(default)s")
    add("--target", type=float, metavar="SECONDS", help="the time to first token that is good enough; default: "
        "%(default)s")  # fmt: skip
    add("--timeout", type=float, metavar="SECONDS", help="of one call; default: %(default)s")
    add("--plan", metavar="FILE", help="read all of the above from the plan of an earlier measurement, as JSON; - is "
        "standard input")  # fmt: skip
    # For who starts this as a child: the plan is the first line of standard input, and with its end this process ends.
    add("--lifeline", action="store_true", help=argparse.SUPPRESS)
    add("--progress", action="store_true", help=argparse.SUPPRESS)  # among the lines, of the call that is made
    add("--json", metavar="FILE", help="write plan, observations and summary; - is standard output")
    add("--csv", metavar="FILE", help="write a row for each call; - is standard output")
    add("--lines", action="store_true", help="write each observation to standard output as a line of JSON, at once")
    add("--demo-url", metavar="URL", help="a demo model that runs already, http://127.0.0.1:PORT/v1")
    add("--gateway", metavar="URL", help="of a gateway to ask as well, such as http://localhost:8501/api; the models "
        f"must be among its own. Its access token is taken from {GATEWAY_TOKEN}")  # fmt: skip
    add("--quiet", action="store_true", help="neither progress nor table")
    planned = ("pairs", "warm_ups", "temperature", "seed", "target", "timeout")
    parser.set_defaults(**{name: Plan.model_fields[name].default for name in planned})
    return parser


def read_arguments(given: argparse.Namespace, default_model: str, settings: Settings) -> Arguments:
    """Check the arguments. Raises ArgumentsError.

    Files are opened here for a try, so that no measurement is lost because it cannot be written.
    """
    plan = fitted(_plan(given, default_model), settings)
    if not order(plan):
        raise ArgumentsError("None of the prompt lengths fits into the model's context.")
    if sum((given.lines, given.json == STDOUT, given.csv == STDOUT)) > 1:
        raise ArgumentsError("Only one of --lines, --json - and --csv - can have standard output.")
    _check_url("--demo-url", given.demo_url)
    gateway = _gateway(given.gateway, plan, settings.gateway_token)
    for path in (given.json, given.csv):
        if path not in (None, STDOUT):
            _try_file(path)
    if given.json not in (None, STDOUT) and given.json == given.csv:
        raise ArgumentsError("--json and --csv need a file each.")
    return Arguments(plan, given.json, given.csv, given.lines, given.progress, given.demo_url, gateway, given.quiet)


def _plan(given: argparse.Namespace, default_model: str) -> Plan:
    path: str | None = given.plan
    try:
        if path == STDIN:
            return Plan.model_validate_json(sys.stdin.buffer.readline() if given.lifeline else sys.stdin.buffer.read())
        if path:
            return Plan.model_validate_json(Path(path).read_bytes())
        return _made_plan(given, default_model)
    except ValidationError as error:
        raise ArgumentsError(plan_problem(error)) from None
    except (OSError, ValueError):
        raise ArgumentsError(f"{path} cannot be read.") from None


def _made_plan(given: argparse.Namespace, default_model: str) -> Plan:
    lengths = tuple(_number(length) for length in given.prompt_lengths.split(",")) if given.prompt_lengths else ()
    default: tuple[Way, ...] = ("stream",) if lengths else WAYS if given.gateway else DIRECT
    ways = tuple(way.strip() for way in given.ways.split(",")) if given.ways is not None else default
    values: dict[str, Any] = {name: getattr(given, name) for name in Plan.model_fields if hasattr(given, name)}
    made = {"models": tuple(given.model or [default_model]), "ways": ways, "prompt_lengths": lengths}
    return Plan.model_validate(values | made)


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ArgumentsError("--prompt-lengths are whole numbers with commas between them.") from None


def _gateway(url: str | None, plan: Plan, token: SecretStr | None) -> GatewayAddress | None:
    _check_url("--gateway", url)
    if plan.relayed and url is None:
        raise ArgumentsError("The way gateway needs --gateway, the address of one.")
    if url is None:
        return None
    if not plan.relayed:
        raise ArgumentsError("--gateway is given, but gateway is not among the ways.")
    return GatewayAddress(url, token)


def _check_url(option: str, url: str | None) -> None:
    if url is None:
        return
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise ArgumentsError(f"{option} must be an address that begins with http:// or https://.")


def _try_file(path: str) -> None:
    """Open the file for writing without harm to what is there. Raises ArgumentsError."""
    file = Path(path)
    try:
        existed = file.exists()
        with file.open("ab"):
            pass
        if not existed:
            file.unlink()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "not a path"
        raise ArgumentsError(f"{path} cannot be written: {why}.") from None

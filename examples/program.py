"""What both console programs need besides their lesson: arguments, a model's address, words for errors."""

import argparse
import asyncio
import contextlib
import io
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Coroutine, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from urllib.request import getproxies

from dotenv import find_dotenv
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import ChatGeneration, LLMResult
from openai import DefaultHttpxClient
from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streamlab.demo_model import DEMO, is_demo
from streamlab.demo_model.process import DemoModel
from streamlab.models.catalog import Models, classify
from streamlab.models.message_chunks import finish_of
from streamlab.models.options import QUESTION_CHARACTERS
from streamlab.models.provider import INSTALL, StockOptions
from streamlab.models.providers.keyed import Keyed
from streamlab.settings import Settings, SettingsError, load_settings

GOOD, FAILED, INTERRUPTED = 0, 1, 130  # exit statuses; argparse's own is 2, for wrong arguments
ASKED = StockOptions(timeout=60, streaming=True, chunk_timer=False)  # in 3.11 that timer may lose a Ctrl-C
# What answers where a key is set and no model named: a small one of the provider's.
SMALL = {
    "openai_api_key": "gpt-4o-mini",
    "anthropic_api_key": "anthropic:claude-haiku-4-5",
    "google_api_key": "google_genai:gemini-3.5-flash",
}
SERVERS = ("openai_base_url", "lab_endpoints", "azure_openai_endpoint")  # whose models only the user knows
NEEDS = {
    "openai": "OPENAI_API_KEY or OPENAI_BASE_URL",
    "anthropic": "ANTHROPIC_API_KEY",
    "google_genai": "GOOGLE_API_KEY",
    "azure_openai": "AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY",
    "local": "what `make local` installs",
}

SENTENCES = {
    "auth": "The provider refused the key. Check its variable, such as OPENAI_API_KEY.",
    "rate_limited": "The provider is receiving too many requests. Wait a moment, then try again.",
    "quota": "The provider's account has no credit left. Check its plan and billing.",
    "timeout": "The model took too long to answer. Try again, or choose a faster one with --model.",
    "provider_unavailable": "The model's server could not be reached or reported a failure. Check its address.",
    "connection_lost": "The connection to the model broke off. Try again.",
    "proxy": "The request did not get through the proxy. Check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY.",
    "certificate": "The server's certificate is not trusted. Check SSL_CERT_FILE and SSL_CERT_DIR.",
    "context_too_long": "The topic is longer than the model can read. Shorten it.",
    "content_filtered": "The provider's content filter ended the answer. Choose another topic.",
    "model_not_found": "The server does not know this model. Choose another one with --model.",
    "address_not_found": "There is no such address at the server. Check OPENAI_BASE_URL: it mostly ends in /v1.",
    "bad_request": "The server refused the request.",
    "internal": "Something came that this program does not understand.",
    "empty": "The stream ended without any text.",
    "length": "The model stopped at its length limit, so the answer is not whole.",
    "interrupted": "Interrupted; the model was told to stop.",
}


@dataclass(frozen=True)
class Arguments:
    """The command line. `model` is the one that answers, whether it was named or not."""

    topics: list[str]
    model: str
    json: bool
    settings: Settings


def read_arguments(description: str | None, argv: Sequence[str] | None = None, most: int = 1) -> Arguments:
    """Read the command line, or `argv`. Wrong ones end the program with a sentence and status 2."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("topics", nargs="+", metavar="TOPIC", help="what to explain" + (f"; up to {most}" * (most > 1)))
    parser.add_argument("--model", metavar="NAME", help="default: the first of LAB_MODELS, or one that fits the key")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each answer, when it has ended")
    arguments = parser.parse_args(argv)
    if problem := _topics_problem(arguments.topics, most):
        parser.error(problem)
    try:
        with contextlib.chdir(Path(find_dotenv(usecwd=True)).parent):  # the nearest .env, from here upwards
            settings = load_settings()
        model = arguments.model or _default_model(settings)
    except SettingsError as error:
        parser.error(str(error))
    if problem := _model_problem(model, settings):
        parser.error(f"{problem}; without --model the demo model answers")
    return Arguments(arguments.topics, model, arguments.json, settings)


def _topics_problem(topics: list[str], most: int) -> str | None:
    """Say what is wrong with the topics, if anything."""
    if len(topics) > most:
        return f"there are {len(topics)} topics, at most {most} can be answered; put one of several words in quotes"
    for topic in topics:
        if not topic.strip():
            return "a topic is empty"
        if len(topic) > QUESTION_CHARACTERS:
            return f"a topic has {len(topic):,} characters; at most {QUESTION_CHARACTERS:,} are allowed"
        if any("\ud800" <= character <= "\udfff" for character in topic):  # Python's stand-in for other bytes
            return "a topic is not text in the encoding of this system"
    return None


def _model_problem(model: str, settings: Settings) -> str | None:
    """Say what the model needs and what is not there, if anything."""
    with contextlib.closing(Models(settings, "")) as models:
        provider = models.provider(model)
    if not provider.configured:
        return f"{model} needs {NEEDS[provider.name]}"
    if isinstance(provider, Keyed) and provider.package.missing:
        return f"{model} needs {provider.package.name}: {INSTALL}"
    return None


def _default_model(settings: Settings) -> str:
    """Choose the model. Raise SettingsError where only the user can know it."""
    for model in settings.lab_models:
        if not _model_problem(model, settings):
            return model
    for name in SERVERS:
        if getattr(settings, name):
            raise SettingsError(f"{name.upper()} is set, so name a model of that server with --model or LAB_MODELS")
    return next((model for name, model in SMALL.items() if getattr(settings, name)), DEMO)


@contextlib.contextmanager
def models_of(arguments: Arguments) -> Iterator[Models]:
    """Yield the models of all providers that are set. The demo model runs as long as the block, and the local one."""
    _go_around_proxies()
    with contextlib.ExitStack() as stack:
        address = ""
        if is_demo(arguments.model):
            say("The demo model answers: its text is scripted. A key, such as OPENAI_API_KEY, opens a real one.")
            try:
                address = stack.enter_context(DemoModel()).base_url
            except RuntimeError as error:
                sys.exit(str(error))
        yield stack.enter_context(contextlib.closing(Models(arguments.settings, address)))


def _go_around_proxies() -> None:
    """Reach this machine directly, whatever proxies the environment names: a company's proxy knows no demo model."""
    proxies = getproxies()
    if not proxies.keys() - {"no"}:
        return
    named = proxies.get("no")
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, (named, "localhost", "127.0.0.1", "::1")))


@contextlib.contextmanager
def stopping(http: DefaultHttpxClient, chunks: Iterator[str]) -> Iterator[Iterator[str]]:
    """Close the connection at the end of the block, which stops a model that is still writing.

    Leaving the loop is not enough: a chain's `.stream()` that is closed early reads the answer to its end, unseen.
    """
    try:
        yield chunks
    finally:
        http.close()
        if isinstance(chunks, Generator):
            # It tries to read on, and so do the generators within it, whose errors Python would print.
            before, sys.unraisablehook = sys.unraisablehook, lambda _: None
            try:
                with contextlib.suppress(Exception):
                    chunks.close()
            finally:
                sys.unraisablehook = before


class FinishReason(BaseCallbackHandler):
    """Keeps why the model stopped, in OpenAI's words: `stop`, `length`, `content_filter`. A parser to text drops it."""

    run_inline = True  # it has no need of a thread for every chunk
    reason: str | None = None

    def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        generation = response.generations[0][0]
        if isinstance(generation, ChatGeneration):
            self.reason = finish_of(generation.message.response_metadata, generation.generation_info)


@dataclass
class Answer:
    """An answer, chunk by chunk. Times are seconds since it was asked for; `error` is a key of SENTENCES, or None."""

    topic: str
    model: str
    chunks: list[str] = field(default_factory=list)
    ttft: float | None = None
    total: float | None = None
    error: str | None = "interrupted"  # until it has ended or failed
    detail: str | None = None
    finish: FinishReason = field(default_factory=FinishReason)
    began: float = field(default_factory=time.perf_counter)

    @property
    def text(self) -> str:
        """Join all chunks."""
        return "".join(self.chunks)

    def add(self, chunk: str) -> None:
        """Add a chunk. One without text does not count: it holds a role or the usage."""
        if chunk and self.ttft is None:
            self.ttft = time.perf_counter() - self.began
        if chunk:
            self.chunks.append(chunk)

    def end(self) -> None:
        """Note that the stream ended as it should. The answer may be empty or cut all the same."""
        self.total = time.perf_counter() - self.began
        # A provider's client may take an answer that was cut for a whole one; but the model has not said that it ended.
        unfinished = {"content_filter": "content_filtered", "length": "length", "error": "provider_unavailable"}
        missing = "connection_lost" if self.finish.reason is None else None
        self.error = unfinished.get(self.finish.reason or "") or (missing if self.text.strip() else "empty")

    def fail(self, error: Exception) -> None:
        """Note that the stream broke off. What came before is kept."""
        self.total = time.perf_counter() - self.began
        if "No generation chunks were returned" in str(error):
            self.error = "empty"
        else:
            failure = classify(error)
            self.error, self.detail = failure.code, failure.detail

    def as_json(self) -> str:
        """Write the answer as one line of JSON."""
        data: dict[str, Any] = {"topic": self.topic, "model": self.model, "text": self.text, "chunks": len(self.chunks)}
        data |= {"ttft": _rounded(self.ttft), "total": _rounded(self.total)}
        return json.dumps(data | ({"error": self.error} if self.error else {}), ensure_ascii=False)

    def as_sentence(self) -> str:
        """Say how it went."""
        if self.error:
            kept = " What came until then is kept." if self.text else ""
            reason = f" Its reason: {' '.join(self.detail.split()).rstrip('.')}." if self.detail else ""
            return SENTENCES[self.error] + reason + kept
        return f"{len(self.chunks)} chunks, the first after {self.ttft or 0:.2f} s, the last after {self.total:.2f} s."


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def report(answers: Sequence[Answer], arguments: Arguments, *, shown: bool) -> int:
    """Print what was not `shown` while it came, say how each answer went, and return the exit status."""
    for answer in answers:
        if arguments.json:
            print(answer.as_json(), flush=True)
        elif shown and answer.text:
            print(flush=True)  # ends the line that the last chunk left open
        elif answer.text:
            print(f"== {shortened(answer.topic)} ==\n\n{answer.text}\n", flush=True)
    for answer in answers:
        if answer.error or not arguments.json:
            say((f"{shortened(answer.topic)}: " if len(answers) > 1 else "") + answer.as_sentence())
    errors = {answer.error for answer in answers} - {None}
    return INTERRUPTED if "interrupted" in errors else FAILED if errors else GOOD


def shortened(topic: str) -> str:
    """Shorten a topic to one line, to tell answers apart."""
    line = " ".join(topic.split())
    return line if len(line) <= 40 else f"{line[:39]}…"


def say(sentence: str) -> None:
    """Print to standard error, so that standard output holds answers and nothing else."""
    print(sentence, file=sys.stderr, flush=True)


@contextlib.contextmanager
def side_by_side(answers: Sequence[Answer]) -> Iterator[None]:
    """Draw the answers side by side while they grow; clear them at the end, as a long one shows its end only."""
    console = Console()

    def draw() -> Table:
        rows, width = max(3, console.height - 4), max(1, console.width // len(answers) - 4)
        table = Table.grid(expand=True)
        for _ in answers:
            table.add_column(ratio=1)
        ends = [Text("\n").join(Text(answer.text).wrap(console, width)[-rows:]) for answer in answers]
        titles = [Text(shortened(answer.topic)) for answer in answers]
        table.add_row(*(Panel(end, title=title, height=rows + 2) for end, title in zip(ends, titles, strict=True)))
        return table

    with Live(get_renderable=draw, console=console, refresh_per_second=12, transient=True):
        yield


async def quietly(main: Coroutine[Any, Any, int]) -> int:
    """Return main's exit status, without complaints of the generators that the loop closes when it ends early."""
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    return await main


def run(main: Callable[[], int]) -> NoReturn:
    """End the program with main's exit status, and without a traceback where it is ended from outside."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # what the libraries tell their developers
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")  # also into a pipe, also on Windows
    try:
        status = main()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # which is how `| head` ends its writer
            say(f"The answer could not be written: {error.strerror}.")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tries again, and complains
        status = FAILED
    sys.exit(status)

"""`python -m streamlab.local_model FILE`: prints `{"port": 12345}` and serves until standard input ends.

It speaks OpenAI's protocol on loopback, to whoever has the key of the environment variable KEY.
"""

import argparse
import json
import os
from urllib.parse import urlsplit

import xllamacpp

from streamlab.local_model import LOCAL, LONGEST_ANSWER
from streamlab.local_model.server import KEY

REPEATED = 1.1  # how much less likely a word is that has just been said: small models go in circles
NICE = 10  # what else runs here goes first: pages and streams cannot wait, and the model only writes later
QUIET = 1  # the verbosity at which llama.cpp tells of errors only


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m streamlab.local_model", description=__doc__)
    parser.add_argument("file", help="of the model, in the format GGUF")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--context", type=int, required=True, help="tokens that a question and its answer may have")
    parser.add_argument("--slots", type=int, required=True, help="answers at the same time; others wait")
    if hasattr(os, "nice"):
        os.nice(NICE)
    server = xllamacpp.Server(_parameters(parser.parse_args()))
    print(json.dumps({"port": urlsplit(server.listening_address).port}), flush=True)
    while os.read(0, 1024):
        pass
    os._exit(0)  # llama.cpp would first write what it is at to its end


def _parameters(asked: argparse.Namespace) -> xllamacpp.CommonParams:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = asked.file
    parameters.model_alias = {LOCAL}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [os.environ[KEY]]
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = asked.threads
    parameters.n_parallel = asked.slots
    parameters.n_ctx = asked.context * asked.slots
    parameters.n_predict = LONGEST_ANSWER
    parameters.sampling.penalty_repeat = REPEATED
    parameters.verbosity = QUIET
    return parameters


if __name__ == "__main__":
    main()

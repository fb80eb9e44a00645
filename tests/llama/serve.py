"""Serve a model by llama.cpp on a free port of 127.0.0.1.

    serve.py MODEL.gguf [--slots N] [--context N]

Prints its address as one line once it answers, and nothing else there; its log goes to stderr. It ends when its input
closes or when whoever started it has gone, so nothing is left behind.
"""

from __future__ import annotations

import argparse
import os
import select
import sys

import xllamacpp

LOOK_FOR_PARENT_SECONDS = 1.0


def serve(model: str, slots: int, context: int) -> xllamacpp.Server:
    """Start the server. `context` is what each slot holds, in tokens."""
    wanted = xllamacpp.CommonParams()
    wanted.model.path = model
    wanted.port = 0
    wanted.n_parallel = slots
    wanted.n_ctx = slots * context
    # The machine has others to serve, too; a model this small gains nothing from more.
    wanted.cpuparams.n_threads = wanted.cpuparams_batch.n_threads = 1
    wanted.use_jinja = True
    wanted.endpoint_metrics = True
    return xllamacpp.Server(wanted)


def wait_for_the_end(parent: int) -> None:
    """Return when the input closes or the parent is gone."""
    while os.getppid() == parent:
        readable, _, _ = select.select([sys.stdin], [], [], LOOK_FOR_PARENT_SECONDS)
        if readable and not os.read(sys.stdin.fileno(), 4096):
            return


def main() -> None:
    """Serve until the end."""
    parent = os.getppid()
    parser = argparse.ArgumentParser(description="Serve a model by llama.cpp on loopback.")
    parser.add_argument("model")
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--context", type=int, default=32_768, help="tokens that each slot holds")
    told = parser.parse_args()
    server = serve(told.model, told.slots, told.context)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    wait_for_the_end(parent)
    # At once: what is still being said is of no use to anybody, and waiting for it could take minutes.
    os._exit(0)


if __name__ == "__main__":
    main()

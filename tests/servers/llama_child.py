"""The program of ``tests.servers.llama``'s child: llama.cpp's own HTTP server, from ``xllamacpp``."""

from __future__ import annotations

import argparse
import ctypes
import threading

import xllamacpp

TELLING = 10
"""From this verbosity on, an answer of the chat interface carries the settings it was computed with."""
WARNINGS = 2


def main() -> None:
    """Serve one model until this process is ended."""
    asked = _arguments()
    settings = xllamacpp.CommonParams()
    settings.model.path, settings.model_alias = asked.model, {asked.alias}
    settings.hostnames, settings.port = ["127.0.0.1"], asked.port
    settings.n_parallel, settings.n_ctx = asked.slots, asked.slots * asked.window
    for threads in (settings.cpuparams, settings.cpuparams_batch):
        # One thread waits for no other, and none spins: whatever else uses the cores, tokens keep coming.
        threads.n_threads, threads.poll = 1, 0
    settings.use_jinja, settings.ui = True, False
    # Reusing a computed prefix changes the last digits of the scores, and with them what a seed draws.
    settings.cache_prompt = False
    if asked.for_ollama:
        settings.verbosity, settings.ctx_shift = TELLING, True
        settings.embedding, settings.pooling_type = True, xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    settings.endpoint_slots = settings.endpoint_metrics = True
    server = xllamacpp.Server(settings)
    _quieten()
    print(f"{server.listening_address} serves {asked.alias}", flush=True)
    threading.Event().wait()


def _quieten() -> None:
    """Leave what the server tells in its answers to the answers: its log is for warnings and errors."""
    library = ctypes.CDLL(xllamacpp.xllamacpp.__file__)
    if set_threshold := getattr(library, "_Z30common_log_set_verbosity_tholdi", None):
        set_threshold(WARNINGS)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True, help="a GGUF file")
    parser.add_argument("--alias", required=True, help="the name it is served under")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--slots", type=int, required=True, help="requests at a time")
    parser.add_argument("--window", type=int, required=True, help="tokens that each of them may use")
    parser.add_argument(
        "--for-ollama", action="store_true", help="tell how answers were computed, embed, go on"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()

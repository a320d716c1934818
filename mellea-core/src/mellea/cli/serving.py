"""``mellea serve`` and ``mellea mcp``: programs as servers."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import os
import signal
import sys
import warnings
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from mellea.core.call_site import RequirementsNotMetWarning
from mellea.core.errors import UsageError
from mellea.core.redaction import redacted
from mellea.core.terminal import visible

__all__ = ["mcp", "serve"]

_INTERRUPTED = 130
_KEY = "MELLEA_SERVE_API_KEY"
_MIB = 1 << 20


def serve(arguments: Namespace) -> int:
    """Serve a program as a model of chat completions until a signal comes."""
    _need("server", "starlette", "uvicorn", "prometheus_client")
    from mellea.serve.access import Access, is_loopback  # noqa: PLC0415  once it is known to be there
    from mellea.serve.app import App  # noqa: PLC0415
    from mellea.serve.limits import Limits  # noqa: PLC0415
    from mellea.serve.programs import programs_in  # noqa: PLC0415
    from mellea.serve.running import listen, run  # noqa: PLC0415

    key = arguments.api_key or os.environ.get(_KEY) or None
    if not (is_loopback(arguments.host) or key or arguments.insecure):
        raise UsageError(
            f"{arguments.host} can be reached from other machines, and there is no API key.",
            hint=f"Set {_KEY}, or pass --insecure to let everybody in.",
        )
    limits = Limits(
        body_bytes=int(arguments.max_body * _MIB),
        seconds=arguments.timeout,
        concurrency=arguments.concurrency,
        queue=arguments.queue,
        grace_seconds=arguments.grace,
    )
    app = App(
        *programs_in(arguments.program),
        backend=arguments.backend,
        model=arguments.model,
        limits=limits,
        access=Access.on(arguments.host, key, arguments.allow_host),
    )

    async def until_stopped() -> int | None:
        await app.open()
        with listen(arguments.host, arguments.port) as listening:
            _announce(list(app.programs), arguments, listening.getsockname()[1], bool(key))
            return await run(app, listening)

    with _logging(key):
        sig = asyncio.run(until_stopped())
    print("mellea: stopped.", file=sys.stderr)
    return _INTERRUPTED if sig == signal.SIGINT else 0


def mcp(arguments: Namespace) -> int:
    """Serve typed functions as tools of the Model Context Protocol."""
    _need("mcp", "mcp")
    from mellea.serve.mcp_tools import serve_http, serve_stdio  # noqa: PLC0415  once it is known to be there
    from mellea.serve.programs import typed_functions_in  # noqa: PLC0415

    with contextlib.redirect_stdout(sys.stderr):  # standard output belongs to the protocol
        functions = typed_functions_in(arguments.program)
    common: dict[str, Any] = {"backend": arguments.backend, "model": arguments.model}
    with _logging(None):
        if arguments.http is None:
            asyncio.run(serve_stdio(functions, **common))
            return 0

        def announce(port: int) -> None:
            tools = ", ".join(one.name for one in functions)
            print(f"mellea: {tools} at http://127.0.0.1:{port}/mcp; Ctrl-C stops it.", file=sys.stderr)

        sig = asyncio.run(serve_http(functions, arguments.http, announce, **common))
    return _INTERRUPTED if sig == signal.SIGINT else 0


def _need(extra: str, *modules: str) -> None:
    if missing := [name for name in modules if importlib.util.find_spec(name) is None]:
        raise UsageError(
            f"Serving needs {', '.join(missing)}.",
            hint=f'Install it with: pip install "mellea-core[{extra}]"',
        )


def _announce(models: list[str], arguments: Namespace, port: int, has_key: bool) -> None:
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    what = ", ".join(models)
    print(f"mellea: {what} at http://{host}:{port}/v1; Ctrl-C stops it.", file=sys.stderr)
    if arguments.insecure and not has_key:
        print("mellea: warning: there is no API key: whoever reaches it may use it.", file=sys.stderr)
    sys.stderr.flush()


class _Formatter(logging.Formatter):
    """Lines that can neither steer a terminal nor tell a secret."""

    def __init__(self, key: str | None) -> None:
        super().__init__("%(asctime)s %(message)s", "%H:%M:%S")
        self._key = key

    def format(self, record: logging.LogRecord) -> str:
        return visible(redacted(super().format(record), [self._key]), lines=True)


@contextlib.contextmanager
def _logging(key: str | None) -> Iterator[None]:
    """Print what the server says, without what the answers tell already."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(key))
    loggers = [logging.getLogger("mellea.serve"), logging.getLogger("uvicorn.error")]
    for logger, level in zip(loggers, (logging.INFO, logging.ERROR), strict=True):
        logger.addHandler(handler)
        logger.setLevel(level)
        logger.propagate = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RequirementsNotMetWarning)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeHandler(handler)
                logger.propagate = True

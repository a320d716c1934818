"""Progress bars for what takes long: on a terminal only, and never where ``MELLEA_PROGRESS`` is 0.

Where they would advance, a load that is interrupted ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from mellea_hf.interrupt import Interrupt

__all__ = ["progress_bar", "progress_is_off", "quiet_bars", "terminal_bar"]


def progress_is_off() -> bool | None:
    """Return what tqdm wants to know: True for no bar, None for one on a terminal only."""
    return (
        True if os.environ.get("MELLEA_PROGRESS", "").strip().lower() in ("0", "no", "off", "false") else None
    )


def progress_bar(total: int, title: str, *, shape: str, delay: float = 0.0, wanted: bool = True) -> Any:
    """Return a bar that goes away when it is done.

    Args:
        total: How many steps there are.
        title: What stands before it.
        shape: What tqdm calls ``bar_format``.
        delay: Seconds of work before it shows.
        wanted: Whether there is anything to show.
    """
    return tqdm(
        total=total,
        desc=title,
        bar_format=shape,
        delay=delay,
        leave=False,
        disable=progress_is_off() if wanted else True,
    )


def terminal_bar(interrupt: Interrupt) -> type[Any]:
    """Return progress bars that show only on a terminal, and end what they stand for on an interrupt."""

    class TerminalBar(tqdm):  # type: ignore[misc]  # tqdm is not typed
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            super().__init__(*args, **{**kwargs, "disable": progress_is_off()})

        def update(self, n: float | None = 1) -> Any:
            interrupt.check()
            return super().update(n)

    return TerminalBar


@contextmanager
def quiet_bars(interrupt: Interrupt) -> Iterator[None]:
    """Keep transformers' own progress bars off; they show on files and pipes too.

    Args:
        interrupt: Looked at where a bar would advance.
    """
    from transformers import core_model_loading, modeling_gguf_pytorch_utils  # noqa: PLC0415  heavy
    from transformers.utils import logging  # noqa: PLC0415  heavy

    readers: list[Any] = [modeling_gguf_pytorch_utils, core_model_loading]

    def steps(items: Iterable[Any], **_: Any) -> Iterator[Any]:
        for item in items:
            interrupt.check()
            yield item

    shown, bars = logging.is_progress_bar_enabled(), [reader.tqdm for reader in readers]
    logging.disable_progress_bar()
    for reader in readers:
        reader.tqdm = steps
    try:
        yield
    finally:
        for reader, bar in zip(readers, bars, strict=True):
            reader.tqdm = bar
        if shown:
            logging.enable_progress_bar()

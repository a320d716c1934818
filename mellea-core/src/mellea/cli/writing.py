"""Files that commands write, looked at before anything is paid for."""

from __future__ import annotations

from pathlib import Path

from mellea.core.errors import UsageError

__all__ = ["check_writable"]


def check_writable(path: str | Path, option: str) -> None:
    """Check that a file can be written, and leave it as it is.

    Args:
        path: The file.
        option: What names it on the command line.

    Raises:
        UsageError: It cannot be written.
    """
    path = Path(path)
    is_new = not path.exists()
    try:
        if is_new or path.is_file() or path.is_dir():  # nothing is told to a pipe yet
            path.open("a", encoding="utf-8").close()
        if is_new:
            path.unlink()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}.", hint=f"Name another file: {option} FILE."
        ) from error

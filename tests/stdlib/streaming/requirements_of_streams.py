"""Requirements that look at chunks, for the tests of streams."""

from mellea.core import PartialValidationResult, Requirement, ValidationResult
from mellea.stdlib.requirements import simple_validate


class Without(Requirement):
    """Fails at a chunk that contains a word, and at a text that does."""

    def __init__(self, word):
        super().__init__(f"No {word}.", simple_validate(lambda text: (word not in text, f"{word} is there")))
        self.word = word

    async def stream_validate(self, chunk, *, backend, ctx):
        if self.word in chunk:
            return PartialValidationResult("fail", reason=f"{self.word} came")
        return PartialValidationResult("unknown")


class Remembering(Requirement):
    """Keeps the chunks that it has seen, as programs often do: in attributes that it replaces."""

    def __init__(self, seen_by_all):
        super().__init__("Anything.", lambda ctx: ValidationResult(True))
        self.seen = ()
        self.seen_by_all = seen_by_all

    async def stream_validate(self, chunk, *, backend, ctx):
        self.seen = (*self.seen, chunk)
        self.seen_by_all.append(self.seen)
        return PartialValidationResult("pass")


class Looking(Requirement):
    """Calls a function with each chunk and what comes with it."""

    def __init__(self, look, **kwargs):
        super().__init__("Looks.", lambda ctx: ValidationResult(True), **kwargs)
        self.look = look

    async def stream_validate(self, chunk, *, backend, ctx):
        return await self.look(chunk, backend, ctx)

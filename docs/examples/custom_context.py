"""A context type of one's own says what a request shows; the rest is inherited."""

from typing import Self

from mellea import Context, Message, start_session
from mellea.core import Span


class QuestionsOnly(Context):
    """Shows the model what it was asked before, and none of its own answers."""

    def add(self, span: Span) -> Self:
        """Return the context with one more span."""
        return self.from_previous(self, span)

    def view_for_generation(self) -> list[Span]:
        """Return the user's messages."""
        return [span for span in self.as_list() if isinstance(span, Message)]


with start_session(backend="hf", ctx=QuestionsOnly()) as m:
    print(m.chat("What is the capital of France?").content)
    print(m.chat("What is the capital of Italy?").content)
    print("Shown:", [message["content"] for message in m.last_prompt() or ()])
    print("Kept: ", len(m.ctx.as_list()), "spans")

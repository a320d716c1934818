"""Requirements on answers that must rest on documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mellea.core.chunking import Chunker, SentenceChunking
from mellea.core.component import Span, blockify
from mellea.core.context import Context
from mellea.core.errors import UsageError
from mellea.core.judges import ask_judge, backend_of
from mellea.core.message import Message
from mellea.core.options import ModelOption, merge_options
from mellea.core.requirement import Requirement, ValidationResult
from mellea.core.sampling import total_usage
from mellea.stdlib.context.simple import SimpleContext

if TYPE_CHECKING:
    from mellea.core.backend import Backend

__all__ = ["GroundednessRequirement"]


class GroundednessRequirement(Requirement):
    """Every sentence of the output is supported by documents; a model judges each sentence.

    It is not asked about a sentence that stands in a document word for word, such as a quote.

    Args:
        documents: Texts or documents; by default those of the last message in the conversation.
        allow_partial_support: Whether one supported sentence is enough.
        max_new_tokens: The most tokens of one verdict.
        description: The requirement in words.
        judge: The backend that judges; by default the one that wrote.

    Raises:
        UsageError: The documents are one text instead of a list.
    """

    def __init__(
        self,
        documents: Iterable[str | Span] | None = None,
        *,
        allow_partial_support: bool = False,
        max_new_tokens: int = 500,
        description: str | None = None,
        judge: Backend | None = None,
    ) -> None:
        if isinstance(documents, str):
            raise UsageError("documents is one text.", hint="Pass a list: documents=[...].")
        super().__init__(description or "Say only what the documents support.", judge=judge)
        self.documents = None if documents is None else tuple(blockify(document) for document in documents)
        self.allow_partial_support = allow_partial_support
        self.max_new_tokens = max_new_tokens

    @property
    def is_free(self) -> bool:
        """Return False: a model judges."""
        return False

    async def validate(
        self,
        backend: Backend,
        ctx: Context,
        *,
        format: Any = None,
        model_options: Mapping[str, Any] | None = None,
    ) -> ValidationResult:
        """Return whether the documents support the last output, with the sentences that they do not support.

        Raises:
            UsageError: There is no output, or there are no documents.
            ProviderError: The judge could not be asked.
        """
        output, documents = ctx.last_output(), self.documents or _documents_of(ctx)
        if output is None:
            raise UsageError("There is no output to check in this context.", hint="Generate something first.")
        if not documents:
            raise UsageError("There are no documents to check against.", hint="Pass documents=[...].")
        formatter = backend_of(self.judge, backend).formatter
        texts = [formatter.print(document) for document in documents]
        shown, quotable = "\n\n".join(texts), {sentence for text in texts for sentence in _sentences(text)}
        sentences = _sentences(str(output))
        asked = [sentence for sentence in sentences if sentence not in quotable]
        questions = [
            Requirement(f'The documents say, or clearly imply, this sentence: "{sentence}"')
            for sentence in asked
        ]
        conversation = SimpleContext().add(Message("user", f"Documents:\n{shown}")).add(output)
        options = merge_options({ModelOption.MAX_NEW_TOKENS: self.max_new_tokens}, model_options)
        verdicts = await ask_judge(self.judge, questions, backend, conversation, options) if questions else []
        unsupported = [sentence for sentence, verdict in zip(asked, verdicts, strict=True) if not verdict]
        enough = len(unsupported) < len(sentences) if self.allow_partial_support else not unsupported
        return ValidationResult(
            enough,
            reason=f"not supported: {' '.join(unsupported)}"
            if unsupported
            else "every sentence is supported",
            score=1 - len(unsupported) / len(sentences) if sentences else None,
            usage=total_usage([verdict.usage for verdict in verdicts]),
            seconds=max((verdict.seconds for verdict in verdicts), default=0.0),
        )


def _sentences(text: str) -> list[str]:
    chunker = Chunker(SentenceChunking())
    return [sentence.strip() for sentence in [*chunker.feed(text), *chunker.flush()] if sentence.strip()]


def _documents_of(ctx: Context) -> tuple[Span, ...]:
    """Return the documents of the newest message that has some."""
    for span in ctx.newest_first():
        if isinstance(span, Message) and span.documents:
            return tuple(span.documents)
    return ()

"""Finding the documents that a question is about, by their embeddings.

The search is exact: every vector is compared, which takes about a millisecond for 10,000 documents. A larger
corpus belongs to a library that is made for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import frozen

from mellea.core.backend import Backend
from mellea.core.document import Document
from mellea.core.embedding import Embeddings
from mellea.core.errors import UsageError
from mellea.core.event_loop import run_sync

__all__ = ["DocumentIndex", "Hit"]


@frozen
class Hit:
    """A document that was found.

    Args:
        document: The document, as it was given.
        score: The cosine of its vector and the question's: 1 for the same direction.
    """

    document: Document
    score: float


@frozen(eq=False)
class DocumentIndex:
    """Documents with their embeddings. Made by ``build`` or ``abuild``, and never changed after.

    Args:
        documents: The documents.
        embeddings: A vector for each of them.
        backend: Embeds the questions; the same that embedded the documents.
        query_prefix: What stands before a question for models that want it, such as ``"query: "``.
    """

    documents: tuple[Document, ...]
    embeddings: Embeddings
    backend: Backend
    query_prefix: str = ""

    @classmethod
    async def abuild(
        cls,
        documents: Iterable[str | Document],
        backend: Backend,
        *,
        document_prefix: str = "",
        query_prefix: str = "",
    ) -> DocumentIndex:
        """Embed documents, once.

        Args:
            documents: Texts, or documents, of which the text is embedded.
            backend: A backend that embeds.
            document_prefix: What stands before a document for models that want it, such as ``"passage: "``.
            query_prefix: What stands before a question for them, such as ``"query: "``.

        Raises:
            CapabilityError: The backend does not embed.
            UsageError: A document is empty or none; nothing was sent.
            ProviderError: The provider failed.
        """
        if isinstance(documents, str):
            raise UsageError("documents is one text.", hint="Pass a list: DocumentIndex.build([...], ...).")
        known = tuple(Document(entry) if isinstance(entry, str) else entry for entry in documents)
        embeddings = await backend.embed([f"{document_prefix}{document.text}" for document in known])
        return cls(known, embeddings, backend, query_prefix)

    @classmethod
    def build(cls, documents: Iterable[str | Document], backend: Backend, **options: Any) -> DocumentIndex:
        """Embed documents, once. See ``abuild``."""
        return run_sync(cls.abuild(documents, backend, **options))

    async def asearch(self, question: str, k: int = 3) -> list[Hit]:
        """Return the documents that are closest to a question, the closest first.

        Args:
            question: What is asked for, in words.
            k: How many documents at most.

        Raises:
            UsageError: The question is empty, or ``k`` is below one.
            ProviderError: The provider failed.
        """
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise UsageError(f"k is {k!r}.", hint="Pass a number of documents: 1 or more.")
        if not self.documents:
            return []
        asked = await self.backend.embed([f"{self.query_prefix}{question}"])
        scores = (self.embeddings.vectors @ asked.vectors[0]).tolist()
        best = sorted(range(len(scores)), key=lambda place: -scores[place])[:k]
        return [Hit(self.documents[place], scores[place]) for place in best]

    def search(self, question: str, k: int = 3) -> list[Hit]:
        """Return the documents that are closest to a question. See ``asearch``."""
        return run_sync(self.asearch(question, k))

"""The SDK's client, with addresses that are parsed once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import httpx2
from openai import AsyncOpenAI, DefaultAioHttpClient

__all__ = ["Client", "HttpClient"]


@lru_cache(64)
def _parsed(url: str) -> httpx2.URL:
    """Return an address, parsed once: the SDK and its transport do so for each request, and it takes long."""
    return httpx2.URL(url)


class HttpClient(DefaultAioHttpClient):
    """The SDK's transport."""

    def build_request(self, method: str, url: httpx2.URL | str, **more: Any) -> httpx2.Request:
        """Return a request to an address that is parsed already."""
        return super().build_request(method, _parsed(str(url)), **more)


class Client(AsyncOpenAI):
    """The SDK's client."""

    def _prepare_url(self, url: str) -> httpx2.URL:
        return _parsed(url) if "://" in url else super()._prepare_url(url)

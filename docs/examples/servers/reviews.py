"""A program that is served: ``mellea serve reviews.py --backend hf``."""

from typing import Literal

from mellea import generative


@generative
def sentiment(review: str) -> Literal["positive", "negative"]:
    """Classify the sentiment of a review.

    Args:
        review: What a customer wrote.
    """


@generative
def stars(review: str, scale: int = 5) -> int:
    """Say how many stars a review is worth.

    Args:
        review: What a customer wrote.
        scale: The most stars that there are.
    """

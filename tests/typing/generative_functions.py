"""The static type of a typed function's call is the annotated one. Checked by mypy; never run."""

# mypy: disable-error-code="empty-body"

from typing import Literal, assert_type

from mellea.core import Backend, Context
from mellea.stdlib.components.genstub import generative
from mellea.stdlib.sampling import RejectionSamplingStrategy
from mellea.stdlib.session import MelleaSession


@generative
def sentiment(text: str, *, strong: bool = False) -> Literal["positive", "negative"]:
    """Classify."""


@generative
async def count(text: str) -> int | None:
    """Count the words."""


@generative(
    requirements=["Be short."],
    strategy=RejectionSamplingStrategy(loop_budget=3),
    model_options={"seed": 1},
    strict=True,
)
def summary(text: str) -> str:
    """Summarise."""


@generative(model_options={"seed": 1})
async def summary_later(text: str) -> str:
    """Summarise."""


class Reviewer:
    @generative
    def review(self, text: str) -> list[str]:
        """List what is wrong."""

    @generative
    async def review_later(self, text: str) -> list[str]:
        """List what is wrong."""


def synchronous(m: MelleaSession, context: Context, backend: Backend) -> None:
    assert_type(sentiment(m, "x"), Literal["positive", "negative"])
    assert_type(sentiment(m, text="x", strong=True), Literal["positive", "negative"])
    assert_type(sentiment(context, backend, "x"), tuple[Literal["positive", "negative"], Context])
    assert_type(
        sentiment(context=context, backend=backend, text="x"), tuple[Literal["positive", "negative"], Context]
    )
    assert_type(summary(m, "x"), str)
    assert_type(summary(m, "x", requirements=["Be kind."], model_options={"seed": 2}), str)
    assert_type(summary(context, backend, "x", strategy=RejectionSamplingStrategy()), tuple[str, Context])
    assert_type(Reviewer().review(m, "x"), list[str])
    assert_type(Reviewer().review(context, backend, text="x"), tuple[list[str], Context])
    sentiment(m, 3)  # type: ignore[call-overload]
    sentiment(m, "x", loud=True)  # type: ignore[call-overload]
    sentiment("x")  # type: ignore[call-overload]
    Reviewer().review(m, 3)  # type: ignore[call-overload]


async def asynchronous(m: MelleaSession, context: Context, backend: Backend) -> None:
    assert_type(await count(m, "x"), int | None)
    assert_type(await count(context, backend, "x"), tuple[int | None, Context])
    assert_type(await summary_later(m, "x", precondition_requirements=["Not empty."]), str)
    assert_type(await Reviewer().review_later(m, text="x"), list[str])

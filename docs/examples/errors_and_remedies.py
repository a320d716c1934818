"""What goes wrong says whose fault it is and what to do, and leaves no trace."""

import warnings

from pydantic import BaseModel

from mellea import ModelOption, start_session
from mellea.core import (
    LimitTooSmallError,
    MelleaError,
    OptionNotSupportedWarning,
    ProviderError,
    UsageError,
)


class City(BaseModel):
    """A city and its country."""

    name: str
    country: str


def show(error: MelleaError) -> None:
    """Print an error as a program's user would see it."""
    print(f"{type(error).__name__}:\n  {error.message}\n  -> {error.hint}")


try:
    start_session(backend="huggingfase")
except MelleaError as error:
    show(error)

with start_session(backend="hf") as m:
    m.chat("What is the capital of France?")
    before = m.ctx

    try:  # the caller's fault: found before anything is sent
        m.instruct(
            "Write to {{name}} about {{topic}}.", user_variables={"name": "Olivia"}
        )
    except UsageError as error:
        show(error)

    try:  # the provider's answer: this prompt does not fit into the model's window
        m.chat("word " * 9000)
    except ProviderError as error:
        show(error)
    print("The session is as it was:", m.ctx is before)

    try:  # five tokens are too few for any City: it says how many are enough
        few = {ModelOption.MAX_NEW_TOKENS: 5}
        m.instruct("Name a city.", format=City, model_options=few)
    except LimitTooSmallError as error:
        show(error)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", OptionNotSupportedWarning)
        m.chat(
            "What is the capital of France?", model_options={ModelOption.THINKING: True}
        )
    print("Warned:", caught[0].message)

try:
    m.chat("Still there?")
except MelleaError as error:
    show(error)

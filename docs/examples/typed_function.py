"""A typed function.

Name, signature and docstring are the prompt; the annotation is what may come back.
"""

from typing import Literal

from mellea import ModelOption, generative, start_session


@generative
def capital(country: str) -> Literal["Athens", "Madrid", "Paris", "Rome"]:
    """Return the capital of the country."""


with start_session(
    backend="hf",
    model_options={ModelOption.TEMPERATURE: 0, ModelOption.MAX_NEW_TOKENS: 16},
) as m:
    for country in ("France", "Spain"):
        print(f"{country}: {capital(m, country)}")

    # Called with another option, this once.
    print(
        "Drawn:",
        capital(
            m,
            country="Italy",
            model_options={ModelOption.TEMPERATURE: 1.0, ModelOption.SEED: 4},
        ),
    )

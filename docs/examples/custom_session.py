"""A session of one's own: a verb that says what it is for, and its own defaults."""

from typing import Any

from mellea import ChatContext, MelleaSession, ModelOption, start_backend


class TravelGuide(MelleaSession):
    """Answers questions about one country, and counts them."""

    def __init__(self, backend: Any, country: str) -> None:
        super().__init__(
            backend,
            ChatContext(window_size=6),
            model_options={ModelOption.MAX_NEW_TOKENS: 40},
        )
        self.country = country
        self.asked = 0

    def capital(self) -> str:
        """Return what the model knows of the capital."""
        self.asked += 1
        return self.chat(
            "What is the capital of {{country}}?",
            user_variables={"country": self.country},
        ).content

    def ask(self, question: str) -> str:
        """Ask anything more."""
        self.asked += 1
        return self.chat(question).content


_, backend = start_backend("hf")
with backend, TravelGuide(backend, "France") as guide:
    print(guide.capital())
    other = (
        guide.clone()
    )  # a TravelGuide too, with the same memory; from here on each goes its own way
    print(guide.ask("Which river flows through it?"))
    print(other.ask("What language do people speak there?"))
    print(f"{guide.asked} questions to one guide, {other.asked} to the other.")

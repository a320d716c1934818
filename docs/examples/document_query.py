"""Questions about a document, with a check that the answer rests on it."""

from mellea import (
    Document,
    ModelOption,
    RejectionSamplingStrategy,
    check,
    simple_validate,
    start_session,
)

MEMO = Document(
    "Olivia Reyes joins the design team in Lisbon on Monday. She brings her own lamp.",
    title="Memo",
)
QUESTIONS = ["Who joins the design team?", "On which day does Olivia join?"]


def quotes_the_memo(text: str) -> tuple[bool, str]:
    """Tell whether every capitalised word but the first is one of the memo's."""
    names = [word.strip(".,!?") for word in text.split()[1:] if word[:1].isupper()]
    unknown = [name for name in names if name not in MEMO.text]
    return (
        not unknown,
        f"not in the memo: {', '.join(unknown)}"
        if unknown
        else "every name is in the memo",
    )


OPTIONS = {
    ModelOption.TEMPERATURE: 0.5,
    ModelOption.SEED: 3,
    ModelOption.MAX_NEW_TOKENS: 20,
}

with start_session(backend="hf", model_options=OPTIONS) as m:
    for question in QUESTIONS:
        answer = m.query(
            MEMO,
            question,
            requirements=[
                check("The names are the memo's.", simple_validate(quotes_the_memo))
            ],
            strategy=RejectionSamplingStrategy(loop_budget=3),
        )
        print(f"{question} {answer}")

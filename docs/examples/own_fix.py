"""A requirement may bring its own fix: what code can mend, no model is asked for."""

from mellea import ModelOption, req, simple_validate, start_session


def ends_a_sentence(text: str) -> tuple[bool, str]:
    """Check how a text ends."""
    return text.endswith((".", "!", "?")), f"it ends with {text[-1:]!r}"


def cut_to_sentences(text: str) -> str:
    """Cut a text behind its last sentence; close it if it has none."""
    last = max(text.rfind(mark) for mark in ".!?")
    return text[: last + 1] if last >= 0 else f"{text}."


whole_sentences = req(
    "Write whole sentences.", simple_validate(ends_a_sentence), repair=cut_to_sentences
)

with start_session(
    backend="hf",
    model_options={ModelOption.TEMPERATURE: 0, ModelOption.MAX_NEW_TOKENS: 40},
) as m:
    result = m.instruct(
        "Explain why leaves are green.",
        requirements=[whole_sentences],
        return_sampling_results=True,
    )

chosen = result.chosen
print(chosen.output)
print(
    f"[success: {result.success}, attempts: {len(result.attempts)}, "
    f"fixed by: {chosen.fixed_by}]"
)

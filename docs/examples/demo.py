"""What `make demo` runs: a real program on a small model, without server or key.

Four things that a generative program does: it shows an answer while the model writes
it, it gets a typed value out of a text, it keeps rules, which steer the model while it
writes, and it holds a conversation that remembers.
"""

import os
import sys
import textwrap
import time
from collections.abc import Iterable
from itertools import zip_longest

from pydantic import BaseModel

from mellea import ChatContext, MelleaSession, ModelOption, start_session
from mellea.core import SamplingResult
from mellea.stdlib.requirements import avoids, contains, word_count
from mellea.stdlib.requirements.forms import Case, of_form
from mellea.stdlib.sampling import RejectionSamplingStrategy

WIDTH = 78
RULES = [
    word_count(at_least=15, at_most=25),
    contains("bridge", "boats"),
    avoids("water"),
    of_form(Case("lower")),
]
COLOURED = sys.stdout.isatty() and "NO_COLOR" not in os.environ


class Person(BaseModel):
    """What the second part looks for."""

    name: str
    age: int
    city: str


def main() -> None:
    """Run the four parts in one session."""
    title = "Mellea: ordinary Python in which some steps are done by a language model."
    print(f"{styled('1', title)}\n")
    print(
        "Loading SmolLM2, a model of 135 million parameters "
        "(the first time, its weights are prepared once) ...",
        flush=True,
    )
    started = time.perf_counter()
    with start_session(
        backend="hf",
        model_options={ModelOption.TEMPERATURE: 0, ModelOption.MAX_NEW_TOKENS: 80},
    ) as m:
        print(f"Ready after {time.perf_counter() - started:.1f} s.")
        stream_an_answer(m)
        extract_a_person(m)
        keep_rules(m)
        hold_a_conversation(m)
    print(
        f"\nDone in {time.perf_counter() - started:.0f} s. "
        "The program is docs/examples/demo.py; change it and run it again."
    )


def stream_an_answer(m: MelleaSession) -> None:
    """Print an answer while it is being written."""
    heading("1. An answer, streamed", "for piece in m.stream_chat(question): ...")
    question = "Explain in two sentences why leaves are green."
    print(styled("36", f"> {question}"))
    answer = m.stream_chat(question)
    type_out(answer)
    known = answer.generation
    print(
        styled(
            "2",
            f"{known.usage.completion_tokens} tokens in {known.seconds:.1f} s, "
            f"the first after {known.ttfb_ms:.0f} ms",
        )
    )


def extract_a_person(m: MelleaSession) -> None:
    """Get a typed value out of a text: the model can write only what fits the class."""
    heading(
        "2. A typed value",
        "m.instruct(task, user_variables={...}, format=Person).parsed",
    )
    note = "Olivia is 34 years old and lives in Lisbon."
    print(styled("36", f"> {note}"))
    person = m.instruct(
        "Extract the person from this text: {{note}}",
        user_variables={"note": note},
        format=Person,
    ).parsed
    print(repr(person))
    print(
        styled(
            "2",
            f"person.age + 1 is {person.age + 1}: a number, "
            "checked by pydantic, known to the type checker",
        )
    )


def keep_rules(m: MelleaSession) -> None:
    """Ask for the same twice: freely, and with rules that steer what is written."""
    heading(
        "3. Rules, one attempt each: free, and steered",
        "m.instruct(task, requirements=RULES, steer=True)",
    )
    task = "Write a sentence about a walk by the river."
    print(styled("36", f"> {task}"))
    free, steered = (
        m.instruct(
            task,
            requirements=RULES,
            steer=steer,
            strategy=RejectionSamplingStrategy(loop_budget=1),
            model_options={
                ModelOption.MAX_NEW_TOKENS: 120,
                ModelOption.TEMPERATURE: 0.4,
                ModelOption.SEED: 1,
            },
            return_sampling_results=True,
        )
        for steer in (False, True)
    )
    half = WIDTH // 2 - 1
    print(styled("1", f"{'free':<{half}}  steered"))
    for left, right in zip_longest(verdicts(free), verdicts(steered), fillvalue=""):
        print(f"{left:<{half}}  {right}".rstrip())


def verdicts(result: SamplingResult[str]) -> list[str]:
    """Return an answer and what each rule says of it, in lines for half the width."""
    half = WIDTH // 2 - 1
    lines = textwrap.wrap(result.value, half, max_lines=7, placeholder=" ...")
    for rule, verdict in result.result_validations:
        mark = "✓" if verdict else "✗"
        lines.append(textwrap.shorten(f"{mark} {rule.name}", half, placeholder=" ..."))
    return lines


def hold_a_conversation(m: MelleaSession) -> None:
    """Ask questions of which the later ones make sense only with the earlier ones."""
    heading(
        "4. A conversation",
        'm.ctx = ChatContext(); m.stream_chat("Which river flows through it?")',
    )
    m.ctx = ChatContext()
    for question in (
        "What is the capital of France?",
        "Which river flows through it?",
        "What language do people speak there?",
    ):
        print(styled("36", f"> {question}"))
        type_out(m.stream_chat(question))
    print(
        styled(
            "2",
            f"{len(m.ctx.as_list())} spans are in the context: "
            "each question was sent with all that went before it",
        )
    )


def heading(title: str, code: str) -> None:
    """Announce a part, with the line of code that it is about."""
    print(f"\n{styled('1', title)}\n{styled('2', code)}\n")


def type_out(pieces: Iterable[str]) -> None:
    """Print pieces as they come, wrapped at spaces."""
    column, word = 0, ""
    for character in (character for piece in pieces for character in piece):
        word += character
        if character.isspace():
            column = put(word, column)
            word = ""
    put(word, column)
    print()


def put(word: str, column: int) -> int:
    """Print a word, on a new line if need be, and return the column after it."""
    if column + len(word.rstrip()) > WIDTH:
        print()
        column = 0
    print(word, end="", flush=True)
    return 0 if word.endswith("\n") else column + len(word)


def styled(code: str, text: str) -> str:
    """Return a text in a terminal's style; as it is where the output is no terminal."""
    return f"\x1b[{code}m{text}\x1b[0m" if COLOURED else text


if __name__ == "__main__":
    main()

"""A program that ``mellea decompose`` has written."""

from argparse import ArgumentParser

from mellea import MelleaSession, start_session
from mellea.stdlib.requirements import contains, word_count

TASK = 'Answer the mail in at most 80 words; say "thanks", and stay kind.'


def program(m: MelleaSession, *, mail: str) -> str:
    """Carry out the task, step by step."""
    points = m.instruct(
        "List the points of the mail.",
        grounding_context={
            "mail": mail,
        },
    )
    answer = m.instruct(
        "Write an answer to the points.",
        grounding_context={
            "points": points,
            "mail": mail,
        },
        requirements=[
            word_count(at_most=80),
            contains("thanks"),
            "Stay kind.",
        ],
    )
    return str(answer)


if __name__ == "__main__":
    parser = ArgumentParser(description=TASK.replace("%", "%%"))
    parser.add_argument("--mail", required=True)
    arguments = parser.parse_args()
    with start_session() as m:
        print(program(m, mail=arguments.mail))

"""Two programs on the same tasks, until it is known which is better; asks no model."""

import zlib

from mellea import MelleaSession
from mellea.evaluation import Candidate, Task, compare
from mellea.testing import ScriptedBackend

SUMS = [(a, b) for a in range(11, 31) for b in range(11, 31)]
TASKS = [Task(f"{a} + {b}", requirements=[{"one_of": [str(a + b)]}]) for a, b in SUMS]


def answer(request):
    """Stand for a model that is wrong in a third of all sums."""
    prompt = request.messages[-1].content
    a, _, b = prompt.partition(":")[0].split()
    slip = zlib.crc32(prompt.encode()) % 3 == 0
    return str(int(a) + int(b) + slip)


async def once(session: MelleaSession, prompt):
    """Ask once."""
    return await session.achat(prompt)


async def checked(session: MelleaSession, prompt):
    """Ask again while the answer is odd where the sum is even, or the reverse."""
    odd = sum(map(int, prompt.split(" + "))) % 2
    for turn in "abc":
        said = str(await session.achat(f"{prompt}: {turn}"))
        if int(said) % 2 == odd:
            break
    return said


backend = ScriptedBackend(answer)
found = compare(Candidate(once, backend), Candidate(checked, backend), TASKS)
found.show()

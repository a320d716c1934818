"""Better words for a program: searched on some tasks, compared on others; no model."""

import asyncio
import json
import tempfile

from mellea import generative, load_prompts, start_session
from mellea.evaluation import Task
from mellea.improving import optimise
from mellea.testing import ScriptedBackend


@generative
async def city_of(address: str) -> str:
    """Name the city."""


PLACES = [
    f"{number} Sea Road, {name}" for number in range(1, 16) for name in ("Rome", "Oslo")
]
TASKS = [
    Task(
        inputs={"address": place},
        requirements=[{"matches": f"^{place.split()[-1].upper()}$"}],
    )
    for place in PLACES
]


def answer(request):
    """Stand for a model that writes in capitals once it is told to."""
    prompt = request.messages[-1].content
    if "def better_text" in prompt:
        return json.dumps({"result": "Name the city of the address, in capitals."})
    city = prompt.partition("address (str): ")[2].splitlines()[0].split()[-1]
    return json.dumps({"result": city.upper() if "in capitals" in prompt else city})


backend = ScriptedBackend(answer)
found = optimise(city_of, TASKS, backend=backend)
found.show()

with tempfile.TemporaryDirectory() as folder, start_session(backend) as m:
    found.save(f"{folder}/prompts.json")
    better = load_prompts(f"{folder}/prompts.json")(city_of)
    print("Loaded:", asyncio.run(better(m, address="3 Hill Street, Oslo")))

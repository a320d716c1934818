"""Tasks with requirements: a model as it is, beside a program that repairs."""

from mellea import ModelOption
from mellea.evaluation import Candidate, Task, evaluate
from mellea.stdlib.requirements import contains

TASKS = [
    Task(
        f"Write one short sentence about {topic}.",
        requirements=[{"contains": [topic]}, {"words": {"at_most": 20}}],
        id=topic,
    )
    for topic in ("rain", "tea")
]


async def repaired(session, prompt):
    """Ask, and repair what does not name its topic."""
    topic = prompt.rstrip(".").split()[-1]
    return await session.ainstruct(prompt, requirements=[contains(topic)])


model = {"backend": "hf", "model_options": {ModelOption.MAX_NEW_TOKENS: 12}}
report = evaluate(
    TASKS, Candidate(name="as it is", **model), Candidate(repaired, **model)
)
report.show()
best = max(report.summaries, key=lambda summary: summary.success.rate)
print(f"{best.success.passed} of {best.success.total} succeed with {best.name}.")

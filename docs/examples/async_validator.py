"""A check of one's own, asynchronous and with a reason.

It sees the whole conversation, and its reason is what a repair tells the model.
"""

import asyncio

from mellea import ModelOption, ValidationResult, check, start_session
from mellea.core import Context
from mellea.stdlib.sampling import RepairTemplateStrategy

CAPITALS = {"France": "Paris", "Greece": "Athens", "Japan": "Tokyo"}


async def looked_up(country: str) -> str:
    """Ask a database; here one that answers at once."""
    await asyncio.sleep(0)
    return CAPITALS[country]


async def names_the_capital(ctx: Context) -> ValidationResult:
    """Look the country of the question up, and the answer for its capital."""
    asked = ctx.last_turn().model_input
    country = next(name for name in CAPITALS if name in str(asked))
    capital = await looked_up(country)
    answer = str(ctx.last_output())
    found = capital in answer
    return ValidationResult(
        found,
        reason=f"the answer {'names' if found else 'does not name'} {capital}",
        score=float(found),
    )


async def main() -> None:
    """Ask for each capital."""
    options = {ModelOption.TEMPERATURE: 0, ModelOption.MAX_NEW_TOKENS: 16}
    async with start_session(backend="hf", model_options=options) as m:
        for country in CAPITALS:
            result = await m.ainstruct(
                f"What is the capital of {country}?",
                requirements=[check("The answer is right.", names_the_capital)],
                strategy=RepairTemplateStrategy(loop_budget=2),
                return_sampling_results=True,
            )
            _, verdict = result.result_validations[0]
            print(f"{country}: {verdict.reason} (attempt {result.result_index + 1})")


asyncio.run(main())

"""Many independent calls at once: they cost one latency on a server."""

import asyncio

from mellea import ModelOption, start_session

COUNTRIES = ["France", "Greece", "Japan"]


async def main() -> None:
    """Ask for several capitals, first as tasks, then as one batch of plain texts."""
    async with start_session(
        backend="hf", model_options={ModelOption.MAX_NEW_TOKENS: 16}
    ) as m:
        answers = await asyncio.gather(
            *(
                m.ainstruct(
                    "What is the capital of {{country}}?",
                    user_variables={"country": country},
                )
                for country in COUNTRIES
            )
        )
        for country, answer in zip(COUNTRIES, answers, strict=True):
            print(f"{country}: {answer}")

        # No chat template here: the model continues each text, and all in one step.
        outputs = await m.backend.generate_from_raw(
            [f"The capital of {country} is" for country in COUNTRIES],
            model_options={
                ModelOption.MAX_NEW_TOKENS: 8,
                ModelOption.STOP_SEQUENCES: [",", ".", "\n"],
            },
        )
        print("Completed:", [str(output).strip() for output in outputs])


asyncio.run(main())

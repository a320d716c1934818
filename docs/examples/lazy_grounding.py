"""User variables and grounding.

Outputs still on their way may stand in a prompt: they are waited for before it is sent.
"""

import asyncio

from mellea import Document, ModelOption, start_session

MEMO = Document("Olivia Reyes joins the design team in Lisbon on Monday.", title="Memo")


async def main() -> None:
    """Write a sentence, then a question from two answers that nobody waited for."""
    async with start_session(
        backend="hf", model_options={ModelOption.MAX_NEW_TOKENS: 48}
    ) as m:
        welcome = await m.ainstruct(
            "Write one friendly sentence that welcomes {{name}} to the {{team}} team.",
            user_variables={"name": "Olivia", "team": "design"},
            grounding_context={"memo": MEMO},
        )
        print(welcome)

        topics = ("photosynthesis", "gravity")
        facts = {
            topic: await m.ainstruct(
                "What is {{topic}}? Answer in one sentence.",
                user_variables={"topic": topic},
                await_result=False,  # a thunk comes back at once, and the model works
            )
            for topic in topics
        }
        print([fact.is_computed() for fact in facts.values()])
        question = await m.ainstruct(
            "Write a question for a school quiz about these facts.",
            grounding_context=facts,
            model_options={ModelOption.STOP_SEQUENCES: ["\n"]},
        )
        print([fact.is_computed() for fact in facts.values()])
        print(question)


asyncio.run(main())

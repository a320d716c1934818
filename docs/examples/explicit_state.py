"""The verbs without a session: context and backend in, result and new context out.

Contexts are values. Adding to one never changes it, so that two conversations may grow
from the same beginning.
"""

from mellea import ChatContext, mfuncs, start_backend

ctx, backend = start_backend("hf", ctx=ChatContext())

with backend:
    answer, france = mfuncs.chat("What is the capital of France?", ctx, backend)
    print(answer.content)

    river, _ = mfuncs.chat("Which river flows through it?", france, backend)
    language, _ = mfuncs.chat("What language do people speak there?", france, backend)
    print(river.content)
    print(language.content)

    output, _ = mfuncs.instruct("Name three fruits.", ctx, backend)
    print(f"{output}\n[{output.generation.usage.completion_tokens} tokens]")

print(
    f"The first context holds {len(ctx.as_list())} spans, "
    f"the second one {len(france.as_list())}."
)

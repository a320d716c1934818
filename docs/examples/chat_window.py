"""A conversation of which the newest part is kept, and its system message."""

from mellea import ChatContext, Message, start_session

ctx = ChatContext(window_size=2).add(
    Message("system", "You are a helpful guide to France.")
)

with start_session(backend="hf", ctx=ctx) as m:
    for question in (
        "What is the capital of France?",
        "What language do people speak there?",
        "Which river flows through it?",
    ):
        print(f"> {question}")
        print(m.chat(question).content)

    print(f"\n{len(m.ctx.as_list())} spans are remembered. The last request showed:")
    for message in m.last_prompt() or ():
        print(f"  {message['role']:9} {message['content']}")

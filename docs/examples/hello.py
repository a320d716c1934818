"""The smallest program: open a session, ask, print."""

from mellea import start_session

with start_session(backend="hf") as m:
    answer = m.chat("What is the capital of France?")

print(answer.content)

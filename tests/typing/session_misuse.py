"""Mistakes that a type checker finds: each marked line must be an error (``warn_unused_ignores``)."""

from mellea import ChatContext, mfuncs, start_session

m = start_session()
m.instruct("x", requirement=["r"])  # type: ignore[call-overload]
m.instruct("x", requirements=5)  # type: ignore[call-overload]
m.chat("x", "robot")  # type: ignore[arg-type]
m.chat("x", document=["d"])  # type: ignore[call-arg]
m.act("x", tool_call=True)  # type: ignore[call-overload]
m.query("x", "y", requirement=["r"])  # type: ignore[call-arg]
m.transform("x", "y", tool_calls=True)  # type: ignore[call-arg]
m.validate("x", outputs="y")  # type: ignore[call-arg]
mfuncs.instruct("x", ChatContext(), m.backend, requirement=["r"])  # type: ignore[call-arg]
mfuncs.chat("x", ChatContext(), m.backend, document=["d"])  # type: ignore[call-arg]

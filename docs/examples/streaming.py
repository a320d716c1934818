"""Streaming: read an answer while it is written, and stop it early."""

from mellea import ModelOption, start_session

with start_session(backend="hf", model_options={ModelOption.MAX_NEW_TOKENS: 50}) as m:
    answer = m.stream_chat("Explain in two sentences why leaves are green.")
    for piece in answer:
        print(piece, end="", flush=True)
    print(
        f"\n[{answer.generation.usage.completion_tokens} tokens, "
        f"{answer.generation.finish_reasons[0]}]\n"
    )

    # Leaving the block stops the model's work. What is unfinished is not remembered.
    before = m.ctx
    with m.stream_chat("What is photosynthesis?") as answer:
        for piece in answer:
            print(piece, end="", flush=True)
            if answer.text.count(" ") >= 8:
                break
    print(f" ...\n[stopped: {answer.cancelled}, context unchanged: {m.ctx is before}]")

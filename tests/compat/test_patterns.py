"""Small programs of the 0.8 line, one line each, that belong to no larger one."""

from collections import defaultdict
from contextvars import Context

import pytest

from mellea import (
    CBlock,
    ChatContext,
    Instruction,
    MelleaSession,
    Message,
    RejectionSamplingStrategy,
    Requirement,
    SamplingResult,
    SimpleContext,
    ValidationResult,
    generative,
    model_ids,
    start_session,
)
from mellea.core import (
    ChunkingStrategy,
    ContextTypeMismatchError,
    ModelOutputThunk,
    ModelToolCall,
    default_output_to_bool,
)
from mellea.stdlib.chunking import (
    ParagraphChunking,
    SentenceChunking,
    WordChunking,
    resolve_chunking_strategy,
)
from mellea.stdlib.context import InlineCompactor, ThresholdCompactor, WindowCompactor, pin_system
from mellea.stdlib.requirements.requirement import reqify
from mellea.stdlib.requirements.tool_reqs import tool_arg_validator, uses_tool
from mellea.stdlib.sampling import (
    ModelFriendlyFeedbackFormatter,
    ModelFriendlyRepairStrategy,
    RepairTemplateStrategy,
    python_code_generation_sampling,
    python_plotting_sampling,
)
from mellea.stdlib.session import get_session
from mellea.testing import ScriptedBackend


def session(answer="b"):
    return MelleaSession(ScriptedBackend(answer), ChatContext())


def asked(text="a", **fields):
    return ChatContext().add(CBlock("?")).add(ModelOutputThunk(text, **fields))


def calling(name, **args):
    return asked("", tool_calls=[ModelToolCall(name, None, args)])


def prompt_of(*args, **kwargs):
    backend = ScriptedBackend("b")
    MelleaSession(backend).instruct(*args, **kwargs)
    return backend.requests[0].messages[-1].content


class Halves(ChunkingStrategy):
    def split(self, accumulated_text):
        return [accumulated_text]


FAILED = [[(Requirement("r"), ValidationResult(False, reason="why"))]]
POSITIVE = ("d", "f", "x", lambda value: value > 1)

SAME = {
    "blanks for names that are not given": (
        lambda: prompt_of("Hi {{name}}, {{other}}.", user_variables=defaultdict(str, {"name": "Ada"})),
        "Hi Ada, .",
    ),
    "block beside variables": (
        lambda: session().instruct(CBlock("Hi"), user_variables={"a": "b"}).value,
        "b",
    ),
    "instruction before a repair": (lambda: Instruction("x").format_for_llm().args["repair"], None),
    "answer without calls": (lambda: ModelOutputThunk("x").tool_calls, None),
    "size of a window": (lambda: ChatContext(window_size=3)._compactor.size, 3),
    "window of pinned spans alone": (
        lambda: [
            str(span.content)
            for span in ChatContext(compactor=WindowCompactor(0, pin_predicate=pin_system))
            .add(Message("system", "s"))
            .add(Message("user", "x"))
            .as_list()
        ],
        ["s"],
    ),
    "threshold inline": (
        lambda: isinstance(ThresholdCompactor(WindowCompactor(2), threshold=5), InlineCompactor),
        True,
    ),
    "last turn": (lambda: asked("q").last_turn().output.value, "q"),
    "last output": (lambda: asked("q").last_output(check_last_n_components=3).value, "q"),
    "reader of a verdict that is None": (
        lambda: Requirement("x", output_to_bool=None).output_to_bool,
        default_output_to_bool,
    ),
    "tool that was called": (lambda: bool(uses_tool("f").validation_fn(calling("f"))), True),
    "argument that is right": (
        lambda: tool_arg_validator(*POSITIVE).validation_fn(calling("f", x=2)).result,
        True,
    ),
    "sentences": (lambda: SentenceChunking().split("Hello world. Bye now. "), ["Hello world.", "Bye now."]),
    "sentence that is quoted": (
        lambda: SentenceChunking().split('He said "Go." Then left. '),
        ['He said "Go."', "Then left."],
    ),
    "rest of sentences": (lambda: SentenceChunking().flush("One. Two"), ["Two"]),
    "words": (lambda: WordChunking().split("one two "), ["one", "two"]),
    "rest of words": (lambda: [WordChunking().flush(text) for text in ("one two", "one ")], [["two"], []]),
    "paragraphs": (lambda: ParagraphChunking().split("P one.\n\nP two.\n\n"), ["P one.", "P two."]),
    "rest of paragraphs": (lambda: ParagraphChunking().flush("a\n\nb\n"), ["b\n"]),
    "rest of a strategy of one's own": (lambda: Halves().flush("x"), []),
    "no chunking": (lambda: resolve_chunking_strategy(None), None),
    "repair on the class": (
        lambda: type(
            RepairTemplateStrategy.repair(
                ChatContext(), ChatContext(), [Instruction("x")], [ModelOutputThunk("y")], FAILED
            )
        ),
        tuple,
    ),
    "selection on the class": (
        lambda: RejectionSamplingStrategy.select_from_failure([CBlock("x")], [ModelOutputThunk("y")], FAILED),
        0,
    ),
    "repair in a model's words": (
        lambda: issubclass(ModelFriendlyRepairStrategy, RepairTemplateStrategy),
        True,
    ),
    "requirements of a preset": (lambda: len(python_code_generation_sampling().requirements), 4),
    "requirements of a plot": (lambda: len(python_plotting_sampling(output_path="a.png").requirements), 6),
    "feedback of a plot": (
        lambda: python_plotting_sampling().feedback_strategy_name,
        "matplotlib_plotting_repair",
    ),
    "result as text": (lambda: str(SamplingResult(0, True, sample_generations=[ModelOutputThunk("t")])), "t"),
    "another type of context": (lambda: session().instruct("a", allow_context_type_change=True).value, "b"),
    "error of another type of context": (lambda: issubclass(ContextTypeMismatchError, TypeError), True),
}


@pytest.mark.parametrize(("program", "expected"), SAME.values(), ids=SAME)
def test_program_gives_what_it_gave(program, expected):
    assert program() == expected


def closed():
    with MelleaSession(ScriptedBackend("x")) as m:
        pass
    m.chat("x")


def reserved():
    @generative
    def act(strategy: str) -> str: ...


REFUSED = {
    "role": (lambda: Message("nobody", "x"), ValueError, "nobody"),
    "parameter": (reserved, ValueError, "strategy"),
    "window": (lambda: WindowCompactor(-1), ValueError, "-1"),
    "requirement": (lambda: reqify(3), ValueError, "int"),
    "two contexts": (
        lambda: start_session(ScriptedBackend("x"), ctx=SimpleContext(), context_type="chat"),
        ValueError,
        "context_type",
    ),
    "no session": (lambda: Context().run(get_session), RuntimeError, "No session"),
    "closed session": (closed, RuntimeError, "closed"),
    "budget": (lambda: RejectionSamplingStrategy(loop_budget=0), ValueError, "loop_budget"),
    "preset": (lambda: python_code_generation_sampling(loop_budget=0), ValueError, "0"),
}


@pytest.mark.parametrize(("program", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_program_fails_as_it_did(program, error, words):
    with pytest.raises(error, match=words):
        program()


@pytest.mark.parametrize(
    ("requirement", "ctx", "words"),
    [
        (uses_tool("f"), asked(), "no tool is called"),
        (uses_tool("f"), calling("g"), "g"),
        (tool_arg_validator(*POSITIVE), calling("f", x=1), "x of f"),
        (tool_arg_validator("d", None, *POSITIVE[2:]), calling("f", x=1), "x of f"),
    ],
)
def test_check_of_tools_says_what_was_called(requirement, ctx, words):
    result = requirement.validation_fn(ctx)

    assert not result
    assert words in result.reason


@pytest.mark.parametrize(
    "kind", ["python_syntax_error", "import_error", "execution_error", "output_size_error"]
)
def test_feedback_for_a_model_says_what_to_try(kind):
    formatted = getattr(ModelFriendlyFeedbackFormatter, f"format_{kind}")
    assert all("\nTry: " in formatted(ValidationResult(False, reason=reason)) for reason in ("boom", None))


NAMES = """
IBM_GRANITE_4_HYBRID_1B ibm-granite/granite-4.0-h-1b granite4:1b-h 131072
IBM_GRANITE_4_1_30B ibm-granite/granite-4.1-30b granite4.1:30b 131072
IBM_GRANITE_GUARDIAN_4_1_8B ibm-granite/granite-guardian-4.1-8b - 131072
IBM_GRANITE_GUARDIAN_3_0_2B ibm-granite/granite-guardian-3.0-2b granite3-guardian:2b 4096
IBM_GRANITE_3_3_VISION_2B ibm-granite/granite-vision-3.3-2b ibm/granite3.3-vision:2b 131072
IBM_GRANITE_4_TINY_PREVIEW_7B ibm-granite/granite-4.0-tiny-preview - 131072
IBM_GRANITE_4_TINY_PREVIEW_BASE_7B ibm-granite/granite-4.0-tiny-base-preview - 131072
IBM_GRANITE_SWITCH_4_1_3B_PREVIEW ibm-granite/granite-switch-4.1-3b-preview - 131072
IBM_GRANITE_SWITCH_4_1_8B_PREVIEW ibm-granite/granite-switch-4.1-8b-preview - 131072
IBM_GRANITE_SWITCH_4_1_30B_PREVIEW ibm-granite/granite-switch-4.1-30b-preview - 131072
META_LLAMA_4_MAVERICK_17B_128E_INSTRUCT unsloth/Llama-4-Maverick-17B-128E-Instruct llama4:maverick 1048576
META_LLAMA_GUARD3_1B meta-llama/Llama-Guard-3-1B llama-guard3:1b 131072
MISTRALAI_MISTRAL_SMALL_24B mistralai/Mistral-Small-3.1-24B-Instruct-2503 mistral-small:latest 131072
MISTRALAI_MISTRAL_LARGE_123B mistralai/Mistral-Large-Instruct-2411 mistral-large:latest 131072
QWEN3_1_7B Qwen/Qwen3-1.7B qwen3:1.7b 32768
MS_PHI_4_MINI_REASONING_4B microsoft/Phi-4-mini-flash-reasoning phi4-mini-reasoning:3.8b 131072
NVIDIA_NEMOTRON_3_NANO_4B nvidia/NVIDIA-Nemotron-3-Nano-4B-BF16 nemotron-3-nano:4b 262144
NVIDIA_NEMOTRON_3_NANO_30B_A3B nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16 nemotron-3-nano:30b 262144
NVIDIA_NEMOTRON_3_SUPER_120B_A12B nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16 nemotron-3-super:120b 262144
NVIDIA_NEMOTRON_3_NANO_OMNI_30B_A3B nvidia/Nemotron-3-Nano-Omni-30B-A3B-Reasoning-BF16 nemotron3:33b 131072
NVIDIA_NEMOTRON_3_ULTRA_550B_A55B nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-BF16 nemotron-3-ultra:cloud 262144
NVIDIA_NEMOTRON_NANO_12B_V2 nvidia/NVIDIA-Nemotron-Nano-12B-v2 - 131072
IBM_GRANITE_4_2_30B ibm-granite/granite-4.2-30b granite4.2:30b 131072
"""


@pytest.mark.parametrize("row", NAMES.split("\n")[1:-1])
def test_constant_of_a_model_has_its_names(row):
    name, hf, ollama, tokens = row.split()
    model = getattr(model_ids, name)
    assert (model.hf_model_name, model.ollama_name or "-", model.context_length) == (hf, ollama, int(tokens))

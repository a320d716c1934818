"""Every name that programs of the 0.8 line import: it is here, or the ImportError says what to do."""

import importlib
import logging
import subprocess
import sys
import typing

import pytest

import mellea
from mellea import core
from mellea._compat import PlannedNameError
from mellea.backends.cache import SimpleLRUCache
from mellea.backends.context_lengths import get_context_length
from mellea.stdlib.start_backend import backend_name_to_class

HERE = {
    "mellea.stdlib.tools": (
        "Artifact COMPATIBILITY_MATRIX CapabilityPolicy DOCKER_POLICY ExecutionEnvironment ExecutionResult "
        "ExecutionTier LLMSandboxEnvironment LOCAL_POLICY StaticAnalysisEnvironment UnsafeEnvironment "
        "bash_executor code_interpreter local_code_interpreter make_execution_environment python_tool"
    ),
    "mellea.stdlib.tools.mcp": (
        "MCPToolSpec discover_mcp_tools http_connection sse_connection stdio_connection"
    ),
    "mellea.stdlib.tools.execution_policy": "CapabilityPolicy DOCKER_POLICY LOCAL_POLICY",
    "mellea.stdlib.components.react": (
        "MELLEA_FINALIZER_TOOL ReactInitiator ReactThought pin_react_initiator react_summary_prompt"
    ),
    "mellea.stdlib.frameworks.react": "react",
    "mellea.stdlib.tools.interpreter": "code_interpreter local_code_interpreter python_tool",
    "mellea.stdlib.tools.shell": "BashEnvironment StaticBashEnvironment bash_executor",
    "mellea": (
        "Backend CBlock ChatContext Component Context Document Instruction Intrinsic MelleaLogger "
        "MelleaSession Message ModelOption ModelOutputThunk RejectionSamplingStrategy Requirement "
        "SamplingResult SimpleComponent SimpleContext TemplateRepresentation ValidationResult __version__ "
        "check generative mfuncs mify model_ids req serve simple_validate start_backend start_session"
    ),
    "mellea.serve": "ChatMessage ImageUrlContent InputAudioContent InputAudioData MessageContent TextContent",
    "mellea.serve.models": (
        "ChatMessage ImageUrlContent InputAudioContent InputAudioData MessageContent TextContent"
    ),
    "mellea.backends": (
        "Backend BaseModelSubclass FormatterBackend MelleaTool ModelIdentifier ModelOption SimpleLRUCache "
        "model_ids tool"
    ),
    "mellea.backends.adapters": (
        "AdapterMixin AdapterSchemaMismatchError CustomIntrinsicAdapter EmbeddedIntrinsicAdapter "
        "IntrinsicAdapter"
    ),
    "mellea.backends.adapters.adapter": (
        "AdapterType CustomIntrinsicAdapter EmbeddedIntrinsicAdapter IntrinsicAdapter"
    ),
    "mellea.stdlib.components.intrinsic": "Intrinsic core guardian rag",
    "mellea.stdlib.components.intrinsic.intrinsic": "Intrinsic",
    "mellea.stdlib.components.intrinsic.guardian": (
        "CRITERIA_BANK SCORING_SCHEMA_BANK factuality_correction factuality_detection guardian_check "
        "policy_guardrails"
    ),
    "mellea.stdlib.requirements.safety.guardian": "GuardianCheck GuardianRisk",
    "mellea.backends.tools": "MelleaTool tool validate_tool_arguments",
    "mellea.backends.backend": "FormatterBackend",
    "mellea.backends.bedrock": (
        "create_bedrock_litellm_backend create_bedrock_openai_backend list_mantle_models "
        "stringify_mantle_model_ids"
    ),
    "mellea.backends.cache": "Cache SimpleLRUCache",
    "mellea.backends.context_lengths": "get_context_length",
    "mellea.backends.dummy": "DummyBackend",
    "mellea.backends.huggingface": "LocalHFBackend TransformersTorchConfig",
    "mellea.backends.litellm": "LiteLLMBackend",
    "mellea.backends.ollama": "OllamaModelBackend",
    "mellea.backends.openai": "OpenAIBackend",
    "mellea.core": (
        "AbstractMelleaTool AudioBlock AudioUrlBlock Backend BaseModelSubclass C CBlock Chunker "
        "ChunkingStrategy Component ComponentParseError ComputedModelOutputThunk Context GenerateLog "
        "GenerateType ImageBlock ImageUrlBlock MelleaLogger ModelOutputThunk ModelToolCall "
        "PartialValidationResult RawProviderResponse Requirement S SampleActionType Span "
        "TemplateRepresentation ValidationResult blockify clear_log_context default_output_to_bool "
        "generate_walk get_audio_from_component get_images_from_component log_context make_image_block "
        "set_log_context"
    ),
    "mellea.core.backend": "Backend BaseModelSubclass generate_walk",
    "mellea.core.base": (
        "AbstractMelleaTool AudioBlock AudioUrlBlock C CBlock Component ComponentParseError "
        "ComputedModelOutputThunk Context GenerateLog GenerateType GenerationMetadata ImageBlock "
        "ImageUrlBlock ModelOutputThunk ModelToolCall RawProviderResponse S TemplateRepresentation "
        "get_audio_from_component get_images_from_component make_image_block"
    ),
    "mellea.core.chunking": "Chunker ChunkingStrategy ParagraphChunking SentenceChunking WordChunking",
    "mellea.core.requirement": (
        "PartialValidationResult Requirement ValidationResult default_output_to_bool"
    ),
    "mellea.core.utils": "MelleaLogger JsonFormatter clear_log_context log_context set_log_context",
    "mellea.formatters": "ChatFormatter Formatter TemplateFormatter",
    "mellea.helpers": (
        "build_completion_usage build_tool_calls chat_completion_delta_merge extract_model_tool_requests "
        "has_tool_calls send_to_queue wait_for_all_mots"
    ),
    "mellea.formatters.chat_formatter": "ChatFormatter",
    "mellea.formatters.template_formatter": "TemplateFormatter",
    "mellea.plugins": (
        "HookType Plugin PluginMode PluginResult PluginSet PluginViolationError block hook is_internal_tool "
        "modify plugin_scope register unregister"
    ),
    "mellea.plugins.base": (
        "MelleaBasePayload MelleaPlugin Plugin PluginMeta PluginResult PluginViolationError"
    ),
    "mellea.plugins.builtin_debug": "log_generation_pre_call",
    "mellea.plugins.builtin_debug.generation": "log_generation_post_call log_generation_pre_call",
    "mellea.plugins.builtin_debug.sampling": (
        "log_sampling_iteration log_sampling_loop_end log_sampling_loop_start log_sampling_repair"
    ),
    "mellea.plugins.builtin_debug.validation": "log_validation_post_check log_validation_pre_check",
    "mellea.plugins.decorators": "HookMeta hook",
    "mellea.plugins.hooks": "GenerationPreCallPayload",
    "mellea.plugins.hooks.adapter_function": (
        "AdapterFunctionInvocationCompletePayload AdapterFunctionPhaseCompletePayload "
    ),
    "mellea.plugins.hooks.component": (
        "ComponentPostErrorPayload ComponentPostSuccessPayload ComponentPreExecutePayload "
    ),
    "mellea.plugins.hooks.generation": (
        "GenerationBatchErrorPayload "
        "GenerationBatchPostCallPayload "
        "GenerationBatchPreCallPayload "
        "GenerationErrorPayload "
        "GenerationEventPayload "
        "GenerationPostCallPayload "
        "GenerationPreCallPayload "
    ),
    "mellea.plugins.hooks.sampling": (
        "SamplingIterationPayload SamplingLoopEndPayload SamplingLoopStartPayload SamplingRepairPayload "
    ),
    "mellea.plugins.hooks.session": (
        "SessionCleanupPayload SessionPostInitPayload SessionPreInitPayload SessionResetPayload "
    ),
    "mellea.plugins.hooks.streaming": ("StreamingEndPayload StreamingEventPayload StreamingStartPayload "),
    "mellea.plugins.hooks.tool": "ToolPostInvokePayload ToolPreInvokePayload",
    "mellea.plugins.hooks.validation": "ValidationPostCheckPayload ValidationPreCheckPayload",
    "mellea.plugins.manager": (
        "disable_background_collection discard_background_tasks drain_background_tasks "
        "enable_background_collection has_plugins initialize_plugins invoke_hook is_internal_tool "
        "shutdown_plugins"
    ),
    "mellea.plugins.pluginset": "PluginSet",
    "mellea.plugins.registry": "block modify plugin_scope register unregister",
    "mellea.plugins.types": "HookType PluginMode",
    "mellea.stdlib": (
        "ChunkEvent Chunker ChunkingStrategy CompletedEvent ErrorEvent FullValidationEvent "
        "ParagraphChunking QuickCheckEvent RetryEvent SentenceChunking StreamEvent Streamer "
        "StreamingDoneEvent WordChunking stream"
    ),
    "mellea.stdlib.chunking": "Chunker ChunkingStrategy resolve_chunking_strategy",
    "mellea.stdlib.components": (
        "AudioBlock AudioUrlBlock CBlock Component Document ImageBlock ImageUrlBlock Instruction "
        "Intrinsic MObject MObjectProtocol Message ModelOutputThunk Query SimpleComponent "
        "TemplateRepresentation ToolMessage Transform as_chat_history as_generic_chat_history blockify mify"
    ),
    "mellea.stdlib.components.chat": "Message as_chat_history as_generic_chat_history",
    "mellea.stdlib.components.docs.document": "Document",
    "mellea.stdlib.components.docs.richdocument": "Table TableQuery TableTransform",
    "mellea.stdlib.components.genstub": (
        "Argument Arguments Function FunctionResponse PreconditionException bind_function_arguments "
        "create_response_format describe_function generative get_argument"
    ),
    "mellea.stdlib.components.instruction": "Instruction",
    "mellea.stdlib.components.mify": "MifiedProtocol mify",
    "mellea.stdlib.components.mobject": "MObject MObjectProtocol Query Transform",
    "mellea.stdlib.components.simple": "SimpleComponent",
    "mellea.stdlib.components.unit_test_eval": "Example Message TestBasedEval TestData",
    "mellea.stdlib.context": (
        "ChatContext Compactor Context InlineCompactor LLMSummarizeCompactor PinPredicate SimpleContext "
        "ThresholdCompactor WindowCompactor pin_nothing pin_system pin_system_and_initial_user"
    ),
    "mellea.stdlib.functional": "aact acall_tools call_tools chat",
    "mellea.stdlib.requirements": (
        "LLMaJRequirement Requirement as_markdown_list is_markdown_list is_markdown_table simple_validate"
    ),
    "mellea.stdlib.requirements.md": "as_markdown_list is_markdown_list is_markdown_table",
    "mellea.stdlib.requirements.plotting": (
        "MatplotlibHeadlessBackend PlotDependenciesAvailable PlotFileSaved python_plotting_requirements"
    ),
    "mellea.stdlib.requirements.plotting.matplotlib": "MatplotlibHeadlessBackend PlotFileSaved",
    "mellea.stdlib.requirements.python_reqs": "PythonExecutionReq",
    "mellea.stdlib.requirements.python_tools": (
        "ImportRestrictions NoImportRestrictions OutputSizeLimit PythonCodeExtraction PythonExecutionReq "
        "PythonSyntaxValid python_code_generation_requirements"
    ),
    "mellea.stdlib.requirements.rag": "GroundednessRequirement",
    "mellea.stdlib.requirements.requirement": "check req reqify",
    "mellea.stdlib.requirements.tool_reqs": "tool_arg_validator uses_tool",
    "mellea.stdlib.sampling": (
        "BaseSamplingStrategy MBRDRougeLStrategy MajorityVotingStrategyForMath "
        "ModelFriendlyFeedbackFormatter ModelFriendlyRepairStrategy MultiTurnStrategy "
        "RejectionSamplingStrategy RepairTemplateStrategy SOFAISamplingStrategy SamplingPreset "
        "SamplingResult python_code_generation_sampling python_plotting_sampling"
    ),
    "mellea.stdlib.sampling.base": "MultiTurnStrategy RejectionSamplingStrategy RepairTemplateStrategy",
    "mellea.stdlib.sampling.feedback": "ModelFriendlyFeedbackFormatter ModelFriendlyRepairStrategy",
    "mellea.stdlib.sampling.majority_voting": (
        "BaseMBRDSampling MBRDRougeLStrategy MajorityVotingStrategyForMath"
    ),
    "mellea.stdlib.session": "MelleaSession start_session",
    "mellea.stdlib.start_backend": "backend_name_to_class start_backend",
    "mellea.telemetry": (
        "MelleaContextFilter async_with_context create_counter create_histogram create_up_down_counter "
        "generate_request_id get_current_context get_model_id get_otlp_log_handler get_request_id "
        "get_sampling_iteration get_session_id is_content_tracing_enabled is_metrics_enabled "
        "is_pricing_enabled is_tracing_enabled record_adapter_function_invocation "
        "record_adapter_function_parse_failure record_adapter_function_phase_duration record_cost "
        "record_error record_request_duration record_requirement_check record_requirement_failure "
        "record_sampling_attempt record_sampling_outcome record_time_per_output_chunk "
        "record_token_usage_metrics record_tool_call record_ttfb with_context"
    ),
    "mellea.telemetry.context": "MelleaContextFilter async_with_context get_session_id with_context",
    "mellea.telemetry.metrics": "classify_error",
    "mellea.telemetry.pricing": "compute_cost",
    "mellea.stdlib.streaming": "ChunkEvent CompletedEvent Streamer stream",
}

ABSENT = [
    "from mellea.backends.bedrock import create_bedrock_mantle_backend",
    "from mellea.backends.watsonx import WatsonxAIBackend",
    "from mellea.stdlib.components.docs.richdocument import RichDocument",
]


@pytest.mark.parametrize(
    ("path", "name"), [(path, name) for path, names in HERE.items() for name in names.split()]
)
def test_name_is_where_programs_import_it_from(path, name):
    assert getattr(importlib.import_module(path), name) is not None


@pytest.mark.parametrize("statement", ABSENT)
def test_what_is_not_here_says_what_to_do(statement):
    with pytest.raises(PlannedNameError, match=r"is not in this release.*\b(Use|[Mm]eanwhile|Convert)\b"):
        exec(statement, {})


def test_what_was_never_there_fails_as_anywhere():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("mellea.nonsense")
    with pytest.raises(AttributeError):
        _ = core.nonsense


def test_same_object_under_every_path():
    assert importlib.import_module("mellea.core.base").make_image_block is core.make_image_block
    assert core.SampleActionType is core.Span
    assert set(typing.get_args(core.Span)) == {core.Component, core.CBlock, core.ModelOutputThunk}
    assert mellea.MelleaLogger is core.MelleaLogger


def test_fancy_logger_warns():
    with pytest.warns(DeprecationWarning, match="MelleaLogger"):
        assert core.FancyLogger is core.MelleaLogger


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        (mellea.model_ids.IBM_GRANITE_4_1_3B, 131072),
        ("granite4.1:3b", 131072),
        ("ibm-granite/granite-4.1-3b", 131072),
        ("ollama_chat/granite4.1:3b", 131072),
        ("huggingface/ibm-granite/granite-4.1-3b", 131072),
        ("nobody/knows", None),
        ("", None),
    ],
)
def test_context_length_of_a_model_by_any_name(model, tokens):
    assert get_context_length(model) == tokens


def test_class_of_a_well_known_backend():
    assert backend_name_to_class("ollama").__name__ == "OllamaModelBackend"
    with pytest.raises(LookupError, match="nonsense"):
        backend_name_to_class("nonsense")


def test_cache_lets_go_of_what_was_used_longest_ago():
    gone = []
    cache = SimpleLRUCache(2, on_evict=gone.append)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.put("a", 3)
    assert cache.get("b") == 2
    cache.put("c", 4)
    assert (cache.get("a"), cache.get("b"), cache.get("c"), gone) == (None, 2, 4, [3])


def test_cache_of_none_keeps_nothing():
    gone = []
    cache = SimpleLRUCache(0, gone.append)
    cache.put("a", 1)
    assert (cache.current_size(), gone) == (0, [1])


def test_log_context_is_put_on_records_and_taken_off_again():
    seen = logging.makeLogRecord({})
    with core.log_context(user="ada"), core.log_context(step=1):
        importlib.import_module("mellea.core.logs").ContextFilter().filter(seen)
    after = logging.makeLogRecord({})
    importlib.import_module("mellea.core.logs").ContextFilter().filter(after)
    assert (seen.user, seen.step, hasattr(after, "user")) == ("ada", 1, False)


@pytest.mark.parametrize("name", ["levelname", "module", "thread", "message", "trace_id"])
def test_field_of_the_record_itself_is_reserved(name):
    with pytest.raises(ValueError, match="reserved"):
        core.set_log_context(**{name: 1})


def test_logger_is_set_up_once_as_the_environment_says(tmp_path):
    program = (
        "from mellea.core import MelleaLogger, log_context\n"
        "log = MelleaLogger.get_logger()\n"
        "assert log is MelleaLogger.get_logger() and log.name == 'mellea'\n"
        "with log_context(step=3): log.warning('over')\n"
    )
    file = tmp_path / "log"
    env = {"MELLEA_LOGS_CONSOLE": "No", "MELLEA_LOGS_JSON": "true", "MELLEA_LOGS_FILE": str(file)}
    path = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=env | path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == ""
    assert '"message": "over"' in file.read_text()
    assert '"step": 3' in file.read_text()


def test_bedrock_looks_at_the_name_before_key_and_network(monkeypatch):
    bedrock = importlib.import_module("mellea.backends.bedrock")
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)
    with pytest.raises(ValueError, match="no name on Bedrock"):
        bedrock.create_bedrock_openai_backend(mellea.model_ids.QWEN3_8B)
    with pytest.raises(RuntimeError, match="AWS_BEARER_TOKEN_BEDROCK"):
        bedrock.create_bedrock_openai_backend("openai.gpt-oss-20b")
    with pytest.raises(RuntimeError, match="AWS_BEARER_TOKEN_BEDROCK"):
        bedrock.create_bedrock_litellm_backend("openai.gpt-oss-20b")

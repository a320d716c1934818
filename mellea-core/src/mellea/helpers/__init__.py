"""Small functions under the paths that programs and backends of the 0.8 line import them from."""

from mellea.helpers.async_helpers import (
    DEFAULT_CHUNK_TIMEOUT,
    ClientCache,
    get_current_event_loop,
    send_to_queue,
    wait_for_all_mots,
)
from mellea.helpers.openai_compatible_helpers import (
    build_completion_usage,
    build_tool_calls,
    chat_completion_delta_merge,
    extract_model_tool_requests,
    has_tool_calls,
    merge_provider_fields,
    message_to_openai_message,
    messages_to_docs,
    should_replay_reasoning,
)

__all__ = [
    "DEFAULT_CHUNK_TIMEOUT",
    "ClientCache",
    "build_completion_usage",
    "build_tool_calls",
    "chat_completion_delta_merge",
    "extract_model_tool_requests",
    "get_current_event_loop",
    "has_tool_calls",
    "merge_provider_fields",
    "message_to_openai_message",
    "messages_to_docs",
    "send_to_queue",
    "should_replay_reasoning",
    "wait_for_all_mots",
]

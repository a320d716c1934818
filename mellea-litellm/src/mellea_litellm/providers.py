"""Which client LiteLLM can be handed for a provider's chat.

Seen with LiteLLM's own code: each of these sends its request through the client that it is handed. All others
make a client of their own, which follows a redirect to wherever it leads.
"""

__all__ = ["HANDED_A_HANDLER", "HANDED_THE_SDK"]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


HANDED_THE_SDK = _names(
    "ai21 ai21_chat aiml apertis assemblyai baseten cerebras charity_engine chutes codestral"
    " custom_openai dashscope deepinfra docker_model_runner empower featherless_ai friendliai galadriel"
    " github helicone hyperbolic lambda_ai litellm_proxy llamafile lm_studio meta_llama moonshot morph"
    " nano-gpt nebius novita nscale nvidia_nim openai perplexity poe publicai sambanova synthetic"
    " text-completion-openai together_ai v0 vercel_ai_gateway volcengine wandb xiaomi_mimo xinference zai"
)
"""Providers behind the ``openai`` SDK."""

HANDED_A_HANDLER = _names(
    "a2a anthropic azure_ai bedrock_mantle cometapi compactifai databricks datarobot deepseek"
    " fireworks_ai gemini groq heroku hosted_vllm huggingface langgraph lemonade minimax mistral ollama"
    " ollama_chat openrouter ovhcloud xai"
)
"""Providers that LiteLLM calls through an ``AsyncHTTPHandler``."""

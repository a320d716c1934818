"""Real servers that tests run against: llama-server, and one that speaks Ollama's protocol in front of it."""

"""Mellea backend for GGUF files: llama.cpp's server engine in process."""

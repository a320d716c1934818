"""A loaded model with what belongs to it."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from attrs import define, field

from mellea.core import UsageError
from mellea_hf.options import DecodingSettings, read_options
from mellea_hf.prompt import PromptEncoder
from mellea_hf.thinking import marks_of, switches_of

if TYPE_CHECKING:
    from mellea_hf.constraint import Constraints
    from mellea_hf.steering.compiling import FormCompiler

__all__ = ["LoadedModel"]


@define(eq=False)
class LoadedModel:
    """A model in memory.

    Args:
        tokenizer: The transformers tokenizer.
        model: The transformers model.
        encoder: Makes prompts.
        end_tokens: Tokens that end an answer.
        pad_token: The token that fills a batch.
        defaults: The model's own generation config.
        known_options: Names that a generation config knows.
        switches: Variables of the chat template that switch reasoning.
        marks: Control tokens that mark reasoning, with their text.
        files: What it was loaded from; empty for one that a program made.
        users: How many open backends hold it.
    """

    tokenizer: Any
    model: Any
    encoder: PromptEncoder
    end_tokens: frozenset[int]
    pad_token: int
    defaults: Mapping[str, Any]
    known_options: frozenset[str]
    switches: frozenset[str]
    marks: Mapping[int, str]
    files: frozenset[tuple[str, int, int]] = frozenset()
    users: int = 0
    alone: str = field(default="", init=False)
    """Why its requests run one by one, with transformers' own loop; empty where they need not."""
    packed: Any = field(default=None, init=False)
    """The model as its engines run it."""
    engines: dict[Any, Any] = field(factory=dict, init=False)
    """Its engines, by their settings."""
    loras: WeakValueDictionary[Any, Any] = field(factory=WeakValueDictionary, init=False)
    """The weights of adapters that backends hold, by their files."""
    _constraints: Constraints | None = field(default=None, init=False)
    _forms: FormCompiler | None = field(default=None, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    @classmethod
    def of(cls, tokenizer: Any, model: Any, model_id: str) -> LoadedModel:
        """Return the value for a tokenizer and a model.

        Raises:
            UsageError: The tokenizer is none of the ``tokenizers`` library, which streaming and constraints
                need.
        """
        if not hasattr(tokenizer, "backend_tokenizer"):
            kind = type(tokenizer).__name__
            raise UsageError(
                f"The tokenizer of {model_id} is a {kind}, not one of the tokenizers library.",
                hint="Choose a model that has a tokenizer.json.",
                backend="hf",
                model_id=model_id,
            )
        config = model.generation_config
        end = config.eos_token_id if config.eos_token_id is not None else tokenizer.eos_token_id
        end_tokens = frozenset([end] if isinstance(end, int) else end or ())
        pads = (tokenizer.pad_token_id, config.pad_token_id, *sorted(end_tokens), 0)
        window = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        encoder = PromptEncoder(tokenizer, model_id, window)
        return cls(
            tokenizer,
            model,
            encoder,
            end_tokens,
            next(pad for pad in pads if pad is not None),
            {name: value for name, value in config.to_dict().items() if value is not None},
            frozenset(name for name in vars(type(config)()) if not name.startswith("_")),
            switches_of(encoder.template),
            marks_of(tokenizer),
        )

    @property
    def vocabulary(self) -> int:
        """How many tokens the model gives a score."""
        size: int = self.model.config.get_text_config().vocab_size
        return size

    def whole_words(self, words: Collection[str]) -> Collection[str]:
        """Return those of some words in small letters that are one token, capitalised or not."""
        encode = self.tokenizer.backend_tokenizer.encode
        texts = {word: (f" {word}", f" {word.capitalize()}") for word in words}
        return {
            word
            for word, forms in texts.items()
            if any(len(encode(form, add_special_tokens=False).ids) == 1 for form in forms)
        }

    def settings(self, options: Mapping[str, Any], template: str = "") -> DecodingSettings:
        """Return the settings of a call. See ``read_options``."""
        return read_options(options, self.defaults, self.known_options, template, vocabulary=self.vocabulary)

    def end_tokens_for(self, settings: DecodingSettings) -> frozenset[int]:
        """Return the tokens that end an answer: those that the call names, or the model's own."""
        end = settings.config.get("eos_token_id", self.end_tokens)
        return frozenset([end] if isinstance(end, int) else end)

    def constraints(self) -> Constraints:
        """Return the compiler of schemas; the first call takes most of a second."""
        with self._lock:
            if self._constraints is None:
                from mellea_hf.constraint import Constraints  # noqa: PLC0415  heavy, and few programs need it

                self._constraints = Constraints(self.tokenizer, self.vocabulary, self.end_tokens)
            return self._constraints

    def forms(self) -> FormCompiler:
        """Return the compiler of forms; the first call takes some seconds."""
        vocabulary = self.constraints().vocabulary
        with self._lock:
            if self._forms is None:
                from mellea_hf.steering.compiling import FormCompiler  # noqa: PLC0415  few programs steer

                self._forms = FormCompiler(
                    self.tokenizer, vocabulary.decode_bytes, self.end_tokens, self.vocabulary
                )
            return self._forms

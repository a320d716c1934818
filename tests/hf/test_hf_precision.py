"""Weights in other numbers: what is refused, and what comes out."""

import asyncio
import json

import pytest

from mellea.core import UsageError, score
from mellea_hf import LocalHFBackend
from mellea_hf.precision import Precision
from tests.hf.conftest import Client, on_engine


@pytest.mark.parametrize(
    ("knobs", "told"),
    [
        ({"dtype": "float8"}, "no dtype 'float8'.*\"bfloat16\""),
        ({"dtype": 32}, "no dtype 32"),
        ({"quantization": "int2"}, "no quantization 'int2'.*\"int8\""),
        ({"quantization": "int8", "dtype": "bfloat16"}, "the rest of the model in float32, not in bfloat16"),
    ],
)
def test_precision_that_there_is_not_is_refused_before_anything_is_loaded(knobs, told):
    with pytest.raises(UsageError, match=told):
        LocalHFBackend("./no-such-folder", **knobs)


def test_precision_that_the_device_has_not_is_refused():
    with pytest.raises(UsageError, match="for the CPU, and the device is cuda"):
        Precision(quantization="int8").check("cuda", "m")


def test_model_that_is_loaded_already_keeps_its_precision(tiny_parts):
    with pytest.raises(UsageError, match="loaded already"):
        LocalHFBackend("tiny", custom_config=tiny_parts, dtype="bfloat16")


@pytest.mark.parametrize("knobs", [{"dtype": "bfloat16"}, {"dtype": "auto"}, {"quantization": "int8"}])
async def test_engine_runs_each_precision(tiny_folder, knobs):
    asked = {"temperature": 0, "min_new_tokens": 8, "max_new_tokens": 8}
    with LocalHFBackend(str(tiny_folder)) as plain, LocalHFBackend(str(tiny_folder), **knobs) as backend:
        expected = await score(plain, "a prefix", ["yes", "never"])
        close = await score(backend, "a prefix", ["yes", "never"])
        alone = await Client(backend).complete("x" * 40, **asked)
        both = await asyncio.gather(*(Client(backend).complete("x" * 40, **asked) for _ in range(2)))

        assert [one.logprob for one in close] == pytest.approx([one.logprob for one in expected], rel=0.02)
        assert [said[0].text for said in both] == [alone[0].text] * 2
        assert backend.stats().runs_alone == ""
        assert backend.stats().reused_tokens


def test_weights_of_8_bits_give_what_the_layer_gave():
    import torch

    from mellea_hf.int8 import Int8Linear

    def differences():
        found = []
        for inputs, outputs, bias in ((32, 64, True), (33, 7, False), (96, 48, False)):
            layer = torch.nn.Linear(inputs, outputs, bias=bias).requires_grad_(False)
            held = Int8Linear(layer)
            rows = torch.randn(2, 30, inputs)
            found += [
                float((held(few) - layer(few)).abs().max() / layer(few).abs().max())
                for few in (rows[:, :3], rows)
            ]
            together, alone = held(rows[0, :9]), [held(row[None]) for row in rows[0, :9]]
            found.append(float((together - torch.cat(alone)).abs().max()))
        return found

    assert max(on_engine(differences)) < 0.02


def test_quantized_model_says_what_the_model_says(backend):
    prompt = [{"role": "user", "content": "What is the capital of France?"}]
    with LocalHFBackend(quantization="int8") as small:

        def likeliest(one):
            model, tokenizer = one.model, one.tokenizer
            ids = tokenizer.apply_chat_template(
                prompt, add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
            answer = model.generate(**ids, max_new_tokens=7, do_sample=False)
            return tokenizer.decode(answer[0, ids["input_ids"].shape[1] :])

        loaded = [one._holder.now().loaded for one in (backend, small)]  # noqa: SLF001  to run it bare
        said, same = (on_engine(lambda one=one: likeliest(one)) for one in loaded)
        sizes = [sum(p.numel() * p.element_size() for p in one.model.parameters()) for one in loaded]

    assert "Paris" in said
    assert "Paris" in same
    assert sizes[1] < sizes[0] * 0.5


async def test_adapter_acts_on_weights_of_8_bits_as_on_the_others(tiny_folder, tmp_path):
    layer = "base_model.model.model.layers.0.mlp.up_proj"
    folder = tmp_path / "loud"
    folder.mkdir()
    on_engine(lambda: save_loud(layer, folder / "adapter_model.safetensors"))
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["up_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    said = {}
    for quantization in (None, "int8"):
        with LocalHFBackend(str(tiny_folder), quantization=quantization) as backend:
            await backend.aadd_adapter(folder)
            for adapter in (None, "loud"):
                [one] = await score(backend, "a prefix", ["never"], adapter=adapter)
                said[quantization, adapter] = one.logprob

    moved, expected = (said[number, "loud"] - said[number, None] for number in ("int8", None))
    assert moved == pytest.approx(expected, rel=0.2)
    assert abs(expected) > 0.1


def save_loud(layer, path):
    import torch
    from safetensors.torch import save_file

    draw = torch.Generator().manual_seed(1)
    shapes = {f"{layer}.lora_A.weight": (4, 32), f"{layer}.lora_B.weight": (64, 4)}
    save_file({name: torch.randn(shape, generator=draw) * 3 for name, shape in shapes.items()}, path)

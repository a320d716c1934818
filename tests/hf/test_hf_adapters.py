"""Adapters on the real model: they answer as peft's own loop does, beside one another, from kept prefixes."""

import asyncio
import json
import shutil
import warnings

import pytest

from mellea import MelleaSession
from mellea.core import Adapter, Message, ModelOption, UsageError, score
from mellea_hf import LocalHFBackend
from mellea_hf.interrupt import Interrupt
from mellea_hf.sharing import shared_model
from tests.hf.conftest import on_engine

INVOCATION = "<|im_start|>assistant\n"
QUESTION = "Name a colour that is seen in a forest in summer."
GREEDY = {ModelOption.TEMPERATURE: 0, ModelOption.MAX_NEW_TOKENS: 6}


def train(model, tokenizer, folder, text, invocation=None):
    """Let a LoRA of rank 4 say a text, in a few steps; peft's layers are taken off the model again."""
    import torch
    from peft import LoraConfig, get_peft_model

    tokens = tokenizer(invocation, add_special_tokens=False).input_ids if invocation else None
    config = LoraConfig(
        r=4,
        lora_alpha=16,
        target_modules=["q_proj", "v_proj", "down_proj"],
        layers_to_transform=[25, 26, 27, 28, 29],
        alora_invocation_tokens=tokens,
        task_type="CAUSAL_LM",
    )
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": QUESTION}], add_generation_prompt=True, tokenize=False
    )
    prompt = tokenizer(asked, add_special_tokens=False).input_ids
    answer = tokenizer(text, add_special_tokens=False).input_ids
    ids = torch.tensor([prompt + answer])
    labels = torch.tensor([[-100] * len(prompt) + answer])
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an old name
        torch.manual_seed(3)
        adapted = get_peft_model(model, config)
    weights = [weight for weight in adapted.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-2)
    adapted.train()
    for _ in range(4):
        adapted(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    adapted.eval()
    adapted.save_pretrained(folder)
    greedy = {"do_sample": False, "max_new_tokens": 6, "pad_token_id": 0}
    with torch.inference_mode():
        said = adapted.generate(input_ids=torch.tensor([prompt]), **greedy)[0, len(prompt) :].tolist()
    adapted.unload()
    for weight in model.parameters():
        weight.requires_grad_(False)
    return tokenizer.decode(said, skip_special_tokens=True)


@pytest.fixture(scope="module")
def trained(backend, tmp_path_factory):
    """What peft says with each adapter, and their folder."""
    root = tmp_path_factory.mktemp("adapters")

    def work():
        held = shared_model(backend.model_id, None, None, Interrupt())
        tokenizer, model = held.tokenizer, held.model
        wanted = {"moss": "Moss green, dear friend.", "bark": "Brown, like old bark."}
        said = {name: train(model, tokenizer, root / name, text) for name, text in wanted.items()}
        said["late"] = train(model, tokenizer, root / "late", "Yes: olive.", INVOCATION)
        return said

    said = on_engine(work)
    for name in said:
        Adapter(name, root / name, "HuggingFaceTB/SmolLM2-135M-Instruct").save()
    return root, said


@pytest.fixture
def adapted(trained):
    root, _ = trained
    folders = [root / name for name in ("moss", "bark", "late")]
    with LocalHFBackend(adapters=folders, cache_bytes=2**25) as backend:  # an engine that has kept nothing
        yield backend


async def said_by(backend, *adapters, **options):
    m = MelleaSession(backend, model_options={**GREEDY, **options})

    async def one(name):
        asked = Message("user", QUESTION)
        answer = await m.aact(asked, strategy=None, model_options={ModelOption.ADAPTER: name})
        return await answer.avalue()

    return await asyncio.gather(*map(one, adapters))


async def test_adapters_of_one_batch_answer_as_peft_does_and_the_model_as_without(adapted, trained, client):
    _, said = trained
    alone = await said_by(client.backend, None)

    together = await said_by(adapted, None, "moss", "bark", "late", "moss")

    assert together == [*alone, said["moss"], said["bark"], said["late"], said["moss"]]
    assert len({*together}) == 4
    assert max(adapted.stats().batches) == 5


@pytest.mark.parametrize("name", ["moss", "late"])
async def test_row_that_runs_alone_answers_as_peft_does(adapted, trained, name):
    assert await said_by(adapted, name, max_time=600) == [trained[1][name]]
    assert adapted.stats().steps == 0


async def test_seeded_rows_draw_the_same_beside_others_where_that_is_asked_for(trained):
    root, said = trained
    folders = [root / "moss", root / "bark"]
    with LocalHFBackend(adapters=folders, reproducible=True, max_batch=3) as backend:
        assert (await said_by(backend, "moss", "bark", None))[:2] == [said["moss"], said["bark"]]
        drawn = {ModelOption.TEMPERATURE: 0.9, ModelOption.SEED: 5, ModelOption.MAX_NEW_TOKENS: 4}
        together = await said_by(backend, None, "bark", "moss", **drawn)
        assert together[2:] == await said_by(backend, "moss", **drawn)


async def test_activated_adapter_reuses_what_the_model_has_computed_and_no_other_does(adapted):
    async def reused(name):
        before = adapted.stats().reused_tokens
        await said_by(adapted, name, **{ModelOption.MAX_NEW_TOKENS: 1})
        return adapted.stats().reused_tokens - before

    assert await reused(None) == 0
    assert await reused("moss") == 0
    late = await reused("late")
    assert late > 20
    assert await reused("bark") == 0
    assert await reused("late") > late


async def test_adapter_scores(adapted):
    question = [Message("user", QUESTION)]
    plain, adapted_score = [
        (await score(adapted, question, ["Moss green"], adapter=name))[0].logprob for name in (None, "moss")
    ]

    assert adapted_score > plain + 1


async def test_adapter_is_freed_while_it_answers(adapted, trained):
    root, said = trained
    running = asyncio.gather(said_by(adapted, "moss"), said_by(adapted, None))
    while not adapted.stats().running:
        await asyncio.sleep(0.005)

    await adapted.aremove_adapter("moss")
    (with_it,), _ = await running

    assert with_it == said["moss"]
    with pytest.raises(UsageError, match="There is no adapter 'moss'; there are: bark, late"):
        await said_by(adapted, "moss")
    await adapted.aadd_adapter(root / "moss")
    assert await said_by(adapted, "moss") == [said["moss"]]


def spoilt(folder, target, **config):
    shutil.copytree(folder, target)
    path = target / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return target


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"peft_type": "IA3"}, "it is IA3"),
        ({"use_dora": True}, "it has use_dora, which the engine does not compute"),
    ],
)
async def test_adapter_that_the_engine_cannot_compute_is_refused(adapted, trained, tmp_path, config, why):
    root, said = trained
    with pytest.raises(UsageError, match=why):
        await adapted.aadd_adapter(Adapter("bad", spoilt(root / "moss", tmp_path / "bad", **config)))
    assert await said_by(adapted, "moss") == [said["moss"]]


async def test_adapter_for_another_model_is_refused_and_others_go_on(tiny_parts, adapted, trained):
    root, said = trained
    with LocalHFBackend("tiny", custom_config=tiny_parts) as other:
        with pytest.raises(UsageError, match="trained for HuggingFaceTB/SmolLM2-135M-Instruct"):
            await other.aadd_adapter(root / "moss")
        with pytest.raises(UsageError, match=r"down_proj takes 1536 numbers to 576, and the model does not"):
            await other.aadd_adapter(Adapter("moss", root / "moss"))
        with pytest.raises(UsageError, match="There is no adapter 'moss'; there are: none"):
            await said_by(other, "moss")
    assert await said_by(adapted, "moss") == [said["moss"]]


async def test_broken_weights_are_refused(adapted, trained, tmp_path):
    root, _ = trained
    broken = spoilt(root / "moss", tmp_path / "broken")
    (broken / "adapter_model.safetensors").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="peft cannot read it"):
        await adapted.aadd_adapter(Adapter("broken", broken))


def test_backend_that_is_opened_with_a_wrong_adapter_is_not_opened(tiny_parts, trained):
    with pytest.raises(UsageError, match="'moss' is not for tiny"):
        LocalHFBackend("tiny", custom_config=tiny_parts, adapters=[trained[0] / "moss"])

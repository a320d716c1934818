"""Backends of one process share the model that they name."""

from __future__ import annotations

import gc
from pathlib import Path
from weakref import ref

from mellea_hf import LocalHFBackend
from mellea_hf.interrupt import Interrupt
from mellea_hf.model import LoadedModel
from mellea_hf.sharing import shared_model
from tests.hf import tiny
from tests.hf.conftest import Client, on_engine


def model_in_memory(folder: Path) -> LoadedModel:
    loaded: LoadedModel = on_engine(lambda: shared_model(str(folder), None, None, Interrupt()))
    return loaded


async def test_backends_share_a_model_until_the_last_is_closed(tiny_folder):
    first, second = LocalHFBackend(str(tiny_folder)), LocalHFBackend(str(tiny_folder))
    loaded = model_in_memory(tiny_folder)
    assert loaded.users == 2

    before = await Client(second).text("hello", max_new_tokens=3, temperature=0.0)
    first.close()
    assert loaded.users == 1
    assert await Client(second).text("hello", max_new_tokens=3, temperature=0.0) == before

    held = ref(loaded)
    del loaded
    second.close()
    assert held() is None


def test_model_whose_files_have_changed_is_loaded_anew(tiny_folder):
    first = model_in_memory(tiny_folder)
    on_engine(lambda: tiny.model().save_pretrained(tiny_folder))

    assert model_in_memory(tiny_folder) is not first


def test_parts_of_the_programs_own_are_shared_with_nobody(tiny_folder, tiny_parts):
    with LocalHFBackend(str(tiny_folder), custom_config=tiny_parts):
        assert model_in_memory(tiny_folder).users == 0


def test_model_of_a_dropped_backend_is_not_kept(tiny_folder):
    dropped = LocalHFBackend(str(tiny_folder))
    held = ref(model_in_memory(tiny_folder))

    del dropped
    on_engine(gc.collect)

    assert held() is None

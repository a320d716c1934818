import subprocess
import sys
import textwrap

import pytest

_PROGRAM = textwrap.dedent(
    """
    from mellea import start_session
    from mellea.core import MelleaError

    for _ in range(2):
        try:
            start_session("hf")
        except MelleaError as error:
            print(type(error).__name__, error)
    """
)


@pytest.mark.parametrize("failure", ["ImportError", "OSError"])
def test_torch_that_cannot_be_loaded_is_an_error_each_time(tmp_path, failure):
    (tmp_path / "torch.py").write_text(f"raise {failure}('libtorch.so is damaged')\n")
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}){_PROGRAM}"

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )

    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stderr
    for line in lines:
        assert line.startswith("ProviderError PyTorch cannot be loaded")
        assert "libtorch.so is damaged" in line
        assert "pip install --force-reinstall torch" in line

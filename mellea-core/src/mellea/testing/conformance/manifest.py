"""The first level: what the manifest says, and whether it is so."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from mellea.core.backend import Backend
from mellea.core.context import Context
from mellea.core.sampling import SamplingStrategy
from mellea.plugins.base import Attachable
from mellea.plugins.contract import flaws_of, made_by
from mellea.plugins.factory import load_factory
from mellea.plugins.manifests import API_VERSION, Kind
from mellea.testing.conformance.plugin import PluginUnderTest
from mellea.testing.conformance.terms import Term, term, terms_of

__all__ = ["ManifestTests"]

_WANTED: Mapping[Kind, type] = {
    "backend": Backend,
    "context": Context,
    "strategy": SamplingStrategy,
    "hooks": Attachable,
}
_IMPORTED = (
    "import sys, mellea.plugins, mellea.plugins.hookspecs\n"
    "before = set(sys.modules)\n"
    "__import__({module!r})\n"
    "known = sys.stdlib_module_names | {{'mellea', {package!r}}}\n"
    "found = {{name.partition('.')[0] for name in set(sys.modules) - before}} - known\n"
    "print(*sorted(found), *({{{factory!r}}} & set(sys.modules)))"
)


class ManifestTests(PluginUnderTest):
    """What holds for a plugin of any kind."""

    @classmethod
    def reason_against(cls, known: Term) -> str | None:
        """Return why a test does not apply, or None where it does."""
        reason = super().reason_against(known)
        if reason is not None:
            return reason
        if known.name == "test_manifest_imports_nothing_heavy" and cls.plugins:
            return "it is not installed"
        wanted = {"contract", "live"} if cls.kind == "backend" else {"contract"}
        if known.name == "test_what_is_promised_is_tested" and not wanted <= cls.levels:
            return "not every level was asked for"
        return None

    @term("manifest")
    def test_manifest_imports_nothing_heavy(self) -> None:
        """Listing it imports the standard library, mellea.plugins and its own package alone."""
        found = self.registration()
        assert found.source.entry_point is not None
        module, factory = found.source.entry_point.module, found.manifest.factory.partition(":")[0]
        program = _IMPORTED.format(module=module, package=module.partition(".")[0], factory=factory)
        done = subprocess.run(  # noqa: S603  this very interpreter
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
        )

        assert done.stdout.split() == []

    @term("manifest")
    def test_manifest_is_read(self) -> None:
        """Its interface is known, its summary is one line, and its entry point has its name."""
        found = self.registration()

        assert 1 <= found.manifest.api_version <= API_VERSION
        assert found.manifest.summary.strip()
        assert "\n" not in found.manifest.summary
        assert self.name in (found.manifest.name, *found.manifest.aliases, f"{found.source}:{self.name}")
        if found.source.entry_point is not None:
            assert found.source.name in (found.manifest.name, *found.manifest.aliases)

    @term("manifest")
    def test_factory_has_no_flaw(self) -> None:
        """The factory can be imported, and makes what the manifest says."""
        factory = load_factory(self.registration())

        assert [flaw.what for flaw in flaws_of(factory, _WANTED[self.kind])] == []
        assert made_by(factory) is not None, "annotate what the factory returns"

    @term("manifest")
    def test_what_is_promised_is_tested(self) -> None:
        """Each declared capability is shown by a test of this run, and no test of the kit is overridden."""
        shown = {known.shows for known in terms_of(type(self)) if self.reason_against(known) is None}
        promised: Any = getattr(self.registration().manifest, "capabilities", frozenset())

        assert sorted(promised - shown - self.excused()) == []
        assert self.overridden() == []

    def excused(self) -> frozenset[Any]:
        """Return the capabilities whose tests are left out with a reason of the author's."""
        return frozenset(known.shows for known in terms_of(type(self)) if known.name in self.exceptions)

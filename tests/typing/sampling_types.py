"""What a type checker knows of results with requirements and strategies. Checked by a test, never run."""

from typing import Any, assert_type

from pydantic import BaseModel

from mellea import (
    MelleaSession,
    RejectionSamplingStrategy,
    SamplingResult,
    ValidationResult,
    check,
    req,
    start_session,
)
from mellea.core import Component, ComputedModelOutputThunk, ModelOutputThunk, Requirement
from mellea.stdlib.components import Instruction


class User(BaseModel):
    name: str


class Count(Component[int]):
    def format_for_llm(self) -> str:
        return "Count to three."

    def _parse(self, computed: ModelOutputThunk[Any]) -> int:
        return int(str(computed))


m = start_session(strict=True)
strategy = RejectionSamplingStrategy(loop_budget=3, requirements=["r"])
wanted: list[str | Requirement] = ["r", req("s"), check("t", lambda ctx: True)]
assert_type(m, MelleaSession)

assert_type(m.instruct("x", requirements=wanted), ComputedModelOutputThunk[str])
assert_type(
    m.instruct("x", requirements=wanted, strategy=strategy, strict=True), ComputedModelOutputThunk[str]
)
assert_type(m.instruct("x", requirements=wanted, strategy="rejection", format=User).parsed, User)

result = m.instruct("x", requirements=wanted, return_sampling_results=True)
assert_type(result, SamplingResult[Any])
assert_type(result.success, bool)
assert_type(result.value, str)
assert_type(result.result_validations, list[tuple[Requirement, ValidationResult]])
assert_type(m.instruct("x", format=User, return_sampling_results=True), SamplingResult[Any])

assert_type(m.act(Count(), requirements=wanted, strategy=strategy).parsed, int)
assert_type(m.act(Instruction("x"), strategy=strategy, return_sampling_results=True), SamplingResult[Any])

assert_type(m.validate("r"), list[ValidationResult])
assert_type(m.validate(wanted, output="x", input="y")[0].reason, str | None)


async def asynchronous() -> None:
    assert_type(await m.ainstruct("x", requirements=wanted, strategy=strategy), ModelOutputThunk[str])
    assert_type((await m.ainstruct("x", requirements=wanted, return_sampling_results=True)).why, str)
    assert_type(await m.aact(Count(), strategy=strategy, return_sampling_results=True), SamplingResult[Any])
    assert_type(await m.avalidate(wanted), list[ValidationResult])

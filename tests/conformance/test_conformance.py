"""The exam as tests: torch's own samples, and torch's own refusals."""

from __future__ import annotations

from typing import Any

import pytest

import tinyconv as tc

from . import report
from .check import Case, run
from .tables import reason

CASES = [case for group in report.GROUPS for case in report.cases(group)]


def marked(case: Case) -> Any:
    why = reason(report.tables(), case)
    marks = [pytest.mark.xfail(strict=True, reason=why)] if why else []
    return pytest.param(case, id=str(case), marks=marks)


@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_case(case: Case) -> None:
    result = run(report.GROUPS[case.group].checks(case))
    assert result.count or case.what == "errors", "nothing was compared"
    assert not result.failures, "\n\n".join(
        [f"{len(result.failures)} of {result.count} differ", *result.failures]
    )


# ── the exam itself ──


FAULTS: dict[str, Any] = {  # by the case that must find it
    "exp-float32-function": (tc, "exp", lambda x: x.exp() * 1.001),
    "exp-float32-method": (tc.Tensor, "exp", lambda x: tc.exp(x).double()),
    "exp-float32-in_place": (tc.Tensor, "exp_", tc.exp),
    "add-float32-in_place_operator": (tc.Tensor, "__iadd__", tc.Tensor.__add__),
    "maximum-any-errors": (tc, "maximum", lambda x, y: x),
    "Linear-float32-train": (tc.nn.Linear, "forward", lambda self, input: input),
    "Linear-float32-repr": (tc.nn.Linear, "extra_repr", lambda self: "a, b"),
    "BatchNorm2d-float32-eval": (tc.nn.BatchNorm2d, "eval", lambda self: self),
    "SGD-float64-steps": (tc.optim.SGD, "step", lambda self, closure: closure()),
    "SGD-float64-state": (tc.optim.SGD, "load_state_dict", lambda self, state: None),
    "StepLR-float-steps": (tc.optim.lr_scheduler.StepLR, "get_lr", lambda self: [0.1, 0.3]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (case,) = [case for case in CASES if str(case) == name]
    checks = report.GROUPS[case.group].checks
    assert not run(checks(case)).failures
    monkeypatch.setattr(*FAULTS[name])
    assert run(checks(case)).failures


# ── the tables and the page ──


@pytest.mark.parametrize("pattern", report.tables())
def test_every_line_of_the_table_is_about_something(pattern: str) -> None:
    assert any(reason({pattern: "is"}, case) for case in CASES)


def test_the_page_is_of_this_state() -> None:
    """Its names, failures, reasons and sums: ``python -m tests.conformance`` writes it anew."""
    text = report.PAGE.read_text()
    rows = report.read(text)
    full = "all samples." in text
    assert text == report.page(rows, full)
    failing: dict[tuple[str, str], bool] = {}
    for case in (case for group in report.GROUPS for case in report.cases(group, full)):
        key = case.group, case.entry
        failing[key] = failing.get(key, False) or reason(report.tables(full), case) is not None
    assert {(row.group, row.entry): bool(row.reasons) for row in rows} == failing


BOUNDS = {"other operations": 0.97, "refusals": 0.95}  # all of the rest


def test_enough_of_torch_is_right() -> None:
    for part, _, samples, passed in report.totals(report.read(report.PAGE.read_text())):
        assert passed >= samples * BOUNDS.get(part, 1), part

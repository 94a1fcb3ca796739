"""Errors are one line, whatever the file they come from contains."""

import pytest

from tinyfoa_rt.errors import BudgetError, InputError, ModelError, TinyfoaError, UnsupportedError, UsageError


def test_a_message_is_one_line_with_place_problem_and_mend() -> None:
    error = InputError("node 'a\nb'", "is\todd", "mend\r\nit")
    assert str(error) == "node 'a b': is odd; mend it"


def test_a_place_from_a_file_cannot_flood_the_terminal() -> None:
    error = ModelError("x" * 5000, "is damaged")
    assert len(str(error)) < 160
    assert len(str(InputError("place", "y" * 5000))) < 1100
    assert "\x1b" not in str(ModelError("\x1b[31mred", "is damaged"))


@pytest.mark.parametrize(
    ("kind", "status"), [(UsageError, 2), (BudgetError, 3), (InputError, 4), (ModelError, 4), (UnsupportedError, 4)]
)
def test_exit_status(kind: type[TinyfoaError], status: int) -> None:
    assert kind("place", "problem").exit_status == status

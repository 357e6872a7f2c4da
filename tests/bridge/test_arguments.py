"""The types of arguments that a config gives."""

from typing import Any

import pytest

from spacy_bilstm.bridge.arguments import check_numbers, check_whole_numbers


@pytest.mark.parametrize("value", ["1", "x", [1], {}])
def test_what_is_no_number_is_an_error_that_names_the_argument(value: Any) -> None:
    for check in (check_numbers, check_whole_numbers):
        with pytest.raises(ValueError, match=r"size of a box must be a (whole )?number, but is"):
            check("a box", depth=1, size=value)


@pytest.mark.parametrize("value", [2.0, 0.5, float("nan")])
def test_what_is_no_whole_number_is_an_error_where_one_is_needed(value: float) -> None:
    check_numbers("a box", size=value)
    with pytest.raises(ValueError, match="without a decimal point"):
        check_whole_numbers("a box", size=value)


def test_arguments_that_are_not_set_are_not_checked() -> None:
    check_numbers("a box", size=None)
    check_whole_numbers("a box", size=None)

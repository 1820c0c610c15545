"""The table of ranges that the command line and the Python functions share."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest

from spatempo.errors import SpatempoError
from spatempo.learning.recipe import Recipe
from spatempo.limits import LIMITS, check_number

HUGE = 10**30


@pytest.mark.parametrize("name", LIMITS)
def test_every_limit_refuses_values_out_of_range_and_non_numbers(name: str) -> None:
    limit = LIMITS[name]
    step = 1 if limit.integer else 1e-9
    check_number(name, limit.low + step if limit.open_low else limit.low)
    check_number(name, limit.high - step if limit.open_high else limit.high)
    bad = [limit.low - step, limit.high + (step if limit.high < 2 else 1), math.nan, math.inf, -math.inf, HUGE]
    bad += [True, "3"]
    bad += [limit.low] * limit.open_low + [limit.high] * limit.open_high + [limit.low + 0.5] * limit.integer
    for value in bad:
        with pytest.raises(SpatempoError, match=f"^`{name}=.*`: give a ") as caught:
            check_number(name, value)
        assert "\n" not in str(caught.value)
    check_number(name, None)  # not given


def test_messages_contain_the_range() -> None:
    for name, value, message in [
        ("frames", 0, "`frames=0`: give a whole number from 1 to 4096"),
        ("lr", math.nan, "`lr=nan`: give a number above 0, at most 10000"),
        ("dropout", 1.0, "`dropout=1.0`: give a number from 0 to below 1"),
        ("window", 0, "`window=0`: give a number of seconds above 0, at most 86400"),
    ]:
        with pytest.raises(SpatempoError) as caught:
            check_number(name, value)
        assert str(caught.value) == message
    with pytest.raises(SpatempoError, match="from 1 to 512"):
        check_number("workers", 0, least=1)


def test_every_number_of_a_recipe_has_a_limit() -> None:
    open_fields = {"lr", "size"}  # None until the recipe is resolved with the data
    numbers = {f.name for f in fields(Recipe) if isinstance(f.default, int | float) and not isinstance(f.default, bool)}
    assert numbers | open_fields <= set(LIMITS)

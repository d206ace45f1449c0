"""The recipes are whole, and what they ask for is missed where no other test misses it."""

import re

import pytest

from provisioner.cli.config import document_schema
from provisioner.importing.forms import choices
from provisioner.inventory.model.devices import Make
from provisioner.inventory.model.policy import Limits
from provisioner.plan.guards.policy import TRUST
from tests.unit.docs.pages import section, text_of

PAGE = text_of("docs/internals/changing.md")
RECIPES = [title for title in re.findall(r"^## (.+)$", PAGE, re.MULTILINE) if title != "In which folder"]
PLANS = ("compare", "drift", "plan")  #: The documents that name limits of the policy.


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_has_steps_in_order_a_time_and_tests(title: str) -> None:
    recipe = section(PAGE, title)
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", recipe, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 2
    assert re.search(r"\b(?:minutes|hours?|days?)\b", recipe, re.IGNORECASE)
    assert re.search(r"^(?:Tests: |\d+\. Its tests: )", recipe, re.MULTILINE)


def test_there_is_a_recipe_for_each_usual_change() -> None:
    assert len(RECIPES) >= 10


def test_provinces_have_a_word_for_every_make() -> None:
    assert set(choices.MAKES.words) == {make.value for make in Make}


@pytest.mark.parametrize("name", PLANS)
def test_the_schema_of_a_plan_knows_every_limit(name: str) -> None:
    properties = document_schema(name)["properties"]
    limits = list(Limits.model_fields)
    assert properties["allow"]["propertyNames"]["enum"] == [*limits, TRUST]
    assert set(limits) <= set(properties["refused"]["items"]["properties"]["policy"]["enum"])

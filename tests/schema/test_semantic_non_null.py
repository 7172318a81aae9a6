"""`@semanticNonNull`: the fields that have it are null only beside an error."""

import re

import pytest

from tests.conftest import Gateway
from tests.support.aws import Aws
from tests.support.processes import ROOT

SCHEMA = (ROOT / "schema.graphql").read_text()
MARKED = re.findall(r"^  (?:\)|(\w+)).*@semanticNonNull$", SCHEMA, re.MULTILINE)
NULL_BESIDE_AN_ERROR = re.compile("Null only if there is an error|it is null with the error PAGE_LIMIT_EXCEEDED")


def test_every_field_that_is_null_only_beside_an_error_is_marked() -> None:
    # Descriptions of arguments end before the field's type.
    described = re.findall(r'"""\s*([^"]*?)\s*"""\n  \w+(?:: |\()', SCHEMA)
    null_beside_an_error = [text for text in described if NULL_BESIDE_AN_ERROR.search(text)]
    assert len(null_beside_an_error) == len(MARKED) == 11
    assert sorted(filter(None, MARKED)) == ["facets", "facets", "totalCount", "totalCount"]


@pytest.mark.parametrize("field", ["phoneNumbers", "phoneNumberOrders"])
async def test_a_marked_field_that_fails_is_null_beside_an_error(gateway: Gateway, aws: Aws, field: str) -> None:
    aws.fails("*", "ServiceUnavailable")
    for document, path in (
        (f"{{ {field} {{ nodes {{ id }} }} }}", [field]),
        (f"{{ {field}(first: 0) {{ totalCount }} }}", [field, "totalCount"]),
        (f"{{ {field}(first: 0) {{ facets {{ status {{ count }} }} }} }}", [field, "facets"]),
    ):
        response = await gateway.execute(document)
        [error] = response["errors"]
        assert error["path"][: len(path)] == path
        value = response["data"]
        for name in path:
            value = value[name]
        assert value is None


async def test_a_marked_field_of_an_empty_account_is_not_null(gateway: Gateway) -> None:
    data = await gateway.query(
        """{ phoneNumbers { totalCount facets { status { count } } }
            phoneNumberOrders { totalCount facets { status { count } } } }"""
    )
    empty = {"totalCount": 0, "facets": {"status": []}}
    assert data == {"phoneNumbers": empty, "phoneNumberOrders": empty}

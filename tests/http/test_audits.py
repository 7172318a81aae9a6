"""The audits of servers in graphql-http, the reference implementation of GraphQL over HTTP."""

import json
from pathlib import Path

import pytest

from gateway.settings import Settings
from tests.conftest import Gateway
from tests.support.node import installed, node


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Some audits ask for a type of the schema."""
    return settings.model_copy(update={"introspection": True})


async def test_every_audit_of_the_specification_is_passed(gateway: Gateway) -> None:
    """Those of what a server MUST, SHOULD and MAY do alike."""
    folder = installed(Path(__file__).parent / "audits")
    audited = node(folder, "audit.mjs", f"{gateway.http.base_url}/graphql")
    assert audited.returncode == 0, audited.stderr
    results = json.loads(audited.stdout)
    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) == 61

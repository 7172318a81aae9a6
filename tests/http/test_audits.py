"""The server audits of graphql-http, the reference implementation of GraphQL over HTTP."""

import json
from pathlib import Path

import pytest

from gateway.settings import Settings
from tests.conftest import Gateway
from tests.support.node import installed, node


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Turn introspection on, because some audits query the schema."""
    return settings.model_copy(update={"introspection": True})


async def test_every_audit_of_the_specification_passes(gateway: Gateway) -> None:
    """All audits pass, whether they test a MUST, a SHOULD or a MAY."""
    folder = installed(Path(__file__).parent / "audits")
    audited = node(folder, "audit.mjs", f"{gateway.http.base_url}/graphql")
    assert audited.returncode == 0, audited.stderr
    results = json.loads(audited.stdout)
    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) == 61

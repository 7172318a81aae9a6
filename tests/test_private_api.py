"""Private names of libraries that the gateway uses, and functions that it overrides, copies or depends on.

Each function has the hash of its source. If one changes with an upgrade, read the change, then read again the code of
the gateway that its entry names, and replace the hash. pyproject.toml caps the versions, so no upgrade goes unnoticed.
"""

import hashlib
import inspect
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

import gateway
from tests.support.private_names import private_names

# The private names in use. Avoid a new one. If there is no public way, cap the library in pyproject.toml and add the
# function behind the name below. An attribute of an object whose class the search cannot see has a question mark.
PRIVATE_NAMES: Final = {
    "?": "_expiry_time _schema",
    "botocore": "headers_to_sign refresh_needed session_var_map",
    "graphql": (
        "async_helpers background_futures collect_and_execute_subfields collect_subfields complete_awaitable_value "
        "complete_iterable_value complete_stream_item context_value create_sub_executor "
        "execute_fields get_stream_usage handle_stream is_awaitable streams variable_values"
    ),
    "jwt": "check_key_length",
    "strawberry": "DEFINITION_BACKREF get_result is_basic_field python_name",
    "uvicorn": (
        "default_headers force_exit init_processes keep_subprocess_alive lifespan processes server_state servers "
        "should_exit shutdown startup terminate_all wait_until_ready"
    ),
}

# The sha256 of a function's source, and the code to read again if it changes.
FUNCTIONS: Final[dict[str, tuple[str, str]]] = {
    "uvicorn.server:Server.startup": (
        "2aa1d70a244bfcf21a1ae57e0152f9c20e40f756ffc328ccc58037f6ae8e2dfc",
        "gateway/server/run.py, _AnnouncedServer: it returns only when connections are accepted.",
    ),
    "uvicorn.server:Server.shutdown": (
        "9b33c50562992b1e3cef2a9611408ece6c01d46ee17eaae2091b6091bf826eab",
        "gateway/server/draining.py, DrainingServer: it closes the callers' socket first, and calls this for the rest.",
    ),
    "uvicorn.supervisors.multiprocess:Process.target": (
        "ad60ca4616de4c34f14aefe36d6c6020ebe95a662c3ce16d3051b8524d07400a",
        "gateway/server/run.py, _WorkerProcess: it sets the module's `Server`, of which this runs one.",
    ),
    "uvicorn.supervisors.multiprocess:Multiprocess.restart_all": (
        "438dec6d95be9fcdfdaf6ea8d2d6fd98f186c3645d94ce59c43de3bcdb148d25",
        "gateway/server/run.py, _AnnouncedWorkers: workers are made of the module's `Process`, here and elsewhere.",
    ),
    "uvicorn.supervisors.multiprocess:Multiprocess.init_processes": (
        "6c69f2a36bf55750164a2e39f2bf552a9f5b456b07109ed07d165399a441290d",
        "gateway/server/run.py, _AnnouncedWorkers: `processes` must be started afterwards.",
    ),
    "uvicorn.supervisors.multiprocess:Multiprocess.terminate_all": (
        "6efef9523120f025d8f276d673441a3d974bffd3a093f5cc3e98e1eb4b5a09c3",
        "gateway/server/run.py, _AnnouncedWorkers: it closes the parent's sockets after this.",
    ),
    "uvicorn.supervisors.multiprocess:Multiprocess.keep_subprocess_alive": (
        "3ba4980aa33bcecdf3d0a725ca9c4e8d92238f72d239e522120ad6e05147fd59",
        "gateway/server/run.py, _AnnouncedWorkers: it compares `processes` before and after, to find dead workers.",
    ),
    "graphql.execution.executor:Executor.__init__": (
        "9b630bd4461cc4eab658e07af601e2d8c14e610ff06a3b3bf0fe3172243ca05d",
        "gateway/execution/projecting_executor.py replaces `async_helpers`, the only reference back to the executor.",
    ),
    "graphql.execution.executor:Executor.build": (
        "faf76cb9d6140315090d335000b4468b3bd2d587724679ef37b87a324af7d8b7",
        "gateway/execution/engine.py, Engine: it makes later executors of an operation with the same arguments.",
    ),
    "graphql.execution.values:coerce_variable_values": (
        "9d7e32a42ceaec29428ce5ccd3fbca6af520c7eb61e166d565f02a106e7fb837",
        "gateway/execution/executor_template.py, ExecutorTemplate: both must have the same values and sources.",
    ),
    "graphql.execution.executor:Executor.collect_and_execute_subfields": (
        "98432d93fb1b25265e0e26873d72663af638780387d8f71bea821d020c9c88b2",
        (
            "gateway/execution/projecting_executor.py, ProjectingExecutor: it writes an object at once, or calls "
            "this. Both must have the same result."
        ),
    ),
    "graphql.execution.executor:Executor.complete_iterable_value": (
        "bdb49d2d91f1e31265faafd19688f0e68b9b4c92ee8e69431cc67d75c793e431",
        (
            "gateway/execution/projecting_executor.py, ProjectingExecutor: it writes a list at once, or calls "
            "this. Both must have the same result."
        ),
    ),
    "graphql.execution.executor:Executor.complete_awaitable_value": (
        "9a67e9f91f0aac5ca3f186e44d1467d82a6ed1abb2b832b54eff9ec192cf3acd",
        (
            "gateway/execution/incremental_executor.py, IncrementalExecutor: it awaits a streamed list itself, "
            "then calls this."
        ),
    ),
    "graphql.execution.executor:Executor.collect_subfields": (
        "53924d281ad7f699f822fb1a095c3cae54647802f96116512c306869edf406c6",
        (
            "gateway/execution/incremental_executor.py, NonIncrementalExecutor: it drops `new_defer_usages` from "
            "the result."
        ),
    ),
    "graphql.execution.executor:Executor.get_stream_usage": (
        "4db3c68d5a439b8198c7cd67e7fe228d5cd0906c133e6deb72825b865c7fbb35",
        "gateway/execution/incremental_executor.py: it reads the usage, and ignores it if nothing is streamed.",
    ),
    "graphql.execution.incremental.incremental_executor:IncrementalExecutor.handle_stream": (
        "af19c685235f20952cccde2ee9c08adf61ac17e816ca97986a104eab888b93f4",
        "gateway/execution/incremental_executor.py, IncrementalExecutor: a copy that streams a list by upstream pages.",
    ),
    "strawberry.types.field:StrawberryField.get_result": (
        "1881f471e7299ddb5d860e5416013bdba38c255bd265b6b0e4c25ff73edb760d",
        "gateway/schema/fields.py replaces it: both fields read the record without a resolver.",
    ),
    "strawberry.types.field:StrawberryField.is_basic_field": (
        "2788ae121972c36ecca226fa351b1208ea8261517817f5814e8b8a1b46d39788",
        "gateway/schema/fields.py, LinkField replaces it: a link is not a basic field.",
    ),
    "strawberry.schema.schema_converter:GraphQLCoreConverter.from_resolver": (
        "bcac1354fecdee79efc4cb931554163d64df8f0061909eab4d3687eba0c19ffb",
        (
            "gateway/schema/resolvers.py replaces its resolvers. For a field without extensions and exception "
            "handlers, they must do nothing but convert arguments."
        ),
    ),
    "strawberry.types.arguments:convert_argument": (
        "a11a22f213be34f49c0b9dcf4504821a212b6df8b9d098c459508df7255c920b",
        "gateway/schema/resolvers.py: it must change input objects alone. graphql-core has converted all other values.",
    ),
    "strawberry.dataloader:DataLoader.load": (
        "20b9b6021868b7668bf9776291e81e3bb2e7a0c01f8af8dc369543ca28255fcb",
        (
            "gateway/loaders/data_source.py, DataSource: it must return the cache's future, which the projection asks "
            "whether it is done. It promises only an Awaitable. Its key is a list of keys, so it must not hash the key."
        ),
    ),
    "strawberry.dataloader:dispatch_batch": (
        "211111a1b65c14d5cc8527bfae21eddd38b8db6554c8c3d0c561fe4484b8d4ef",
        (
            "gateway/loaders/data_source.py, DataSource: its task awaits `load_fn`, so `close` can cancel it, "
            "and `batch` of the loader must not be needed after `load_fn` was called."
        ),
    ),
    "strawberry.federation.schema:Schema.as_str": (
        "41f2eeceb4b921e8f969de9f35bd25884460188ef120896dd85de70c480bbbe6",
        "gateway/schema/federation.py, GatewaySchema: it adds the description and the last newline.",
    ),
    "aiobotocore.endpoint:AioEndpointCreator.create_endpoint": (
        "4137bfb392515ddf9f9c367f1fc255203f7c2b7c495f6d4fafba782071218251",
        "gateway/upstream/aws/http_session.py, HttpSession: its constructor takes the arguments that this passes.",
    ),
    "aiobotocore.endpoint:AioEndpoint._send": (
        "1d910e2ff7bff8db16dd4cb90510635f07bfd1f3380c1131dcbcb88f916d4e24",
        "gateway/upstream/aws/http_session.py, HttpSession: its `send` is called here.",
    ),
    "aiohttp.client:ClientSession._request": (
        "32986b8105faf5f829c07924811d1697c23685e86e68fa9148869d5369557615",
        (
            "gateway/upstream/aws/http_session.py, HttpSession._send_once: it takes the same steps for one attempt. "
            "aiohttp documents the steps' classes, but not their order."
        ),
    ),
    "aiobotocore.config:AioConfig.merge": (
        "a9d0bfc2bf3fc423b72feccd241482e7f17a88576f50608cf2a6ca423f8cd1c7",
        "gateway/upstream/aws/session.py, ClientConfig: it sets the HTTP session class of the result.",
    ),
    "aiobotocore.credentials:AioRefreshableCredentials._refresh": (
        "7ae88577da6f43fee078f1c2f562441e96d214d57b921c6ddf8ac729296b3feb",
        "gateway/upstream/aws/credentials.py, _Source: this asks `refresh_needed` before a renewal.",
    ),
    "aiobotocore.credentials:AioRefreshableCredentials._protected_refresh": (
        "e3be61204e4f74045e935fabc37f24ba2085e6afc0cd1cd7537e86738d334b38",
        "gateway/upstream/aws/credentials.py, _Source: this asks `refresh_needed` with 0 afterwards.",
    ),
    "botocore.credentials:RefreshableCredentials.__init__": (
        "ebff6237120d83d9c1d253b3b5c34010af349bde23bfbe29b996b58da7e7fd6f",
        "gateway/upstream/aws/credentials.py, _Source: it reads `_expiry_time`, a datetime with a zone or None.",
    ),
    "aiobotocore.credentials:AioCredentialResolver.load_credentials": (
        "97833ff8b3b87eeedaea42ca86473bcf46cf542aa9afe46cbd86fa2e9225f375",
        "gateway/upstream/aws/credentials.py, load_credentials: a copy that names the source that failed.",
    ),
    "aiobotocore.credentials:AioProcessProvider.__init__": (
        "3e839471ee4089c1d809fc82563757f56ec9f7a881d28e88a9474b3fc1c200d6",
        "gateway/upstream/aws/credential_process.py, ProcessProvider: it passes `popen`.",
    ),
    "botocore.auth:SigV4Auth.headers_to_sign": (
        "ab710967c39dab724cce72e8a4a15b7ef666037d68cbf57193ebf79d59caf8f0",
        "gateway/emulator/sigv4_verifier.py replaces it: all headers of the request are signed.",
    ),
    "prometheus_client.values:get_value_class": (
        "7de1718faa6ecfe216f787055af3aee4ad128987503d839bec116cff40f53d9f",
        (
            "gateway/telemetry/metrics.py, exposition: it compares `ValueClass` with `MutexValue` to detect "
            "several workers."
        ),
    ),
}


def test_private_names_of_libraries_are_those_of_the_list() -> None:
    listed = {f"{library}: {name}" for library, names in PRIVATE_NAMES.items() for name in names.split()}
    assert private_names(Path(gateway.__file__).parent) == listed
    assert len(listed) < 40


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("from uvicorn._types import ASGI3Application", "uvicorn: uvicorn._types.ASGI3Application"),
        ("import aiohttp\naiohttp.ClientSession()._timeout", "?: _timeout"),
        ("import aiohttp\nclass Own(aiohttp.TCPConnector):\n  def _check(self): self._limit", "aiohttp: _limit"),
        (
            "from uvicorn import Server\nclass Base(Server): ...\nclass Own(Base):\n  def tick(self): self.config",
            "uvicorn: config",
        ),
        ("from uvicorn import Server\nclass Own(Server):\n  async def main_loop(self): ...", "uvicorn: main_loop"),
    ],
)
def test_private_name_is_found(tmp_path: Path, code: str, name: str) -> None:
    (tmp_path / "module.py").write_text(code)
    assert private_names(tmp_path) == {name}


def source_of(path: str) -> str:
    """Return the source of a function, named as module:Class.function."""
    module, _, names = path.partition(":")
    library = module.partition(".")[0]
    found: object = import_module(module)
    for name in names.split("."):
        found = inspect.getattr_static(found, name)
        if isinstance(found, type):
            # The gateway may have put a subclass in a library's place, if another test ran first.
            found = next(each for each in found.__mro__ if each.__module__.partition(".")[0] == library)
    if isinstance(found, property):
        found = found.fget
    if isinstance(found, classmethod):
        found = found.__func__
    assert callable(found)
    return inspect.getsource(inspect.unwrap(found))


@pytest.mark.parametrize("path", FUNCTIONS)
def test_source_is_the_one_that_the_gateway_was_written_against(path: str) -> None:
    expected, read_again = FUNCTIONS[path]
    actual = hashlib.sha256(source_of(path).encode()).hexdigest()
    assert actual == expected, f"{path} has changed. Read again: {read_again}"

"""The command line: chime-gateway serve | dev | emulator | schema | api-key."""

import asyncio
import json
import logging
import shlex
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click
import structlog
from click.core import ParameterSource

from gateway.app import configure_garbage_collector, create_app, try_upstream, worker_app_factory
from gateway.auth.api_key_authenticator import hash_api_key, new_api_key
from gateway.emulator.asgi import EmulatorOptions, create_emulator
from gateway.emulator.aws_errors import EmulatorError
from gateway.emulator.fault_injection import Fault
from gateway.errors import ConfigurationError
from gateway.http.trusted_hosts import LOOPBACK_HOSTS
from gateway.schema.federation import build_schema
from gateway.server.http1_checks import ConnectionLimits
from gateway.server.run import listen, reaches_beyond_this_machine, serve, serving_in_thread, url_of
from gateway.settings import Settings, for_development, read_settings
from gateway.telemetry.logs import configure_logs
from gateway.upstream.aws.session import AwsKeyPair
from gateway.upstream.aws.transport import Endpoint

logger = logging.getLogger("gateway")

APIS: Final = ("chime", "chime-sdk-voice")
# The records of AWS's API reference are from 2019. A later century is a typing error.
SAMPLE_DAYS: Final = (date(2020, 1, 1), date(2099, 12, 31))
FIRST_QUERY: Final = "{ phoneNumbers(first: 3) { nodes { e164PhoneNumber status } } }"


def sample_day(text: str) -> date:
    """Parse the value of --sample-day.

    Raises:
        click.BadParameter: If it is not a day, or not one that sample data can be made on.
    """
    first, last = SAMPLE_DAYS
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a day. Write it like {first}.") from None
    if not first <= day <= last:
        raise click.BadParameter(f"{day} is not between {first} and {last}.")
    return day


host_option = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
numbers_option = click.option(
    "--numbers",
    type=click.IntRange(0, 5_000_000),
    default=250,
    show_default=True,
    help="Number of sample phone numbers.",
)
orders_option = click.option(
    "--orders", type=click.IntRange(0, 1_000_000), default=40, show_default=True, help="Number of sample orders."
)
sample_day_option = click.option(
    "--sample-day",
    type=sample_day,
    metavar="YYYY-MM-DD",
    help="Day on which the sample data are made. They are from the two years before it. Without it, today in UTC.",
)
api_option = click.option("--api", type=click.Choice(APIS), default="chime", show_default=True, help="API to emulate.")
db_option = click.option(
    "--db",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Database file of the emulator. Without it, data are in memory and end with the process.",
)


def port_option(default: int, variable: str | None = None) -> Callable[[Any], Any]:
    """Return the --port option of a command, which a variable may set as well."""
    return click.option(
        "--port",
        envvar=variable,
        show_envvar=True,
        type=click.IntRange(0, 65535),
        default=default,
        show_default=True,
        help="Port to listen on. 0 selects a free port.",
    )


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Report errors that the user can correct in one line, without a traceback."""
    try:
        yield
    except (ConfigurationError, EmulatorError) as error:
        # A library's message may have several lines.
        raise click.ClickException(" ".join(str(error).split())) from None


def reports_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Wrap a command in errors_in_one_line."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        with errors_in_one_line():
            command(*args, **kwargs)

    return wrapped


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="chime-gateway")
def main() -> None:
    """A GraphQL gateway in front of Amazon Chime's phone number and phone number order lists."""  # noqa: D401  # `--help` prints it.


@main.command("serve")
@host_option
@port_option(8000)
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Number of processes.")
@reports_errors
def serve_command(host: str, port: int, workers: int) -> None:
    """Serve the gateway over AWS.

    AWS's own chain finds the credentials and the region: environment, profile, role. GATEWAY_UPSTREAM_API selects the
    API, chime-sdk-voice or chime. GATEWAY_UPSTREAM_ENDPOINT_URL selects another upstream.
    """
    settings = read_settings()
    configure_logs(settings.log_format or "json")
    listener = _listen_for_callers(settings, host, port)
    listeners, admin_port = _with_admin_port(settings, host, listener)
    try:
        endpoint = asyncio.run(_try_upstream(settings))
    except asyncio.CancelledError:
        raise SystemExit(128 + signal.SIGTERM) from None
    create_app(settings)  # If a file cannot be used, this reports it before a worker finds it.

    def announce() -> None:
        click.echo(f"GraphQL   {url_of(listener)}/graphql")
        click.echo(f"Upstream  {settings.upstream_api} in {endpoint.region} at {endpoint.url}")
        click.echo(first_query(settings, url_of(listener)))
        _announce_admin_port(listeners)
        if settings.cursor_keys is None:
            logger.warning(
                "Cursors are encrypted with a random key, so they end with a restart and other replicas reject them. "
                "Set GATEWAY_CURSOR_KEYS to keys that all replicas share."
            )
        _log_start(settings, endpoint)

    serve(
        worker_app_factory(
            settings, workers=workers, allowed_hosts=_allowed_hosts(settings, listener), admin_port=admin_port
        ),
        listeners,
        announce,
        workers=workers,
        limits=_limits(settings),
        shutdown_timeout_seconds=settings.shutdown_timeout_seconds,
    )


@main.command()
@host_option
# `make run` sets the variable, as many development servers read it.
@port_option(8000, "PORT")
@api_option
@db_option
@numbers_option
@orders_option
@sample_day_option
@reports_errors
def dev(host: str, port: int, api: Any, **data: Any) -> None:
    """Serve the gateway over sample data.

    It brings its own emulator of AWS, so you need no AWS account and no settings.
    """
    is_variable = click.get_current_context().get_parameter_source("port") is ParameterSource.ENVIRONMENT
    chosen_with = f"--host, {'PORT=' if is_variable else '--port'}"
    listener = _listen_for_callers(read_settings(upstream_api=api), host, port, chosen_with)
    options = EmulatorOptions(api=api, **data)
    emulator = create_emulator(options)
    stored = emulator.state.store.counts()
    with serving_in_thread(emulator) as upstream_url:
        settings = for_development(read_settings(upstream_api=api, upstream_endpoint_url=upstream_url))
        settings = settings.model_copy(update={"allowed_hosts": _allowed_hosts(settings, listener)})
        configure_logs(settings.log_format or "console")

        def announce() -> None:
            click.echo(f"GraphQL   {url_of(listener)}/graphql")
            click.echo(f"Upstream  emulated {api} at {upstream_url}: {stored[0]} phone numbers, {stored[1]} orders")
            click.echo(first_query(settings, url_of(listener)))
            _announce_admin_port(listeners)
            _log_start(settings, endpoint)

        listeners, admin_port = _with_admin_port(settings, host, listener)
        settings = settings.model_copy(update={"admin_port": admin_port})
        key_pair = AwsKeyPair(options.access_key, options.secret_key)
        endpoint = asyncio.run(try_upstream(settings, key_pair))
        app = create_app(settings, key_pair)
        configure_garbage_collector()
        serve(
            app,
            listeners,
            announce,
            limits=_limits(settings),
            shutdown_timeout_seconds=settings.shutdown_timeout_seconds,
        )


@main.command()
@host_option
@port_option(9000)
@api_option
@db_option
@numbers_option
@orders_option
@sample_day_option
@click.option(
    "--load",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="File with the output of `aws ... list-phone-numbers` or `list-phone-number-orders`, used instead of sample "
    "data. Repeat the option for more files.",
)
@click.option(
    "--latency-ms",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Delay of each response, in milliseconds.",
)
@click.option("--rate", type=click.IntRange(min=1), help="Requests per second. More are throttled with 429.")
@click.option(
    "--unstable-tokens", is_flag=True, help="A different next-token in each response, even if nothing else changed."
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="OPERATION=CODE",
    help="Error for each call of an operation, or of all operations (*), such as ListPhoneNumbers=Throttled. Repeat "
    "the option for more faults.",
)
@click.option(
    "--access-key", default="local", show_default=True, help="The one access key ID that requests may be signed with."
)
@click.option("--secret-key", default="local", show_default=True, help="The secret of the access key.")
@reports_errors
def emulator(host: str, port: int, faults: tuple[str, ...], **options: Any) -> None:
    """Serve the emulator of AWS's APIs without the gateway."""
    chosen = EmulatorOptions(faults=tuple(map(_fault, faults)), **options)
    listener = listen(host, port)
    app = create_emulator(chosen)
    numbers, orders = app.state.store.counts()

    def announce() -> None:
        click.echo(f"Emulator  {chosen.api} at {url_of(listener)}: {numbers} phone numbers, {orders} orders")
        key, secret = shlex.quote(chosen.access_key), shlex.quote(chosen.secret_key)
        click.echo(
            f"Try       AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={secret} "
            f"AWS_DEFAULT_REGION=us-east-1 aws {chosen.api} list-phone-numbers --endpoint-url {url_of(listener)}"
        )
        click.echo(
            f"Gateway   AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={secret} AWS_REGION=us-east-1 "
            f"GATEWAY_UPSTREAM_API={chosen.api} GATEWAY_UPSTREAM_ENDPOINT_URL={url_of(listener)} chime-gateway serve"
        )

    serve(app, [listener], announce)


@main.command()
@reports_errors
def schema() -> None:
    """Print the schema in SDL.

    The output is the content of schema.graphql, unless GATEWAY_RELAY_NODE_FIELDS is set to false.
    """
    click.echo(build_schema(relay_node_fields=read_settings().relay_node_fields).as_str(), nl=False)


@main.command("api-key")
def api_key() -> None:
    """Make an API key and its hash.

    Give the key to one caller, and add the hash to GATEWAY_API_KEYS. The gateway stores neither.
    """
    key = new_api_key()
    click.echo(f"Key       {key}")
    click.echo(f"Hash      {hash_api_key(key.encode())}")


def _listen_for_callers(settings: Settings, host: str, port: int, chosen_with: str = "--host, --port") -> socket.socket:
    """Return the listening socket of the main port.

    Raises:
        ConfigurationError: If anyone may call the gateway, and other machines can connect to the socket.
    """
    listener = listen(host, port, chosen_with)
    is_open = settings.allows_anonymous and not settings.allow_unauthenticated
    if is_open and reaches_beyond_this_machine(listener):
        listener.close()
        raise ConfigurationError(
            f"On {host}, anyone who can connect could call this gateway. Set GATEWAY_AUTH to api-key or jwt, set "
            "GATEWAY_ROUTER_SECRET, or listen on this machine only, with --host 127.0.0.1. If your network keeps "
            "everyone else out, set GATEWAY_ALLOW_UNAUTHENTICATED=true."
        )
    return listener


def _allowed_hosts(settings: Settings, listener: socket.socket) -> tuple[str, ...] | None:
    """Return the allowed hosts, which default to loopback names if nothing else keeps other sites' pages out."""
    if settings.allowed_hosts is None and settings.allows_anonymous and not reaches_beyond_this_machine(listener):
        return LOOPBACK_HOSTS
    return settings.allowed_hosts


def _with_admin_port(settings: Settings, host: str, listener: socket.socket) -> tuple[list[socket.socket], int | None]:
    """Return the sockets to listen on, and the admin port, or None if it is the main port.

    Raises:
        ConfigurationError: If the admin port is not available.
    """
    if settings.admin_port is None:
        return [listener], None
    admin = listen(host, settings.admin_port, "GATEWAY_ADMIN_PORT")
    return [listener, admin], admin.getsockname()[1]


def _announce_admin_port(listeners: list[socket.socket]) -> None:
    for listener in listeners[1:]:
        click.echo(f"Admin     {url_of(listener)}/metrics")


async def _try_upstream(settings: Settings) -> Endpoint:
    # Python's own handling of SIGTERM would leave a running credential process behind.
    opening = asyncio.current_task()
    if opening is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, opening.cancel)
    return await try_upstream(settings)


def _log_start(settings: Settings, endpoint: Endpoint) -> None:
    """Log what runs: version, upstream, authentication, cache, and the settings that are not at their defaults."""
    is_off = settings.cache_ttl_seconds == settings.stale_if_error_seconds == 0
    cache = "off" if is_off else "memory" if settings.redis_url is None else "redis"
    structlog.get_logger().info(
        "started",
        version=version("chime-gateway"),
        service=settings.upstream_api,
        region=endpoint.region,
        endpoint=urlsplit(endpoint.url).netloc,
        authentication=settings.authentication,
        cache=cache,
        settings=settings.changed_numbers(),
    )


def _limits(settings: Settings) -> ConnectionLimits:
    return ConnectionLimits(settings.max_body_bytes, settings.read_timeout_seconds, settings.keep_alive_timeout_seconds)


def _fault(text: str) -> Fault:
    try:
        return Fault.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--fault") from None


def first_query(settings: Settings, url: str) -> str:
    """Return a command to paste into a shell of this machine. A credential is in a variable that its user sets."""
    url = url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    if settings.trusted_documents is not None:
        return f"Try       curl {url}/healthz"
    headers = ["'content-type: application/json'"]
    if settings.allowed_hosts is not None and urlsplit(url).hostname not in settings.allowed_hosts:
        headers.append(f"'host: {settings.allowed_hosts[0]}'")
    if settings.router_secret is not None:
        headers.append('"x-router-secret: $ROUTER_SECRET"')
    if settings.auth != "none":
        headers.append('"x-api-key: $API_KEY"' if settings.auth == "api-key" else '"authorization: Bearer $TOKEN"')
    sent = " ".join(f"-H {header}" for header in headers)
    return f"Try       curl {url}/graphql {sent} -d '{json.dumps({'query': FIRST_QUERY})}'"


if __name__ == "__main__":
    main(prog_name="python -m gateway")

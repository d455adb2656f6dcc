"""Tracing is set up by OpenTelemetry's variables, refused in one line, and absent when it is off."""

from importlib import util
from typing import Any

import pytest

from application.application import Application
from application.asgi import Asgi
from application.errors import StartError
from application.settings import Settings
from application.tracing import check_tracing, start_tracing
from gateway.traced_requests import TracedRequests
from schema.operations.execution import Execution
from services.database.connections import Database
from services.events.outbox import Outbox
from services.tracing import sdk


@pytest.fixture
def wanted(settings: Settings) -> Settings:
    return settings.model_copy(update={"tracing": True})


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("OTEL_TRACES_SAMPLER", "sometimes", "OTEL_TRACES_SAMPLER must be one of always_off"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "soap", "OTEL_EXPORTER_OTLP_PROTOCOL must be one of http/protobuf, grpc"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "the exporter otlp_proto_grpc .* is not installed"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "OTEL_EXPORTER_OTLP_ENDPOINT must begin with http://"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "the exporter zipkin .* is not installed"),
    ],
)
def test_a_wrong_variable_stops_the_start_with_one_line(
    variable: str, value: str, line: str, wanted: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    for start in (check_tracing, start_tracing):
        with pytest.raises(StartError, match=rf"^TAXIRANK_TRACING: {line}[^\n]*\Z"):
            start(wanted)


def test_a_share_that_is_none_stops_the_start(wanted: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    for share in ("much", "2", "nan"):
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", share)
        with pytest.raises(StartError, match="OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1"):
            check_tracing(wanted)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.01")
    check_tracing(wanted)


def test_without_the_packages_one_line_says_what_to_install(
    wanted: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_sdk(name: str, *args: Any) -> object:
        return None if name == "opentelemetry.sdk" else util.find_spec(name, *args)

    monkeypatch.setattr(sdk, "find_spec", without_sdk)
    with pytest.raises(StartError, match=r"^TAXIRANK_TRACING: [^\n]+`uv run --group tracing server.py`[^\n]*\Z"):
        check_tracing(wanted)


def test_an_empty_variable_counts_as_missing(wanted: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        monkeypatch.setenv(name, "")
    check_tracing(wanted)


def test_the_sdk_can_be_disabled_by_its_own_variable(wanted: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert start_tracing(wanted) is None


def test_switched_off_nothing_of_it_is_built(settings: Settings) -> None:
    application = Application(settings)
    asgi = Asgi(application)

    assert type(application.database) is Database
    assert type(application.outbox) is Outbox
    assert type(asgi._graphql._execution) is Execution
    assert TracedRequests not in {layer.cls for layer in asgi._middleware()}
    assert application.services.hub._topics._delivering.spans is None

"""OpenTelemetry's SDK, set up by the standard variables (``OTEL_*``)."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec

from services.tracing.tracing import Tracing

_INSTALL = (
    "start with `uv run --group tracing server.py`, or `pip install opentelemetry-sdk "
    "opentelemetry-exporter-otlp-proto-http`"
)
_OTLP = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}


class TracingUnusable(Exception):
    """Tracing is wanted and cannot work. The text is one line that says what to do."""


def start(variables: Mapping[str, str]) -> Tracing | None:
    """Begin to record and export; None: ``OTEL_SDK_DISABLED`` says no.

    ``variables``: the environment's ``OTEL_*``.

    Raises: TracingUnusable
    """
    exporters = check(variables)
    if variables.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    is_named = "OTEL_SERVICE_NAME" in variables or "service.name=" in variables.get("OTEL_RESOURCE_ATTRIBUTES", "")
    resource = Resource.create(None if is_named else {"service.name": "taxirank"})
    # The server flushes at its end. By itself, the SDK would wait for the collector when the process exits.
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter.load()()))
    return Tracing(provider)


def check(variables: Mapping[str, str]) -> list[EntryPoint]:
    """The exporters that the variables name. Raises: TracingUnusable"""
    if find_spec("opentelemetry.sdk") is None:
        raise TracingUnusable(f"OpenTelemetry's SDK is not installed: {_INSTALL}")
    _check_sampler(variables)
    names = [name.strip() for name in variables.get("OTEL_TRACES_EXPORTER", "otlp").split(",")]
    return [_exporter(name, variables) for name in names if name not in {"none", ""}]


def _exporter(name: str, variables: Mapping[str, str]) -> EntryPoint:
    if name == "otlp":
        of_traces = variables.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
        protocol = of_traces or variables.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf"
        if protocol not in _OTLP:
            raise TracingUnusable(
                f"OTEL_EXPORTER_OTLP_PROTOCOL must be one of {', '.join(_OTLP)}, not {protocol!r}"
            )
        if protocol == "http/protobuf":
            _check_endpoint(variables)
        name = _OTLP[protocol]
    found = next(iter(entry_points(group="opentelemetry_traces_exporter", name=name)), None)
    if found is None:
        how = _INSTALL if name == "otlp_proto_http" else "install its package"
        raise TracingUnusable(f"the exporter {name} (OTEL_TRACES_EXPORTER) is not installed: {how}")
    return found


def _check_endpoint(variables: Mapping[str, str]) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        if not variables.get(name, "http://").startswith(("http://", "https://")):
            raise TracingUnusable(f"{name} must begin with http:// or https://")


def _check_sampler(variables: Mapping[str, str]) -> None:
    """The SDK only logs a wrong sampler, and would record everything."""
    sampler = variables.get("OTEL_TRACES_SAMPLER", "parentbased_always_on").strip().lower()
    known = sorted(entry_points(group="opentelemetry_traces_sampler").names)
    if sampler not in known:
        raise TracingUnusable(f"OTEL_TRACES_SAMPLER must be one of {', '.join(known)}, not {sampler!r}")
    if sampler.endswith("traceidratio"):
        share = variables.get("OTEL_TRACES_SAMPLER_ARG", "1")
        try:
            is_share = 0 <= float(share) <= 1
        except ValueError:
            is_share = False
        if not is_share:
            raise TracingUnusable(f"OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1, not {share!r}")

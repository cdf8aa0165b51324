"""OpenTelemetry traces: a span for each request, and inside of it one for what takes the time. Needs the extra ``[otel]``.

Where to and how much is said by OpenTelemetry's own variables (``OTEL_EXPORTER_OTLP_ENDPOINT``, ``OTEL_TRACES_SAMPLER``,
``OTEL_SERVICE_NAME``, ...). A caller's ``traceparent`` header is continued. Attributes follow the semantic conventions for
HTTP; none holds what a client wrote.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Any

from vecloom.errors import MissingExtraError
from vecloom.serve.asgi import Scope

SERVICE = "vecloom"


Attribute = str | int | float
_ACTIVE: ContextVar[Tracing | None] = ContextVar("vecloom_tracing", default=None)


def part(name: str, **attributes: Attribute) -> AbstractContextManager[None]:
    """Make a span inside the request's, for a ``with`` block; does nothing where no traces are made."""
    tracing = _ACTIVE.get()
    return nullcontext() if tracing is None else tracing.part(name, **attributes)


@dataclass(slots=True)
class Started:
    """A request's span and what makes it the current one."""

    span: Any
    method: str
    context: Any
    active: Token[Tracing | None]


class Tracing:
    """Makes spans with one tracer provider."""

    def __init__(self, provider: Any) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        from vecloom import __version__

        self.provider = provider
        self._tracer = provider.get_tracer("vecloom.serve", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def start(self, scope: Scope) -> Started:
        """Begin a request's span, inside the caller's where it names one."""
        from opentelemetry import context, trace

        carrier = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in (b"traceparent", b"tracestate")
        }
        span = self._tracer.start_span(
            scope["method"],
            context=self._propagator.extract(carrier),
            kind=trace.SpanKind.SERVER,
            attributes={
                "http.request.method": scope["method"],
                "url.scheme": scope.get("scheme", "http"),
                "vecloom.request_id": scope["state"]["request_id"],
            },
        )
        attached = context.attach(trace.set_span_in_context(span))
        return Started(span, scope["method"], attached, _ACTIVE.set(self))

    def end(self, started: Started, route: str, status: int) -> None:
        """End a request's span."""
        from opentelemetry import context, trace

        started.span.update_name(f"{started.method} {route}")
        started.span.set_attribute("http.route", route)
        started.span.set_attribute("http.response.status_code", status)
        if status >= 500:
            started.span.set_status(trace.StatusCode.ERROR)
        started.span.end()
        context.detach(started.context)
        _ACTIVE.reset(started.active)

    @contextmanager
    def part(self, name: str, **attributes: Attribute) -> Iterator[None]:
        """A span inside the current one. Of an exception only the type is told: its message may hold what a client wrote."""
        from opentelemetry.trace import StatusCode

        opened = self._tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        )
        with opened as span:
            try:
                yield
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(StatusCode.ERROR)
                raise

    def close(self) -> None:
        """Send what has not been sent yet."""
        self.provider.shutdown()


def over_otlp() -> Tracing:
    """Traces that go out over OTLP (HTTP), as OpenTelemetry's variables say.

    Raises:
        MissingExtraError: OpenTelemetry is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise MissingExtraError("Traces need OpenTelemetry, which is not installed.", "otel") from error
    import os

    said = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    named = {} if said else {"service.name": SERVICE}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)

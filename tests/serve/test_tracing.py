"""Spans, as OpenTelemetry's own SDK keeps them."""

import json

import pytest
from tests.serve.served import FRUIT, new_state, served

pytest.importorskip("opentelemetry.sdk", reason="traces need the extra [otel]")

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from vecloom.errors import MissingExtraError
from vecloom.serve import tracing
from vecloom.serve.tracing import Tracing, part


@pytest.fixture
def spans(tmp_path):
    """A served index, and what was exported."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    state = new_state(tmp_path)
    state.tracing = Tracing(provider)
    with served(state) as client:
        client.post("/v1/indexes/docs/documents", json={"documents": FRUIT})
        exporter.clear()
        yield client, exporter.get_finished_spans


def test_a_request_has_a_span_by_its_route_and_its_part_inside(spans):
    client, finished = spans
    answer = client.post("/v1/indexes/docs/search", json={"query": "apples"})
    whole = next(span for span in finished() if span.parent is None)
    inside = next(span for span in finished() if span.name == "ask index")
    assert whole.name == "POST /v1/indexes/{name}/search"
    assert whole.kind.name == "SERVER"
    assert whole.attributes == {
        "http.request.method": "POST",
        "url.scheme": "http",
        "http.route": "/v1/indexes/{name}/search",
        "http.response.status_code": 200,
        "vecloom.request_id": answer.headers["x-request-id"],
    }
    assert inside.parent.span_id == whole.context.span_id
    assert whole.start_time <= inside.start_time <= inside.end_time <= whole.end_time


def test_a_callers_trace_is_continued(spans):
    client, finished = spans
    # The example of the W3C's recommendation, section 3.2
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    client.get("/health", headers={"traceparent": parent})
    (span,) = finished()
    assert format(span.context.trace_id, "032x") == "0af7651916cd43dd8448eb211c80319c"
    assert format(span.parent.span_id, "016x") == "b7ad6b7169203331"


def test_nothing_that_a_client_wrote_is_in_a_span(spans):
    client, finished = spans
    secret = "Xylophon-4711"
    client.post("/v1/indexes/docs/search", json={"query": secret, "where": f"{secret} = 1"})
    client.post(f"/v1/indexes/{secret}/search", json={"query": secret})
    client.delete(f"/v1/indexes/docs/documents/{secret}", headers={"X-Request-ID": f"{secret} {secret}"})
    client.get(f"/{secret}")
    assert len(finished()) >= 4
    told = json.dumps([json.loads(span.to_json()) for span in finished()])
    assert secret not in told


def test_a_failure_is_an_error_and_a_refusal_is_not(spans, monkeypatch):
    client, finished = spans
    client.get("/v1/indexes/none/similar/x")
    monkeypatch.setattr(client.state.indexes["docs"].__class__, "info", lambda self: 1 / 0)
    assert client.get("/v1/indexes").status_code == 500
    by_status = {span.attributes["http.response.status_code"]: span for span in finished() if span.parent is None}
    assert by_status[404].status.status_code.name == "UNSET"
    assert by_status[500].status.status_code.name == "ERROR"


def test_requests_that_are_not_sampled_are_answered_too(tmp_path):
    state = new_state(tmp_path)
    state.tracing = Tracing(TracerProvider(sampler=ALWAYS_OFF))
    with served(state) as client:
        assert client.get("/health").status_code == 200


def test_without_traces_a_part_costs_nothing_and_does_nothing():
    with part("anything", size=1):
        pass


def test_the_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(MissingExtraError, match=r"vecloom\[otel\]"):
        tracing.over_otlp()


def test_over_otlp_a_span_reaches_a_collector(monkeypatch):
    """A collector of ten lines: what comes is OTLP over HTTP, and holds the span's name and the service's."""
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    came = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            came.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    try:
        made = tracing.over_otlp()
        scope = {"method": "GET", "headers": [], "state": {"request_id": "r-1"}}
        made.end(made.start(scope), "/health", 200)
        made.close()
    finally:
        server.shutdown()
        server.server_close()
    (path, body) = came[0]
    assert path == "/v1/traces"
    assert b"GET /health" in body
    assert b"vecloom" in body

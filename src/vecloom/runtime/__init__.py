"""How an encoder runs fast: batching by token budget, OpenVINO, torch, ONNX Runtime."""

import sys

# OpenVINO reports its use over the network when it is imported, unless its analytics package cannot be found: then it
# goes on with a stub of its own. vecloom calls nobody without being asked.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

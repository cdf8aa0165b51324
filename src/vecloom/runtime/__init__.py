"""How an encoder runs fast: batching by token budget, OpenVINO, torch, ONNX Runtime."""

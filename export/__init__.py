"""Writing the integer model: lowering from torch, and ONNX, TFLite and C."""

"""Float nets in ONNX files, read as the torch modules that plans are traced from. An op is one entry of `ops.OPS`."""

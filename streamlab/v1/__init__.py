"""The gRPC protocol's messages and stub, made by `make protocol` from protocol/streamlab/v1/streamlab.proto."""

"""The embedded target over gRPC, on HTTP/2 of its own (`http2/`): imported only when it is asked for, and without grpcio.

`connection` is one client's connection, `call` one call on it. `head` and `intake` read requests, `reply` writes header blocks,
`outbox` sends within the client's windows. `method` is what can be called: `greeter`, and `health` and `reflection` of it.
"""

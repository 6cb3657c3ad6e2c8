"""The embedded target: a service with known data, known delays and known faults, to load when there is no other.

`http/` is the HTTP/1.1 server, `websocket/` and `graphql/` are spoken over it, `grpc/` has HTTP/2 of its own; `listener` is a
port, whatever is spoken there, `command` the target as a program. `chaos`, `shapes` and `faults` say what is injected,
`settings` reads it; `data` and `collection` hold what is served; `metrics` counts.
"""

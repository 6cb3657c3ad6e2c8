"""The embedded target: a service with known data, known delays and known faults, to load when there is no other.

`http/` is the HTTP/1.1 server, `websocket/` and `graphql/` are spoken over it; `listener` is what every protocol is to the
rest, `command` the target as a program. `chaos`, `shapes` and `faults` say what is injected, `settings` reads it; `data` and
`collection` hold what is served; `metrics` counts.
"""

"""The embedded target over GraphQL, with graphql-core: imported only when it is asked for.

`schema` is what can be asked, `execution` carries operations out, `service` answers over HTTP, `subscription` over WebSocket.
"""

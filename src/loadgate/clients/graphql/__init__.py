"""GraphQL over HTTP: queries on a user's own HTTP connections, judged by what their replies say rather than by status.

`client` is what scenarios use; `judge` says of each reply whether it is a usable one; `subscription` is what comes over
WebSocket, on the one connection (`socket`) that a user has for it; `checking`, with graphql-core, holds queries against a
schema before there is load.
Source: GraphQL specification (October 2021), GraphQL over HTTP (draft), Apollo's automatic persisted queries, GraphQL over
WebSocket (`graphql-transport-ws`).
"""

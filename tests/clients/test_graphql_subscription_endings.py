"""Scenarios that are interrupted in a subscription, and the end of a load: what waited for long counts, nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from loadgate.clients.graphql.client import GraphqlClient
from tests.support.subscription_talk import QUERY, Serve, begun, next_of, silent, with_peer
from tests.support.subscriptions import client_of
from tests.support.ws_talk import Peer, RawWs, WsTalk, ws_talk


def is_begun(here: WsTalk) -> bool:
    return here.total("graphql_subscriptions") == 1


def is_opening(here: WsTalk) -> bool:
    return here.total("ws_msgs_sent") == 1 and not is_begun(here)


async def until(holds: Callable[[WsTalk], bool], here: WsTalk) -> None:
    async with asyncio.timeout(5):
        while not holds(here):
            await asyncio.sleep(0.002)


@pytest.mark.parametrize(("serve", "holds"), [(begun(), is_begun), (silent, is_opening)], ids=["begun", "opening"])
@pytest.mark.parametrize(("patience", "counted"), [(0.0, {"unanswered": 1}), (60.0, {})])
@pytest.mark.parametrize("interrupted", [True, False])
def test_the_end_of_a_load(
    serve: Serve,
    holds: Callable[[WsTalk], bool],
    patience: float,
    counted: dict[str, int],
    interrupted: bool,
) -> None:
    """With and without the iteration being cancelled first: what waited for long counts, what did not is no sample."""

    async def main(here: WsTalk, server: RawWs) -> None:
        ws = here.user()
        user = client_of(ws, server.url)

        async def iteration() -> None:
            async with user.subscribe(QUERY) as subscription:
                await subscription.next()

        task = asyncio.create_task(iteration())
        await until(holds, here)
        if interrupted:
            task.cancel()
            await asyncio.wait([task])
        ws.cut_off(patience)
        ws.close()
        task.cancel()
        await asyncio.wait([task])
        assert here.counts("graphql_reqs") == counted
        assert here.total("ws_messages") == 0

    async def run(here: WsTalk) -> None:
        async with RawWs(serve) as server:
            await main(here, server)

    ws_talk(run)


def test_who_waits_for_no_event_has_missed_none_when_the_load_ends() -> None:
    async def main(here: WsTalk, user: GraphqlClient, server: RawWs) -> None:
        async with user.subscribe(QUERY) as subscription:
            assert (await subscription.next()).ok
            here._users[0].cut_off(0.0)
        assert (here.counts("graphql_reqs"), here.errors()) == ({"101": 1}, {})

    with_peer(main, begun(next_of("1", 1)))


def test_a_user_who_only_listens_has_not_failed_when_the_load_ends() -> None:
    async def main(here: WsTalk, user: GraphqlClient, server: RawWs) -> None:
        ws = here._users[0]

        async def iteration() -> None:
            async with user.subscribe(QUERY) as subscription:
                async for _ in subscription:
                    pass

        task = asyncio.create_task(iteration())
        await until(is_begun, here)
        ws.cut_off(0.0)
        ws.close()
        await asyncio.wait([task])
        assert (here.counts("graphql_reqs"), here.errors()) == ({}, {})
        assert here.total("graphql_subscriptions") == 1

    with_peer(main, begun())


def test_a_scenario_that_limits_its_wait_and_goes_on_has_a_failed_exchange() -> None:
    async def main(here: WsTalk, user: GraphqlClient, server: RawWs) -> None:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.03), user.subscribe(QUERY) as subscription:
                    await subscription.next()
        user.subscribe(QUERY)
        assert here.counts("graphql_reqs") == {"timeout": 2}
        assert here.errors()["timeout"][1].startswith("given up by the scenario")

    with_peer(main, begun())


def test_who_waits_for_a_connection_gets_another_where_its_opening_is_interrupted() -> None:
    first = True

    async def serve(peer: Peer) -> None:
        nonlocal first
        if first:
            first = False
            await silent(peer)
        else:
            await begun(next_of("1", 1))(peer)

    async def main(here: WsTalk, user: GraphqlClient, server: RawWs) -> None:
        async def one() -> Any:
            async with user.subscribe(QUERY) as subscription:
                return (await subscription.next()).data

        opening, waiting = asyncio.create_task(one()), asyncio.create_task(one())
        await until(is_opening, here)
        opening.cancel()
        assert await waiting == {"ticks": 1}
        assert len(server.peers) == 2

    with_peer(main, serve)

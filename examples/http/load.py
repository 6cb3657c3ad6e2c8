"""A session written in Python, against the embedded target.

loadgate serve                                        (in another terminal)
loadgate run examples/http/load.py --url http://127.0.0.1:3000
"""

from loadgate import Response, Trend, User, csv_data, scenario, setup, teardown

options = {
    "vus": 5,
    "duration": "10s",
    "thresholds": {
        "http_req_duration": ["p(95)<500"],
        "checks": ["rate>0.99"],
        "sign_up_time": ["p(95)<1000"],
    },
}

people = csv_data("people.csv", order="random")
sign_up_time = Trend("sign_up_time", time=True)


@setup
async def look_first(user: User) -> str:
    """Runs once; what it returns is `user.setup_data` for everyone."""
    response: Response = await user.http.get("/health")
    if not response.ok:
        raise RuntimeError(f"the target is not healthy: {response!r}")
    return "hello"


@scenario(weight=3)
async def read(user: User) -> None:
    with user.group("front page"):
        users = await user.http.get("/users")
        user.check(users.status == 200, "users are listed")
        posts = await user.http.get("/posts")
        user.check(posts, {"posts are listed": lambda reply: reply.status == 200, "quickly": _quickly})
    await user.think(0.05, 0.15)
    comments = await user.http.get("/comments")
    user.check(comments, "comments are listed")


@scenario(weight=1, tags={"kind": "write"})
async def sign_up(user: User) -> None:
    person = people.next(user)
    created = await user.http.post("/users", json={"name": person.name, "email": person.email}, expect=201)
    sign_up_time.add(user, created.timings.duration)
    if user.check(created, "user is created"):
        found = await user.http.get(f"/users/{created.json()['id']}", name="GET /users/{id}")
        user.check(found.status == 200, "user is found")
        title = f"{user.setup_data} from {person.name} about {person.topic}"
        post = await user.http.post("/posts", json={"title": title, "body": "..."}, expect=(200, 201))
        user.check(post, "post is written")
    await user.sleep(0.1)


@teardown
async def look_again(user: User) -> None:
    await user.http.get("/health")


def _quickly(reply: Response) -> bool:
    return reply.timings.duration < 500

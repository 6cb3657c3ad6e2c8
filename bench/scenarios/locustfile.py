"""The same as status.py and waiting.py, for Locust's faster client. Its check is the one Locust's documentation shows."""

from locust import FastHttpUser, constant, task  # type: ignore[import-not-found]


class Status(FastHttpUser):  # type: ignore[misc]
    @task  # type: ignore[untyped-decorator]
    def status(self) -> None:
        with self.client.get("/file", catch_response=True) as response:
            if response.status_code != 200:
                response.failure("status is not 200")


class Waiting(FastHttpUser):  # type: ignore[misc]
    wait_time = constant(1)

    @task  # type: ignore[untyped-decorator]
    def waiting(self) -> None:
        with self.client.get("/logged", catch_response=True) as response:
            if response.status_code != 200:
                response.failure("status is not 200")

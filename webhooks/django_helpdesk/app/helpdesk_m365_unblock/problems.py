"""What is answered where something will not do: problem documents (RFC 9457), whose title is for people."""

from django.http import HttpResponse, JsonResponse


class Problem(Exception):
    """An answer that is no success. `retry_after` is in seconds."""

    def __init__(self, status: int, title: str, *, retry_after: int | None = None) -> None:
        super().__init__(title)
        self.status, self.title, self.retry_after = status, title, retry_after

    def response(self) -> HttpResponse:
        """As HTTP has it."""
        answer = JsonResponse(
            {"title": self.title, "status": self.status},
            status=self.status,
            content_type="application/problem+json",
        )
        if self.status == 401:
            answer["WWW-Authenticate"] = "Bearer"
        if self.retry_after is not None:
            answer["Retry-After"] = str(self.retry_after)
        return answer

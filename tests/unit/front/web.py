"""A house behind its real API, reached by an ordinary httpx client without a socket."""

import asyncio
from collections.abc import AsyncIterator

import httpx
from tests.unit.front.house import ValueHouse

from shuishan.front.api.app import make_app
from shuishan.front.api.stream import StreamBounds


class InProcess(httpx.BaseTransport):
    """Carries each request into the application; the whole answer is read before it comes back."""

    def __init__(self, house: ValueHouse, bounds: StreamBounds | None = None) -> None:
        self._app = make_app(house, bounds=bounds)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return asyncio.run(self._carry(request))

    async def _carry(self, request: httpx.Request) -> httpx.Response:
        chunked = "content-length" not in request.headers
        body = request.read()
        inside = httpx.Request(
            request.method,
            request.url,
            headers=request.headers,
            content=_pieces(body) if chunked and body else body,
        )
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        answer = await transport.handle_async_request(inside)
        content = await answer.aread()
        return httpx.Response(answer.status_code, headers=answer.headers, content=content)


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 65536):
        yield body[start : start + 65536]


def web_client(house: ValueHouse, bounds: StreamBounds | None = None) -> httpx.Client:
    return httpx.Client(transport=InProcess(house, bounds), base_url="http://house")

"""Development servers in Node, as a front end's developer starts them."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx

from tests.support.brokers import free_port
from tests.support.waiting import until

STARTS_WITHIN_S = 120


@asynccontextmanager
async def node_server(
    *command: str, folder: Path, environment: Mapping[str, str] | None = None, port: int | None = None
) -> AsyncGenerator[str]:
    """Run a command that serves pages on `{port}`, by default a free one; its address."""
    chosen = str(port or free_port())
    process = await asyncio.create_subprocess_exec(
        *(word.replace("{port}", chosen) for word in command),
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        # npm and Next.js start other processes, which must end with it.
        start_new_session=True,
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{chosen}", verify=False) as http:

            async def serves() -> bool:
                assert process.returncode is None, f"{' '.join(command)} has ended"
                try:
                    return (await http.get("/")).is_success
                except httpx.TransportError:
                    return False

            await until(serves, timeout_s=STARTS_WITHIN_S)
        yield f"http://127.0.0.1:{chosen}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        await process.wait()

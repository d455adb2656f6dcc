"""Measures the memory of concurrent uploads: ``uv run --group benchmarks python -m benchmarks.uploads``, on Linux.

Each upload is a sign-up with the largest photo that the default settings allow, in bytes and in pixels. The
server is a process with these settings, except for a longer time limit of operations.
"""

import asyncio
import io
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import httpx
import orjson
import typer
from PIL import Image

from application.settings import Settings
from tests.support.api import PASSWORD, SIGN_UP
from tests.support.processes import server_process

MEGABYTE = 1024 * 1024
TIMEOUT_S = 600.0
KINDS = {
    # A JPEG needs the least memory per pixel, because it is scaled while it is decoded. A WebP needs the most.
    "JPEG": ("RGB", {"quality": 30}),
    "PNG": ("RGBA", {"compress_level": 1}),
    "WEBP": ("RGBA", {"lossless": True, "quality": 0, "method": 0}),
}


def largest_photo(format: str, *, max_bytes: int, max_pixels: int) -> bytes:
    """A photo with exactly these sizes; padding is appended to reach the number of bytes."""
    mode, options = KINDS[format]
    side = int(max_pixels**0.5)
    file = io.BytesIO()
    Image.new(mode, (side, side), (90, 120, 150, 200)[: len(mode)]).save(file, format, **options)
    photo = file.getvalue()
    assert len(photo) <= max_bytes
    return photo.ljust(max_bytes, b"\0")


async def sign_up(http: httpx.AsyncClient, number: int, photo: bytes) -> None:
    """Sign a user up with a photo. Raises: AssertionError if that fails."""
    account = {
        "username": f"upload{number}@example.com",
        "password1": PASSWORD,
        "password2": PASSWORD,
        "firstName": "Up",
        "lastName": "Load",
        "role": "RIDER",
        "photo": None,
    }
    parts = {
        "operations": (None, orjson.dumps({"query": SIGN_UP, "variables": {"input": account}})),
        "map": (None, b'{"0":["variables.input.photo"]}'),
        "0": ("photo", photo),
    }
    response = await http.post("/graphql", files=parts, headers={"GraphQL-Require-Preflight": "1"})
    payload = response.json()
    assert payload.get("data", {}).get("signUp", {}).get("errors") == [], payload


def resident_bytes(pid: int, *, peak: bool = False) -> int:
    """The resident memory of a process now, or its peak since ``forget_peak``."""
    name = "VmHWM:" if peak else "VmRSS:"
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.split(name)[1].split()[0]) * 1024


def forget_peak(pid: int) -> None:
    """Reset the peak."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


async def measure(format: str, uploads: int) -> tuple[float, float, float, float]:
    """The memory before, at the peak and afterwards, in MB, and the duration in seconds."""
    defaults = Settings(_env_file=None)  # pyright: ignore[reportCallIssue]
    photo = largest_photo(format, max_bytes=defaults.photo_max_bytes, max_pixels=defaults.photo_max_pixels)
    with tempfile.TemporaryDirectory() as folder:
        settings: dict[str, Any] = {
            "database_url": f"sqlite://{folder}/taxirank.sqlite3",
            "media_url": f"{folder}/media",
            # All photos must be decoded, even if the last one waits for long.
            "operation_timeout_s": 600,
            # Each sign-up hashes one, as in production.
            "password_hash_memory_kib": defaults.password_hash_memory_kib,
        }
        async with server_process(**settings) as server:
            await server.ready()
            limits = httpx.Limits(max_connections=None)
            async with httpx.AsyncClient(base_url=server.url, timeout=TIMEOUT_S, limits=limits) as http:
                before = resident_bytes(server.pid)
                forget_peak(server.pid)
                began = time.perf_counter()
                async with asyncio.TaskGroup() as group:
                    for number in range(uploads):
                        group.create_task(sign_up(http, number, photo))
                seconds = time.perf_counter() - began
                peak, after = resident_bytes(server.pid, peak=True), resident_bytes(server.pid)
    return before / MEGABYTE, peak / MEGABYTE, after / MEGABYTE, seconds


def main(uploads: Annotated[int, typer.Option(min=1, help="How many at once.")] = 50) -> None:
    """Measure the peak of the server's memory during uploads, for each format."""
    typer.echo(f"{uploads} uploads at once | before | peak | after | seconds")
    for format in KINDS:
        before, peak, after, seconds = asyncio.run(measure(format, uploads))
        typer.echo(f"{format:>18} | {before:.0f} MB | {peak:.0f} MB | {after:.0f} MB | {seconds:.1f}")


if __name__ == "__main__":
    typer.run(main)

"""The files of `deploy/nginx/`, `deploy/haproxy/` and `deploy/caddy/`, with TLS, before two real servers."""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

from tests.support.api import LOG_IN, MY_TRIPS, PASSWORD, POOL, Api
from tests.support.pictures import picture, sign_up_with_photo
from tests.support.processes import ServerProcess, server_process
from tests.support.proxies import Ports, Proxy, open_folder, proxying
from tests.support.servers import Postgres
from tests.support.waiting import PATIENCE_S, until

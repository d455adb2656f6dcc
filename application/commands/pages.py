"""`build-pages`."""

from application.paths import WEB
from application.process import stop
from gateway.web_build import BuildFailed, NoNode, WebBuild
from services.runtime import logs


def build_pages() -> None:
    """Build the board, GraphiQL and the city for staff, as `serve` does at its start; needs Node."""
    logs.configure(level="info", format="console")
    try:
        WebBuild(WEB).make()
    except NoNode:
        stop("there is no Node: `uv run --group pages server.py build-pages` brings one")
    except BuildFailed as error:
        stop(f"the pages could not be built:\n{error}")

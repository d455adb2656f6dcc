"""The page that replaces the pages of the build until they are built. It loads nothing from other hosts."""

import base64
import hashlib

from starlette.responses import HTMLResponse

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.6 system-ui, sans-serif; max-width: 42rem; margin: 12vh auto; padding: 0 1.5rem; }
h1 { font-size: 1.6rem; }
pre { overflow-x: auto; padding: 0.8rem 1rem; border: 1px solid color-mix(in srgb, currentColor 25%, transparent);
  border-radius: 0.5rem; font-size: 0.9rem; }
"""

_PAGE = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5">
<title>Taxirank</title>
<style>{_STYLE}</style>
<main>
<h1>Taxirank is running</h1>
<p>Its pages (the board, GraphiQL, and the city for staff) are not built yet. Where the server finds Node, it
builds them as it starts: that takes a minute the first time, and its log says how far it is. This page looks every
five seconds.</p>
<p>Does the log say that there is no Node? Stop the server, and start it with one:</p>
<pre><code>uv run --group pages server.py</code></pre>
<p>The API is there already:</p>
<pre><code>curl http://localhost:8000/graphql -H 'Content-Type: application/json' \\
  -d '{{ "query": "{{ __schema {{ queryType {{ fields {{ name }} }} }} }}" }}'</code></pre>
</main>
</html>
"""

_HEADERS = {
    "Cache-Control": "no-cache",
    # The same address answers API clients with JSON.
    "Vary": "Accept",
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
}


def unbuilt_page() -> HTMLResponse:
    """The page that replaces an unbuilt one. It reloads itself until the build exists."""
    return HTMLResponse(_PAGE, headers=_HEADERS)

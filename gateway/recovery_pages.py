"""The pages of account recovery: one asks for a letter, and its links lead to the others.

They need no build and no other page: servers without a board have them too. The token is in the fragment of the
link, which no browser sends to a server. A click is needed, because programs that check letters open their links.
"""

import base64
import hashlib
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

FORGOT_PATH = "/forgot-password"
RESET_PATH = "/reset-password"
VERIFY_PATH = "/verify-email"

FORGOT_DOCUMENT = (
    "mutation RequestPasswordReset($username: String!) { requestPasswordReset(username: $username) "
    "{ errors { message } } }"
)
RESET_DOCUMENT = (
    "mutation ResetPassword($token: String!, $password1: String!, $password2: String!) "
    "{ resetPassword(input: { token: $token, password1: $password1, password2: $password2 }) "
    "{ errors { message } } }"
)
VERIFY_DOCUMENT = "mutation VerifyEmail($token: String!) { verifyEmail(token: $token) { errors { message } } }"

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.6 system-ui, sans-serif; max-width: 26rem; margin: 12vh auto; padding: 0 1.5rem; }
h1 { font-size: 1.6rem; }
label { display: block; margin-top: 1rem; }
input { display: block; width: 100%; box-sizing: border-box; font: inherit; padding: 0.5rem; }
button { font: inherit; margin-top: 1.5rem; padding: 0.6rem 1.2rem; }
"""

_SCRIPT = """
const form = document.querySelector("form");
const status = document.querySelector("[role=status]");
const token = location.hash.slice(1);
// Not in the address bar, nor in the history.
history.replaceState(null, "", location.pathname);
// Another link in the same tab only changes the fragment.
addEventListener("hashchange", () => location.reload());
const say = (text) => { status.textContent = text; };
const needsToken = "needsToken" in form.dataset;
if (needsToken && !token) {
  form.hidden = true;
  say("Open the link in the letter again.");
}
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  say("One moment \\u2026");
  try {
    const response = await fetch("/graphql", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        query: form.dataset.document,
        variables: { ...(needsToken && { token }), ...Object.fromEntries(new FormData(form)) },
      }),
    });
    const { data, errors } = await response.json();
    const faults = errors ?? Object.values(data)[0].errors;
    if (faults.length === 0) {
      form.hidden = true;
      say(form.dataset.done);
    } else {
      say(faults.map((fault) => fault.message).join(" "));
    }
  } catch {
    say("The server does not answer. Try again.");
  }
  button.disabled = false;
});
"""


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hash(_SCRIPT)}",
            f"style-src {_hash(_STYLE)}",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


def _page(title: str, document: str, fields: str, button: str, done: str) -> str:
    needs_token = " data-needs-token" if "$token" in document else ""
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - Taxirank</title>
<style>{_STYLE}</style>
<main>
<h1>{title}</h1>
<form data-document="{document}" data-done="{done}"{needs_token}>{fields}
<button>{button}</button>
</form>
<p role="status"></p>
<noscript><p>This page needs JavaScript.</p></noscript>
</main>
<script>{_SCRIPT}</script>
</html>
"""


_FORGOT = _page(
    "Forgot your password?",
    FORGOT_DOCUMENT,
    """
<label>User name
<input name="username" autocomplete="username" autocapitalize="none" spellcheck="false" required></label>""",
    "Send me a letter",
    "If this account has a confirmed e-mail address, a letter with a link is on its way.",
)
_RESET = _page(
    "Choose a new password",
    RESET_DOCUMENT,
    """
<label>New password
<input name="password1" type="password" autocomplete="new-password" required></label>
<label>The same again
<input name="password2" type="password" autocomplete="new-password" required></label>""",
    "Change the password",
    "Your password was changed, and all other sessions have ended. You can log in with it now.",
)
_VERIFY = _page(
    "Confirm your e-mail address", VERIFY_DOCUMENT, "", "Confirm the address", "Your e-mail address is confirmed."
)


def recovery_routes() -> list[Route]:
    """``/forgot-password``, ``/reset-password`` and ``/verify-email``, by GET and HEAD."""
    pages = {FORGOT_PATH: _FORGOT, RESET_PATH: _RESET, VERIFY_PATH: _VERIFY}
    return [Route(path, _answer(page), methods=["GET"]) for path, page in pages.items()]


def _answer(page: str) -> Callable[[Request], Awaitable[HTMLResponse]]:
    async def answer(_: Request) -> HTMLResponse:
        return HTMLResponse(page, headers=_HEADERS)

    return answer

"""Size and hash of a file as the Hugging Face hub publishes them, for files whose publishers give none."""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from typing import Any

from automask_ui.errors import DownloadError

__all__ = ["size_and_sha256"]

_TIMEOUT_SECONDS = 30.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The hub says size and hash in the answer that leads to the file; what it leads to does not know them."""

    def http_error_302(self, *_: Any) -> None:
        # Not even parsed: where it leads may be no address.
        return None

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302  # type: ignore[assignment]


def size_and_sha256(title: str, url: str) -> tuple[int, str]:
    """Ask the hub for the size in bytes and the SHA-256 of the file at ``url``.

    Raises:
        DownloadError: it does not answer, or not with these; ``title`` names the model.
    """
    request = urllib.request.Request(url, method="HEAD", headers={"Accept-Encoding": "identity"})
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=_TIMEOUT_SECONDS) as response:
            headers = response.headers
    except urllib.error.HTTPError as error:
        with error:
            headers = error.headers
        if not 300 <= error.code < 400:
            raise _failure(title, url, f"the server answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _failure(title, url, f"the connection failed ({getattr(error, 'reason', error)})") from error
    size = headers.get("X-Linked-Size", "")
    digest = headers.get("X-Linked-ETag", "").strip('"').lower()
    if not re.fullmatch("[0-9]{1,18}", size) or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise _failure(title, url, "the server does not say which size and SHA-256 the file has")
    return int(size), digest


def _failure(title: str, url: str, what: str) -> DownloadError:
    return DownloadError(
        f"{title} could not be downloaded: {what}. Three ways on: try again; fetch {url} by other means and give the "
        f"file as your own checkpoint; or use the built-in model, which needs no download."
    )

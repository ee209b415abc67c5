"""Pages are sent compressed to browsers that take it; files have their compressed twins from the build.

Length alone must tell nothing: a page holds tokens beside what was typed into its address. Cookies come along
with no request that another site's page makes for itself (SameSite), and each answer is longer by a random
number of bytes, in a field of gzip's header that readers skip.
"""

import gzip
import io
import secrets

from flask import Flask, Response, request

LEVEL = 6
WORTH_BYTES = 1_000
"""Less is sent as it is."""
PADDING_MOST = 200


def init_app(app: Flask) -> None:
    """Compress the pages of the application."""
    app.after_request(_compress)


def _compress(response: Response) -> Response:
    if response.mimetype != "text/html" or response.is_streamed or response.direct_passthrough:
        return response
    response.vary.add("Accept-Encoding")
    if not request.accept_encodings["gzip"] or "Content-Encoding" in response.headers:
        return response
    page = response.get_data()
    if len(page) >= WORTH_BYTES:
        response.set_data(packed(page))
        response.headers["Content-Encoding"] = "gzip"
    return response


def packed(page: bytes) -> bytes:
    """As gzip, with a name of random length that nobody reads."""
    held = io.BytesIO()
    padding = "x" * secrets.randbelow(PADDING_MOST)
    with gzip.GzipFile(padding, "wb", LEVEL, held, mtime=0) as file:
        file.write(page)
    return held.getvalue()

"""fastapi-proxy-lib before the URL in BACKEND, as its documentation shows it. Runs in the peers' own environment."""

import os

from fastapi_proxy_lib.fastapi.app import reverse_http_app  # type: ignore[import-not-found]

app = reverse_http_app(base_url=os.environ["BACKEND"])

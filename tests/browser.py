"""Headless Chromium for tests, driven over WebDriver with the standard library.

    with browser.started() as page:        # skips the test where there is no Chromium
        page.open("docs/play/index.html")  # a file or an address
        page.run("return document.title")  # JavaScript; arguments after the script are `arguments[0]`, ...
        page.keys("#mu", RIGHT)            # type into an element
        assert not page.errors()           # of the console, since the last call
        page.size(400, 900, dark=True), page.screenshot("phone.png")

Debian and Ubuntu: ``apt-get install chromium chromium-driver``; `scripts/test --browser` does it.
"""

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

LEFT, UP, RIGHT, DOWN = "\ue012", "\ue013", "\ue014", "\ue015"  # keys, as WebDriver writes them
PAGE_UP, PAGE_DOWN, END, HOME, SPACE = "\ue00e", "\ue00f", "\ue010", "\ue011", " "
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key under which WebDriver returns an element
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
             "--force-color-profile=srgb", "--allow-file-access-from-files"]  # fmt: skip


def programs() -> tuple[str | None, str | None]:
    """Return the paths of Chromium and of its driver, or None."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None), shutil.which("chromedriver")


def needed() -> tuple[str, str]:
    """Skip where Chromium is missing; fail where it was promised."""
    chromium, driver = programs()
    if chromium is None or driver is None:
        if os.environ.get("RDAE_REQUIRE_BROWSER") == "1":
            pytest.fail("RDAE_REQUIRE_BROWSER=1, but there is no chromium with chromedriver")
        pytest.skip("needs Chromium and chromedriver (Debian: apt-get install chromium chromium-driver)")
    return chromium, driver


class Page:
    """One window of the browser."""

    def __init__(self, address: str, session: str):
        self._base = f"{address}/session/{session}"

    def _send(self, what: str, **content: Any) -> Any:
        return send(f"{self._base}/{what}", content)

    def open(self, page: str | os.PathLike[str]) -> None:
        """Open a file or an address, and wait until it is loaded."""
        address = str(page) if re.match(r"\w+://|data:|about:", str(page)) else Path(page).resolve().as_uri()
        self._send("url", url=address)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript as the body of a function; return what it returns. A promise is awaited."""
        return self._send("execute/sync", script=script, args=list(arguments))

    def keys(self, selector: str, text: str) -> None:
        """Type into the first element that a CSS selector finds."""
        element = self._send("element", using="css selector", value=selector)[ELEMENT]
        self._send(f"element/{element}/value", text=text)

    def click(self, selector: str) -> None:
        """Click on the first element that a CSS selector finds."""
        element = self._send("element", using="css selector", value=selector)[ELEMENT]
        self._send(f"element/{element}/click")

    def drag(self, selector: str, dx: int, dy: int, pointer: str = "touch") -> None:
        """Press in the middle of an element, move by (dx, dy) pixels and release, by "touch" or "mouse"."""
        element = self._send("element", using="css selector", value=selector)
        move = {"type": "pointerMove", "duration": 50}
        actions = [
            move | {"origin": element, "x": 0, "y": 0},
            {"type": "pointerDown", "button": 0},
            move | {"origin": "pointer", "x": dx, "y": dy},
            {"type": "pointerUp", "button": 0},
        ]
        kind = {"pointerType": pointer}
        self._send("actions", actions=[{"type": "pointer", "id": pointer, "parameters": kind, "actions": actions}])

    def errors(self) -> list[str]:
        """Return the errors and warnings of the console since the last call."""
        return [entry["message"] for entry in self._send("se/log", type="browser") if entry["level"] != "INFO"]

    def size(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Show the page in a window of this size, in light or dark colours."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._cdp("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._cdp("Emulation.setEmulatedMedia", {"features": [scheme]})

    def screenshot(self, path: str | os.PathLike[str], *, whole: bool = False) -> None:
        """Write a PNG of the window, or of the whole page."""
        how = {"format": "png", "captureBeyondViewport": whole} | self._clip(whole)
        content = self._cdp("Page.captureScreenshot", how)
        Path(path).write_bytes(base64.b64decode(content["data"]))

    def pages_printed(self) -> int:
        """Return the number of pages of the page printed as PDF."""
        content = base64.b64decode(self._cdp("Page.printToPDF", {"preferCSSPageSize": True})["data"])
        return len(re.findall(rb"/Type\s*/Page\b", content))

    def _clip(self, whole: bool) -> dict[str, Any]:
        if not whole:
            return {}
        width, height = self.run("const e = document.documentElement; return [innerWidth, e.scrollHeight]")
        return {"clip": {"x": 0, "y": 0, "width": width, "height": min(height, 16000), "scale": 1}}

    def _cdp(self, command: str, parameters: dict[str, Any]) -> Any:
        return self._send("goog/cdp/execute", cmd=command, params=parameters)


def send(address: str, content: dict[str, Any] | None, method: str = "POST") -> Any:
    """Send a WebDriver command and return its value; raise AssertionError with the browser's message."""
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=120) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(json.load(error)["value"]["message"]) from None


@contextmanager
def started() -> Iterator[Page]:
    """Start Chromium with one empty page; end it afterwards."""
    chromium, driver = needed()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, quiet = f"http://127.0.0.1:{port}", subprocess.DEVNULL
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        options = {"binary": chromium, "args": [*ARGUMENTS, f"--user-data-dir={folder}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        with subprocess.Popen([driver, f"--port={port}"], stdout=quiet, stderr=quiet) as process:
            try:
                session = _when_ready(f"{address}/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
                yield Page(address, session)
                send(f"{address}/session/{session}", None, "DELETE")
            finally:
                process.terminate()


def _when_ready(address: str, content: dict[str, Any]) -> Any:
    """Send the first command, once the driver listens."""
    for _ in range(200):
        try:
            return send(address, content)
        except urllib.error.URLError:
            time.sleep(0.05)
    raise AssertionError("chromedriver does not answer")

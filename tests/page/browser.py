"""Debian's chromium without a window, spoken to over a pipe in the words of its developer tools."""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

PATIENCE = 60.0  # seconds for any answer
PROGRAM = shutil.which("chromium")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--no-first-run", "--disable-background-networking", "--disable-extensions", "--remote-debugging-pipe"),
)


class Browser:
    """One tab. What went wrong in it (exceptions, console errors, failed or outgoing requests) gathers in `wrong`."""

    def __init__(self, profile: Path) -> None:
        read_here, write_there = os.pipe()
        read_there, write_here = os.pipe()
        # chromium reads from 3 and writes to 4; bash puts them there (sh knows no number above 9)
        command = ["bash", "-c", f'exec "$@" 3<&{read_there} 4>&{write_there}', "bash", str(PROGRAM), *FLAGS]
        self.process = subprocess.Popen(
            [*command, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(read_there, write_there),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_there)
        os.close(write_there)
        self.reading, self.writing = read_here, write_here
        self.buffer, self.count, self.session = b"", 0, ""
        self.wrong: list[str] = []
        self.events: list[str] = []
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self) -> None:
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)
        os.close(self.reading)
        os.close(self.writing)

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        data = json.dumps(message | ({"sessionId": self.session} if self.session else {})).encode() + b"\0"
        while data:
            data = data[os.write(self.writing, data) :]
        until = time.monotonic() + PATIENCE
        while (answer := self._next(until)).get("id") != self.count:
            self._note(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return dict(answer["result"])

    def _next(self, until: float) -> dict[str, Any]:
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.reading], [], [], max(0.0, until - time.monotonic()))
            part = os.read(self.reading, 1 << 20) if ready else b""
            if not part:
                raise TimeoutError("chromium says nothing")
            self.buffer += part
        line, self.buffer = self.buffer.split(b"\0", 1)
        return dict(json.loads(line))

    def _note(self, event: dict[str, Any]) -> None:
        name, params = event.get("method", ""), event.get("params", {})
        self.events.append(name)
        if name == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.wrong.append(details.get("exception", {}).get("description", details["text"]))
        elif name == "Runtime.consoleAPICalled" and params["type"] in {"error", "warning", "assert"}:
            self.wrong.append(f"console: {params['args']}")
        elif name == "Log.entryAdded" and params["entry"]["level"] in {"error", "warning"}:
            self.wrong.append(params["entry"]["text"])
        elif name == "Network.loadingFailed":
            self.wrong.append(f"failed: {params}")
        elif name == "Network.requestWillBeSent" and not params["request"]["url"].startswith(("file:", "data:")):
            self.wrong.append(f"request: {params['request']['url']}")

    def open(self, path: Path, width: int, height: int = 900, scheme: str = "light") -> None:
        """Show a file in a window of that size and wait until its load event."""
        mobile = width < 600
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.wrong.clear()
        self.events.clear()
        self.send("Page.navigate", url=path.as_uri())
        until = time.monotonic() + PATIENCE
        while "Page.loadEventFired" not in self.events:
            self._note(self._next(until))

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, awaited if it is a promise."""
        found = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{script}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def each(self, selector: str, expression: str = "e.textContent") -> list[Any]:
        """The value of an expression for every element `e` of the page that the selector finds."""
        return list(self.run(f"[...document.querySelectorAll({json.dumps(selector)})].map(e => {expression})"))

    def wait(self, condition: str) -> None:
        """Until a JavaScript expression is true."""
        until = time.monotonic() + PATIENCE
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > until:
                raise TimeoutError(f"never true: {condition}")
            time.sleep(0.05)

    def press(self, key: str) -> None:
        code = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowRight": 39, "ArrowLeft": 37}[key]
        typed = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            more = typed if kind == "keyDown" else {}
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more)

    def click(self, selector: str) -> None:
        """With the mouse, at the middle of an element that is scrolled into view."""
        place = f"""(() => {{ const e = document.querySelector({json.dumps(selector)});
            e.scrollIntoView({{block: "center", behavior: "instant"}});
            const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }})()"""
        self.click_at(*self.run(place))

    def click_at(self, x: float, y: float) -> None:
        self.point_at(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def point_at(self, x: float, y: float) -> None:
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def picture(self, path: Path, whole: bool = True) -> None:
        """A PNG of the whole page, or of the window."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        more = {"clip": clip, "captureBeyondViewport": True} if whole else {}
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", **more)["data"]))

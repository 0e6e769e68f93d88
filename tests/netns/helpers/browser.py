# SPDX-License-Identifier: Apache-2.0
"""Drives headless Chromium over its debugging pipe: a page, its texts, clicks, screenshots.

    browser.py URL SCREENSHOTS TOKEN BACKEND

Prints one line for each check: "ok NAME" or "FAILED NAME: WHY". BACKEND is "POOL ADDRESS" of one that
is up and may be drained."""
import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

URL, SHOTS, TOKEN, BACKEND = sys.argv[1:5]


class Browser:
    def __init__(self, home):
        to_r, to_w = os.pipe()
        from_r, from_w = os.pipe()

        def fds():
            os.dup2(to_r, 3)
            os.dup2(from_w, 4)
            # dup2() of a descriptor to itself keeps it from being inherited.
            os.set_inheritable(3, True)
            os.set_inheritable(4, True)

        # Descriptors 3 and 4 are the pipe's; what was there must not be inherited by chance.
        self.p = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--user-data-dir=" + home, "--remote-debugging-pipe", "about:blank"],
            preexec_fn=fds, close_fds=False, start_new_session=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(to_r)
        os.close(from_w)
        self.w, self.r, self.n, self.buf, self.session = to_w, from_r, 0, b"", None
        self.errors = []

    def call(self, method, **params):
        self.n += 1
        msg = {"id": self.n, "method": method, "params": params}
        if self.session:
            msg["sessionId"] = self.session
        os.write(self.w, json.dumps(msg).encode() + b"\0")
        while True:
            while b"\0" not in self.buf:
                more = os.read(self.r, 1 << 20)
                if not more:
                    raise SystemExit("FAILED browser: it has gone")
                self.buf += more
            line, self.buf = self.buf.split(b"\0", 1)
            got = json.loads(line)
            if got.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.errors.append(json.dumps(got["params"])[:400])
            if got.get("id") == self.n:
                if "error" in got:
                    raise RuntimeError(got["error"])
                return got["result"]

    def open(self, url):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(domain + ".enable")
        self.call("Page.navigate", url=url)

    def js(self, text):
        r = self.call("Runtime.evaluate", expression=text, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in r:
            raise RuntimeError(r["exceptionDetails"].get("text", "") + str(r["exceptionDetails"].get("exception")))
        return r["result"].get("value")

    def until(self, text, seconds=20):
        end = time.time() + seconds
        while time.time() < end:
            try:
                if self.js(text):
                    return True
            except RuntimeError:
                pass
            time.sleep(0.1)
        return False

    def shot(self, name, width, height, dark, full=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        time.sleep(0.3)
        if full:
            self.call("Emulation.setDeviceMetricsOverride", width=width, deviceScaleFactor=1, mobile=width < 600,
                      height=self.js("document.documentElement.scrollHeight"))
            time.sleep(0.3)
        png = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        with open(os.path.join(SHOTS, name + ".png"), "wb") as f:
            f.write(png)
        return len(png)


bad = 0


def check(name, good, why=""):
    global bad
    bad += not good
    print(f"ok {name}" if good else f"FAILED {name}: {why}", flush=True)


# Helpers of the browser may still write while they are being ended.
with tempfile.TemporaryDirectory(ignore_cleanup_errors=True, dir=os.environ.get("TMP")) as home:
    b = Browser(home)
    try:
        b.open(URL)
        check("the page comes to life", b.until("document.querySelectorAll('#workers tbody tr').length > 0"), b.errors)
        check("traffic is drawn", b.until("(document.querySelector('#chart path')||{getAttribute(){return ''}}).getAttribute('d').length > 40"))
        check("backends are listed", b.until("[...document.querySelectorAll('#backends td')].some(t => t.textContent == 'up')"))
        check("a drop has its reason", b.until("[...document.querySelectorAll('#reasons td')].some(t => t.textContent == 'l4_no_service')"),
              b.js("document.querySelector('#reasons').textContent"))
        check("listeners are listed", b.until("document.querySelector('#listeners').textContent.includes('proxy')"))
        # Twenty objects again and again: all but the first request of each are hits.
        check("both tiers of the cache are shown, and what memory found", b.until(
            "(r => r.length == 2 && r[0].cells[0].textContent == 'memory' && r[1].cells[0].textContent == 'disk' &&"
            " parseFloat(r[0].cells[1].textContent) > 50 && parseFloat(r[0].cells[3].textContent) > 0)"
            "(document.querySelectorAll('#cache tbody tr'))"), b.js("document.querySelector('#cache').textContent"))
        check("routes are listed, with the time their requests take", b.until(
            "(r => r && r.cells[0].textContent == 'main/kept' && r.cells[6].textContent != '-' && parseFloat(r.cells[2].textContent) > 0)"
            "(document.querySelector('#routes tbody tr'))"), b.js("document.querySelector('#routes').textContent"))
        check("shards are listed", b.until("(r => r && r.cells[1].textContent == 'up')(document.querySelector('#shards tbody tr'))"),
              b.js("document.querySelector('#shards').textContent"))
        check("servers of upstreams have figures", b.until(
            "[...document.querySelectorAll('#backends tr')].some(r => r.cells[0].textContent == 'pool' && parseFloat(r.cells[5].textContent) > 0)"),
              b.js("document.querySelector('#backends').textContent"))
        check("the chart has a scale", b.until("/^[0-9.]+k?.s$/.test(document.querySelector('#scale-top').textContent)"))
        for name, w, h, dark in (("light", 1280, 900, False), ("dark", 1280, 900, True), ("phone", 390, 844, False)):
            check(f"screenshot {name}", b.shot(name, w, h, dark, full=name == "light") > 10000)
            colour = b.js("getComputedStyle(document.body).backgroundColor")
            check(f"{name}: its colours", (colour == "rgb(18, 21, 26)") == dark, colour)
            check(f"{name}: nothing is wider than the screen", b.js("document.documentElement.scrollWidth <= innerWidth"),
                  b.js("document.documentElement.scrollWidth + ' ' + innerWidth"))
        b.js("document.querySelector('#theme').click()")
        check("the theme can be changed", b.js("document.documentElement.dataset.theme") == "dark")
        check("no resource of elsewhere", b.js(
            "performance.getEntriesByType('resource').every(e => new URL(e.name).origin == location.origin)"))

        button = f"document.querySelector('button[data-action=drain][data-backend=\"{BACKEND}\"]')"
        row = f"[...document.querySelectorAll('#backends tr')].find(r => r.innerHTML.includes('{BACKEND.split()[1]}') && r.textContent.includes('{BACKEND.split()[0]}'))"
        b.js(button + ".click()")
        check("without the token nothing is changed", b.until("document.querySelector('#trouble').textContent.includes('token')"),
              b.js("document.querySelector('#trouble').textContent"))
        b.js("document.querySelector('#key').click()")
        b.js(f"document.querySelector('#ask-input').value = '{TOKEN}'; document.querySelector('#ask-yes').click()")
        check("the token is kept", b.until("sessionStorage.getItem('token') == '" + TOKEN + "'"))
        b.js(button + ".click()")
        check("what would change is shown first", b.until("document.querySelector('#ask').open && document.querySelector('#ask-text').textContent.includes('new flows')"),
              b.js("document.querySelector('#trouble').textContent"))
        b.shot("drain", 1280, 900, False)
        b.js("document.querySelector('#ask-yes').click()")
        check("the backend is drained", b.until(f"!!({row}).querySelector('.state.drain')"))
        b.js(f"({row}).querySelector('button[data-action=enable]').click()")
        b.until("document.querySelector('#ask').open")
        b.js("document.querySelector('#ask-yes').click()")
        check("and used again", b.until(f"!!({row}).querySelector('.state.up')"))
        purged = "(async () => (await (await fetch('/v1/cache')).json()).memory[0].purges)()"
        before = b.js(purged)
        b.js("document.querySelector('#purge').click()")
        b.until("document.querySelector('#ask').open")
        b.js("document.querySelector('#ask-input').value = '/kept'; document.querySelector('#ask-yes').click()")
        check("what a purge takes is shown first", b.until("document.querySelector('#ask').open && document.querySelector('#ask-text').textContent.includes('items')"),
              b.js("document.querySelector('#trouble').textContent"))
        check("and nothing was purged yet", b.js(purged) == before)
        b.js("document.querySelector('#ask-yes').click()")
        check("then it is purged", b.until("(async () => await " + purged + f" == {before} + 1)()"))
        # What the page itself must not have caused: 401 of the attempt without a token aside.
        check("no error of the page", not [e for e in b.errors if "401" not in e], b.errors[:3])
    finally:
        os.killpg(b.p.pid, signal.SIGKILL)
        b.p.wait()
sys.exit(bad > 0)

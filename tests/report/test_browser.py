"""The page in a real browser."""

import os
import shutil
import subprocess

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH (Debian: apt-get install chromium)"),
]

OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr",
]


def browse(page, profile, *options):
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    command = [CHROMIUM, *OPTIONS, f"--user-data-dir={profile}", *options, page.as_uri()]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, env=environment)


@pytest.fixture
def page(report):
    return report / "index.html"


def test_the_page_loads_whole_and_without_complaint(page, tmp_path):
    shown = browse(page, tmp_path / "profile", "--dump-dom")
    assert shown.stdout.count("<svg role=") == shown.stdout.count("<figcaption>") - shown.stdout.count("Not drawn: ")
    assert shown.stdout.count("</table>") >= 6
    assert "Glossary" in shown.stdout
    complaints = [line for line in shown.stderr.splitlines() if "CONSOLE" in line or "Content Security" in line]
    assert complaints == []


def test_no_request_leaves_the_page(page, tmp_path):
    log = tmp_path / "net.json"
    browse(page, tmp_path / "profile", f"--log-net-log={log}", "--dump-dom")
    text = log.read_text(encoding="utf-8", errors="replace")
    assert "URL_REQUEST_START_JOB" in text
    started = [line for line in text.splitlines() if '"url":"http' in line and "initiator" in line]
    ours = [line for line in started if "file://" in line or '"initiator":"null"' in line]
    assert ours == []


@pytest.mark.parametrize("width", [500, 1280])
def test_it_is_drawn_at_any_width(page, tmp_path, width):
    picture = tmp_path / "page.png"
    browse(page, tmp_path / "profile", f"--screenshot={picture}", f"--window-size={width},1200")
    assert picture.stat().st_size > 20_000

"""From a sender to a viewer: Orthanc, the service that follows it, and optionally OHIF in a headless browser.

    python -m benchmarks.service_viewer [--by orthanc|dicomweb] [--ohif DIST --pictures FOLDER] [--work DIR]

Phantoms are sent to Orthanc by dcmtk's dcmsend. The service fetches them, by Orthanc's changes or by QIDO-RS and
WADO-RS, and stores its results by STOW-RS; they are then found by QIDO-RS. DIST is the folder ``dist`` of the npm
package ``@ohif/app``; pictures need Chromium, chromedriver and Selenium.
"""

from __future__ import annotations

import argparse
import http.server
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pydicom
import requests

from benchmarks.service_world import Orthanc, Service, environment, phantoms, radiograph, require_orthanc, wait_for

KINDS = ("sr", "seg", "gsps", "sc")


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.service_viewer", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--by", choices=("orthanc", "dicomweb"), default="orthanc")
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--ohif", type=Path, help="folder dist of @ohif/app")
    parser.add_argument("--pictures", type=Path, default=Path(), help="folder for screenshots")
    parser.add_argument("--work", type=Path, help="folder for everything; a temporary one unless given")
    arguments = parser.parse_args()
    require_orthanc()
    environment()
    work = arguments.work or Path(tempfile.mkdtemp(prefix="viewer-"))
    orthanc = Orthanc(work / "orthanc")
    url = f"{orthanc.url}/dicom-web"
    source = {"dicomweb": {"url": url, "every": 2, "days": 365}}
    if arguments.by == "orthanc":
        source = {"orthanc": {"url": orthanc.url, "every": 2, "from_beginning": True}}
    service = Service(work, {"send": {"stow": {"url": url}}, "results": list(KINDS), "receive": [source]})
    try:
        service.wait_until_ready()
        studies = send(work, orthanc, arguments.images)
        for times in (1, 2):  # the second time, Orthanc has them already
            wait_for(lambda: service.state()["counts"]["sent"] == len(studies), "the results", 900)
            counts = Counter(
                each["00080060"]["Value"][0]
                for study in studies
                for each in orthanc.dicomweb(f"/studies/{study}/instances?limit=100")
            )
            print(f"sent {times} times; by QIDO-RS: {dict(counts)}; the service says {service.state()['counts']}")
            send(work, orthanc, arguments.images)
            time.sleep(10)
        if arguments.ohif:
            located = [study for study in studies if "SEG" in modalities(orthanc, study)]
            look(arguments.ohif, orthanc, (located or studies)[0], arguments.pictures)
    finally:
        print(f"stopped with exit code {service.stop()}")
        orthanc.kill()
        if arguments.work is None:
            shutil.rmtree(work, ignore_errors=True)


def modalities(orthanc: Orthanc, study: str) -> set[str]:
    return {each["00080060"]["Value"][0] for each in orthanc.dicomweb(f"/studies/{study}/series")}


def send(work: Path, orthanc: Orthanc, count: int) -> list[str]:
    """Send phantoms by dcmsend; gives their studies."""
    folder = work / "sent"
    if not folder.exists():
        folder.mkdir()
        for number, path in enumerate(phantoms(work / "phantoms", count, 512)):
            radiograph(path, number).save_as(folder / f"{number}.dcm")
    files = sorted(folder.glob("*.dcm"))
    command = ["dcmsend", "+sd", "127.0.0.1", str(orthanc.dicom), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return [pydicom.dcmread(file, stop_before_pixels=True).StudyInstanceUID for file in files]


def look(dist: Path, orthanc: Orthanc, study: str, pictures: Path) -> None:
    """Open a study in OHIF, take a picture of each of its series, and require that the segmentation is drawn."""
    from selenium import webdriver
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By

    server = serve(dist, orthanc)
    options = webdriver.ChromeOptions()
    options.set_capability("goog:loggingPrefs", {"browser": "SEVERE"})
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
        "--window-size=1400,900",
    ):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    pictures.mkdir(parents=True, exist_ok=True)
    thumbnails = "[data-cy^='study-browser-thumbnail']"
    try:
        browser.get(f"http://127.0.0.1:{server.server_address[1]}/viewer?StudyInstanceUIDs={study}")
        wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, thumbnails), "OHIF", 300)
        time.sleep(20)
        press(browser, "Skip all")
        press(browser, "Confirm and hide")
        names = [" ".join(each.text.split()) for each in browser.find_elements(By.CSS_SELECTOR, thumbnails)]
        print(f"OHIF shows {len(names)} series")
        for number, name in enumerate(names):
            press(browser, "Skip all")  # the tour, which may begin late
            thumbnail = browser.find_elements(By.CSS_SELECTOR, thumbnails)[number]
            ActionChains(browser).double_click(thumbnail).perform()
            time.sleep(10)
            press(browser, "Yes")
            time.sleep(10)
            browser.save_screenshot(str(pictures / f"ohif-{number + 1}.png"))
            errors = [each["message"] for each in browser.get_log("browser")]
            print(f"  {name}: {reddish(browser)} pixels of the viewport are red; errors: {errors}")
            if name.startswith("SEG") and (errors or not reddish(browser)):
                sys.exit("OHIF does not draw the segmentation")
    finally:
        browser.quit()
        server.shutdown()


def reddish(browser) -> int:
    """How many pixels of the viewport are drawn in the colour of a first segment; a radiograph is grey."""
    from selenium.webdriver.common.by import By

    canvases = browser.find_elements(By.CSS_SELECTOR, "canvas.cornerstone-canvas")
    if not canvases:
        return 0
    picture = cv2.imdecode(np.frombuffer(canvases[0].screenshot_as_png, np.uint8), cv2.IMREAD_COLOR).astype(int)
    return int((picture[..., 2] - picture[..., 0] > 60).sum())


def press(browser, text: str) -> None:
    """Press a button if it is there."""
    from selenium.webdriver.common.by import By

    for button in browser.find_elements(By.XPATH, f"//*[normalize-space(text())='{text}']"):
        browser.execute_script("arguments[0].click()", button)
        time.sleep(2)


def serve(dist: Path, orthanc: Orthanc) -> http.server.ThreadingHTTPServer:
    """OHIF, and Orthanc's DICOMweb at the same address."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *given, **named) -> None:
            super().__init__(*given, directory=str(dist), **named)

        def do_GET(self) -> None:
            """Answer from Orthanc, or with OHIF's files."""
            path = self.path.split("?")[0]
            if path.startswith("/dicom-web"):
                headers = {"Accept": self.headers.get("Accept", "*/*")}
                answer = requests.get(orthanc.url + self.path, headers=headers, timeout=120)
                self.reply(answer.status_code, answer.headers.get("Content-Type", ""), answer.content)
            elif path == "/app-config.js":
                self.reply(200, "application/javascript", config(self.headers["Host"]).encode())
            else:
                self.path = path if (dist / path[1:]).is_file() else "/index.html"
                super().do_GET()

        def reply(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def end_headers(self) -> None:
            """Let the viewer use shared memory."""
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
            super().end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def config(host: str) -> str:
    root = f"http://{host}/dicom-web"
    return f"""window.config = {{
  routerBasename: '/', extensions: [], modes: [], showStudyList: true, defaultDataSourceName: 'dicomweb',
  dataSources: [{{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb', sourceName: 'dicomweb',
    configuration: {{
      friendlyName: 'Orthanc', name: 'orthanc', wadoUriRoot: '{root}', qidoRoot: '{root}', wadoRoot: '{root}',
      qidoSupportsIncludeField: false, imageRendering: 'wadors', thumbnailRendering: 'wadors',
      enableStudyLazyLoad: true, supportsFuzzyMatching: false, supportsWildcard: true,
      omitQuotationForMultipartRequest: true,
    }},
  }}],
}};"""


if __name__ == "__main__":
    sys.exit(main())

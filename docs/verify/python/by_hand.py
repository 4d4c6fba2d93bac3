"""Receives webhooks: verify, store once, answer at once, work in the background.

Python 3.9 or later, standard library only:

    WEBHOOK_SECRET=whsec_... python3 by_hand.py
"""
import base64
import hashlib
import hmac
import os
import pathlib
import re
import tempfile
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
if len(KEY) < 24:
    raise SystemExit("WEBHOOK_SECRET has to be whsec_ and base64.")
PORT = int(os.environ.get("PORT", "3000"))
INBOX = pathlib.Path(os.environ.get("INBOX", "inbox"))
WAITING, DONE = INBOX / "waiting", INBOX / "done"
TOLERANCE_SECONDS = 300
LARGEST_BODY_BYTES = 1024 * 1024


def is_genuine(id, timestamp, signatures, body):
    if not re.fullmatch(r"\d{1,12}", timestamp, re.ASCII):
        return False
    if abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    # Over the raw bytes: JSON that was parsed and printed again is another text.
    signed = f"{id}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest())
    # Several during a rotation of the secret; other versions than v1 are skipped.
    return any(hmac.compare_digest(expected, one.encode()) for one in signatures.split(" "))


def store(id, body):
    """True once the event is on disk; False when it was there before, handled or not."""
    if (DONE / id).exists():
        return False
    with tempfile.NamedTemporaryFile(dir=INBOX) as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
        try:
            os.link(file.name, WAITING / id)  # Only one of two at the same time gets the name.
        except FileExistsError:
            return False
    return True


def handle(id, body):
    time.sleep(0.5)  # Your work; nobody waits for it.
    print("handled", id, body.decode(errors="replace"), flush=True)


def work():
    while True:
        for event in sorted(WAITING.iterdir()):
            try:
                if not (DONE / event.name).exists():
                    handle(event.name, event.read_bytes())
                event.replace(DONE / event.name)
            except Exception:
                traceback.print_exc()  # It stays where it is and is tried again.
        time.sleep(0.2)


class Receiver(BaseHTTPRequestHandler):
    timeout = 10  # Seconds that a sender may be silent.

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"\d{1,9}", length, re.ASCII) or int(length) > LARGEST_BODY_BYTES:
            return self.answer(413)
        body = self.rfile.read(int(length))
        id = self.headers.get("webhook-id", "")
        timestamp = self.headers.get("webhook-timestamp", "")
        signatures = self.headers.get("webhook-signature", "")
        if not re.fullmatch(r"[\w-]{1,100}", id, re.ASCII) or not is_genuine(id, timestamp, signatures, body):
            return self.answer(401)
        self.answer(202 if store(id, body) else 200)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


WAITING.mkdir(parents=True, exist_ok=True)
DONE.mkdir(exist_ok=True)
threading.Thread(target=work, daemon=True).start()
ThreadingHTTPServer(("127.0.0.1", PORT), Receiver).serve_forever()

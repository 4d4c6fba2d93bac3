"""Receives webhooks: verify, store once, answer at once, work in the background.

Python 3.9 or later, with the library of Standard Webhooks:

    pip install standardwebhooks
    WEBHOOK_SECRET=whsec_... python3 with_library.py
"""
import os
import pathlib
import re
import tempfile
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook

WEBHOOK = Webhook(os.environ["WEBHOOK_SECRET"])
PORT = int(os.environ.get("PORT", "3000"))
INBOX = pathlib.Path(os.environ.get("INBOX", "inbox"))
WAITING, DONE = INBOX / "waiting", INBOX / "done"
LARGEST_BODY_BYTES = 1024 * 1024


def is_genuine(headers, body):
    try:
        WEBHOOK.verify(body, dict(headers), json_parse=False)
        return True
    except Exception:  # More than WebhookVerificationError: a malformed header or text raises others.
        return False


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
        if not re.fullmatch(r"[\w-]{1,100}", id, re.ASCII) or not is_genuine(self.headers, body):
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

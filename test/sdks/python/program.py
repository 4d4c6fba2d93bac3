"""The contract of ../contract.ts through the official Python SDK."""

import json
import os
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from svix import Svix, SvixOptions
from svix.api import ApplicationListOptions, MessageCreateOptions, MessageGetOptions
from svix.api import MessageListOptions, MessageAttemptListByEndpointOptions
from svix.api import MessageAttemptListByMsgOptions
from svix.api.message import message_in_raw
from svix.exceptions import HttpError, HTTPValidationError
from svix.models import ApplicationIn, ApplicationPatch, AppPortalAccessIn, EndpointHeadersIn
from svix.models import EndpointHeadersPatchIn, EndpointIn, EndpointPatch, EndpointSecretRotateIn
from svix.models import EndpointUpsertIn, EventTypeIn, EventTypePatch, EventTypeUpsertIn
from svix.models import MessageIn, MessageStatus, RecoverIn
from svix.webhooks import Webhook, WebhookVerificationError

RECEIVER_URL = os.environ["RECEIVER_URL"]
ARRIVALS = Path(os.environ["ARRIVALS"])
PAYLOAD = {"invoice": 42, "name": "Zoë"}


def connect(token):
    return Svix(token, SvixOptions(server_url=os.environ["POSTHORN_URL"]))


svix = connect(os.environ["POSTHORN_TOKEN"])
report = {}


def failure(work):
    """What the SDK raises for an answer that is an error."""
    try:
        work()
    except HTTPValidationError as error:
        detail = [{"loc": one.loc, "msg": one.msg, "type": one.type} for one in error.detail]
        return {"status": error.status_code, "detail": detail}
    except HttpError as error:
        return {"status": error.status_code, "code": error.code, "detail": error.detail}
    return "no error"


def until(ask, is_wanted):
    end = time.monotonic() + 30
    while True:
        answer = ask()
        if is_wanted(answer):
            return answer
        if time.monotonic() > end:
            raise TimeoutError(f"still {answer}")
        time.sleep(0.02)


def delivered(message_id, secret):
    """What the receiver took, verified with the SDK."""
    path = ARRIVALS / f"{message_id}.headers"
    until(path.exists, bool)
    headers = dict(line.split(": ", 1) for line in path.read_text().splitlines())
    body = (ARRIVALS / f"{message_id}.body").read_bytes()
    webhook = Webhook(secret)
    webhook.verify(body, headers)
    forged = "taken"
    try:
        webhook.verify(body + b" ", headers)
    except WebhookVerificationError:
        forged = "refused"
    return {
        "body": body.decode(),
        "contentType": headers["content-type"],
        "tenant": headers.get("x-tenant"),
        "forged": forged,
    }


def standing(one):
    return {"status": one.status, "statusText": one.status_text}


# Applications
def show_app(one):
    return {"name": one.name, "uid": one.uid, "metadata": one.metadata}


app = svix.application.create(ApplicationIn(name="Customer", uid="sdk", metadata={"plan": "gold"}))
report["application.create"] = {**show_app(app), "id": app.id[:4]}
same = svix.application.get_or_create(ApplicationIn(name="Other", uid="sdk"))
report["application.getOrCreate"] = {"name": same.name, "same": same.id == app.id}
svix.application.patch("sdk", ApplicationPatch(name="Patched"))
report["application.patch"] = show_app(svix.application.get("sdk"))
report["application.upsert"] = show_app(
    svix.application.upsert("sdk", ApplicationIn(name="Updated", uid="sdk"))
)
svix.application.create(ApplicationIn(name="Second", uid="second"))
first_page = svix.application.list(ApplicationListOptions(limit=1))
second_page = svix.application.list(ApplicationListOptions(limit=1, iterator=first_page.iterator))
report["application.list"] = [
    [*(one.uid for one in page.data), page.done] for page in (first_page, second_page)
]
svix.application.delete("second")
report["application.delete"] = failure(lambda: svix.application.get("second"))

# Event types
paid = svix.event_type.create(EventTypeIn(name="invoice.paid", description="An invoice was paid"))
report["eventType.create"] = {
    "name": paid.name,
    "description": paid.description,
    "archived": paid.archived,
    "deprecated": paid.deprecated,
}
svix.event_type.create(EventTypeIn(name="invoice.void", description="Void"))
voided = svix.event_type.upsert("invoice.void", EventTypeUpsertIn(description="Voided"))
report["eventType.upsert"] = voided.description
patched = svix.event_type.patch("invoice.void", EventTypePatch(deprecated=True))
report["eventType.patch"] = {"description": patched.description, "deprecated": patched.deprecated}
report["eventType.list"] = [one.name for one in svix.event_type.list().data]
svix.event_type.delete("invoice.void")
report["eventType.delete"] = {
    "listed": [one.name for one in svix.event_type.list().data],
    "archived": svix.event_type.get("invoice.void").archived,
}
report["eventType.conflict"] = failure(
    lambda: svix.event_type.create(EventTypeIn(name="invoice.paid", description="Again"))
)


# Endpoints
def show_endpoint(one):
    return {
        "uid": one.uid,
        "path": one.url.replace(RECEIVER_URL, ""),
        "description": one.description,
        "eventTypes": one.event_types,
        "channels": one.channels,
        "metadata": one.metadata,
        "disabled": one.disabled,
    }


def headers_of(uid):
    out = svix.endpoint.get_headers("sdk", uid)
    return {"headers": out.headers, "sensitive": out.sensitive}


main = svix.endpoint.create(
    "sdk",
    EndpointIn(
        url=f"{RECEIVER_URL}/take",
        uid="main",
        description="Main",
        event_types=["invoice.paid"],
        channels=["eu"],
        metadata={"team": "a"},
        headers={"x-tenant": "acme"},
    ),
)
report["endpoint.create"] = show_endpoint(main)
report["endpoint.getHeaders"] = headers_of("main")
svix.endpoint.set_headers(
    "sdk", "main", EndpointHeadersIn(headers={"x-region": "eu", "authorization": "secret"})
)
report["endpoint.setHeaders"] = headers_of("main")
svix.endpoint.patch_headers(
    "sdk",
    "main",
    EndpointHeadersPatchIn(headers={"x-tenant": "acme"}, delete_headers=["authorization"]),
)
report["endpoint.patchHeaders"] = headers_of("main")
svix.endpoint.patch("sdk", "main", EndpointPatch(description="Patched"))
report["endpoint.patch"] = show_endpoint(svix.endpoint.get("sdk", "main"))
report["endpoint.upsert"] = show_endpoint(
    svix.endpoint.upsert(
        "sdk",
        "main",
        EndpointUpsertIn(
            url=f"{RECEIVER_URL}/take",
            uid="main",
            description="Updated",
            event_types=["invoice.paid"],
            channels=["eu"],
        ),
    )
)
before = svix.endpoint.get_secret("sdk", "main").key
secret = svix.endpoint.rotate_secret("sdk", "main", EndpointSecretRotateIn()).key
report["endpoint.rotateSecret"] = {"prefix": secret[:6], "changed": secret != before}

# A message, with and without its content, and its delivery
sent = svix.message.create(
    "sdk",
    MessageIn(event_type="invoice.paid", event_id="event-1", channels=["eu"], payload=PAYLOAD),
)
report["message.create"] = {
    "eventType": sent.event_type,
    "eventId": sent.event_id,
    "channels": sent.channels,
    "id": sent.id[:4],
}
report["delivery"] = delivered(sent.id, secret)
with_content = svix.message.get("sdk", sent.id, MessageGetOptions(with_content=True))
without_content = svix.message.get("sdk", "event-1", MessageGetOptions(with_content=False))
report["message.get"] = [
    with_content.payload,
    without_content.payload,
    without_content.id == sent.id,
]


def found(**options):
    return svix.message.list("sdk", MessageListOptions(**options)).data


an_hour_ago = datetime.now(timezone.utc) - timedelta(hours=1)
report["message.list"] = {
    "withContent": [one.payload for one in found(with_content=True)],
    "withoutContent": [one.payload for one in found(with_content=False)],
    "channel": [len(found(channel="eu")), len(found(channel="us"))],
    "eventTypes": [len(found(event_types=["invoice.paid"])), len(found(event_types=["other"]))],
    "time": [len(found(after=an_hour_ago)), len(found(before=an_hour_ago))],
}


# Attempts
def attempts_of(message_id, **options):
    page = svix.message_attempt.list_by_msg(
        "sdk", message_id, MessageAttemptListByMsgOptions(**options)
    )
    return page.data


def show_attempt(one):
    return {
        **standing(one),
        "code": one.response_status_code,
        "trigger": one.trigger_type,
        "response": one.response,
        "path": one.url.replace(RECEIVER_URL, ""),
    }


attempts = until(lambda: attempts_of(sent.id, with_content=True), lambda all: len(all) == 1)
report["messageAttempt.listByMsg"] = [show_attempt(one) for one in attempts]
report["messageAttempt.withoutContent"] = [
    one.response for one in attempts_of(sent.id, with_content=False)
]
report["messageAttempt.listByEndpoint"] = [
    [one.id == attempts[0].id, one.msg_id == sent.id, one.endpoint_id == main.id]
    for one in svix.message_attempt.list_by_endpoint(
        "sdk", "main", MessageAttemptListByEndpointOptions(with_content=True)
    ).data
]
report["messageAttempt.get"] = show_attempt(
    svix.message_attempt.get("sdk", sent.id, attempts[0].id)
)
report["messageAttempt.listAttemptedDestinations"] = [
    {"uid": one.uid, **standing(one)}
    for one in svix.message_attempt.list_attempted_destinations("sdk", sent.id).data
]
report["messageAttempt.listAttemptedMessages"] = [
    {"eventId": one.event_id, **standing(one)}
    for one in svix.message_attempt.list_attempted_messages("sdk", "main").data
]
svix.message_attempt.resend("sdk", sent.id, "main")
resent = until(lambda: attempts_of(sent.id), lambda all: len(all) == 2)
report["messageAttempt.resend"] = [[one.status, one.trigger_type] for one in resent]
stats = svix.endpoint.get_stats("sdk", "main")
report["endpoint.getStats"] = {
    "hasSuccess": stats.success > 0,
    "rest": [stats.fail, stats.pending, stats.sending, stats.canceled],
}

# A body that no parser prints again like this
raw = message_in_raw("invoice.paid", '{ "ü": 1.0 }', "application/vnd.api+json")
raw.channels = ["eu"]
report["messageInRaw"] = delivered(svix.message.create("sdk", raw).id, secret)

# What failed is recovered
broken = svix.endpoint.create(
    "sdk", EndpointIn(url=f"{RECEIVER_URL}/refuse", uid="broken", channels=["us"])
)
lost = svix.message.create(
    "sdk", MessageIn(event_type="invoice.paid", channels=["us"], payload=PAYLOAD)
)
failed = until(lambda: attempts_of(lost.id, with_content=True), lambda all: len(all) == 1)
report["failure"] = {
    "attempts": [show_attempt(one) for one in failed],
    "byStatus": [
        len(attempts_of(lost.id, status=MessageStatus.FAIL)),
        len(attempts_of(lost.id, status=MessageStatus.SUCCESS)),
    ],
}
svix.endpoint.patch("sdk", "broken", EndpointPatch(url=f"{RECEIVER_URL}/take"))
task = svix.endpoint.recover(
    "sdk", "broken", RecoverIn(since=lost.timestamp - timedelta(seconds=1))
)
report["endpoint.recover"] = {"task": task.task, "id": task.id[:6]}
report["recovered"] = delivered(lost.id, svix.endpoint.get_secret("sdk", broken.id).key)
done = until(lambda: svix.background_task.get(task.id), lambda one: one.status == "finished")
report["backgroundTask.get"] = {
    "task": done.task,
    "status": done.status,
    "same": done.id == task.id,
}
recovered = until(lambda: attempts_of(lost.id), lambda all: len(all) == 2)
report["recovered.attempts"] = [standing(one) for one in recovered]

# The customer's own token
access = svix.authentication.app_portal_access("sdk", AppPortalAccessIn(feature_flags=[]))
customer = connect(access.token)
report["authentication.appPortalAccess"] = {
    "scheme": access.url[:4],
    "name": customer.application.get("sdk").name,
    "endpoints": [one.uid for one in customer.endpoint.list("sdk").data],
    "list": failure(customer.application.list),
}


# Errors
def post(app_id, **rest):
    return svix.message.create(app_id, MessageIn(event_type="invoice.paid", payload=PAYLOAD, **rest))


report["errors"] = {
    "notFound": failure(lambda: post("nobody")),
    "conflict": failure(lambda: post("sdk", event_id="event-1")),
    "exists": failure(lambda: svix.application.create(ApplicationIn(name="Twice", uid="sdk"))),
    "invalid": failure(lambda: svix.application.create(ApplicationIn(name="", uid="a b"))),
    "unauthorized": failure(connect("wrong").application.list),
}


# Idempotency keys
def keyed(text, key):
    message = MessageIn(event_type="invoice.paid", payload={"text": text})
    return svix.message.create("sdk", message, MessageCreateOptions(idempotency_key=key))


first = keyed("a", "key-1")
differs = failure(lambda: keyed("b", "key-1"))
report["idempotency"] = {
    "sameKey": keyed("a", "key-1").id == first.id,
    "otherKey": keyed("a", "key-2").id == first.id,
    "otherBody": [differs["status"], differs["detail"][0]["loc"]],
}

# 300 messages, forth and back
svix.application.create(ApplicationIn(name="Pages", uid="pages"))
for i in range(300):
    svix.message.create(
        "pages", MessageIn(event_type="page", event_id=f"page-{i}", payload={"i": i})
    )
seen = []
pages = 0
iterator = None
while True:
    page = svix.message.list("pages", MessageListOptions(limit=70, iterator=iterator))
    seen += [one.event_id for one in page.data]
    pages += 1
    iterator = page.iterator
    if page.done:
        break
back = svix.message.list("pages", MessageListOptions(limit=70, iterator=page.prev_iterator)).data
report["pagination"] = {
    "pages": pages,
    "seen": len(seen),
    "newestFirst": seen == [f"page-{i}" for i in reversed(range(300))],
    "back": [len(back), back[0].event_id, back[-1].event_id],
}

# Endings
svix.message.expunge_content("sdk", sent.id)
report["message.expungeContent"] = svix.message.get(
    "sdk", sent.id, MessageGetOptions(with_content=True)
).payload
svix.endpoint.delete("sdk", "main")
report["endpoint.delete"] = failure(lambda: svix.endpoint.get("sdk", "main"))

print(json.dumps(report))

// The contract of ../contract.ts through the official Java SDK.
import com.svix.api.*;
import com.svix.models.*;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.OffsetDateTime;
import java.util.*;
import java.util.function.Consumer;
import okhttp3.Headers;

public class Program extends Support {
  public static void main(String[] args) throws Exception {
    applications();
    eventTypes();
    var main = endpoint();
    var secret = svix.getEndpoint().getSecret("sdk", "main").getKey();
    deliver(main, secret);
    recover();
    refuse();
    paginate();
    end();
    new PrintStream(System.out, true, StandardCharsets.UTF_8).println(JSON.writeValueAsString(report));
  }

  static ApplicationIn app(String name, String uid) {
    return new ApplicationIn().name(name).uid(uid);
  }

  static void applications() throws Exception {
    var api = svix.getApplication();
    var created = api.create(app("Customer", "sdk").metadata(Map.of("plan", "gold")));
    report.put("application.create", with(show(created), shown -> shown.put("id", created.getId().substring(0, 4))));
    var same = api.getOrCreate(app("Other", "sdk"));
    report.put(
        "application.getOrCreate", map("name", same.getName(), "same", same.getId().equals(created.getId())));
    api.patch("sdk", new ApplicationPatch().name("Patched"));
    report.put("application.patch", show(api.get("sdk")));
    report.put("application.upsert", show(api.update("sdk", app("Updated", "sdk"))));
    api.create(app("Second", "second"));
    var options = with(new ApplicationListOptions(), one -> one.setLimit(1L));
    var pages = new ArrayList<Object>();
    for (int i = 0; i < 2; i++) {
      var page = api.list(options);
      pages.add(List.of(page.getData().get(0).getUid(), page.getDone()));
      options.setIterator(page.getIterator());
    }
    report.put("application.list", pages);
    api.delete("second");
    report.put("application.delete", failure(() -> api.get("second")));
  }

  static void eventTypes() throws Exception {
    var api = svix.getEventType();
    var paid = api.create(new EventTypeIn().name("invoice.paid").description("An invoice was paid"));
    report.put(
        "eventType.create",
        map(
            "name", paid.getName(),
            "description", paid.getDescription(),
            "archived", paid.getArchived(),
            "deprecated", paid.getDeprecated()));
    api.create(new EventTypeIn().name("invoice.void").description("Void"));
    report.put(
        "eventType.upsert", api.update("invoice.void", new EventTypeUpdate().description("Voided")).getDescription());
    var patched = api.patch("invoice.void", new EventTypePatch().deprecated(true));
    report.put(
        "eventType.patch", map("description", patched.getDescription(), "deprecated", patched.getDeprecated()));
    report.put("eventType.list", each(api.list().getData(), one -> one.getName()));
    api.delete("invoice.void");
    report.put(
        "eventType.delete",
        map(
            "listed", each(api.list().getData(), one -> one.getName()),
            "archived", api.get("invoice.void").getArchived()));
    report.put(
        "eventType.conflict",
        failure(() -> api.create(new EventTypeIn().name("invoice.paid").description("Again"))));
  }

  static Object headers() throws Exception {
    var out = svix.getEndpoint().getHeaders("sdk", "main");
    return map("headers", out.getHeaders(), "sensitive", out.getSensitive());
  }

  static EndpointOut endpoint() throws Exception {
    var api = svix.getEndpoint();
    var url = URI.create(RECEIVER + "/take");
    var main =
        api.create(
            "sdk",
            new EndpointIn()
                .url(url)
                .uid("main")
                .description("Main")
                .filterTypes(Set.of("invoice.paid"))
                .channels(Set.of("eu"))
                .metadata(Map.of("team", "a"))
                .headers(Map.of("x-tenant", "acme")));
    report.put("endpoint.create", show(main));
    report.put("endpoint.getHeaders", headers());
    api.updateHeaders(
        "sdk", "main", new EndpointHeadersIn().headers(Map.of("x-region", "eu", "authorization", "secret")));
    report.put("endpoint.setHeaders", headers());
    api.patchHeaders(
        "sdk",
        "main",
        new EndpointHeadersPatchIn().headers(Map.of("x-tenant", "acme")).deleteHeaders(List.of("authorization")));
    report.put("endpoint.patchHeaders", headers());
    api.patch("sdk", "main", new EndpointPatch().description("Patched"));
    report.put("endpoint.patch", show(api.get("sdk", "main")));
    report.put(
        "endpoint.upsert",
        show(
            api.update(
                "sdk",
                "main",
                new EndpointUpdate()
                    .url(url)
                    .uid("main")
                    .description("Updated")
                    .filterTypes(Set.of("invoice.paid"))
                    .channels(Set.of("eu")))));
    var before = api.getSecret("sdk", "main").getKey();
    api.rotateSecret("sdk", "main", new EndpointSecretRotateIn());
    var secret = api.getSecret("sdk", "main").getKey();
    report.put(
        "endpoint.rotateSecret", map("prefix", secret.substring(0, 6), "changed", !secret.equals(before)));
    return main;
  }

  static List<MessageAttemptOut> attemptsOf(String id, Consumer<MessageAttemptListByMsgOptions> change)
      throws Exception {
    var options = with(new MessageAttemptListByMsgOptions(), change);
    return svix.getMessageAttempt().listByMsg("sdk", id, options).getData();
  }

  static List<MessageAttemptOut> untilAttempts(String id, int count) throws Exception {
    return until(() -> attemptsOf(id, one -> one.setWithContent(true)), all -> all.size() == count);
  }

  static List<MessageOut> found(Consumer<MessageListOptions> change) throws Exception {
    return svix.getMessage().list("sdk", with(new MessageListOptions(), change)).getData();
  }

  static MessageIn invoice() {
    return new MessageIn().eventType("invoice.paid").payload(PAYLOAD);
  }

  static MessageGetOptions content(boolean isWanted) {
    return with(new MessageGetOptions(), one -> one.setWithContent(isWanted));
  }

  /** What the SDK's own resend does, which its HTTP client refuses because it has no body. */
  static void resend(String id) throws Exception {
    var client = svix.getHttpClient();
    var url = client.newUrlBuilder().encodedPath("/api/v1/app/sdk/msg/" + id + "/endpoint/main/resend").build();
    client.executeRequest("POST", url, Headers.of(), Map.of(), EmptyResponse.class);
  }

  static void deliver(EndpointOut main, String secret) throws Exception {
    var messages = svix.getMessage();
    var sent = messages.create("sdk", invoice().eventId("event-1").channels(Set.of("eu")));
    report.put(
        "message.create",
        map(
            "eventType", sent.getEventType(),
            "eventId", sent.getEventId(),
            "channels", sent.getChannels(),
            "id", sent.getId().substring(0, 4)));
    report.put("delivery", delivered(sent.getId(), secret));
    var without = messages.get("sdk", "event-1", content(false));
    report.put(
        "message.get",
        List.of(
            messages.get("sdk", sent.getId(), content(true)).getPayload(),
            without.getPayload(),
            without.getId().equals(sent.getId())));
    var anHourAgo = OffsetDateTime.now().minusHours(1);
    report.put(
        "message.list",
        map(
            "withContent", each(found(one -> one.setWithContent(true)), MessageOut::getPayload),
            "withoutContent", each(found(one -> one.setWithContent(false)), MessageOut::getPayload),
            "channel", List.of(found(one -> one.setChannel("eu")).size(), found(one -> one.setChannel("us")).size()),
            "eventTypes",
                List.of(
                    found(one -> one.setEventTypes(Set.of("invoice.paid"))).size(),
                    found(one -> one.setEventTypes(Set.of("other"))).size()),
            "time",
                List.of(
                    found(one -> one.setAfter(anHourAgo)).size(), found(one -> one.setBefore(anHourAgo)).size())));

    var api = svix.getMessageAttempt();
    var attempts = untilAttempts(sent.getId(), 1);
    var id = attempts.get(0).getId();
    report.put("messageAttempt.listByMsg", each(attempts, Program::show));
    report.put(
        "messageAttempt.withoutContent",
        each(attemptsOf(sent.getId(), one -> one.setWithContent(false)), MessageAttemptOut::getResponse));
    var options = with(new MessageAttemptListByEndpointOptions(), one -> one.setWithContent(true));
    report.put(
        "messageAttempt.listByEndpoint",
        each(
            api.listByEndpoint("sdk", "main", options).getData(),
            one ->
                List.of(
                    one.getId().equals(id),
                    one.getMsgId().equals(sent.getId()),
                    one.getEndpointId().equals(main.getId()))));
    report.put("messageAttempt.get", show(api.get("sdk", sent.getId(), id)));
    report.put(
        "messageAttempt.listAttemptedDestinations",
        each(
            api.listAttemptedDestinations("sdk", sent.getId()).getData(),
            one -> map("uid", one.getUid(), "status", one.getStatus(), "statusText", one.getStatusText())));
    report.put(
        "messageAttempt.listAttemptedMessages",
        each(
            api.listAttemptedMessages("sdk", "main").getData(),
            one -> map("eventId", one.getEventId(), "status", one.getStatus(), "statusText", one.getStatusText())));
    resend(sent.getId());
    report.put(
        "messageAttempt.resend",
        each(untilAttempts(sent.getId(), 2), one -> List.of(one.getStatus(), one.getTriggerType())));
    var stats = svix.getEndpoint().getStats("sdk", "main");
    report.put(
        "endpoint.getStats",
        map(
            "hasSuccess", stats.getSuccess() > 0,
            "rest", List.of(stats.getFail(), stats.getPending(), stats.getSending(), stats.getCanceled())));

    // A body that no parser prints again like this.
    var raw = Message.messageInRaw("{ \"ü\": 1.0 }", "application/vnd.api+json");
    raw.eventType("invoice.paid").channels(Set.of("eu"));
    report.put("messageInRaw", delivered(messages.create("sdk", raw).getId(), secret));
  }

  static void recover() throws Exception {
    var api = svix.getEndpoint();
    api.create(
        "sdk", new EndpointIn().url(URI.create(RECEIVER + "/refuse")).uid("broken").channels(Set.of("us")));
    var lost = svix.getMessage().create("sdk", invoice().channels(Set.of("us")));
    var failed = untilAttempts(lost.getId(), 1);
    report.put(
        "failure",
        map(
            "attempts", each(failed, Program::show),
            "byStatus",
                List.of(
                    attemptsOf(lost.getId(), one -> one.setStatus(MessageStatus.FAIL)).size(),
                    attemptsOf(lost.getId(), one -> one.setStatus(MessageStatus.SUCCESS)).size())));
    api.patch("sdk", "broken", new EndpointPatch().url(URI.create(RECEIVER + "/take")));
    var task = api.recover("sdk", "broken", new RecoverIn().since(lost.getTimestamp().minusSeconds(1)));
    report.put("endpoint.recover", map("task", task.getTask(), "id", task.getId().substring(0, 6)));
    report.put("recovered", delivered(lost.getId(), api.getSecret("sdk", "broken").getKey()));
    var done =
        until(
            () -> svix.getBackgroundTask().get(task.getId()),
            one -> one.getStatus() == BackgroundTaskStatus.FINISHED);
    report.put(
        "backgroundTask.get",
        map("task", done.getTask(), "status", done.getStatus(), "same", done.getId().equals(task.getId())));
    report.put(
        "recovered.attempts",
        each(
            untilAttempts(lost.getId(), 2),
            one -> map("status", one.getStatus(), "statusText", one.getStatusText())));
  }

  static MessageOut keyed(String text, String key) throws Exception {
    var message = new MessageIn().eventType("invoice.paid").payload("{\"text\":\"" + text + "\"}");
    var options = with(new MessageCreateOptions(), one -> one.setIdempotencyKey(key));
    return svix.getMessage().create("sdk", message, options);
  }

  static void refuse() throws Exception {
    var access = svix.getAuthentication().appPortalAccess("sdk", new AppPortalAccessIn());
    var customer = connect(access.getToken());
    report.put(
        "authentication.appPortalAccess",
        map(
            "scheme", access.getUrl().toString().substring(0, 4),
            "name", customer.getApplication().get("sdk").getName(),
            "endpoints", each(customer.getEndpoint().list("sdk").getData(), one -> one.getUid()),
            "list", failure(() -> customer.getApplication().list())));
    report.put(
        "errors",
        map(
            "notFound", failure(() -> svix.getMessage().create("nobody", invoice())),
            "conflict", failure(() -> svix.getMessage().create("sdk", invoice().eventId("event-1"))),
            "exists", failure(() -> svix.getApplication().create(app("Twice", "sdk"))),
            "invalid", failure(() -> svix.getApplication().create(app("", "a b"))),
            "unauthorized", failure(() -> connect("wrong").getApplication().list())));

    var first = keyed("a", "key-1").getId();
    var differs = failure(() -> keyed("b", "key-1"));
    var detail = (Map<?, ?>) ((List<?>) differs.get("detail")).get(0);
    report.put(
        "idempotency",
        map(
            "sameKey", keyed("a", "key-1").getId().equals(first),
            "otherKey", keyed("a", "key-2").getId().equals(first),
            "otherBody", List.of(differs.get("status"), detail.get("loc"))));
  }

  static void paginate() throws Exception {
    svix.getApplication().create(app("Pages", "pages"));
    var wanted = new ArrayList<String>();
    for (int i = 0; i < 300; i++) {
      var message = new MessageIn().eventType("page").eventId("page-" + i).payload("{\"i\":" + i + "}");
      wanted.add(svix.getMessage().create("pages", message).getEventId());
    }
    Collections.reverse(wanted);
    var options = new MessageListOptions();
    options.setLimit(70L);
    options.setWithContent(false);
    var seen = new ArrayList<String>();
    var page = svix.getMessage().list("pages", options);
    int pages = 1;
    page.getData().forEach(one -> seen.add(one.getEventId()));
    while (!page.getDone()) {
      options.setIterator(page.getIterator());
      page = svix.getMessage().list("pages", options);
      page.getData().forEach(one -> seen.add(one.getEventId()));
      pages++;
    }
    options.setIterator(page.getPrevIterator());
    var back = svix.getMessage().list("pages", options).getData();
    report.put(
        "pagination",
        map(
            "pages", pages,
            "seen", seen.size(),
            "newestFirst", seen.equals(wanted),
            "back", Arrays.asList(back.size(), back.get(0).getEventId(), back.get(back.size() - 1).getEventId())));
  }

  static void end() throws Exception {
    var sent = svix.getMessage().get("sdk", "event-1").getId();
    svix.getMessage().expungeContent("sdk", sent);
    report.put("message.expungeContent", svix.getMessage().get("sdk", sent, content(true)).getPayload());
    svix.getEndpoint().delete("sdk", "main");
    report.put("endpoint.delete", failure(() -> svix.getEndpoint().get("sdk", "main")));
  }
}

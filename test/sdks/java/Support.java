// What every step needs.
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.svix.Svix;
import com.svix.SvixOptions;
import com.svix.Webhook;
import com.svix.exceptions.ApiException;
import com.svix.exceptions.WebhookVerificationException;
import com.svix.models.*;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;

class Support {
  static final String RECEIVER = System.getenv("RECEIVER_URL");
  static final String PAYLOAD = "{\"invoice\":42,\"name\":\"Zoë\"}";
  static final ObjectMapper JSON = new ObjectMapper();
  static final Map<String, Object> report = new LinkedHashMap<>();
  static final Svix svix = connect(System.getenv("POSTHORN_TOKEN"));

  static Svix connect(String token) {
    var options = new SvixOptions();
    options.setServerUrl(System.getenv("POSTHORN_URL"));
    return new Svix(token, options);
  }

  /** A value that is a change away from an empty one. */
  static <T> T with(T value, Consumer<T> change) {
    change.accept(value);
    return value;
  }

  static Map<String, Object> map(Object... entries) {
    var out = new LinkedHashMap<String, Object>();
    for (int i = 0; i < entries.length; i += 2) out.put((String) entries[i], entries[i + 1]);
    return out;
  }

  static <T> List<Object> each(List<T> items, Function<T, Object> show) {
    return items.stream().map(show).toList();
  }

  static String pathOf(URI url) {
    return url.toString().replace(RECEIVER, "");
  }

  /** What the SDK throws for an answer that is an error. */
  static Map<String, Object> failure(Callable<?> work) throws Exception {
    try {
      work.call();
      return map("no", "error");
    } catch (ApiException error) {
      var out = new HashMap<>(JSON.readValue(error.getResponseBody(), new TypeReference<Map<String, Object>>() {}));
      out.put("status", error.getCode());
      return out;
    }
  }

  static <T> T until(Callable<T> ask, Predicate<T> isWanted) throws Exception {
    var end = Instant.now().plusSeconds(30);
    while (true) {
      var answer = ask.call();
      if (isWanted.test(answer)) return answer;
      if (Instant.now().isAfter(end)) throw new IllegalStateException("still " + answer);
      Thread.sleep(20);
    }
  }

  /** What the receiver took, verified with the SDK. */
  static Map<String, Object> delivered(String id, String secret) throws Exception {
    var folder = Path.of(System.getenv("ARRIVALS"));
    until(() -> Files.exists(folder.resolve(id + ".headers")), isThere -> isThere);
    var headers = new HashMap<String, List<String>>();
    for (var line : Files.readAllLines(folder.resolve(id + ".headers"))) {
      var parts = line.split(": ", 2);
      headers.put(parts[0], List.of(parts[1]));
    }
    var body = Files.readString(folder.resolve(id + ".body"));
    var webhook = new Webhook(secret);
    webhook.verify(body, headers);
    var forged = "taken";
    try {
      webhook.verify(body + " ", headers);
    } catch (WebhookVerificationException error) {
      forged = "refused";
    }
    return map(
        "body", body,
        "contentType", headers.get("content-type").get(0),
        "tenant", headers.containsKey("x-tenant") ? headers.get("x-tenant").get(0) : null,
        "forged", forged);
  }

  static Map<String, Object> show(ApplicationOut one) {
    return map("name", one.getName(), "uid", one.getUid(), "metadata", one.getMetadata());
  }

  static Map<String, Object> show(EndpointOut one) {
    return map(
        "uid", one.getUid(),
        "path", pathOf(one.getUrl()),
        "description", one.getDescription(),
        "eventTypes", one.getFilterTypes(),
        "channels", one.getChannels(),
        "metadata", one.getMetadata(),
        "disabled", one.getDisabled());
  }

  static Object show(MessageAttemptOut one) {
    return map(
        "status", one.getStatus(),
        "statusText", one.getStatusText(),
        "code", one.getResponseStatusCode(),
        "trigger", one.getTriggerType(),
        "response", one.getResponse(),
        "path", pathOf(one.getUrl()));
  }
}

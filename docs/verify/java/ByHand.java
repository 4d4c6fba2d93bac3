// Receives webhooks: verify, store once, answer at once, work in the background.
// Java 17 or later, JDK only:
//
//   WEBHOOK_SECRET=whsec_... java ByHand.java
import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class ByHand {
    static final byte[] KEY = Base64.getDecoder().decode(setting("WEBHOOK_SECRET", "").replaceFirst("^whsec_", ""));
    static final int PORT = Integer.parseInt(setting("PORT", "3000"));
    static final Path INBOX = Path.of(setting("INBOX", "inbox"));
    static final Path WAITING = INBOX.resolve("waiting");
    static final Path DONE = INBOX.resolve("done");
    static final int TOLERANCE_SECONDS = 300;
    static final int LARGEST_BODY_BYTES = 1024 * 1024;

    static boolean isGenuine(Headers headers, byte[] body) throws GeneralSecurityException {
        String timestamp = String.valueOf(headers.getFirst("webhook-timestamp"));
        if (!timestamp.matches("\\d{1,12}")) return false;
        if (Math.abs(Instant.now().getEpochSecond() - Long.parseLong(timestamp)) > TOLERANCE_SECONDS) return false;
        // Over the raw bytes: JSON that was parsed and printed again is another text.
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(KEY, "HmacSHA256"));
        mac.update((headers.getFirst("webhook-id") + "." + timestamp + ".").getBytes(StandardCharsets.UTF_8));
        byte[] expected = ("v1," + Base64.getEncoder().encodeToString(mac.doFinal(body))).getBytes();
        // Several during a rotation of the secret; other versions than v1 are skipped.
        for (String one : String.valueOf(headers.getFirst("webhook-signature")).split(" "))
            if (MessageDigest.isEqual(one.getBytes(), expected)) return true; // Constant time.
        return false;
    }

    /** True once the event is on disk; false when it was there before, handled or not. */
    static boolean store(String id, byte[] body) throws IOException {
        if (Files.exists(DONE.resolve(id))) return false;
        Path draft = Files.createTempFile(INBOX, "draft-", null);
        try {
            Files.write(draft, body);
            try (FileChannel file = FileChannel.open(draft, StandardOpenOption.WRITE)) {
                file.force(true);
            }
            Files.createLink(WAITING.resolve(id), draft); // Only one of two at the same time gets the name.
            return true;
        } catch (FileAlreadyExistsException itIsThere) {
            return false;
        } finally {
            Files.delete(draft);
        }
    }

    static void handle(String id, byte[] body) throws Exception {
        Thread.sleep(500); // Your work; nobody waits for it.
        System.out.println("handled " + id + " " + new String(body, StandardCharsets.UTF_8));
    }

    static void finish(Path event) {
        try {
            Path finished = DONE.resolve(event.getFileName());
            if (!Files.exists(finished)) handle(event.getFileName().toString(), Files.readAllBytes(event));
            Files.move(event, finished, StandardCopyOption.REPLACE_EXISTING);
        } catch (Exception failed) {
            failed.printStackTrace(); // It stays where it is and is tried again.
        }
    }

    static void work() {
        try (var events = Files.list(WAITING)) {
            events.sorted().forEach(ByHand::finish);
        } catch (IOException failed) {
            failed.printStackTrace();
        }
    }

    static int receive(HttpExchange exchange) {
        try {
            byte[] body = exchange.getRequestBody().readNBytes(LARGEST_BODY_BYTES + 1);
            if (body.length > LARGEST_BODY_BYTES) return 413;
            String id = String.valueOf(exchange.getRequestHeaders().getFirst("webhook-id"));
            if (!id.matches("[\\w-]{1,100}") || !isGenuine(exchange.getRequestHeaders(), body)) return 401;
            return store(id, body) ? 202 : 200;
        } catch (Exception failed) {
            failed.printStackTrace();
            return 500; // Not stored: the sender tries again.
        }
    }

    static String setting(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }

    public static void main(String[] arguments) throws IOException {
        if (KEY.length < 24) throw new IllegalArgumentException("WEBHOOK_SECRET has to be whsec_ and base64.");
        for (Path folder : List.of(WAITING, DONE)) Files.createDirectories(folder);
        Executors.newSingleThreadScheduledExecutor().scheduleWithFixedDelay(ByHand::work, 0, 200, TimeUnit.MILLISECONDS);
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", PORT), 0);
        server.setExecutor(Executors.newFixedThreadPool(16));
        server.createContext("/", exchange -> {
            try (exchange) {
                exchange.sendResponseHeaders(receive(exchange), -1);
            }
        });
        server.start();
    }
}

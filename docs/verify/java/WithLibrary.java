// Receives webhooks: verify, store once, answer at once, work in the background.
// Java 17 or later, with the library of Standard Webhooks (com.standardwebhooks:standardwebhooks):
//
//   mvn dependency:copy-dependencies -DoutputDirectory=lib
//   WEBHOOK_SECRET=whsec_... java -cp 'lib/*' WithLibrary.java
import com.standardwebhooks.Webhook;
import com.standardwebhooks.exceptions.EmptyWebhookSecretException;
import com.standardwebhooks.exceptions.WebhookVerificationException;
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
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

public class WithLibrary {
    static final int PORT = Integer.parseInt(setting("PORT", "3000"));
    static final Path INBOX = Path.of(setting("INBOX", "inbox"));
    static final Path WAITING = INBOX.resolve("waiting");
    static final Path DONE = INBOX.resolve("done");
    static final int LARGEST_BODY_BYTES = 1024 * 1024;

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
            events.sorted().forEach(WithLibrary::finish);
        } catch (IOException failed) {
            failed.printStackTrace();
        }
    }

    static int receive(Webhook webhook, HttpExchange exchange) {
        try {
            byte[] body = exchange.getRequestBody().readNBytes(LARGEST_BODY_BYTES + 1);
            if (body.length > LARGEST_BODY_BYTES) return 413;
            String id = String.valueOf(exchange.getRequestHeaders().getFirst("webhook-id"));
            if (!id.matches("[\\w-]{1,100}")) return 401;
            webhook.verify(new String(body, StandardCharsets.UTF_8), exchange.getRequestHeaders());
            return store(id, body) ? 202 : 200;
        } catch (WebhookVerificationException refused) {
            return 401;
        } catch (Exception failed) {
            failed.printStackTrace();
            return 500; // Not stored: the sender tries again.
        }
    }

    static String setting(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }

    public static void main(String[] arguments) throws IOException, EmptyWebhookSecretException {
        Webhook webhook = new Webhook(setting("WEBHOOK_SECRET", ""));
        for (Path folder : List.of(WAITING, DONE)) Files.createDirectories(folder);
        Executors.newSingleThreadScheduledExecutor().scheduleWithFixedDelay(WithLibrary::work, 0, 200, TimeUnit.MILLISECONDS);
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", PORT), 0);
        server.setExecutor(Executors.newFixedThreadPool(16));
        server.createContext("/", exchange -> {
            try (exchange) {
                exchange.sendResponseHeaders(receive(webhook, exchange), -1);
            }
        });
        server.start();
    }
}

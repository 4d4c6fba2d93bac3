//! Receives webhooks: verify, store once, answer at once, work in the background.
//! Rust 1.85 or later, with the library of Standard Webhooks:
//!
//!     WEBHOOK_SECRET=whsec_... cargo run --bin with-library
use http::{HeaderMap, HeaderName, HeaderValue};
use standardwebhooks::Webhook;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{env, fs, path::Path, process, thread};
use tiny_http::{Request, Response, Server};

const LARGEST_BODY_BYTES: u64 = 1024 * 1024;
static DRAFTS: AtomicU64 = AtomicU64::new(0);

/// True once the event is on disk; false when it was there before, handled or not.
fn store(inbox: &Path, id: &str, body: &[u8]) -> std::io::Result<bool> {
    if inbox.join("done").join(id).exists() {
        return Ok(false);
    }
    let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
    let draft = inbox.join(format!("draft-{}-{number}", process::id()));
    let mut file = fs::File::create(&draft)?;
    file.write_all(body)?;
    file.sync_all()?;
    // Only one of two at the same time gets the name.
    let linked = fs::hard_link(&draft, inbox.join("waiting").join(id));
    fs::remove_file(&draft)?;
    match linked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn handle(id: &str, body: &[u8]) -> Result<(), Box<dyn Error>> {
    thread::sleep(Duration::from_millis(500)); // Your work; nobody waits for it.
    println!("handled {id} {}", String::from_utf8_lossy(body));
    Ok(())
}

fn finish(inbox: &Path, id: &str) -> Result<(), Box<dyn Error>> {
    let (event, finished) = (inbox.join("waiting").join(id), inbox.join("done").join(id));
    if !finished.exists() {
        handle(id, &fs::read(&event)?)?;
    }
    Ok(fs::rename(event, finished)?)
}

fn work(inbox: &Path) -> std::io::Result<()> {
    let mut events = fs::read_dir(inbox.join("waiting"))?.collect::<Result<Vec<_>, _>>()?;
    events.sort_by_key(|event| event.file_name());
    for event in events {
        if let Err(error) = finish(inbox, &event.file_name().to_string_lossy()) {
            eprintln!("{error}"); // It stays where it is and is tried again.
        }
    }
    Ok(())
}

fn receive(inbox: &Path, webhook: &Webhook, request: &mut Request) -> std::io::Result<u16> {
    let mut headers = HeaderMap::new();
    for header in request.headers() {
        let name = HeaderName::from_bytes(header.field.as_str().as_str().as_bytes());
        let value = HeaderValue::from_str(header.value.as_str());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.insert(name, value);
        }
    }
    let id = headers
        .get("webhook-id")
        .and_then(|id| id.to_str().ok())
        .unwrap_or_default();
    let mut body = Vec::new();
    request
        .as_reader()
        .take(LARGEST_BODY_BYTES + 1)
        .read_to_end(&mut body)?;
    if body.len() as u64 > LARGEST_BODY_BYTES {
        return Ok(413);
    }
    let usable = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !(1..=100).contains(&id.len()) || !id.chars().all(usable) {
        return Ok(401);
    }
    if webhook.verify(&body, &headers).is_err() {
        return Ok(401);
    }
    Ok(if store(inbox, id, &body)? { 202 } else { 200 })
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let secret = env::var("WEBHOOK_SECRET")?;
    assert!(secret.len() >= 38, "WEBHOOK_SECRET has to be whsec_ and base64.");
    let webhook = Webhook::new(&secret)?;
    let port = env::var("PORT").unwrap_or("3000".into());
    let inbox = env::var("INBOX").unwrap_or("inbox".into());
    let inbox = Path::new(&inbox);
    fs::create_dir_all(inbox.join("waiting"))?;
    fs::create_dir_all(inbox.join("done"))?;
    let server = Server::http(format!("127.0.0.1:{port}"))?;
    thread::scope(|scope| {
        scope.spawn(|| loop {
            if let Err(error) = work(inbox) {
                eprintln!("{error}");
            }
            thread::sleep(Duration::from_millis(200));
        });
        for _ in 0..16 {
            scope.spawn(|| {
                for mut request in server.incoming_requests() {
                    let status = receive(inbox, &webhook, &mut request).unwrap_or_else(|error| {
                        eprintln!("{error}");
                        500 // Not stored: the sender tries again.
                    });
                    let _ = request.respond(Response::empty(status)); // Who has gone gets no answer.
                }
            });
        }
    });
    Ok(())
}

//! Receives webhooks: verify, store once, answer at once, work in the background.
//! Rust 1.85 or later; HTTP, HMAC and base64 from small crates, as the standard library has none:
//!
//!     WEBHOOK_SECRET=whsec_... cargo run --bin by-hand
use base64::{prelude::BASE64_STANDARD, Engine};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, fs, path::Path, process, thread};
use tiny_http::{Request, Response, Server};

const TOLERANCE_SECONDS: u64 = 300;
const LARGEST_BODY_BYTES: u64 = 1024 * 1024;
static DRAFTS: AtomicU64 = AtomicU64::new(0);

fn is_genuine(key: &[u8], id: &str, timestamp: &str, signatures: &str, body: &[u8]) -> bool {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    match timestamp.parse::<u64>() {
        Ok(seconds) if seconds.abs_diff(now) <= TOLERANCE_SECONDS => {}
        _ => return false,
    }
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return false;
    };
    // Over the raw bytes: JSON that was parsed and printed again is another text.
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    // Several during a rotation of the secret; other versions than v1 are skipped.
    signatures
        .split(' ')
        .filter_map(|one| BASE64_STANDARD.decode(one.strip_prefix("v1,")?).ok())
        .any(|one| mac.clone().verify_slice(&one).is_ok()) // Constant time.
}

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

fn receive(inbox: &Path, key: &[u8], request: &mut Request) -> std::io::Result<u16> {
    let header = |name: &'static str| {
        let found = request
            .headers()
            .iter()
            .find(|header| header.field.equiv(name));
        found.map_or(String::new(), |header| header.value.to_string())
    };
    let id = header("webhook-id");
    let (timestamp, signatures) = (header("webhook-timestamp"), header("webhook-signature"));
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
    if !is_genuine(key, &id, &timestamp, &signatures, &body) {
        return Ok(401);
    }
    Ok(if store(inbox, &id, &body)? { 202 } else { 200 })
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let key = BASE64_STANDARD.decode(env::var("WEBHOOK_SECRET")?.trim_start_matches("whsec_"))?;
    assert!(
        key.len() >= 24,
        "WEBHOOK_SECRET has to be whsec_ and base64."
    );
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
                    let status = receive(inbox, &key, &mut request).unwrap_or_else(|error| {
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

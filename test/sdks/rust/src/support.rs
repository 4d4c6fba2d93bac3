//! What every step needs.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::{Duration, Instant};
use std::{env, fs};

use serde_json::{json, Map, Value};
use svix::api::*;
use svix::models::*;
use svix::{Error, Webhook};

pub type Report = Map<String, Value>;

pub fn var(name: &str) -> String {
    env::var(name).expect(name)
}

pub fn take() -> String {
    var("RECEIVER_URL") + "/take"
}

pub fn path_of(url: &str) -> String {
    url.replace(&var("RECEIVER_URL"), "")
}

pub fn payload() -> Value {
    json!({"invoice": 42, "name": "Zoë"})
}

pub fn s(text: &str) -> String {
    text.to_owned()
}

pub fn set(text: &str) -> Option<BTreeSet<String>> {
    Some(BTreeSet::from([s(text)]))
}

pub fn map<const N: usize>(entries: [(&str, &str); N]) -> BTreeMap<String, String> {
    entries.map(|(name, value)| (s(name), s(value))).into()
}

pub fn connect(token: String) -> Svix {
    let server_url = Some(var("POSTHORN_URL"));
    Svix::new(
        token,
        Some(SvixOptions {
            server_url,
            ..Default::default()
        }),
    )
}

/// What the SDK returns for an answer that is an error.
pub fn failure<T>(result: svix::Result<T>) -> Value {
    match result {
        Ok(_) => json!("no error"),
        Err(Error::Http(content)) => {
            let payload = content.payload.expect("an error with a body");
            json!({"status": content.status.as_u16(), "code": payload.code, "detail": payload.detail})
        }
        Err(Error::Validation(content)) => {
            let payload = content.payload.expect("an error with a body");
            json!({"status": content.status.as_u16(), "detail": payload.detail})
        }
        Err(error) => json!(error.to_string()),
    }
}

pub async fn until<T, F: Future<Output = T>>(
    ask: impl Fn() -> F,
    is_wanted: impl Fn(&T) -> bool,
) -> T {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = ask().await;
        if is_wanted(&answer) {
            return answer;
        }
        assert!(Instant::now() < end, "still not as wanted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn each<T>(items: &[T], show: impl Fn(&T) -> Value) -> Value {
    items.iter().map(show).collect()
}

/// What the receiver took, verified with the SDK.
pub async fn delivered(id: &str, secret: &str) -> Value {
    let path = format!("{}/{id}", var("ARRIVALS"));
    let lines = until(
        || async { fs::read_to_string(format!("{path}.headers")).ok() },
        Option::is_some,
    );
    let mut headers = http::HeaderMap::new();
    for line in lines.await.unwrap_or_default().lines() {
        let (name, value) = line.split_once(": ").expect("a header");
        let name: http::HeaderName = name.parse().expect("a name");
        headers.insert(name, value.parse().expect("a value"));
    }
    let body = fs::read_to_string(format!("{path}.body")).expect("a body");
    let webhook = Webhook::new(secret).expect("a secret");
    webhook
        .verify(body.as_bytes(), &headers)
        .expect("a genuine delivery");
    let forged = webhook.verify(format!("{body} ").as_bytes(), &headers);
    let text = |name| headers.get(name).map(|value| value.to_str().expect("text"));
    json!({
        "body": body,
        "contentType": text("content-type"),
        "tenant": text("x-tenant"),
        "forged": if forged.is_err() { "refused" } else { "taken" },
    })
}

pub fn show_app(one: &ApplicationOut) -> Value {
    json!({"name": one.name, "uid": one.uid, "metadata": one.metadata})
}

pub fn show_endpoint(one: &EndpointOut) -> Value {
    json!({
        "uid": one.uid,
        "path": path_of(&one.url),
        "description": one.description,
        "eventTypes": one.event_types,
        "channels": one.channels,
        "metadata": one.metadata,
        "disabled": one.disabled,
    })
}

pub fn show_attempt(one: &MessageAttemptOut) -> Value {
    json!({
        "status": one.status,
        "statusText": one.status_text,
        "code": one.response_status_code,
        "trigger": one.trigger_type,
        "response": one.response,
        "path": path_of(&one.url),
    })
}

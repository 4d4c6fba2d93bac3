//! What is refused, repeated, listed in pages and ended.

use serde_json::json;
use svix::api::*;
use svix::models::*;

use crate::support::*;

pub async fn refuse(client: &Svix, report: &mut Report) -> svix::Result<()> {
    let sdk = s("sdk");
    let rights = AppPortalAccessIn::new();
    let access = client
        .authentication()
        .app_portal_access(sdk.clone(), rights, None)
        .await?;
    let customer = connect(access.token);
    let endpoints = customer.endpoint().list(sdk.clone(), None).await?;
    let shown = json!({
        "scheme": access.url[..4],
        "name": customer.application().get(sdk.clone()).await?.name,
        "endpoints": each(&endpoints.data, |one| json!(one.uid)),
        "list": failure(customer.application().list(None).await),
    });
    report.insert(s("authentication.appPortalAccess"), shown);

    let message = || MessageIn::new(s("invoice.paid"), payload());
    let again = MessageIn {
        event_id: Some(s("event-1")),
        ..message()
    };
    let twice = ApplicationIn {
        uid: Some(s("sdk")),
        ..ApplicationIn::new(s("Twice"))
    };
    let invalid = ApplicationIn {
        uid: Some(s("a b")),
        ..ApplicationIn::new(s(""))
    };
    let shown = json!({
        "notFound": failure(client.message().create(s("nobody"), message(), None).await),
        "conflict": failure(client.message().create(sdk.clone(), again, None).await),
        "exists": failure(client.application().create(twice, None).await),
        "invalid": failure(client.application().create(invalid, None).await),
        "unauthorized": failure(connect(s("wrong")).application().list(None).await),
    });
    report.insert(s("errors"), shown);

    let keyed = async |text: &str, key: &str| {
        let message = MessageIn::new(s("invoice.paid"), json!({"text": text}));
        let options = MessageCreateOptions {
            idempotency_key: Some(s(key)),
            ..Default::default()
        };
        client
            .message()
            .create(s("sdk"), message, Some(options))
            .await
    };
    let first = keyed("a", "key-1").await?;
    let differs = failure(keyed("b", "key-1").await);
    let shown = json!({
        "sameKey": keyed("a", "key-1").await?.id == first.id,
        "otherKey": keyed("a", "key-2").await?.id == first.id,
        "otherBody": [differs["status"], differs["detail"][0]["loc"]],
    });
    report.insert(s("idempotency"), shown);
    Ok(())
}

pub async fn paginate(client: &Svix, report: &mut Report) -> svix::Result<()> {
    let app = ApplicationIn {
        uid: Some(s("pages")),
        ..ApplicationIn::new(s("Pages"))
    };
    client.application().create(app, None).await?;
    for i in 0..300 {
        let message = MessageIn {
            event_id: Some(format!("page-{i}")),
            ..MessageIn::new(s("page"), json!({"i": i}))
        };
        client.message().create(s("pages"), message, None).await?;
    }
    let page_at = async |iterator: Option<String>| {
        let options = MessageListOptions {
            limit: Some(70),
            iterator,
            with_content: Some(false),
            ..Default::default()
        };
        client.message().list(s("pages"), Some(options)).await
    };
    let mut seen = vec![];
    let mut pages = 1;
    let mut page = page_at(None).await?;
    loop {
        seen.extend(page.data.into_iter().filter_map(|one| one.event_id));
        if page.done {
            break;
        }
        page = page_at(page.iterator).await?;
        pages += 1;
    }
    let wanted: Vec<String> = (0..300).rev().map(|i| format!("page-{i}")).collect();
    let back = page_at(page.prev_iterator).await?.data;
    let shown = json!({
        "pages": pages,
        "seen": seen.len(),
        "newestFirst": seen == wanted,
        "back": [back.len(), back[0].event_id, back[back.len() - 1].event_id],
    });
    report.insert(s("pagination"), shown);
    Ok(())
}

pub async fn end(client: &Svix, report: &mut Report) -> svix::Result<()> {
    let (sdk, main) = (s("sdk"), s("main"));
    let content = || {
        Some(MessageGetOptions {
            with_content: Some(true),
        })
    };
    let sent = client
        .message()
        .get(sdk.clone(), s("event-1"), content())
        .await?;
    client
        .message()
        .expunge_content(sdk.clone(), sent.id.clone())
        .await?;
    let expunged = client
        .message()
        .get(sdk.clone(), sent.id, content())
        .await?;
    report.insert(s("message.expungeContent"), expunged.payload);
    client.endpoint().delete(sdk.clone(), main.clone()).await?;
    let gone = client.endpoint().get(sdk, main).await;
    report.insert(s("endpoint.delete"), failure(gone));
    Ok(())
}

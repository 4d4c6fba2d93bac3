//! Applications, event types, endpoints.

use serde_json::json;
use svix::api::*;
use svix::models::*;

use crate::support::*;

pub async fn applications(client: &Svix, report: &mut Report) -> svix::Result<()> {
    let named = |name: &str, uid: &str| ApplicationIn {
        uid: Some(s(uid)),
        ..ApplicationIn::new(s(name))
    };
    let with_metadata = ApplicationIn {
        metadata: Some(map([("plan", "gold")])),
        ..named("Customer", "sdk")
    };
    let app = client.application().create(with_metadata, None).await?;
    let mut shown = show_app(&app);
    shown["id"] = json!(app.id[..4]);
    report.insert(s("application.create"), shown);
    let same = client
        .application()
        .get_or_create(named("Other", "sdk"), None)
        .await?;
    report.insert(
        s("application.getOrCreate"),
        json!({"name": same.name, "same": same.id == app.id}),
    );
    let patch = ApplicationPatch {
        name: Some(s("Patched")),
        ..Default::default()
    };
    client.application().patch(s("sdk"), patch).await?;
    let patched = client.application().get(s("sdk")).await?;
    report.insert(s("application.patch"), show_app(&patched));
    let updated = client
        .application()
        .upsert(s("sdk"), named("Updated", "sdk"))
        .await?;
    report.insert(s("application.upsert"), show_app(&updated));
    client
        .application()
        .create(named("Second", "second"), None)
        .await?;
    let mut pages = vec![];
    let mut iterator = None;
    for _ in 0..2 {
        let options = ApplicationListOptions {
            limit: Some(1),
            iterator,
            ..Default::default()
        };
        let page = client.application().list(Some(options)).await?;
        pages.push(json!([page.data[0].uid, page.done]));
        iterator = page.iterator;
    }
    report.insert(s("application.list"), json!(pages));
    client.application().delete(s("second")).await?;
    let gone = client.application().get(s("second")).await;
    report.insert(s("application.delete"), failure(gone));
    Ok(())
}

pub async fn event_types(client: &Svix, report: &mut Report) -> svix::Result<()> {
    let named = |name: &str, description: &str| EventTypeIn::new(s(name), s(description));
    let names = |page: ListResponseEventTypeOut| each(&page.data, |one| json!(one.name));
    let paid = client
        .event_type()
        .create(named("invoice.paid", "An invoice was paid"), None)
        .await?;
    let shown = json!({
        "name": paid.name,
        "description": paid.description,
        "archived": paid.archived,
        "deprecated": paid.deprecated,
    });
    report.insert(s("eventType.create"), shown);
    client
        .event_type()
        .create(named("invoice.void", "Void"), None)
        .await?;
    let upsert = EventTypeUpsertIn::new(s("Voided"));
    let voided = client
        .event_type()
        .upsert(s("invoice.void"), upsert)
        .await?;
    report.insert(s("eventType.upsert"), json!(voided.description));
    let patch = EventTypePatch {
        deprecated: Some(true),
        ..Default::default()
    };
    let patched = client.event_type().patch(s("invoice.void"), patch).await?;
    let shown = json!({"description": patched.description, "deprecated": patched.deprecated});
    report.insert(s("eventType.patch"), shown);
    report.insert(
        s("eventType.list"),
        names(client.event_type().list(None).await?),
    );
    client.event_type().delete(s("invoice.void"), None).await?;
    let listed = names(client.event_type().list(None).await?);
    let archived = client.event_type().get(s("invoice.void")).await?.archived;
    report.insert(
        s("eventType.delete"),
        json!({"listed": listed, "archived": archived}),
    );
    let twice = client
        .event_type()
        .create(named("invoice.paid", "Again"), None)
        .await;
    report.insert(s("eventType.conflict"), failure(twice));
    Ok(())
}

pub async fn endpoints(client: &Svix, report: &mut Report) -> svix::Result<(EndpointOut, String)> {
    let (sdk, main) = (s("sdk"), s("main"));
    let api = client.endpoint();
    let created = EndpointIn {
        uid: Some(s("main")),
        description: Some(s("Main")),
        event_types: set("invoice.paid"),
        channels: set("eu"),
        metadata: Some(map([("team", "a")])),
        headers: Some(map([("x-tenant", "acme")])),
        ..EndpointIn::new(take())
    };
    let created = api.create(sdk.clone(), created, None).await?;
    report.insert(s("endpoint.create"), show_endpoint(&created));
    let headers = api.get_headers(sdk.clone(), main.clone()).await?;
    report.insert(s("endpoint.getHeaders"), json!(headers));
    let headers = EndpointHeadersIn::new(map([("x-region", "eu"), ("authorization", "secret")]));
    api.set_headers(sdk.clone(), main.clone(), headers).await?;
    let headers = api.get_headers(sdk.clone(), main.clone()).await?;
    report.insert(s("endpoint.setHeaders"), json!(headers));
    let headers = EndpointHeadersPatchIn {
        delete_headers: Some(vec![s("authorization")]),
        ..EndpointHeadersPatchIn::new(map([("x-tenant", "acme")]))
    };
    api.patch_headers(sdk.clone(), main.clone(), headers)
        .await?;
    let headers = api.get_headers(sdk.clone(), main.clone()).await?;
    report.insert(s("endpoint.patchHeaders"), json!(headers));
    let patch = EndpointPatch {
        description: Some(s("Patched")),
        ..Default::default()
    };
    api.patch(sdk.clone(), main.clone(), patch).await?;
    let patched = api.get(sdk.clone(), main.clone()).await?;
    report.insert(s("endpoint.patch"), show_endpoint(&patched));
    let upsert = EndpointUpsertIn {
        uid: Some(s("main")),
        description: Some(s("Updated")),
        event_types: set("invoice.paid"),
        channels: set("eu"),
        ..EndpointUpsertIn::new(take())
    };
    let upserted = api.upsert(sdk.clone(), main.clone(), upsert).await?;
    report.insert(s("endpoint.upsert"), show_endpoint(&upserted));
    let before = api.get_secret(sdk.clone(), main.clone()).await?.key;
    let secret = api
        .rotate_secret(sdk, main, EndpointSecretRotateIn::new(), None)
        .await?
        .key;
    let shown = json!({"prefix": secret[..6], "changed": secret != before});
    report.insert(s("endpoint.rotateSecret"), shown);
    Ok((created, secret))
}

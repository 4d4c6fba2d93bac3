//! Messages, their attempts, and what failed and is recovered.

use serde_json::{json, Value};
use svix::api::*;
use svix::models::*;
use svix::Error;

use crate::support::*;

async fn attempts_of(
    client: &Svix,
    id: &str,
    options: MessageAttemptListByMsgOptions,
) -> svix::Result<Vec<MessageAttemptOut>> {
    Ok(client
        .message_attempt()
        .list_by_msg(s("sdk"), s(id), Some(options))
        .await?
        .data)
}

async fn until_attempts(client: &Svix, id: &str, count: usize) -> Vec<MessageAttemptOut> {
    let ask = || async {
        let options = MessageAttemptListByMsgOptions {
            with_content: Some(true),
            ..Default::default()
        };
        attempts_of(client, id, options).await.expect("attempts")
    };
    until(ask, |all| all.len() == count).await
}

pub async fn deliver(
    client: &Svix,
    report: &mut Report,
    endpoint: &EndpointOut,
    secret: &str,
) -> svix::Result<()> {
    let (sdk, main) = (s("sdk"), s("main"));
    let posted = MessageIn {
        event_id: Some(s("event-1")),
        channels: set("eu"),
        ..MessageIn::new(s("invoice.paid"), payload())
    };
    let sent = client.message().create(sdk.clone(), posted, None).await?;
    let shown = json!({
        "eventType": sent.event_type,
        "eventId": sent.event_id,
        "channels": sent.channels,
        "id": sent.id[..4],
    });
    report.insert(s("message.create"), shown);
    report.insert(s("delivery"), delivered(&sent.id, secret).await);
    let content = |with| {
        Some(MessageGetOptions {
            with_content: Some(with),
        })
    };
    let with = client
        .message()
        .get(sdk.clone(), sent.id.clone(), content(true))
        .await?;
    let without = client
        .message()
        .get(sdk.clone(), s("event-1"), content(false))
        .await?;
    let shown = json!([with.payload, without.payload, without.id == sent.id]);
    report.insert(s("message.get"), shown);
    let found = async |options: MessageListOptions| -> svix::Result<Vec<MessageOut>> {
        Ok(client.message().list(s("sdk"), Some(options)).await?.data)
    };
    let payloads = async |with_content: bool| {
        let options = MessageListOptions {
            with_content: Some(with_content),
            ..Default::default()
        };
        Ok::<Value, Error>(each(&found(options).await?, |one| one.payload.clone()))
    };
    let by_channel = async |channel: &str| {
        let options = MessageListOptions {
            channel: Some(s(channel)),
            ..Default::default()
        };
        Ok::<usize, Error>(found(options).await?.len())
    };
    let by_type = async |event_type: &str| {
        let options = MessageListOptions {
            event_types: set(event_type),
            ..Default::default()
        };
        Ok::<usize, Error>(found(options).await?.len())
    };
    let an_hour_ago = Some(chrono::Utc::now() - chrono::TimeDelta::hours(1));
    let after = MessageListOptions {
        after: an_hour_ago,
        ..Default::default()
    };
    let before = MessageListOptions {
        before: an_hour_ago,
        ..Default::default()
    };
    let shown = json!({
        "withContent": payloads(true).await?,
        "withoutContent": payloads(false).await?,
        "channel": [by_channel("eu").await?, by_channel("us").await?],
        "eventTypes": [by_type("invoice.paid").await?, by_type("other").await?],
        "time": [found(after).await?.len(), found(before).await?.len()],
    });
    report.insert(s("message.list"), shown);

    let api = client.message_attempt();
    let attempts = until_attempts(client, &sent.id, 1).await;
    report.insert(s("messageAttempt.listByMsg"), each(&attempts, show_attempt));
    let options = MessageAttemptListByMsgOptions {
        with_content: Some(false),
        ..Default::default()
    };
    let without = attempts_of(client, &sent.id, options).await?;
    let shown = each(&without, |one| json!(one.response));
    report.insert(s("messageAttempt.withoutContent"), shown);
    let options = MessageAttemptListByEndpointOptions {
        with_content: Some(true),
        ..Default::default()
    };
    let by_endpoint = api
        .list_by_endpoint(sdk.clone(), main.clone(), Some(options))
        .await?;
    let shown = each(&by_endpoint.data, |one| {
        json!([
            one.id == attempts[0].id,
            one.msg_id == sent.id,
            one.endpoint_id == endpoint.id
        ])
    });
    report.insert(s("messageAttempt.listByEndpoint"), shown);
    let one = api
        .get(sdk.clone(), sent.id.clone(), attempts[0].id.clone(), None)
        .await?;
    report.insert(s("messageAttempt.get"), show_attempt(&one));
    let destinations = api
        .list_attempted_destinations(sdk.clone(), sent.id.clone(), None)
        .await?;
    let shown = each(
        &destinations.data,
        |one| json!({"uid": one.uid, "status": one.status, "statusText": one.status_text}),
    );
    report.insert(s("messageAttempt.listAttemptedDestinations"), shown);
    let messages = api
        .list_attempted_messages(sdk.clone(), main.clone(), None)
        .await?;
    let shown = each(
        &messages.data,
        |one| json!({"eventId": one.event_id, "status": one.status, "statusText": one.status_text}),
    );
    report.insert(s("messageAttempt.listAttemptedMessages"), shown);
    api.resend(sdk.clone(), sent.id.clone(), main.clone(), None)
        .await?;
    let resent = until_attempts(client, &sent.id, 2).await;
    let shown = each(&resent, |one| json!([one.status, one.trigger_type]));
    report.insert(s("messageAttempt.resend"), shown);
    let stats = client.endpoint().get_stats(sdk.clone(), main, None).await?;
    let rest = [stats.fail, stats.pending, stats.sending, stats.canceled];
    let shown = json!({"hasSuccess": stats.success > 0, "rest": rest});
    report.insert(s("endpoint.getStats"), shown);

    // A body that no parser prints again like this.
    let mut raw = MessageIn::new_raw_payload(s("invoice.paid"), s(r#"{ "ü": 1.0 }"#))
        .with_content_type(s("application/vnd.api+json"));
    raw.channels = set("eu");
    let raw = client.message().create(sdk, raw, None).await?;
    report.insert(s("messageInRaw"), delivered(&raw.id, secret).await);
    Ok(())
}

pub async fn recover(client: &Svix, report: &mut Report) -> svix::Result<()> {
    let (sdk, broken) = (s("sdk"), s("broken"));
    let endpoint = EndpointIn {
        uid: Some(s("broken")),
        channels: set("us"),
        ..EndpointIn::new(var("RECEIVER_URL") + "/refuse")
    };
    client
        .endpoint()
        .create(sdk.clone(), endpoint, None)
        .await?;
    let message = MessageIn {
        channels: set("us"),
        ..MessageIn::new(s("invoice.paid"), payload())
    };
    let lost = client.message().create(sdk.clone(), message, None).await?;
    let failed = until_attempts(client, &lost.id, 1).await;
    let with_status = async |status| {
        let options = MessageAttemptListByMsgOptions {
            status: Some(status),
            ..Default::default()
        };
        Ok::<usize, Error>(attempts_of(client, &lost.id, options).await?.len())
    };
    let shown = json!({
        "attempts": each(&failed, show_attempt),
        "byStatus": [
            with_status(MessageStatus::Fail).await?,
            with_status(MessageStatus::Success).await?,
        ],
    });
    report.insert(s("failure"), shown);
    let patch = EndpointPatch {
        url: Some(take()),
        ..Default::default()
    };
    client
        .endpoint()
        .patch(sdk.clone(), broken.clone(), patch)
        .await?;
    let since = RecoverIn::new(lost.timestamp - chrono::TimeDelta::seconds(1));
    let task = client
        .endpoint()
        .recover(sdk.clone(), broken.clone(), since, None)
        .await?;
    report.insert(
        s("endpoint.recover"),
        json!({"task": task.task, "id": task.id[..6]}),
    );
    let secret = client.endpoint().get_secret(sdk, broken).await?.key;
    report.insert(s("recovered"), delivered(&lost.id, &secret).await);
    let ask = || async {
        client
            .background_task()
            .get(task.id.clone())
            .await
            .expect("a task")
    };
    let done = until(ask, |one| one.status == BackgroundTaskStatus::Finished).await;
    let shown = json!({"task": done.task, "status": done.status, "same": done.id == task.id});
    report.insert(s("backgroundTask.get"), shown);
    let shown = each(
        &until_attempts(client, &lost.id, 2).await,
        |one| json!({"status": one.status, "statusText": one.status_text}),
    );
    report.insert(s("recovered.attempts"), shown);
    Ok(())
}

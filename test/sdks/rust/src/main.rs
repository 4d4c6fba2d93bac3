//! The contract of ../contract.ts through the official Rust SDK.

mod configure;
mod deliver;
mod refuse;
mod support;

use serde_json::Value;
use support::{connect, var, Report};
use svix::api::Svix;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let client = connect(var("POSTHORN_TOKEN"));
    let mut report = Report::new();
    walk(&client, &mut report)
        .await
        .expect("an answer that is no error");
    println!("{}", Value::Object(report));
}

async fn walk(client: &Svix, report: &mut Report) -> svix::Result<()> {
    configure::applications(client, report).await?;
    configure::event_types(client, report).await?;
    let (main, secret) = configure::endpoints(client, report).await?;
    deliver::deliver(client, report, &main, &secret).await?;
    deliver::recover(client, report).await?;
    refuse::refuse(client, report).await?;
    refuse::paginate(client, report).await?;
    refuse::end(client, report).await
}

//! What GitHub has sent to a webhook, and what of that never arrived: it tries once, and again only when asked to.

use std::collections::HashSet;

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;

use crate::forge::{
    FailedDelivery, ForgeError,
    http::{Sender, read},
};

/// The deliveries below this path since then of which no attempt arrived, oldest first.
pub(super) async fn failed(
    session: &dyn Sender,
    path: &str,
    since: Timestamp,
) -> Result<Vec<FailedDelivery>, ForgeError> {
    #[derive(Deserialize)]
    struct Listed {
        id: u64,
        guid: String,
        delivered_at: Timestamp,
        status_code: u16,
        event: String,
    }
    let mut failed: Vec<FailedDelivery> = Vec::new();
    let mut seen = HashSet::new();
    session
        .pages(&format!("{path}?per_page=100"), |answer| {
            let page: Vec<Listed> = read("deliveries", answer)?;
            let mut is_recent = !page.is_empty();
            // Newest first, so that the first of a name is how it ended.
            for listed in page {
                is_recent = listed.delivered_at >= since;
                if is_recent && seen.insert(listed.guid.clone()) {
                    let arrived = (200..300).contains(&listed.status_code);
                    if !arrived {
                        failed.push(FailedDelivery {
                            id: listed.id,
                            guid: listed.guid,
                            event: listed.event,
                        });
                    }
                }
            }
            Ok(is_recent)
        })
        .await?;
    failed.reverse();
    Ok(failed)
}

/// Has one of them made once more.
pub(super) async fn redeliver(session: &dyn Sender, path: &str, id: u64) -> Result<(), ForgeError> {
    let path = format!("{path}/{id}/attempts");
    session.request(Method::POST, &path, None).await.map(drop)
}

//! What goes on and what waits.

use axum::{extract::State, response::Response};

use super::answer::{Trouble, page};
use crate::{
    db::server::Sight,
    server::{access::Viewer, app::App},
    web::{
        Page, now,
        queue::{Load, QueuePage},
    },
};

/// What goes on and what waits.
pub(super) async fn show(State(app): State<App>, viewer: Viewer) -> Response {
    page(&app, make(&app, viewer.sight).await)
}

async fn make(app: &App, sight: Sight) -> Result<QueuePage, Trouble> {
    let head = Page::new(&app.site(), "Queue");
    let head = head.live("events", &app.db.mark_of_runs(sight).await?);
    let open = app.db.open_runs().await?;
    Ok(QueuePage::new(head, sight, &open, load(app), now()))
}

fn load(app: &App) -> Load {
    let engine = &app.engine;
    let (slots_taken, steps_waiting) = engine.slots.load();
    let (here, elsewhere) = engine.slots.count();
    let evaluations = engine.means().evaluations;
    Load {
        slots: (slots_taken, here + elsewhere),
        steps_waiting,
        evaluations: (
            evaluations.saturating_sub(engine.evaluations.available_permits()),
            evaluations,
        ),
        is_draining: app.draining.is_cancelled(),
    }
}

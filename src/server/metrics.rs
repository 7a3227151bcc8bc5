//! Figures for Prometheus.
//!
//! What happens is counted as it does; how much there is of everything is asked when somebody looks. Nothing here has a
//! repository in it: whoever may read the figures may not learn names by them.

use std::{fs, time::Duration};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use rustix::time::{ClockId, clock_gettime};
use tracing::warn;

use super::app::{App, Server};
use crate::db::server::ServerCounts;

/// What became of a webhook or of telling a status.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfForge {
    forge: String,
    result: &'static str,
}

/// What became of a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfToken {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfState {
    state: String,
    outcome: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Forge {
    forge: String,
}

/// What is counted as it happens.
pub(super) struct Metrics {
    webhooks: Family<OfForge, Counter>,
    statuses: Family<OfForge, Counter>,
    wrong_tokens: Family<OfToken, Counter>,
    evaluations: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            webhooks: Family::default(),
            statuses: Family::default(),
            wrong_tokens: Family::default(),
            // From 50 ms to 14 min.
            evaluations: Histogram::new(exponential_buckets(0.05, 2.0, 15)),
        }
    }
}

impl Metrics {
    /// Counts a webhook of a configured forge: `taken`, `repeated`, `refused` or `failed`.
    pub(super) fn webhook(&self, forge: &str, result: &'static str) {
        let forge = forge.to_owned();
        self.webhooks
            .get_or_create(&OfForge { forge, result })
            .inc();
    }

    /// Counts a status: `sent`, `put_off` or `refused`.
    pub(super) fn status(&self, forge: &str, result: &'static str) {
        let forge = forge.to_owned();
        self.statuses
            .get_or_create(&OfForge { forge, result })
            .inc();
    }

    /// Counts a token that opens nothing: `wrong`, or `unheard` where its client had shown too many.
    pub(super) fn wrong_token(&self, result: &'static str) {
        self.wrong_tokens.get_or_create(&OfToken { result }).inc();
    }

    /// Notes how long an evaluation took.
    pub(super) fn evaluated(&self, took: Duration) {
        self.evaluations.observe(took.as_secs_f64());
    }
}

/// All figures, as text (`OpenMetrics` 1.0).
pub(super) async fn show(State(app): State<App>) -> Response {
    let counts = match app.db.counts().await {
        Ok(counts) => counts,
        Err(error) => {
            warn!(%error, "there are no figures");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    let mut text = String::new();
    if let Err(error) = encode(&mut text, &registry(&app, &counts)) {
        warn!(%error, "there are no figures");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, media_type)], text).into_response()
}

/// Everything that there is to tell.
fn registry(app: &Server, counts: &ServerCounts) -> Registry {
    let mut registry = Registry::default();
    process(&mut registry);
    let nixci = registry.sub_registry_with_prefix("nixci");
    let runs = Family::<OfState, Gauge>::default();
    for (state, outcome, n) in &counts.runs {
        let (state, outcome) = (state.clone(), outcome.clone());
        runs.get_or_create(&OfState { state, outcome }).set(*n);
    }
    nixci.register("runs", "Runs that are kept, by state and outcome", runs);
    let waiting = Family::<Forge, Gauge>::default();
    for (forge, n) in &counts.statuses_waiting {
        let forge = forge.clone();
        waiting.get_or_create(&Forge { forge }).set(*n);
    }
    nixci.register(
        "statuses_waiting",
        "Statuses that forges do not know yet",
        waiting,
    );
    let Metrics {
        webhooks,
        statuses,
        wrong_tokens,
        evaluations,
    } = &app.metrics;
    nixci.register(
        "webhooks",
        "Webhooks, by what became of them",
        webhooks.clone(),
    );
    nixci.register(
        "statuses",
        "Statuses that forges were told",
        statuses.clone(),
    );
    nixci.register(
        "wrong_tokens",
        "Tokens that open nothing: compared, or not even looked at",
        wrong_tokens.clone(),
    );
    nixci.register_with_unit(
        "evaluation",
        "Evaluations",
        Unit::Seconds,
        evaluations.clone(),
    );
    nixci.register_with_unit(
        "database_write",
        "Changes of the database, until they are on disk",
        Unit::Seconds,
        app.db.write_times(),
    );
    let engine = &app.engine;
    let (slots_taken, steps_waiting) = engine.slots.load();
    let evaluations_free = engine.evaluations.available_permits();
    for (name, help, n) in [
        (
            "slots",
            "Builds that may go on at once",
            engine.slots.count().0 + engine.slots.count().1,
        ),
        ("slots_taken", "Builds that go on", slots_taken),
        (
            "steps_waiting",
            "Builds that wait for a slot",
            steps_waiting,
        ),
        (
            "evaluations_at_once",
            "Evaluations that may go on at once",
            engine.means().evaluations,
        ),
        (
            "evaluations_going_on",
            "Evaluations that go on",
            engine.means().evaluations.saturating_sub(evaluations_free),
        ),
        (
            "live_pages",
            "Pages that listen for changes",
            app.live_pages(),
        ),
    ] {
        gauge(nixci, name, help, i64::try_from(n).unwrap_or(i64::MAX));
    }
    gauge(
        nixci,
        "deliveries_waiting",
        "Webhooks that are not handled yet",
        counts.deliveries_waiting,
    );
    gauge(
        nixci,
        "repositories",
        "Repositories that are built",
        counts.repositories,
    );
    registry
}

/// What the process uses, under the names that every Prometheus client has.
fn process(registry: &mut Registry) {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = Duration::try_from(cpu).unwrap_or_default().as_secs_f64();
    let cpu = Counter::<f64, std::sync::atomic::AtomicU64>::default();
    cpu.inc_by(seconds);
    registry.register("process_cpu_seconds", "Processor time used", cpu);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<i64>().ok());
    if let Some(kib) = kib {
        gauge(
            registry,
            "process_resident_memory_bytes",
            "Memory in use",
            kib * 1024,
        );
    }
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: i64) {
    let gauge = Gauge::<i64>::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

//! A forge that remembers: repositories, rights, pull requests, statuses, check runs, webhooks, tokens that end.
//!
//! Over real HTTP, in GitHub's, Gitea's and GitLab's form at once: GitHub's at the root, the others below `/api/v1` and
//! `/api/v4`. Each request, and each answer that the forge itself gives, is held against [`openapi`]; what does not fit it,
//! fails the test at the end. What may go wrong on the way is in [`fault`].

mod api;
pub(crate) mod fault;
pub(crate) mod openapi;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Instant,
};

use axum::{
    Router,
    body::Bytes,
    extract::Request,
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use self::{
    fault::{Course, Done, Fault, Shut},
    openapi::Call,
};

/// What a forge knows.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) repositories: Vec<Repository>,
    /// Names that repositories once had, and their number.
    pub(crate) renamed: HashMap<String, u64>,
    /// Tokens of the App: until they are taken away.
    pub(crate) tokens: HashMap<String, Grant>,
    /// Deliveries of the App's webhook, newest first.
    pub(crate) deliveries: Vec<Value>,
    pub(crate) redelivered: Vec<u64>,
    /// What time it is there, if not what it is here.
    pub(crate) date: Option<String>,
    /// The scopes of the token; `None`: they are not told.
    pub(crate) scopes: Option<String>,
    /// The App: its rights and events.
    pub(crate) app: Value,
    /// The webhook of the App.
    pub(crate) app_hook: Value,
    /// Codes of Apps that were made by a manifest, each good for one.
    pub(crate) codes: HashMap<String, Value>,
    /// Paths below which nothing works, and the status that says so.
    pub(crate) broken: Vec<(String, u16)>,
    /// Answers to give before anything else.
    pub(crate) answers: VecDeque<Reply>,
    /// What goes wrong, each with the next request that it is about.
    pub(crate) faults: VecDeque<Fault>,
    /// Limits that were crossed, and what was asked in spite of them.
    pub(crate) shut: Vec<Shut>,
    /// How many states may be written in a minute; the rest is refused.
    pub(crate) writes_per_minute: Option<usize>,
    /// When states were written, and when some were refused for that.
    pub(crate) written: Vec<Instant>,
    pub(crate) too_many: Vec<Instant>,
    /// Installations of the App that are suspended.
    pub(crate) suspended: Vec<u64>,
    /// What was asked: `GET /path?query`.
    pub(crate) requests: Vec<String>,
    /// The credentials that came with each request.
    pub(crate) credentials: Vec<String>,
    /// What no forge takes, or says.
    pub(crate) violations: Vec<String>,
    /// How many entries a page has at most.
    pub(crate) page: usize,
}

/// What a token of the App opens.
#[derive(Clone)]
pub(crate) struct Grant {
    pub(crate) installation: u64,
    pub(crate) repositories: Option<Vec<u64>>,
    pub(crate) permissions: Value,
}

/// A repository.
#[derive(Clone, Default)]
pub(crate) struct Repository {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) installation: u64,
    /// `None`: `main`.
    pub(crate) default_branch: Option<String>,
    pub(crate) topics: Vec<String>,
    pub(crate) is_private: bool,
    pub(crate) is_archived: bool,
    /// What the token may do with it, as the forge shows that; `Null`: it does not.
    pub(crate) permissions: Value,
    /// What the token's user may by a group above the project's own, on GitLab, of which a list says nothing.
    pub(crate) inherited: u64,
    /// The rights of users by name: their number, and what GitHub calls it.
    pub(crate) rights: BTreeMap<String, (u64, &'static str)>,
    pub(crate) pulls: BTreeMap<u64, Value>,
    /// Comments below pull requests: by their numbers the pull request's, who wrote it, and what.
    pub(crate) comments: BTreeMap<u64, (u64, (u64, String), String)>,
    /// Newest state by commit and context.
    pub(crate) statuses: BTreeMap<(String, String), Value>,
    /// Every status that it took, in the order in which they came, with its commit.
    pub(crate) told: Vec<(String, Value)>,
    pub(crate) check_runs: Vec<Value>,
    pub(crate) hooks: Vec<Value>,
    /// Deliveries of its webhook, newest first.
    pub(crate) deliveries: Vec<Value>,
}

impl World {
    fn broken(&self, asked: &Asked) -> Option<u16> {
        let mut broken = self.broken.iter();
        let found = broken.find(|(path, _)| asked.path.contains(path.as_str()));
        found.map(|(_, status)| *status)
    }
}

/// A forge that listens.
pub(crate) struct FakeForge {
    pub(crate) url: String,
    world: Arc<Mutex<World>>,
}

impl FakeForge {
    /// Starts one with these repositories. Has to be called in a runtime, and ends with it.
    pub(crate) async fn start(repositories: Vec<Repository>) -> Self {
        let world = Arc::new(Mutex::new(World {
            repositories,
            page: 2,
            ..World::default()
        }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::clone(&world);
        let own = url.clone();
        let router = Router::new().fallback(move |request: Request| {
            let (state, own) = (Arc::clone(&state), own.clone());
            async move { answer(&state, &own, request).await }
        });
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, world }
    }

    /// What it knows now.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// The requests since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.world().requests)
    }
}

impl Drop for FakeForge {
    fn drop(&mut self) {
        if let Ok(world) = self.world.lock()
            && !std::thread::panicking()
        {
            assert_eq!(
                world.violations,
                Vec::<String>::new(),
                "no forge takes such a request, or gives such an answer"
            );
        }
    }
}

/// A request, taken apart.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) body: Value,
    pub(crate) credential: String,
    pub(crate) url: String,
}

impl Asked {
    fn call(&self) -> Call<'_> {
        Call {
            method: self.method.as_str(),
            path: &self.path,
            query: &self.query,
            body: &self.body,
        }
    }
}

/// An answer: status, headers, body.
pub(crate) type Reply = (u16, Vec<(&'static str, String)>, Value);

async fn answer(world: &Mutex<World>, url: &str, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 1 << 22).await.unwrap();
    let header = |name: &str| parts.headers.get(name)?.to_str().ok().map(str::to_owned);
    let query = parts.uri.query().unwrap_or_default();
    let asked = Asked {
        method: parts.method.clone(),
        // Where GitHub Enterprise has it.
        path: parts.uri.path().trim_start_matches("/api/v3").to_owned(),
        query: url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        credential: header("authorization")
            .or_else(|| header("private-token"))
            .unwrap_or_default(),
        url: url.to_owned(),
    };
    let (course, (status, headers, body), date, scopes) = {
        let mut world = world.lock().unwrap();
        let (date, scopes) = (world.date.clone(), world.scopes.clone());
        world
            .requests
            .push(format!("{} {}", asked.method, parts.uri));
        world.credentials.push(asked.credential.clone());
        // Whatever becomes of it.
        if let Err(violation) = openapi::check(&asked.call()) {
            world.violations.push(violation);
        }
        let course = match world.answers.pop_front() {
            Some(reply) => Course::Reply(reply),
            None => match world.broken(&asked) {
                Some(status) => Course::Reply(plain(status, json!({ "message": "out of order" }))),
                None => fault::course(&mut world, &asked),
            },
        };
        let (course, reply) = match course {
            Course::Reply(reply) => (Course::Well, reply),
            Course::Silence(Done::No) | Course::Cut(Done::No) => (course, plain(200, json!({}))),
            Course::Well | Course::Silence(Done::Yes) | Course::Cut(Done::Yes) => {
                let (status, headers, body) = api::answer(&mut world, &asked);
                if let Err(violation) = openapi::check_answer(&asked.call(), status, &body) {
                    world.violations.push(violation);
                }
                (course, (status, headers, body))
            }
        };
        (course, reply, date, scopes)
    };
    match course {
        Course::Silence(_) => std::future::pending().await,
        Course::Cut(_) => return fault::cut(status, &body.to_string()),
        Course::Well | Course::Reply(_) => {}
    }
    let etag = format!("\"{:x}\"", body.to_string().len());
    let mut map = HeaderMap::new();
    map.insert(
        "content-type",
        "application/json; charset=utf-8".parse().unwrap(),
    );
    for (name, value) in [("date", date), ("x-oauth-scopes", scopes)] {
        if let Some(value) = value {
            map.insert(name, value.parse().unwrap());
        }
    }
    for (name, value) in headers {
        map.insert(name, value.parse().unwrap());
    }
    if asked.method == Method::GET && status == 200 {
        map.insert("etag", etag.parse().unwrap());
        if header("if-none-match") == Some(etag) {
            return (StatusCode::NOT_MODIFIED, map).into_response();
        }
    }
    (StatusCode::from_u16(status).unwrap(), map, body.to_string()).into_response()
}

/// An answer with nothing but a status and a body.
fn plain(status: u16, body: Value) -> Reply {
    (status, Vec::new(), body)
}

fn missing() -> Reply {
    plain(404, json!({ "message": "Not Found" }))
}

//! How the forge answers.

use std::collections::BTreeMap;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::{Asked, Grant, Reply, Repository, World, missing, openapi::Kind, plain};

/// What belongs to the App's private key.
const PUBLIC_KEY: &[u8] = include_bytes!("../../data/github-app/public.pem");
const ENDS_AT: &str = "2099-01-01T00:00:00Z";

pub(super) fn answer(world: &mut World, asked: &Asked) -> Reply {
    match Kind::of(&asked.path) {
        (Kind::Gitlab, path) => return gitlab(world, asked, path),
        (Kind::Gitea, _) if asked.credential != "token secret" => {
            return plain(401, json!({ "message": "invalid token" }));
        }
        (Kind::Gitea, path) => return github(world, asked, path, true),
        (Kind::Github, _) => {}
    }
    if let ["app-manifests", code, "conversions"] =
        asked.path.split('/').skip(1).collect::<Vec<_>>().as_slice()
    {
        assert_eq!(asked.credential, "", "whoever has the code has the App");
        return match world.codes.remove(*code) {
            Some(app) => plain(201, app),
            None => missing(),
        };
    }
    if let Some(reply) = app(world, asked) {
        return reply;
    }
    let token = asked.credential.strip_prefix("Bearer ").unwrap_or_default();
    if token != "secret" && !world.tokens.contains_key(token) {
        return plain(401, json!({ "message": "Bad credentials" }));
    }
    github(world, asked, &asked.path.clone(), false)
}

/// A page of a list, with a link to the next.
fn page(world: &World, asked: &Asked, field: Option<&str>, all: Vec<Value>) -> Reply {
    // Of deliveries a page is called otherwise.
    let is_cursor = asked.path.ends_with("/deliveries");
    let name = if is_cursor { "cursor" } else { "page" };
    let number = asked.query.get(name);
    let number: usize = number.map_or(1, |page| page.parse().unwrap());
    let from = (number - 1) * world.page;
    let is_more = all.len() > from + world.page;
    let some: Vec<Value> = all.into_iter().skip(from).take(world.page).collect();
    let body = match field {
        Some(field) => json!({ field: some }),
        None => json!(some),
    };
    let mut headers = Vec::new();
    if is_more {
        let mut query = asked.query.clone();
        query.insert(name.to_owned(), (number + 1).to_string());
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&query)
            .finish();
        let link = format!("<{}{}?{query}>; rel=\"next\"", asked.url, asked.path);
        headers.push(("link", link));
    }
    (200, headers, body)
}

/// What an App asks as itself.
fn app(world: &mut World, asked: &Asked) -> Option<Reply> {
    let proof = asked.credential.split(' ').next_back().unwrap_or_default();
    let key = DecodingKey::from_rsa_pem(PUBLIC_KEY).unwrap();
    let is_proof =
        jsonwebtoken::decode::<Value>(proof, &key, &Validation::new(Algorithm::RS256)).is_ok();
    let segments: Vec<&str> = asked.path.split('/').skip(1).collect();
    let reply = match (asked.method.as_str(), segments.as_slice()) {
        ("GET", ["app", "installations"]) => {
            let mut ids: Vec<u64> = world
                .repositories
                .iter()
                .map(|known| known.installation)
                .collect();
            ids.sort_unstable();
            ids.dedup();
            // Nobody has let it into those without.
            ids.retain(|id| *id != 0);
            let since = |id: &u64| {
                world
                    .suspended
                    .contains(id)
                    .then_some("2026-11-20T18:00:00Z")
            };
            let all = ids
                .iter()
                .map(|id| json!({ "id": id, "suspended_at": since(id) }));
            page(world, asked, None, all.collect())
        }
        ("POST", ["app", "installations", id, "access_tokens"]) => {
            let installation: u64 = id.parse().unwrap();
            if world.suspended.contains(&installation) {
                let message = "This installation has been suspended";
                return Some(plain(403, json!({ "message": message })));
            }
            let repositories: Option<Vec<u64>> = asked
                .body
                .get("repository_ids")
                .map(|ids| serde_json::from_value(ids.clone()).unwrap());
            let owns = |id: &u64| {
                let mut known = world.repositories.iter();
                known.any(|known| known.id == *id && known.installation == installation)
            };
            if !repositories.iter().flatten().all(owns) {
                return Some(plain(
                    422,
                    json!({ "message": "not accessible to the installation" }),
                ));
            }
            let token = format!("ghs_{}", world.tokens.len() + 1);
            let grant = Grant {
                installation,
                repositories,
                permissions: asked.body["permissions"].clone(),
            };
            world.tokens.insert(token.clone(), grant);
            plain(201, json!({ "token": token, "expires_at": ENDS_AT }))
        }
        ("GET", ["repos", owner, name, "installation"]) => {
            match world.find(&format!("{owner}/{name}")) {
                Some(found) if found.installation != 0 => {
                    plain(200, json!({ "id": found.installation }))
                }
                Some(_) | None => missing(),
            }
        }
        ("GET", ["repositories", id, "installation"]) => {
            match world
                .repositories
                .iter()
                .find(|known| known.id.to_string() == *id)
            {
                Some(found) => plain(200, json!({ "id": found.installation })),
                None => missing(),
            }
        }
        ("GET", ["app"]) => plain(200, world.app.clone()),
        ("GET", ["app", "hook", "config"]) => {
            let mut hook = world.app_hook.clone();
            hook["secret"] = json!("********");
            plain(200, hook)
        }
        ("PATCH", ["app", "hook", "config"]) => {
            for (field, value) in asked.body.as_object().unwrap() {
                world.app_hook[field] = value.clone();
            }
            plain(200, json!({}))
        }
        ("GET", ["app", "hook", "deliveries"]) => {
            page(world, asked, None, world.deliveries.clone())
        }
        ("POST", ["app", "hook", "deliveries", id, "attempts"]) => {
            world.redelivered.push(id.parse().unwrap());
            plain(202, json!({}))
        }
        _ => return None,
    };
    Some(if is_proof {
        reply
    } else {
        plain(401, json!({ "message": "no proof" }))
    })
}

impl World {
    pub(crate) fn find(&mut self, name: &str) -> Option<&mut Repository> {
        self.repositories
            .iter_mut()
            .find(|known| known.name.eq_ignore_ascii_case(name))
    }

    /// Whether the token of this request opens a repository.
    fn may_see(&self, asked: &Asked, id: u64) -> bool {
        let token = asked.credential.strip_prefix("Bearer ").unwrap_or_default();
        let Some(grant) = self.tokens.get(token) else {
            return true;
        };
        let mut known = self.repositories.iter();
        known.any(|known| known.id == id && known.installation == grant.installation)
            && grant
                .repositories
                .as_ref()
                .is_none_or(|ids| ids.contains(&id))
    }
}

impl Repository {
    fn default_branch(&self) -> &str {
        self.default_branch.as_deref().unwrap_or("main")
    }

    fn shown(&self, is_gitea: bool) -> Value {
        let mut shown = json!({ "id": self.id, "full_name": self.name, "private": self.is_private, "default_branch": self.default_branch(),
            "archived": self.is_archived, "clone_url": "https://elsewhere.example/" });
        if !is_gitea {
            // Before Gitea 1.23 only a request of its own tells the topics.
            shown["topics"] = json!(self.topics);
        }
        self.show_permissions(shown)
    }

    fn show_permissions(&self, mut shown: Value) -> Value {
        if !self.permissions.is_null() {
            shown["permissions"] = self.permissions.clone();
        }
        shown
    }
}

fn github(world: &mut World, asked: &Asked, path: &str, is_gitea: bool) -> Reply {
    let path = path.trim_end_matches('/');
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let method = asked.method.as_str();
    let shown = |world: &World, take: &dyn Fn(&Repository) -> bool| -> Vec<Value> {
        let known = world.repositories.iter().filter(|known| take(known));
        known.map(|known| known.shown(is_gitea)).collect()
    };
    match (method, segments.as_slice()) {
        ("GET", ["user"]) => plain(200, json!({ "id": 1, "login": "owner" })),
        ("GET", ["user", "repos"]) => {
            let all = shown(world, &|_| true);
            page(world, asked, None, all)
        }
        ("GET", ["installation", "repositories"]) => {
            let all = shown(world, &|known| world.may_see(asked, known.id));
            page(world, asked, Some("repositories"), all)
        }
        ("GET", ["repos", "search"]) => {
            let topic = &asked.query["q"];
            let all = shown(world, &|known| {
                known.topics.iter().any(|has| has.contains(topic))
            });
            page(world, asked, Some("data"), all)
        }
        (_, ["repositories", id, rest @ ..]) => {
            let known = world
                .repositories
                .iter()
                .find(|known| known.id.to_string() == *id);
            let Some(name) = known.map(|known| known.name.clone()) else {
                return missing();
            };
            let rest = rest.join("/");
            github(world, asked, &format!("/repos/{name}/{rest}"), is_gitea)
        }
        (_, ["repos", owner, name, rest @ ..]) => {
            let name = format!("{owner}/{name}");
            if let Some(id) = world.renamed.get(&name) {
                let rest = rest.join("/");
                let location = (
                    "location",
                    format!("{}/repositories/{id}/{rest}", asked.url),
                );
                return (
                    if method == "GET" { 301 } else { 307 },
                    vec![location],
                    Value::Null,
                );
            }
            let Some(id) = world.find(&name).map(|found| found.id) else {
                return missing();
            };
            if !world.may_see(asked, id) {
                return missing();
            }
            of_repository(world, asked, &name, rest, is_gitea)
        }
        _ => missing(),
    }
}

#[allow(clippy::too_many_lines, reason = "a table of all that it answers")]
fn of_repository(
    world: &mut World,
    asked: &Asked,
    name: &str,
    rest: &[&str],
    is_gitea: bool,
) -> Reply {
    let found = world.find(name).expect("it was found before");
    let body = &asked.body;
    match (asked.method.as_str(), rest) {
        ("GET", []) => plain(200, found.shown(is_gitea)),
        ("GET", ["topics"]) => plain(200, json!({ "topics": found.topics })),
        ("GET", ["pulls"]) => {
            let mut all = newest_first(found, |pull| pull["state"] == "open");
            if !is_gitea {
                all = all.into_iter().map(|pull| of_github(pull, true)).collect();
            }
            page(world, asked, None, all)
        }
        ("GET", ["pulls", number]) => match found.pulls.get(&number.parse().unwrap()) {
            Some(pull) if is_gitea => plain(200, pull.clone()),
            Some(pull) => plain(200, of_github(pull.clone(), false)),
            None => missing(),
        },
        ("GET", ["issues", "comments", id]) => {
            let id: u64 = id.parse().unwrap();
            let Some((pull, (user, login), body)) = found.comments.get(&id) else {
                return missing();
            };
            let mut comment =
                json!({ "id": id, "user": { "id": user, "login": login }, "body": body });
            if is_gitea {
                comment["issue_url"] = json!("");
                comment["pull_request_url"] = json!(format!("{}/{name}/pulls/{pull}", asked.url));
            } else {
                comment["issue_url"] = json!(format!("{}/repos/{name}/issues/{pull}", asked.url));
            }
            plain(200, comment)
        }
        ("GET", ["collaborators", login, "permission"]) => match found.rights.get(*login) {
            Some((id, right)) => {
                let user = json!({ "id": id, "login": login });
                plain(
                    200,
                    json!({ "permission": right, "role_name": right, "user": user }),
                )
            }
            None => missing(),
        },
        ("POST", ["statuses", commit]) if commit.chars().all(|digit| digit == '0') => {
            // Of all commits the one that no repository has.
            let message = format!("No commit found for SHA: {commit}");
            plain(422, json!({ "message": message, "status": "422" }))
        }
        ("POST", ["statuses", commit]) => {
            let key = (
                (*commit).to_owned(),
                body["context"].as_str().unwrap().to_owned(),
            );
            found.told.push(((*commit).to_owned(), body.clone()));
            found.statuses.insert(key, body.clone());
            plain(201, json!({}))
        }
        ("GET", ["commits", commit, "status"]) => {
            let statuses: BTreeMap<_, _> = found.statuses.clone();
            let of_commit = statuses.into_iter().filter(|((of, _), _)| of == commit);
            let field = if is_gitea { "status" } else { "state" };
            let all = of_commit.map(|(_, status)| {
                json!({ "context": status["context"], field: status["state"], "description": status["description"] })
            });
            let all = all.collect();
            page(world, asked, Some("statuses"), all)
        }
        ("POST", ["check-runs"]) => {
            let id = found.check_runs.len() + 1;
            let mut run = body.clone();
            run["id"] = json!(id);
            found.check_runs.push(run);
            plain(201, json!({ "id": id }))
        }
        ("PATCH", ["check-runs", id]) => {
            let index = id.parse::<usize>().unwrap() - 1;
            let Some(run) = found.check_runs.get_mut(index) else {
                return missing();
            };
            let mut annotations = run["output"]["annotations"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            annotations.extend(
                body["output"]["annotations"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default(),
            );
            for (field, value) in body.as_object().unwrap() {
                run[field] = value.clone();
            }
            if !annotations.is_empty() {
                run["output"]["annotations"] = json!(annotations);
            }
            plain(200, json!({ "id": index + 1 }))
        }
        ("GET", ["commits", commit, "check-runs"]) => {
            let runs = found
                .check_runs
                .iter()
                .filter(|run| run["head_sha"] == *commit);
            let all = runs.cloned().map(|mut run| {
                // They have a list of their own.
                run["output"].as_object_mut().unwrap().remove("annotations");
                // They are not told.
                run.as_object_mut().unwrap().remove("actions");
                run
            });
            let all = all.collect();
            page(world, asked, Some("check_runs"), all)
        }
        (_, ["hooks", ..]) => hooks(world, asked, name, rest, is_gitea),
        _ => missing(),
    }
}

/// A pull request as GitHub shows it: without what only Gitea says; in a list it also says less.
fn of_github(mut pull: Value, is_listed: bool) -> Value {
    for side in ["head", "base"] {
        if let Some(side) = pull[side].as_object_mut() {
            side.remove("repo_id");
        }
    }
    if let Some(pull) = pull.as_object_mut().filter(|_| is_listed) {
        pull.remove("merged");
        pull.remove("mergeable");
    }
    pull
}

/// The pull requests that are so, by when they changed.
fn newest_first(found: &Repository, is_so: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut all: Vec<Value> = found.pulls.values().cloned().collect();
    all.retain(is_so);
    all.sort_by_key(|pull| pull["updated_at"].as_str().map(str::to_owned));
    all.reverse();
    all
}

fn next_id(hooks: &[Value]) -> u64 {
    let last = hooks.iter().filter_map(|hook| hook["id"].as_u64()).max();
    last.unwrap_or(0) + 1
}

fn hooks(world: &mut World, asked: &Asked, name: &str, rest: &[&str], is_gitea: bool) -> Reply {
    let found = world.find(name).expect("it was found before");
    let body = &asked.body;
    match (asked.method.as_str(), rest) {
        ("GET", ["hooks"]) => {
            let mut all = found.hooks.clone();
            for hook in &mut all {
                // No forge tells a secret.
                hook["config"]["secret"] = json!("********");
            }
            page(world, asked, None, all)
        }
        ("POST", ["hooks"]) => {
            let mut hook = body.clone();
            let id = next_id(&found.hooks);
            hook["id"] = json!(id);
            found.hooks.push(hook);
            plain(201, json!({ "id": id }))
        }
        (method, ["hooks", id, rest @ ..]) => {
            let known = found
                .hooks
                .iter()
                .position(|hook| hook["id"] == id.parse::<u64>().unwrap());
            let Some(index) = known else {
                return missing();
            };
            let hook = &mut found.hooks[index];
            match (method, rest) {
                ("PATCH", []) => {
                    let secret = hook["config"]["secret"].clone();
                    for (field, value) in body.as_object().unwrap() {
                        hook[field] = value.clone();
                    }
                    if is_gitea {
                        // Its own code looks at the address and the type of the body only, and takes away the filter.
                        hook["config"]["secret"] = secret;
                        hook["branch_filter"] = body["branch_filter"].clone();
                    }
                    plain(200, json!({}))
                }
                ("DELETE", []) => {
                    found.hooks.remove(index);
                    plain(204, Value::Null)
                }
                ("GET", ["deliveries"]) if !is_gitea => {
                    let all = found.deliveries.clone();
                    page(world, asked, None, all)
                }
                ("POST", ["deliveries", id, "attempts"]) if !is_gitea => {
                    world.redelivered.push(id.parse().unwrap());
                    plain(202, json!({}))
                }
                _ => missing(),
            }
        }
        _ => missing(),
    }
}

#[allow(clippy::too_many_lines, reason = "a table of all that it answers")]
fn gitlab(world: &mut World, asked: &Asked, path: &str) -> Reply {
    if asked.credential != "secret" {
        return plain(401, json!({ "message": "401 Unauthorized" }));
    }
    let shown = |known: &Repository| {
        known.show_permissions(json!({
            "id": known.id, "path_with_namespace": known.name, "default_branch": known.default_branch(),
            "topics": known.topics,
            "visibility": if known.is_private { "private" } else { "public" }, "archived": known.is_archived,
        }))
    };
    match path {
        "/user" => return plain(200, json!({ "id": 1, "username": "owner" })),
        "/personal_access_tokens/self" => {
            return match &world.scopes {
                Some(scopes) => plain(
                    200,
                    json!({ "scopes": scopes.split(", ").collect::<Vec<_>>() }),
                ),
                None => missing(),
            };
        }
        _ => {}
    }
    let segments: Vec<&str> = path.split('/').skip(2).collect();
    let [id, rest @ ..] = segments.as_slice() else {
        let least = asked.query.get("min_access_level");
        let least: u64 = least.map_or(0, |level| level.parse().unwrap());
        let may = |known: &&Repository| {
            let levels = ["project_access", "group_access"]
                .map(|by| known.permissions[by]["access_level"].as_u64());
            levels.into_iter().flatten().chain([known.inherited]).max() >= Some(least)
        };
        let all = world.repositories.iter().filter(may).map(shown).collect();
        return page(world, asked, None, all);
    };
    let name = id.replace("%2F", "/");
    let mut known = world.repositories.iter_mut();
    let Some(found) = known.find(|known| known.id.to_string() == *id || known.name == name) else {
        return missing();
    };
    let body = &asked.body;
    match (asked.method.as_str(), rest) {
        ("GET", []) => plain(200, shown(found)),
        ("GET", ["merge_requests"]) => {
            let since = asked.query["updated_after"].clone();
            let all = newest_first(found, |pull| {
                pull["state"] == "opened" && pull["updated_at"].as_str() > Some(&since)
            });
            page(world, asked, None, all)
        }
        ("GET", ["merge_requests", number]) => match found.pulls.get(&number.parse().unwrap()) {
            Some(pull) => plain(200, pull.clone()),
            None => missing(),
        },
        ("GET", ["merge_requests", number, "notes", id]) => {
            let id: u64 = id.parse().unwrap();
            match found.comments.get(&id) {
                Some((of, (user, login), body)) if of.to_string() == *number => plain(
                    200,
                    json!({
                        "id": id, "author": { "id": user, "username": login }, "body": body, "system": false,
                        "noteable_type": "MergeRequest", "noteable_iid": of,
                    }),
                ),
                Some(_) | None => missing(),
            }
        }
        ("GET", ["members", "all", id]) => {
            let mut rights = found.rights.values();
            match rights.find(|(of, _)| of.to_string() == *id) {
                Some((of, right)) => {
                    let level: u64 = right.parse().unwrap();
                    plain(
                        200,
                        json!({ "id": of, "access_level": level, "state": "active" }),
                    )
                }
                None => missing(),
            }
        }
        ("POST", ["statuses", commit]) => {
            let key = (
                (*commit).to_owned(),
                body["name"].as_str().unwrap().to_owned(),
            );
            // What has ended is not looked at any more: another begins.
            let going_on = found.statuses.get(&key).and_then(|before| {
                let state = before["state"].as_str()?;
                ["pending", "running"].contains(&state).then_some(state)
            });
            let refused = match (body["state"].as_str().unwrap(), going_on) {
                ("running", Some("running")) => Some(("run", "running")),
                ("pending", Some(from)) => Some(("enqueue", from)),
                _ => None,
            };
            if let Some((event, from)) = refused {
                let message = format!(
                    "Cannot transition status via :{event} from :{from} (Reason(s): Status cannot transition via \"{event}\")"
                );
                return plain(400, json!({ "message": message }));
            }
            found.told.push(((*commit).to_owned(), body.clone()));
            found.statuses.insert(key, body.clone());
            plain(201, json!({}))
        }
        ("GET", ["repository", "commits", commit, "statuses"]) => {
            let of_commit = found.statuses.iter().filter(|((of, _), _)| of == commit);
            let all = of_commit.map(|(_, status)| {
                json!({ "name": status["name"], "status": status["state"], "description": status["description"] })
            });
            let all = all.collect();
            page(world, asked, None, all)
        }
        ("GET", ["hooks"]) => {
            let mut all = found.hooks.clone();
            for hook in &mut all {
                // No forge tells a secret.
                hook.as_object_mut().unwrap().remove("token");
            }
            page(world, asked, None, all)
        }
        ("POST", ["hooks"]) => {
            let mut hook = body.clone();
            let id = next_id(&found.hooks);
            hook["id"] = json!(id);
            found.hooks.push(hook);
            plain(201, json!({ "id": id }))
        }
        ("GET", ["hooks", _, "events"]) => {
            let status = asked.query.get("status").map(String::as_str);
            let wanted = |sent: &Value| match (status, sent["response_status"].as_str().unwrap()) {
                (None, _) => true,
                (Some(wanted), "internal error") => wanted.contains("server_failure"),
                (Some(wanted), code) => match code.as_bytes()[0] {
                    b'2' => wanted.contains("successful"),
                    b'4' => wanted.contains("client_failure"),
                    _ => wanted.contains("server_failure"),
                },
            };
            let all = found.deliveries.iter().filter(|sent| wanted(sent));
            let all = all.cloned().collect();
            page(world, asked, None, all)
        }
        ("POST", ["hooks", _, "events", id, "resend"]) => {
            world.redelivered.push(id.parse().unwrap());
            plain(201, json!({ "response_status": 202 }))
        }
        ("PUT", ["hooks", id]) => {
            let mut hooks = found.hooks.iter_mut();
            let Some(hook) = hooks.find(|hook| hook["id"] == id.parse::<u64>().unwrap()) else {
                return missing();
            };
            for (field, value) in body.as_object().unwrap() {
                hook[field] = value.clone();
            }
            hook["alert_status"] = json!("executable");
            plain(200, json!({}))
        }
        _ => missing(),
    }
}

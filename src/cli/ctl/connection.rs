//! The way to a server.

use std::{path::Path, process::ExitCode};

use anyhow::anyhow;
use reqwest::{Client, Response, Url};
use serde_json::{Value, json};

use crate::{
    cli::{Failure, gather::print},
    config::socket_key,
};

/// A server that answers.
pub(super) struct Connection {
    http: Client,
    base: Url,
    /// Without one the server refuses, and says what it wants.
    token: Option<String>,
    /// Whether it is on this machine.
    is_socket: bool,
    /// What it is called in errors.
    name: String,
}

impl Connection {
    /// Prepares to ask the server behind this socket, or at this URL with a token.
    pub(super) fn new(
        socket: &Path,
        url: Option<&str>,
        token_file: Option<&Path>,
    ) -> Result<Self, Failure> {
        let Some(url) = url else {
            let http = Client::builder().unix_socket(socket).no_proxy().build();
            return Ok(Self {
                http: http.map_err(Failure::infrastructure)?,
                base: Url::parse("http://localhost/").expect("it is a URL"),
                // Made anew with the socket, so that where the one is missing the other is.
                token: std::fs::read_to_string(socket_key(socket)).ok(),
                is_socket: true,
                name: socket.display().to_string(),
            });
        };
        // A server may be below a folder of its host.
        let url = format!("{}/", url.trim_end_matches('/'));
        let base = Url::parse(&url).map_err(|error| Failure::usage(anyhow!("--url: {error}")))?;
        let is_local = matches!(base.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if base.scheme() != "https" && !is_local {
            return Err(Failure::usage(anyhow!(
                "--url: without https everybody on the way could read the token"
            )));
        }
        let token_file =
            token_file.ok_or_else(|| Failure::usage(anyhow!("--url needs --token-file")))?;
        let token = std::fs::read_to_string(token_file).map_err(|error| {
            Failure::usage(anyhow!("--token-file {}: {error}", token_file.display()))
        })?;
        if token.trim().is_empty() || !token.trim().bytes().all(|byte| byte.is_ascii_graphic()) {
            let file = token_file.display();
            return Err(Failure::usage(anyhow!(
                "--token-file {file}: there is no token in it, or more than one"
            )));
        }
        Ok(Self {
            http: Client::builder().build().map_err(Failure::infrastructure)?,
            name: base.to_string(),
            base,
            token: Some(token.trim().to_owned()),
            is_socket: false,
        })
    }

    /// Asks for something.
    pub(super) async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value, Failure> {
        read(self.open(path, query).await?).await
    }

    /// Orders something.
    pub(super) async fn post(&self, path: &str, order: &Value) -> Result<Value, Failure> {
        let request = self.http.post(self.url(path, &[])?).json(order);
        read(self.send(request).await?).await
    }

    /// Asks for something long.
    pub(super) async fn open(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Response, Failure> {
        self.send(self.http.get(self.url(path, query)?)).await
    }

    /// Prints the log of a check as it comes; as JSON, an object with each `line`.
    pub(super) async fn copy_log(
        &self,
        run: u64,
        check: &str,
        post_build: Option<&str>,
        follow: bool,
        json: bool,
    ) -> Result<ExitCode, Failure> {
        let mut query = vec![("check", check.to_owned()), ("follow", follow.to_string())];
        query.extend(post_build.map(|name| ("post_build", name.to_owned())));
        let mut answer = self
            .open(&format!("/api/v1/runs/{run}/log"), &query)
            .await?;
        let mut begun = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| self.lost(&error))? {
            let is_read = if json {
                begun.extend_from_slice(&piece);
                let end = begun.iter().rposition(|byte| *byte == b'\n');
                let lines: Vec<u8> = begun.drain(..end.map_or(0, |end| end + 1)).collect();
                print_lines(&lines)?
            } else {
                print(|out| out.write_all(&piece))?
            };
            if !is_read {
                return Ok(ExitCode::SUCCESS);
            }
        }
        print_lines(&begun)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Says that the server went away.
    pub(super) fn lost(&self, error: &reqwest::Error) -> Failure {
        Failure::infrastructure(anyhow!("lost the server at {}: {error}", self.name))
    }

    fn url(&self, path: &str, query: &[(&str, String)]) -> Result<Url, Failure> {
        let mut url = self
            .base
            .join(path.trim_start_matches('/'))
            .map_err(Failure::usage)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response, Failure> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let answer = request.send().await.map_err(|error| {
            let mut why: &dyn std::error::Error = &error;
            while let Some(source) = why.source() {
                why = source;
            }
            let hint = if self.is_socket {
                "; does `nixci serve` run, and may you use its socket?"
            } else {
                ""
            };
            Failure::infrastructure(anyhow!(
                "cannot reach the server at {}: {why}{hint}",
                self.name
            ))
        })?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let said = answer.json::<Value>().await.ok();
        let why = said.and_then(|said| said["error"].as_str().map(str::to_owned));
        let error = anyhow!(
            "{}",
            why.unwrap_or_else(|| format!("the server answers {status}"))
        );
        Err(if status.is_server_error() {
            Failure::infrastructure(error)
        } else {
            Failure::usage(error)
        })
    }
}

/// Prints lines of a log as JSON. Returns whether anybody reads on.
fn print_lines(lines: &[u8]) -> Result<bool, Failure> {
    let lines = lines.split_inclusive(|byte| *byte == b'\n');
    print(|out| {
        for line in lines {
            let line = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line));
            writeln!(out, "{}", json!({ "line": line }))?;
        }
        Ok(())
    })
}

async fn read(answer: Response) -> Result<Value, Failure> {
    answer.json().await.map_err(|error| {
        Failure::infrastructure(anyhow!("the server's answer makes no sense: {error}"))
    })
}

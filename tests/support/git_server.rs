//! A real git server on loopback: `git http-backend` behind HTTP, and beside it the misbehaviour that no real one shows.
//!
//! A repository `work.git` in the folder of the server is `/work.git`. The first part of a path may say instead what the
//! server does with the request: see [`GitServer::answer`].

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// A request that a server has seen.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Method and path, with the question.
    pub(crate) line: String,
    /// Its header `Authorization`.
    pub(crate) authorization: Option<String>,
}

/// A git server. Its threads end with the test's process.
#[derive(Clone)]
pub(crate) struct GitServer {
    root: PathBuf,
    elsewhere: String,
    address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// The header that opens what is private: user `x-access-token`, password `t0ken`.
const OPEN: &str = "Basic eC1hY2Nlc3MtdG9rZW46dDBrZW4=";

/// The same of the interface.
const OPEN_API: &str = "Bearer t0ken";

/// What an archive of a repository's branch is called behind its name.
const ARCHIVE: &str = "/archive/main.tar.gz";

/// How long a server that stalls keeps a connection open.
const STALL: Duration = Duration::from_secs(60);

/// What a client wants.
struct Asked {
    method: String,
    path: String,
    question: String,
    kind: String,
    authorization: Option<String>,
    body: Vec<u8>,
}

impl GitServer {
    /// Serves the repositories in a folder. Whoever is sent away is sent to `elsewhere`.
    pub(crate) fn start(root: &Path, elsewhere: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            root: root.to_owned(),
            elsewhere: elsewhere.to_owned(),
            address: format!("http://{}", listener.local_addr().unwrap()),
            seen: Arc::default(),
        };
        let listening = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let server = listening.clone();
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    if let Some(asked) = read(&stream) {
                        // The client may be gone: that is its good right.
                        let _ = server.answer(&asked, &mut stream);
                    }
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        server
    }

    /// Its address, without a `/` at the end.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What was asked of it so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn answer(&self, asked: &Asked, stream: &mut TcpStream) -> std::io::Result<()> {
        self.seen.lock().unwrap().push(Seen {
            line: format!("{} {}?{}", asked.method, asked.path, asked.question),
            authorization: asked.authorization.clone(),
        });
        let (first, rest) = asked.path[1..].split_once('/').unwrap_or((&asked.path, ""));
        let is_post = asked.method == "POST";
        let mut head = |text: &str| write!(stream, "HTTP/1.1 {text}\r\nConnection: close\r\n");
        let pack = "Content-Type: application/x-git-upload-pack-result\r\n\r\n";
        match first {
            "private" if asked.authorization.as_deref() != Some(OPEN) => {
                head("401 Unauthorized")?;
                write!(
                    stream,
                    "WWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"
                )
            }
            "moved" => {
                head("301 Moved Permanently")?;
                write!(
                    stream,
                    "Location: /{rest}?{}\r\nContent-Length: 0\r\n\r\n",
                    asked.question
                )
            }
            "away" => {
                head("302 Found")?;
                write!(
                    stream,
                    "Location: {}/{rest}?{}\r\nContent-Length: 0\r\n\r\n",
                    self.elsewhere, asked.question
                )
            }
            "trouble" => {
                head("503 Service Unavailable")?;
                write!(stream, "Content-Length: 0\r\n\r\n")
            }
            "page" => {
                head("200 OK")?;
                write!(stream, "Content-Type: text/html\r\n\r\n<html>")
            }
            "stall" => {
                thread::sleep(STALL);
                Ok(())
            }
            "stall-pack" if is_post => {
                head("200 OK")?;
                stream.write_all(format!("{pack}0008NAK\n").as_bytes())?;
                stream.flush()?;
                thread::sleep(STALL);
                Ok(())
            }
            "garbage" if is_post => {
                head("200 OK")?;
                write!(stream, "{pack}0008NAK\n0015\x01this is no pack\n0000")
            }
            "flood" if is_post => {
                head("200 OK")?;
                stream.write_all(format!("{pack}0008NAK\n").as_bytes())?;
                // People's text, which libgit2 takes for ever.
                let line = [b"fff0\x02".as_slice(), &vec![b'x'; 0xffeb]].concat();
                loop {
                    stream.write_all(&line)?;
                }
            }
            "cut" if is_post => {
                let whole = self.backend(asked, rest);
                stream.write_all(&whole[..whole.len() - 1000])
            }
            "private" if rest.ends_with(ARCHIVE) => {
                head("200 OK")?;
                body(stream, &self.archive(rest.trim_end_matches(ARCHIVE)))
            }
            "api" if asked.authorization.as_deref() != Some(OPEN_API) => {
                head("404 Not Found")?;
                body(stream, b"{}")
            }
            // As GitLab answers what `gitlab:` asks.
            "api" => {
                let project = asked.path.split('/').nth(4).unwrap_or_default();
                let repository = project.replace("%2F", "/");
                head("200 OK")?;
                if asked.path.ends_with("/archive.tar.gz") {
                    return body(stream, &self.archive(&repository));
                }
                let commit = self.git(&repository, &["rev-parse", "main"]);
                let commit = String::from_utf8_lossy(&commit);
                let commit = commit.trim();
                let time = "2026-01-01T00:00:00Z";
                let commits = format!("[{{\"id\":\"{commit}\",\"committed_date\":\"{time}\"}}]");
                body(stream, commits.as_bytes())
            }
            "private" | "stall-pack" | "garbage" | "flood" | "cut" => {
                stream.write_all(&self.backend(asked, rest))
            }
            _ => stream.write_all(&self.backend(asked, &asked.path[1..])),
        }
    }

    /// The branch `main` of a repository, as a tarball.
    fn archive(&self, repository: &str) -> Vec<u8> {
        let arguments = ["archive", "--format=tar.gz", "--prefix=source/", "main"];
        self.git(repository, &arguments)
    }

    fn git(&self, repository: &str, arguments: &[&str]) -> Vec<u8> {
        let folder = self.root.join(format!("{repository}.git"));
        let mut git = Command::new("git");
        git.args(arguments)
            .current_dir(folder)
            .output()
            .unwrap()
            .stdout
    }

    /// Asks git.
    fn backend(&self, asked: &Asked, path: &str) -> Vec<u8> {
        let mut child = Command::new("git")
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("PATH_INFO", format!("/{path}"))
            .env("QUERY_STRING", &asked.question)
            .env("REQUEST_METHOD", &asked.method)
            .env("CONTENT_TYPE", &asked.kind)
            .env("CONTENT_LENGTH", asked.body.len().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let body = asked.body.clone();
        let writer = thread::spawn(move || input.write_all(&body));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        let text = output.stdout;
        // A CGI program says its status in a header.
        let status = match text.strip_prefix(b"Status: ") {
            Some(rest) => String::from_utf8_lossy(&rest[..rest.len().min(3)]).into_owned(),
            None => "200".to_owned(),
        };
        [
            format!("HTTP/1.1 {status} x\r\nConnection: close\r\n").into_bytes(),
            text,
        ]
        .concat()
    }
}

fn body(stream: &mut TcpStream, body: &[u8]) -> std::io::Result<()> {
    write!(stream, "Content-Length: {}\r\n\r\n", body.len())?;
    stream.write_all(body)
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, question) = target.split_once('?').unwrap_or((&target, ""));
    let mut asked = Asked {
        method,
        path: path.to_owned(),
        question: question.to_owned(),
        kind: String::new(),
        authorization: None,
        body: Vec::new(),
    };
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        let value = value.trim();
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "content-type" => value.clone_into(&mut asked.kind),
            "authorization" => asked.authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    asked.body.resize(length, 0);
    reader.read_exact(&mut asked.body).ok()?;
    Some(asked)
}

/// A repository that git itself works on. Times, names and so its commits are the same in every run.
pub(crate) struct GitRepository {
    folder: PathBuf,
}

impl GitRepository {
    /// Makes an empty one in this folder, with a working tree.
    pub(crate) fn init(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let repository = Self {
            folder: folder.to_owned(),
        };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    /// Takes one that is there.
    pub(crate) fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Runs git in it, to its end, and returns what it says.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = self.try_git(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "git {arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Runs git in it; it may fail.
    pub(crate) fn try_git(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new("git");
        for name in [
            "GIT_AUTHOR_NAME",
            "GIT_AUTHOR_EMAIL",
            "GIT_COMMITTER_NAME",
            "GIT_COMMITTER_EMAIL",
        ] {
            command.env(name, "somebody");
        }
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_DATE", "1700000000 +0100")
            .env("GIT_COMMITTER_DATE", "1700000000 +0100")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Writes files, commits all of it and returns the commit.
    pub(crate) fn commit(&self, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            let file = self.folder.join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        let names: Vec<_> = files.iter().map(|(path, _)| path).take(9).collect();
        self.git(&["add", "--all"]);
        self.git(&[
            "commit",
            "--quiet",
            "--allow-empty",
            "--message",
            &format!("change {names:?}"),
        ]);
        self.head()
    }

    /// The commit that is checked out.
    pub(crate) fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

//! The proxy through which evaluations fetch what a flake needs, and nothing of this network.
//!
//! A flake can name any address as an input, and the machine that evaluates it stands where others do not: beside services
//! that trust everybody who reaches them, and a cloud's `169.254.169.254`. So names are looked up here, and only addresses
//! of the public internet are connected to, besides those of the forges and what the settings name. Walls keep an
//! evaluation to this proxy's port.
//!
//! Source of the form: RFC 9110 §9.3.6 (`CONNECT`) and RFC 9112 §3.2.2 (absolute form).

use std::{
    collections::{HashMap, HashSet},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, sleep_until, timeout},
};
use tracing::{debug, warn};
use url::Url;

use crate::{
    config::{Entrance, PrivateHost, ServerConfig},
    git::is_public,
};

/// How many connections there are at once.
const CONNECTIONS: usize = 256;
/// The largest head of a request, in bytes, and how many headers it may have.
const HEAD_BYTES: usize = 16 << 10;
const HEADERS: usize = 64;
/// How long a request, a look-up and a connection may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(5 * 60);
/// How long it may be once one side has ended: an evaluation that is over has.
const LINGER: Duration = Duration::from_secs(30);
/// How much of it is held at once for each direction, in bytes.
const PIECE_BYTES: usize = 16 << 10;
/// The word in the settings that stands for all of this network.
const EVERYTHING: &str = "*";

/// A proxy that listens until it is dropped.
pub(super) struct Egress {
    port: u16,
    reachable: Arc<RwLock<Reachable>>,
    task: tokio::task::JoinHandle<()>,
}

/// What may be reached.
struct Reachable {
    /// Hosts whose addresses may be any.
    named: HashSet<PrivateHost>,
    /// Hosts whose tokens evaluations may have, and where they may be shown there: Nix finds one by the name alone, and
    /// would tell it to whatever listens at another port, or without TLS.
    guarded: HashMap<String, Vec<Entrance>>,
}

impl Reachable {
    fn names(&self, asked: &Asked) -> bool {
        let has = |name: &str, port| {
            let name = name.to_owned();
            self.named.contains(&PrivateHost { name, port })
        };
        has(&asked.host, Some(asked.port)) || has(&asked.host, None) || has(EVERYTHING, None)
    }

    /// Whether a host is guarded, and this is no way in.
    fn refuses(&self, asked: &Asked) -> bool {
        let name = asked.host.trim_end_matches('.');
        let is_tunnel = asked.forwarded.is_none();
        let is_entrance = |found: &Entrance| {
            found.port.is_none_or(|port| port == asked.port)
                && found.tls.is_none_or(|tls| tls == is_tunnel)
        };
        let entrances = self.guarded.get(name);
        entrances.is_some_and(|entrances| !entrances.iter().any(is_entrance))
    }
}

impl Egress {
    /// Listens at a port of this machine.
    pub(super) async fn start(config: &ServerConfig) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let reachable = Arc::new(RwLock::new(reachable(config)));
        let task = tokio::spawn(answer(listener, Arc::clone(&reachable)));
        Ok(Self {
            port,
            reachable,
            task,
        })
    }

    /// Where it listens.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Goes by other settings from now on.
    pub(super) fn go_by(&self, config: &ServerConfig) {
        *self
            .reachable
            .write()
            .unwrap_or_else(PoisonError::into_inner) = reachable(config);
    }
}

impl Drop for Egress {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The forges, and what the settings name.
fn reachable(config: &ServerConfig) -> Reachable {
    let host = |url: &Url| {
        Some(PrivateHost {
            name: url.host_str()?.to_owned(),
            port: url.port_or_known_default(),
        })
    };
    let forges = config.forges.values().flat_map(|forge| {
        let plain = forge.plain.values().map(|repository| &repository.url);
        [&forge.url, &forge.api_url].into_iter().chain(plain)
    });
    let named = config.private_hosts.iter().cloned();
    Reachable {
        named: forges.filter_map(host).chain(named).collect(),
        guarded: config.guarded_hosts().collect(),
    }
}

async fn answer(listener: TcpListener, reachable: Arc<RwLock<Reachable>>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((client, _)) => {
                let reachable = Arc::clone(&reachable);
                tokio::spawn(async move {
                    if let Err(error) = pass(client, &reachable).await {
                        debug!(%error, "a connection of an evaluation ends");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                warn!(%error, "evaluations cannot fetch anything");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Answers one request, and passes on what belongs to it.
async fn pass(mut client: TcpStream, reachable: &RwLock<Reachable>) -> io::Result<()> {
    let asked = timeout(PATIENCE, read_request(&mut client)).await??;
    let Some(asked) = asked else {
        return refuse(&mut client, 400, "this proxy takes CONNECT and http://").await;
    };
    let (is_named, is_refused) = {
        let reachable = reachable.read().unwrap_or_else(PoisonError::into_inner);
        (reachable.names(&asked), reachable.refuses(&asked))
    };
    if is_refused {
        return refuse(
            &mut client,
            403,
            "of this host only the forge is fetched from, by its own port and with TLS if it has that: a token could be shown to something else",
        )
        .await;
    }
    let bare = asked.host.trim_start_matches('[').trim_end_matches(']');
    let found = timeout(PATIENCE, tokio::net::lookup_host((bare, asked.port))).await;
    let found: Vec<SocketAddr> = match found {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(error)) if is_no_host(&error) => {
            return refuse(&mut client, 404, "no host is called so").await;
        }
        // By 504 Nix's error is told from one that stays: `eval`'s `failure`.
        Ok(Err(_)) | Err(_) => {
            return refuse(&mut client, 504, "the host cannot be looked up now").await;
        }
    };
    let may = |address: &&SocketAddr| is_named || (is_public(address.ip()) && !is_here(**address));
    let allowed: Vec<SocketAddr> = found.iter().filter(may).copied().collect();
    if allowed.is_empty() {
        debug!(
            host = asked.host,
            port = asked.port,
            "not fetched from: it is in this network"
        );
        return refuse(
            &mut client,
            403,
            "the host is in the server's own network: `private_hosts` of the server's settings names what may be fetched from",
        )
        .await;
    }
    // To what was looked at, and not to what a second look-up says.
    let server = timeout(PATIENCE, TcpStream::connect(&*allowed)).await;
    let Ok(Ok(mut server)) = server else {
        return refuse(&mut client, 504, "the host does not answer").await;
    };
    match asked.forwarded {
        Some(head) => server.write_all(&head).await?,
        None => client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?,
    }
    pass_on(&mut client, &mut server).await
}

/// Passes on what either says until both have said all. What it passes on has its place from all evaluations, so it gives up
/// after [`SILENCE`], and once one of them has ended after [`LINGER`].
async fn pass_on(client: &mut TcpStream, server: &mut TcpStream) -> io::Result<()> {
    let heard = Heard {
        last: Mutex::new(Instant::now()),
        has_end: AtomicBool::new(false),
    };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    tokio::select! {
        passed = async {
            tokio::try_join!(
                heard.give_all(&mut from_client, &mut to_server),
                heard.give_all(&mut from_server, &mut to_client),
            )
        } => passed.map(drop),
        () = heard.nothing() => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// When something was passed on last, and whether one side has said all.
struct Heard {
    last: Mutex<Instant>,
    has_end: AtomicBool,
}

impl Heard {
    async fn give_all(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let length = from.read(&mut piece).await?;
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            if length == 0 {
                self.has_end.store(true, Ordering::Relaxed);
                return to.shutdown().await;
            }
            to.write_all(&piece[..length]).await?;
        }
    }

    /// Returns when nothing was passed on for too long.
    async fn nothing(&self) {
        loop {
            let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
            let patience = if self.has_end.load(Ordering::Relaxed) {
                LINGER
            } else {
                SILENCE
            };
            if last.elapsed() >= patience {
                return;
            }
            // One may end meanwhile.
            sleep_until((last + patience).min(Instant::now() + LINGER)).await;
        }
    }
}

/// Whether a look-up has found that there is no such host; otherwise there may be one later.
fn is_no_host(error: &io::Error) -> bool {
    // As `gai_strerror(3)` has it; the number is not told.
    let said = error.to_string();
    [
        "Name or service not known",
        "No address associated with hostname",
    ]
    .iter()
    .any(|known| said.contains(known))
}

/// What is asked of the proxy.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    /// In lower case; an address of IPv6 in brackets.
    host: String,
    port: u16,
    /// What the server is sent first; none where a tunnel is wanted.
    forwarded: Option<Vec<u8>>,
}

/// Reads a request. None: it is none for a proxy.
async fn read_request(client: &mut TcpStream) -> io::Result<Option<Asked>> {
    let mut read = Vec::new();
    loop {
        if client.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match parse(&read) {
            Ok(Some(asked)) => return Ok(Some(asked)),
            Ok(None) if read.len() < HEAD_BYTES => {}
            Ok(None) | Err(()) => return Ok(None),
        }
    }
}

/// Takes a request apart. None: there is more to come; an error: it is none for a proxy.
fn parse(read: &[u8]) -> Result<Option<Asked>, ()> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(end) = request.parse(read).map_err(|_| ())? else {
        return Ok(None);
    };
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Err(());
    };
    if method == "CONNECT" {
        let url = Url::parse(&format!("http://{target}")).map_err(|_| ())?;
        let (_, port) = target.rsplit_once(':').ok_or(())?;
        let (host, port) = (url.host_str().ok_or(())?, port.parse().map_err(|_| ())?);
        return Ok(Some(Asked {
            host: host.to_owned(),
            port,
            forwarded: None,
        }));
    }
    let url = Url::parse(target).map_err(|_| ())?;
    if url.scheme() != "http" {
        return Err(());
    }
    let host = url.host_str().ok_or(())?.to_owned();
    let port = url.port().unwrap_or(80);
    // One request for each connection: the next may be for another host.
    let query = url
        .query()
        .map_or_else(String::new, |query| format!("?{query}"));
    let mut head = format!("{method} {}{query} HTTP/1.1\r\n", url.path()).into_bytes();
    for header in request.headers.iter() {
        let is_for_us = [
            "connection",
            "proxy-connection",
            "proxy-authorization",
            "keep-alive",
        ];
        if !is_for_us
            .iter()
            .any(|own| header.name.eq_ignore_ascii_case(own))
        {
            head.extend_from_slice(header.name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(header.value);
            head.extend_from_slice(b"\r\n");
        }
    }
    head.extend_from_slice(b"Connection: close\r\n\r\n");
    head.extend_from_slice(&read[end..]);
    Ok(Some(Asked {
        host,
        port,
        forwarded: Some(head),
    }))
}

async fn refuse(client: &mut TcpStream, status: u16, why: &str) -> io::Result<()> {
    let body = format!("nixci: {why}\n");
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} nixci: {why}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await
}

/// Whether an address is one of this machine's, whose services trust what comes from it: its own address is what it would
/// connect from.
fn is_here(address: SocketAddr) -> bool {
    let any: IpAddr = if address.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let from = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect(address)?;
        socket.local_addr()
    });
    from.is_ok_and(|from| from.ip() == address.ip())
}

#[cfg(test)]
mod tests;

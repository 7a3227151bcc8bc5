//! A daemon that does as a test says.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use nixci::{
    nix::StorePath,
    store::{BuildResult, BuildStatus, DerivedPath, KeyedBuildResult, Missing, ProtocolVersion},
};
use tempfile::TempDir;

use super::{
    answer,
    request::Asked,
    wire::{Wire, read_strings, read_u64},
};

/// Something a stand-in does.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Sends these bytes.
    Send(Wire),
    /// Sends these bytes one by one, with a pause behind each.
    Dribble(Wire, Duration),
    /// Sends so many bytes `x`.
    Flood(u64),
    /// Does nothing for a while.
    Pause(Duration),
    /// Does nothing until the client is gone.
    Hang,
    /// Closes the connection.
    Close,
}

type Answer = dyn Fn(&Asked) -> Option<Vec<Act>> + Send + Sync;

/// How a stand-in behaves; shared by its threads.
struct Behaviour {
    version: u64,
    nix_version: String,
    trust: u64,
    /// What it does in place of a handshake.
    greeting: Option<Vec<Act>>,
    answer: Box<Answer>,
}

#[derive(Default)]
struct Log {
    asked: Mutex<Vec<Asked>>,
    connections: AtomicUsize,
    open: Mutex<Vec<UnixStream>>,
    is_ending: AtomicBool,
}

/// A daemon on a socket of its own.
pub(crate) struct StandIn {
    dir: TempDir,
    log: Arc<Log>,
    thread: Option<JoinHandle<()>>,
}

/// Says how a [`StandIn`] behaves.
pub(crate) struct StandInBuilder(Behaviour);

impl StandIn {
    /// A stand-in of the newest version which trusts its client and knows every path; what is built succeeds at once.
    pub(crate) fn builder() -> StandInBuilder {
        StandInBuilder(Behaviour {
            version: ProtocolVersion::NEWEST.to_wire(),
            nix_version: "2.99-stand-in".to_owned(),
            trust: 1,
            greeting: None,
            answer: Box::new(|_| None),
        })
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// What it was asked, on all connections.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.log.asked.lock().unwrap().clone()
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.log.connections.load(Ordering::SeqCst)
    }

    /// Closes every connection that is open.
    pub(crate) fn hang_up(&self) {
        for stream in self.log.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

impl StandInBuilder {
    /// Speaks protocol `1.MINOR`.
    pub(crate) fn speaking(self, minor: u8) -> Self {
        self.announcing(ProtocolVersion::new(minor).to_wire())
    }

    /// Announces a version, as the wire has it.
    pub(crate) fn announcing(mut self, version: u64) -> Self {
        self.0.version = version;
        self
    }

    /// Does this in place of a handshake.
    pub(crate) fn greeting_with(mut self, acts: impl IntoIterator<Item = Act>) -> Self {
        self.0.greeting = Some(acts.into_iter().collect());
        self
    }

    /// Does what `answer` says for a request; answers by itself where that says nothing.
    pub(crate) fn answering(
        mut self,
        answer: impl Fn(&Asked) -> Option<Vec<Act>> + Send + Sync + 'static,
    ) -> Self {
        self.0.answer = Box::new(answer);
        self
    }

    /// Does this for every build, and answers everything else by itself.
    pub(crate) fn building_with(self, acts: impl IntoIterator<Item = Act>) -> Self {
        let acts: Vec<Act> = acts.into_iter().collect();
        self.answering(move |asked| {
            matches!(asked, Asked::BuildPathsWithResults { .. }).then(|| acts.clone())
        })
    }

    /// Listens from now on.
    pub(crate) fn start(self) -> StandIn {
        let dir = tempfile::Builder::new()
            .prefix("nixci-")
            .tempdir_in("/tmp")
            .unwrap();
        let listener = UnixListener::bind(dir.path().join("socket")).unwrap();
        let log = Arc::new(Log::default());
        let (behaviour, its_log) = (Arc::new(self.0), Arc::clone(&log));
        let thread = thread::spawn(move || {
            let mut serving = Vec::new();
            for stream in listener.incoming() {
                if its_log.is_ending.load(Ordering::SeqCst) {
                    break;
                }
                let stream = stream.unwrap();
                its_log.connections.fetch_add(1, Ordering::SeqCst);
                its_log
                    .open
                    .lock()
                    .unwrap()
                    .push(stream.try_clone().unwrap());
                let (behaviour, log) = (Arc::clone(&behaviour), Arc::clone(&its_log));
                serving.push(thread::spawn(move || serve(&stream, &behaviour, &log)));
            }
            for thread in serving {
                thread.join().expect("a stand-in panicked");
            }
        });
        StandIn {
            dir,
            log,
            thread: Some(thread),
        }
    }
}

impl Drop for StandIn {
    /// Panics if a thread of it did: the client asked something that is not in the protocol.
    fn drop(&mut self) {
        self.log.is_ending.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(self.socket());
        self.hang_up();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(
            thread::panicking() || matches!(ended, Some(Ok(()))),
            "the stand-in failed"
        );
    }
}

/// Serves one connection. An error only says that the client is gone.
fn serve(stream: &UnixStream, behaviour: &Behaviour, log: &Log) {
    let mut reader = BufReader::new(stream);
    let _ = greet(&mut reader, stream, behaviour).and_then(|()| {
        loop {
            let asked = Asked::read(&mut reader)?;
            log.asked.lock().unwrap().push(asked.clone());
            let acts = (behaviour.answer)(&asked);
            perform(
                stream,
                &acts.unwrap_or_else(|| vec![Act::Send(own_answer(&asked, behaviour))]),
            )?;
        }
        #[expect(unreachable_code, reason = "it names the type of the error")]
        io::Result::Ok(())
    });
    let _ = stream.shutdown(std::net::Shutdown::Both);
}

fn greet(reader: &mut impl Read, stream: &UnixStream, behaviour: &Behaviour) -> io::Result<()> {
    if let Some(acts) = &behaviour.greeting {
        return perform(stream, acts);
    }
    assert_eq!(read_u64(reader)?, 0x6e69_7863, "the client's magic");
    let version = read_u64(reader)?.min(behaviour.version);
    perform(
        stream,
        &[Act::Send(
            Wire::default().u64(0x6478_696f).u64(behaviour.version),
        )],
    )?;
    let mut answer = Wire::default();
    if version >= 0x126 {
        assert_eq!(
            read_strings(reader)?,
            Vec::<String>::new(),
            "the client's features"
        );
        answer = answer.strings(["a-feature"]);
    }
    assert_eq!(
        (read_u64(reader)?, read_u64(reader)?),
        (0, 0),
        "obsolete words"
    );
    if version >= 0x121 {
        answer = answer.string(&behaviour.nix_version);
    }
    if version >= 0x123 {
        answer = answer.u64(behaviour.trust);
    }
    perform(stream, &[Act::Send(answer.raw(answer::last()))])
}

fn perform(mut stream: &UnixStream, acts: &[Act]) -> io::Result<()> {
    for act in acts {
        match act {
            Act::Send(wire) => stream.write_all(&wire.0)?,
            Act::Dribble(wire, pause) => {
                for byte in &wire.0 {
                    stream.write_all(&[*byte])?;
                    thread::sleep(*pause);
                }
            }
            Act::Flood(length) => {
                io::copy(&mut io::repeat(b'x').take(*length), &mut stream)?;
            }
            Act::Pause(pause) => thread::sleep(*pause),
            Act::Hang => {
                io::copy(&mut stream, &mut io::sink())?;
            }
            Act::Close => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
    Ok(())
}

/// What a daemon with a store that has everything would say.
fn own_answer(asked: &Asked, behaviour: &Behaviour) -> Wire {
    let last = answer::last();
    match asked {
        Asked::SetOptions { .. } => last,
        Asked::QueryValidPaths { paths, .. } => last.strings(paths),
        Asked::QuerySubstitutablePaths { .. }
        | Asked::QueryDerivationOutputMap { .. }
        | Asked::QueryPathInfo { .. } => last.u64(0),
        Asked::QueryMissing { .. } => last.raw(answer::missing(&Missing::default())),
        Asked::BuildPathsWithResults { targets, .. } => {
            let version = ProtocolVersion::from_wire(behaviour.version)
                .unwrap()
                .min(ProtocolVersion::NEWEST);
            let results = targets
                .iter()
                .map(|target| answer::keyed_build_result(&built(target), version));
            results.fold(last.u64(targets.len() as u64), |wire, result| {
                wire.raw(result)
            })
        }
        Asked::EnsurePath { .. } | Asked::AddTempRoot { .. } | Asked::AddIndirectRoot { .. } => {
            last.u64(1)
        }
        Asked::NarFromPath { path } => answer::error(&format!("path '{path}' is not valid")),
    }
}

/// A result that says that a target was built.
pub(crate) fn built(target: &str) -> KeyedBuildResult {
    KeyedBuildResult {
        target: DerivedPath::parse(target).unwrap(),
        result: BuildResult {
            status: BuildStatus::Built,
            error_message: String::new(),
            times_built: 1,
            is_non_deterministic: false,
            started_at: 0,
            stopped_at: 0,
            cpu_user: None,
            cpu_system: None,
            built_outputs: BTreeMap::<String, StorePath>::new(),
        },
    }
}

impl fmt::Debug for StandIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StandIn")
            .field("socket", &self.socket())
            .finish_non_exhaustive()
    }
}

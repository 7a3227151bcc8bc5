//! One open connection to a daemon, and how it carries requests.

use std::{
    io,
    ops::{Deref, DerefMut},
    time::Duration,
};

use tokio::{io::AsyncWriteExt, time::timeout};
use tokio_util::task::TaskTracker;

use super::{
    BuildLimits, ClientSettings, LogMessage, ProtocolVersion, StoreAddress, StoreError, Trust,
    frame::Frame,
    handshake::{self, Greeting},
    operation::Operation,
    transport::{self, ReadHalf, WriteHalf},
    wire::{Request, WireReader},
};

/// How long connecting and the handshake may take together.
const OPEN_TIME_MAX: Duration = Duration::from_secs(30);
/// How long to look for the reason when the daemon does not take a request.
const REASON_TIME_MAX: Duration = Duration::from_secs(2);

/// One open connection; carries one request at a time.
///
/// When the future of a request is dropped before it ends, or a request ends with anything but `Ok` or
/// [`StoreError::Daemon`], the connection cannot be used any more. Dropping a connection makes the daemon kill the builds
/// that run on it, and ends its temporary roots.
#[derive(Debug)]
pub struct Connection {
    reader: WireReader<ReadHalf>,
    writer: WriteHalf,
    greeting: Greeting,
    state: State,
    settings: ClientSettings,
    limits: BuildLimits,
}

/// What a connection is fit for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The next request; every one before was answered well.
    Clean,
    /// The next request; but one before was refused, and some refusals make the daemon hang up.
    Refused,
    /// Nothing: a request is under way, or was given up halfway.
    Busy,
}

impl Connection {
    /// Connects, shakes hands and sends the settings, all within 30 seconds.
    pub async fn open(
        address: &StoreAddress,
        settings: &ClientSettings,
    ) -> Result<Self, StoreError> {
        Self::open_watched(address, settings, &TaskTracker::new()).await
    }

    /// Opens a connection; where that starts a child, the task that ends with the child is one of `watchers`.
    pub(super) async fn open_watched(
        address: &StoreAddress,
        settings: &ClientSettings,
        watchers: &TaskTracker,
    ) -> Result<Self, StoreError> {
        let opening = Self::open_at_leisure(address, settings, watchers);
        timeout(OPEN_TIME_MAX, opening).await.unwrap_or_else(|_| {
            let source = io::Error::new(io::ErrorKind::TimedOut, "no answer within 30 seconds");
            Err(connect_error(address, source))
        })
    }

    async fn open_at_leisure(
        address: &StoreAddress,
        settings: &ClientSettings,
        watchers: &TaskTracker,
    ) -> Result<Self, StoreError> {
        let connected = transport::connect(address, watchers).await;
        let (reader, mut writer) = connected.map_err(|source| connect_error(address, source))?;
        let mut reader = WireReader::new(reader, "the handshake");
        let greeting = handshake::shake(&mut reader, &mut writer, address, settings).await;
        let greeting = greeting.map_err(|error| handshake_error(address, error))?;
        Ok(Self {
            reader,
            writer,
            greeting,
            state: State::Clean,
            settings: settings.clone(),
            limits: BuildLimits::default(),
        })
    }

    /// The daemon's version, such as `2.34.8`.
    pub fn nix_version(&self) -> &str {
        &self.greeting.nix_version
    }

    /// The version of the protocol both sides speak.
    pub fn protocol_version(&self) -> ProtocolVersion {
        self.greeting.version
    }

    /// Whether the daemon trusts us.
    pub fn trust(&self) -> Trust {
        self.greeting.trust
    }

    /// Lets the builds that follow differ from others, or no more.
    pub async fn limit_builds(&mut self, limits: BuildLimits) -> Result<(), StoreError> {
        if self.limits == limits {
            return Ok(());
        }
        let settings = self.settings.limited(limits);
        let request = settings.request(self.greeting.version);
        self.call(Operation::SetOptions, &request, &mut |_| ())
            .await?
            .end(())?;
        self.limits = limits;
        Ok(())
    }

    /// Closes the connection. Returns when a child that served it is gone, its builders included.
    pub async fn close(self) {
        let Self { reader, writer, .. } = self;
        drop(writer);
        reader.into_inner().close().await;
    }

    /// Whether every request was answered well, the daemon is still there and sends nothing unasked.
    pub(super) fn is_clean(&self) -> bool {
        self.state == State::Clean
            // What the machines were before it could not be said again.
            && !self.limits.is_local
            && !self.reader.has_buffered()
            && self.reader.get_ref().is_silent()
    }

    /// Sends a request and reads until the reply begins.
    pub(super) async fn call(
        &mut self,
        operation: Operation,
        request: &Request,
        on_message: &mut (dyn FnMut(LogMessage) + Send),
    ) -> Result<Reply<'_>, StoreError> {
        let before = self.begin(operation)?;
        send(&mut self.reader, &mut self.writer, request).await?;
        match read_frames(&mut self.reader, on_message).await {
            Ok(()) => Ok(Reply {
                connection: self,
                before,
            }),
            Err(error) => {
                if matches!(error, StoreError::Daemon { .. }) {
                    self.state = State::Refused;
                }
                Err(error)
            }
        }
    }

    /// Sends requests whose replies are one number each, all at once, and reads the replies. Returns the first refusal.
    pub(super) async fn call_all(
        &mut self,
        operation: Operation,
        requests: &[Request],
        field: &'static str,
    ) -> Result<(), StoreError> {
        let before = self.begin(operation)?;
        let all = requests.iter().fold(Request::default(), Request::append);
        send(&mut self.reader, &mut self.writer, &all).await?;
        let mut outcome = Ok(());
        for _ in requests {
            let answered = match read_frames(&mut self.reader, &mut |_| ()).await {
                Ok(()) => self.reader.u64(field).await.map(drop),
                Err(error) => Err(error),
            };
            match answered {
                Err(error @ StoreError::Daemon { .. }) => outcome = outcome.and(Err(error)),
                // A refusal that made the daemon hang up says more than that it did.
                Err(error) => return outcome.and(Err(error)),
                Ok(()) => {}
            }
        }
        self.state = if outcome.is_ok() {
            before
        } else {
            State::Refused
        };
        outcome
    }

    fn begin(&mut self, operation: Operation) -> Result<State, StoreError> {
        if self.state == State::Busy {
            return Err(StoreError::Unusable {
                during: operation.name(),
            });
        }
        self.reader.begin(operation.name());
        Ok(std::mem::replace(&mut self.state, State::Busy))
    }
}

/// Sends a request; where that fails, looks for the reason.
pub(super) async fn send(
    reader: &mut WireReader<ReadHalf>,
    writer: &mut WriteHalf,
    request: &Request,
) -> Result<(), StoreError> {
    let Err(source) = writer.write_all(request.bytes()).await else {
        return Ok(());
    };
    // A daemon that hung up may have said why, and a child that ended has an exit status.
    let reason = timeout(REASON_TIME_MAX, read_frames(reader, &mut |_| ())).await;
    let source = match reason {
        Ok(Err(StoreError::Lost { source, .. })) => source,
        Ok(Err(StoreError::Daemon { message, .. })) => io::Error::new(source.kind(), message),
        Ok(_) | Err(_) => source,
    };
    Err(StoreError::Lost {
        during: reader.during(),
        source,
    })
}

/// Reads what comes before a reply.
pub(super) async fn read_frames(
    reader: &mut WireReader<ReadHalf>,
    on_message: &mut (dyn FnMut(LogMessage) + Send),
) -> Result<(), StoreError> {
    loop {
        match Frame::read(reader).await? {
            Frame::Message(message) => on_message(message),
            Frame::Finished => return Ok(()),
            Frame::Failed { message } => {
                return Err(StoreError::Daemon {
                    during: reader.during(),
                    message,
                });
            }
        }
    }
}

/// A reply that is being read. If it is dropped before [`Reply::end`], the connection cannot be used any more.
#[derive(Debug)]
pub(super) struct Reply<'a> {
    connection: &'a mut Connection,
    before: State,
}

impl Reply<'_> {
    /// Says that all was read; hands on what it was.
    #[expect(clippy::unnecessary_wraps, reason = "every operation ends with this")]
    pub(super) fn end<T>(self, value: T) -> Result<T, StoreError> {
        self.connection.state = self.before;
        Ok(value)
    }
}

impl Deref for Reply<'_> {
    type Target = WireReader<ReadHalf>;

    fn deref(&self) -> &Self::Target {
        &self.connection.reader
    }
}

impl DerefMut for Reply<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection.reader
    }
}

/// An error of the handshake as one of connecting, which names the address.
fn handshake_error(address: &StoreAddress, error: StoreError) -> StoreError {
    let source = match error {
        StoreError::Lost { source, .. } => source,
        StoreError::Daemon { message, .. } => io::Error::other(message),
        StoreError::Protocol { field, detail, .. } => {
            io::Error::new(io::ErrorKind::InvalidData, format!("{field}: {detail}"))
        }
        error @ (StoreError::Connect { .. }
        | StoreError::TooOld { .. }
        | StoreError::Unusable { .. }
        | StoreError::TooLarge { .. }) => return error,
    };
    connect_error(address, source)
}

fn connect_error(address: &StoreAddress, source: io::Error) -> StoreError {
    let hint = match (address, source.kind()) {
        (StoreAddress::Socket(_), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            "start the daemon, for instance with `systemctl start nix-daemon.socket`"
        }
        (StoreAddress::Socket(_), io::ErrorKind::PermissionDenied) => {
            "this user may not open the socket"
        }
        (StoreAddress::Socket(_), io::ErrorKind::TimedOut) => "restart the daemon",
        (_, io::ErrorKind::InvalidData) => "that is no Nix daemon this program knows",
        (StoreAddress::Socket(_), _) => "see `allowed-users` in nix.conf, and the daemon's log",
        (StoreAddress::Command { program, .. }, io::ErrorKind::NotFound)
            if program.as_os_str() == "ssh" =>
        {
            "install an ssh client, or put it on PATH"
        }
        (StoreAddress::Command { .. }, io::ErrorKind::NotFound) => "install Nix, or put it on PATH",
        (StoreAddress::Command { .. }, _) => "run it by hand to see why",
    };
    StoreError::Connect {
        address: address.to_string(),
        source,
        hint,
    }
}

//! libgit2, made ready for repositories of others: its HTTP is ours, and it reads no configuration but the mirrors' own.
//!
//! Apart from the mirrors since it changes libgit2 for the whole process. Not done for a user's checkout, whose own
//! configuration counts there.

use std::{
    cell::RefCell,
    io,
    sync::{Arc, OnceLock},
};

use git2::{
    ConfigLevel, Error,
    transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport},
};
use tokio::runtime::Handle;

use super::{MirrorError, exchange::Exchange, web::Session};

thread_local! {
    /// What libgit2 does on this thread, if it talks to a web server: it tells its transports no more than a URL.
    static DOWNLOAD: RefCell<Option<Download>> = const { RefCell::new(None) };
}

/// A download by libgit2.
#[derive(Clone)]
struct Download {
    session: Arc<Session>,
    runtime: Handle,
    /// What it is told that the server has.
    advertisement: Vec<u8>,
}

/// Prepares libgit2, once.
pub(super) fn prepare() -> Result<(), MirrorError> {
    static PREPARED: OnceLock<Result<(), String>> = OnceLock::new();
    let prepared = PREPARED.get_or_init(|| set_up().map_err(|error| error.message().to_owned()));
    prepared
        .clone()
        .map_err(|why| MirrorError::Unreachable(format!("cannot prepare libgit2: {why}")))
}

#[expect(
    unsafe_code,
    reason = "libgit2 keeps these settings in variables without a lock"
)]
fn set_up() -> Result<(), Error> {
    for level in [
        ConfigLevel::System,
        ConfigLevel::Global,
        ConfigLevel::XDG,
        ConfigLevel::ProgramData,
    ] {
        // SAFETY: `prepare` runs this once, before the process opens its first mirror; a process with mirrors does not
        // look at checkouts, which alone would read the paths meanwhile.
        unsafe { git2::opts::set_search_path(level, "")? };
    }
    for scheme in ["http", "https"] {
        let factory = |remote: &git2::Remote<'_>| Transport::smart(remote, true, Web);
        // SAFETY: as above: the list of transports is read by mirrors alone, which wait for this.
        unsafe { git2::transport::register(scheme, factory)? };
    }
    Ok(())
}

/// Does something with libgit2 in which it may talk to the server of `session`, on this thread.
pub(super) fn with_session<T>(
    session: Arc<Session>,
    runtime: Handle,
    advertisement: Vec<u8>,
    download: impl FnOnce() -> T,
) -> T {
    DOWNLOAD.set(Some(Download {
        session,
        runtime,
        advertisement,
    }));
    let result = download();
    DOWNLOAD.set(None);
    result
}

/// How libgit2 reaches a web server.
struct Web;

impl SmartSubtransport for Web {
    fn action(
        &self,
        _url: &str,
        service: Service,
    ) -> Result<Box<dyn SmartSubtransportStream>, Error> {
        let download = DOWNLOAD.with_borrow(Clone::clone);
        let download = download.ok_or_else(|| Error::from_str("nothing is downloaded now"))?;
        match service {
            Service::UploadPackLs => Ok(Box::new(Known(io::Cursor::new(download.advertisement)))),
            Service::UploadPack => Ok(Box::new(Exchange::new(download.session, download.runtime))),
            Service::ReceivePackLs | Service::ReceivePack => {
                Err(Error::from_str("nothing is ever pushed"))
            }
        }
    }

    fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// An answer that is there already.
struct Known(io::Cursor<Vec<u8>>);

impl io::Read for Known {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl io::Write for Known {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! A request for objects and its answer, between libgit2, which writes and reads, and a [`Session`].
//!
//! Blocks, unlike the rest: for threads where that is allowed.

use std::{io, mem, sync::Arc};

use reqwest::Response;

use super::{MirrorError, mirror_error::one_line, web::Session};

/// A request and its answer.
pub(super) struct Exchange {
    session: Arc<Session>,
    runtime: tokio::runtime::Handle,
    request: Vec<u8>,
    response: Option<Response>,
    chunk: io::Cursor<Vec<u8>>,
}

impl Exchange {
    /// Begins a request.
    pub(super) fn new(session: Arc<Session>, runtime: tokio::runtime::Handle) -> Self {
        Self {
            session,
            runtime,
            request: Vec::new(),
            response: None,
            chunk: io::Cursor::default(),
        }
    }

    async fn fill(
        session: &Session,
        request: Vec<u8>,
        response: &mut Option<Response>,
    ) -> Result<Vec<u8>, MirrorError> {
        let is_first = response.is_none();
        let response = if let Some(response) = response {
            response
        } else {
            let answer = session.post(request).await?;
            response.insert(answer)
        };
        let chunk = session.chunk(response).await?;
        let chunk = chunk
            .map(|chunk| chunk.as_ref().to_vec())
            .unwrap_or_default();
        match refusal(&chunk).filter(|_| is_first) {
            Some(said) => Err(session.refused(&said)),
            None => Ok(chunk),
        }
    }
}

impl io::Read for Exchange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.chunk.read(buffer)?;
        if count > 0 || buffer.is_empty() {
            return Ok(count);
        }
        let request = mem::take(&mut self.request);
        let filled = self
            .runtime
            .block_on(Self::fill(&self.session, request, &mut self.response));
        match filled {
            Ok(chunk) => self.chunk = io::Cursor::new(chunk),
            Err(failure) => {
                self.session.fail(failure);
                return Err(io::Error::other("no answer"));
            }
        }
        self.chunk.read(buffer)
    }
}

impl io::Write for Exchange {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.request.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What git says in an answer that is no more than an error. libgit2 passes over it.
///
/// Source: `error-line` in `gitprotocol-pack(5)`.
fn refusal(answer: &[u8]) -> Option<String> {
    let said = answer.get(4..)?.strip_prefix(b"ERR ")?;
    Some(one_line(&String::from_utf8_lossy(said)))
}

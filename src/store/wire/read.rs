//! Reads the primitives of the wire.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

use super::{LIST_MAX, PATH_MAX_BYTES, STRING_MAX_BYTES, TEXT_KEPT_BYTES, TEXT_MAX_BYTES, padding};
use crate::{nix::StorePath, store::StoreError};

/// Reads one side of a connection, buffered. Every method takes the name of the field it reads, for errors.
#[derive(Debug)]
pub struct WireReader<R> {
    inner: BufReader<R>,
    during: &'static str,
}

impl<R: AsyncRead + Unpin> WireReader<R> {
    /// Reads from `inner`; `during` is what errors name as the operation until [`Self::begin`] says otherwise.
    pub fn new(inner: R, during: &'static str) -> Self {
        Self {
            inner: BufReader::with_capacity(32 << 10, inner),
            during,
        }
    }

    /// Names the operation that the next bytes belong to.
    pub fn begin(&mut self, during: &'static str) {
        self.during = during;
    }

    /// What is read from.
    pub fn get_ref(&self) -> &R {
        self.inner.get_ref()
    }

    /// Gives up reading; what was received and not read is lost.
    pub fn into_inner(self) -> R {
        self.inner.into_inner()
    }

    /// Whether bytes were received that nobody has read yet.
    pub fn has_buffered(&self) -> bool {
        !self.inner.buffer().is_empty()
    }

    /// Reads a number.
    pub async fn u64(&mut self, field: &'static str) -> Result<u64, StoreError> {
        let number = self.inner.read_u64_le().await;
        number.map_err(|source| self.lost(field, source))
    }

    /// Reads a truth value.
    pub async fn bool(&mut self, field: &'static str) -> Result<bool, StoreError> {
        match self.u64(field).await? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.nonsense(field, format!("{other} is no truth value"))),
        }
    }

    /// Reads the number of items of a list.
    pub async fn count(&mut self, field: &'static str) -> Result<u64, StoreError> {
        self.bounded(field, LIST_MAX, "items").await
    }

    /// Reads a string of any bytes, at most `max` of them.
    pub async fn bytes(&mut self, field: &'static str, max: u64) -> Result<Vec<u8>, StoreError> {
        let length = self.bounded(field, max, "bytes").await?;
        let bytes = self.raw(field, length).await?;
        self.skip_padding(field, length).await?;
        Ok(bytes)
    }

    /// Reads a string that has a meaning for the protocol: UTF-8, at most [`STRING_MAX_BYTES`].
    pub async fn string(&mut self, field: &'static str) -> Result<String, StoreError> {
        self.string_within(field, STRING_MAX_BYTES).await
    }

    /// Reads a text for people: what is not UTF-8 is replaced, what is longer than [`TEXT_KEPT_BYTES`] is cut, with a
    /// mark that says so.
    pub async fn text(&mut self, field: &'static str) -> Result<String, StoreError> {
        let length = self.bounded(field, TEXT_MAX_BYTES, "bytes").await?;
        let kept = length.min(TEXT_KEPT_BYTES);
        let bytes = self.raw(field, kept).await?;
        self.discard(field, length - kept).await?;
        self.skip_padding(field, length).await?;
        let text = String::from_utf8_lossy(&bytes);
        if kept == length {
            return Ok(text.into_owned());
        }
        // The last character may have been cut in two.
        let text = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
        Ok(format!("{text}… [{} more bytes]", length - kept))
    }

    /// Reads a store path.
    pub async fn path(&mut self, field: &'static str) -> Result<StorePath, StoreError> {
        let path = self.string_within(field, PATH_MAX_BYTES).await?;
        StorePath::parse(&path).map_err(|error| self.nonsense(field, error.to_string()))
    }

    /// Reads a store path that may be absent.
    pub async fn optional_path(
        &mut self,
        field: &'static str,
    ) -> Result<Option<StorePath>, StoreError> {
        let path = self.string_within(field, PATH_MAX_BYTES).await?;
        if path.is_empty() {
            return Ok(None);
        }
        let path = StorePath::parse(&path);
        path.map(Some)
            .map_err(|error| self.nonsense(field, error.to_string()))
    }

    /// Reads a set of store paths.
    pub async fn paths(&mut self, field: &'static str) -> Result<BTreeSet<StorePath>, StoreError> {
        let mut paths = BTreeSet::new();
        for _ in 0..self.count(field).await? {
            paths.insert(self.path(field).await?);
        }
        Ok(paths)
    }

    /// Reads a set of strings.
    pub async fn strings(&mut self, field: &'static str) -> Result<BTreeSet<String>, StoreError> {
        let mut strings = BTreeSet::new();
        for _ in 0..self.count(field).await? {
            strings.insert(self.string(field).await?);
        }
        Ok(strings)
    }

    /// Reads a map from names to store paths that may be absent.
    pub async fn optional_paths_by_name(
        &mut self,
        field: &'static str,
    ) -> Result<BTreeMap<String, Option<StorePath>>, StoreError> {
        let mut map = BTreeMap::new();
        for _ in 0..self.count(field).await? {
            let name = self.string(field).await?;
            map.insert(name, self.optional_path(field).await?);
        }
        Ok(map)
    }

    /// The error for a field that makes no sense.
    pub fn nonsense(&self, field: &'static str, detail: impl Into<String>) -> StoreError {
        StoreError::Protocol {
            during: self.during,
            field,
            detail: detail.into(),
        }
    }

    /// The operation that the bytes belong to.
    pub fn during(&self) -> &'static str {
        self.during
    }

    async fn string_within(&mut self, field: &'static str, max: u64) -> Result<String, StoreError> {
        let bytes = self.bytes(field, max).await?;
        String::from_utf8(bytes).map_err(|_| self.nonsense(field, "not UTF-8"))
    }

    async fn bounded(
        &mut self,
        field: &'static str,
        max: u64,
        unit: &'static str,
    ) -> Result<u64, StoreError> {
        let number = self.u64(field).await?;
        if number > max {
            let detail = format!("{number} {unit} are too many, at most {max} are read");
            return Err(self.nonsense(field, detail));
        }
        Ok(number)
    }

    /// Reads exactly so many bytes. Memory grows with what arrives, never with what was announced.
    async fn raw(&mut self, field: &'static str, length: u64) -> Result<Vec<u8>, StoreError> {
        if length <= TEXT_KEPT_BYTES {
            let mut bytes = vec![0; as_usize(length)];
            return match self.inner.read_exact(&mut bytes).await {
                Ok(_) => Ok(bytes),
                Err(source) => Err(self.lost(field, source)),
            };
        }
        let mut bytes = Vec::new();
        let read = (&mut self.inner).take(length).read_to_end(&mut bytes).await;
        match read {
            Ok(_) if bytes.len() as u64 == length => Ok(bytes),
            Ok(_) => Err(self.lost(field, io::ErrorKind::UnexpectedEof.into())),
            Err(source) => Err(self.lost(field, source)),
        }
    }

    async fn discard(&mut self, field: &'static str, mut length: u64) -> Result<(), StoreError> {
        while length > 0 {
            let available = match self.inner.fill_buf().await {
                Ok([]) => return Err(self.lost(field, io::ErrorKind::UnexpectedEof.into())),
                Ok(buffer) => buffer.len(),
                Err(source) => return Err(self.lost(field, source)),
            };
            let taken = available.min(as_usize(length));
            self.inner.consume(taken);
            length -= taken as u64;
        }
        Ok(())
    }

    async fn skip_padding(&mut self, field: &'static str, length: u64) -> Result<(), StoreError> {
        let mut zeros = [0; 8];
        let zeros = &mut zeros[..as_usize(padding(length))];
        if let Err(source) = self.inner.read_exact(zeros).await {
            return Err(self.lost(field, source));
        }
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(self.nonsense(field, "the padding behind it is not zero"));
        }
        Ok(())
    }

    fn lost(&self, field: &'static str, source: io::Error) -> StoreError {
        let source = if source.kind() == io::ErrorKind::UnexpectedEof {
            io::Error::new(
                source.kind(),
                format!("closed by the daemon before `{field}`"),
            )
        } else {
            source
        };
        StoreError::Lost {
            during: self.during,
            source,
        }
    }
}

/// A length that is at most that of something in memory, or the largest there is.
fn as_usize(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

//! Collects a request before it is sent.

use crate::{
    nix::StorePath,
    store::{DerivedPath, operation::Operation},
};

/// A request as the wire has it. Reads like the table of operations in the protocol's description.
#[derive(Debug, Default)]
pub(in crate::store) struct Request(Vec<u8>);

impl Request {
    /// A request for an operation, without its arguments.
    pub(in crate::store) fn new(operation: Operation) -> Self {
        Self::default().u64(operation.code())
    }

    /// This request with another one behind it.
    pub(in crate::store) fn append(mut self, other: &Self) -> Self {
        self.0.extend_from_slice(&other.0);
        self
    }

    /// The bytes to send.
    pub(in crate::store) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Adds a number.
    pub(in crate::store) fn u64(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    /// Adds a truth value.
    pub(in crate::store) fn bool(self, value: bool) -> Self {
        self.u64(u64::from(value))
    }

    /// Adds a string.
    pub(in crate::store) fn string(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let mut request = self.u64(bytes.len() as u64);
        request.0.extend_from_slice(bytes);
        // Numbers have eight bytes each, so the whole is aligned exactly where the string is.
        request.0.resize(request.0.len().next_multiple_of(8), 0);
        request
    }

    /// Adds a list, each item as `write` adds it.
    pub(in crate::store) fn list<T>(
        self,
        items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        write: impl Fn(Self, T) -> Self,
    ) -> Self {
        let items = items.into_iter();
        let request = self.u64(items.len() as u64);
        items.fold(request, write)
    }

    /// Adds a store path.
    pub(in crate::store) fn path(self, path: &StorePath) -> Self {
        self.string(path.as_str())
    }

    /// Adds what is asked for, in the form of protocol 1.30 and later.
    pub(in crate::store) fn targets(self, targets: &[DerivedPath]) -> Self {
        self.list(targets, |request, target| {
            request.string(target.to_string())
        })
    }
}

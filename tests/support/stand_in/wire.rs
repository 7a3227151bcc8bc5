//! The primitives of the wire, blocking, as a server needs them.

use std::io::{self, Read};

/// Reads a number.
pub(crate) fn read_u64(from: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Reads a string and the zeros behind it.
pub(crate) fn read_string(from: &mut impl Read) -> io::Result<String> {
    let length = usize::try_from(read_u64(from)?).unwrap();
    let mut bytes = vec![0; length.div_ceil(8) * 8];
    from.read_exact(&mut bytes)?;
    assert!(
        bytes[length..].iter().all(|byte| *byte == 0),
        "the client does not pad with zeros"
    );
    bytes.truncate(length);
    Ok(String::from_utf8(bytes).unwrap())
}

/// Reads a list of strings.
pub(crate) fn read_strings(from: &mut impl Read) -> io::Result<Vec<String>> {
    (0..read_u64(from)?).map(|_| read_string(from)).collect()
}

/// Bytes of the wire, one value after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire(pub(crate) Vec<u8>);

impl Wire {
    /// Adds a number.
    pub(crate) fn u64(mut self, number: u64) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    /// Adds a string and the zeros behind it.
    pub(crate) fn string(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let mut wire = self.u64(bytes.len() as u64);
        wire.0.extend(bytes);
        wire.0
            .extend(vec![0; bytes.len().next_multiple_of(8) - bytes.len()]);
        wire
    }

    /// Adds a list of strings.
    pub(crate) fn strings<S: AsRef<[u8]>>(self, strings: impl IntoIterator<Item = S>) -> Self {
        let strings: Vec<S> = strings.into_iter().collect();
        let wire = self.u64(strings.len() as u64);
        strings.into_iter().fold(wire, Self::string)
    }

    /// Adds bytes as they are.
    pub(crate) fn raw(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.extend(bytes.as_ref());
        self
    }
}

impl AsRef<[u8]> for Wire {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

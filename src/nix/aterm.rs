//! The format of `.drv` files: a subset of ATerm.
//!
//! Source: the chapter "Derivation ATerm format" of the Nix manual, and files that Nix wrote. Apart from [`Derivation`],
//! which is what a file means. Pure and bounded: parsing takes time and memory in proportion to the input, and nesting
//! (there is some in the experimental format for dynamic derivations) ends at `DEPTH_MAX`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Derivation, DerivationOutput, NeededOutputs, StorePath};

/// How many derivations may make one another before one is an input; Nix itself has no use for more than two yet.
const DEPTH_MAX: usize = 16;
/// The version of the format that has dynamic inputs.
const DYNAMIC_VERSION: &[u8] = b"xp-dyn-drv";

/// Why bytes are not a `.drv` file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a derivation: {expected} expected at byte {offset}")]
pub struct AtermError {
    /// Where it went wrong.
    pub offset: usize,
    /// What should have been there.
    pub expected: &'static str,
}

impl Derivation {
    /// Parses the content of a `.drv` file.
    pub fn parse(bytes: &[u8]) -> Result<Self, AtermError> {
        let mut parser = Parser { bytes, at: 0 };
        let mut drv = Self::default();
        let is_dynamic = parser.take(b"DrvWithVersion(");
        if is_dynamic {
            if parser.string()? != DYNAMIC_VERSION {
                return Err(parser.expected("the version `xp-dyn-drv`"));
            }
            parser.comma()?;
        } else if !parser.take(b"Derive(") {
            return Err(parser.expected("`Derive(` or `DrvWithVersion(`"));
        }
        parser.list(|parser| {
            let (name, output) = parser.output()?;
            drv.outputs.insert(name, output);
            Ok(())
        })?;
        parser.comma()?;
        parser.list(|parser| parser.input(&mut drv, is_dynamic))?;
        parser.comma()?;
        parser.list(|parser| {
            drv.input_srcs.insert(parser.path()?);
            Ok(())
        })?;
        parser.comma()?;
        drv.system = parser.text()?;
        parser.comma()?;
        drv.builder = parser.string()?;
        parser.comma()?;
        parser.list(|parser| {
            drv.args.push(parser.string()?);
            Ok(())
        })?;
        parser.comma()?;
        parser.list(|parser| {
            parser.tuple(|parser| {
                let name = parser.string()?;
                parser.comma()?;
                drv.env.insert(name, parser.string()?);
                Ok(())
            })
        })?;
        parser.byte(b')', "`)`")?;
        if parser.at < bytes.len() {
            return Err(parser.expected("the end"));
        }
        Ok(drv)
    }

    /// The content of a `.drv` file, byte for byte as Nix writes it.
    pub fn to_aterm(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.dynamic_inputs.is_empty() {
            out.extend_from_slice(b"Derive(");
        } else {
            out.extend_from_slice(b"DrvWithVersion(");
            write_string(&mut out, DYNAMIC_VERSION);
            out.push(b',');
        }
        write_list(&mut out, &self.outputs, |out, (name, output)| {
            write_tuple(out, [name, &output.path, &output.hash_algo, &output.hash]);
        });
        out.push(b',');
        write_list(&mut out, &self.input_drvs, |out, (drv_path, outputs)| {
            out.push(b'(');
            write_string(out, drv_path.as_str());
            out.push(b',');
            write_needed(
                out,
                outputs,
                self.dynamic_inputs
                    .get(drv_path)
                    .unwrap_or(&BTreeMap::new()),
            );
            out.push(b')');
        });
        out.push(b',');
        write_list(&mut out, &self.input_srcs, |out, path| {
            write_string(out, path.as_str());
        });
        out.push(b',');
        write_string(&mut out, &self.system);
        out.push(b',');
        write_string(&mut out, &self.builder);
        out.push(b',');
        write_list(&mut out, &self.args, write_string);
        out.push(b',');
        write_list(&mut out, &self.env, |out, (name, value)| {
            write_tuple(out, [name, value]);
        });
        out.push(b')');
        out
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn expected(&self, expected: &'static str) -> AtermError {
        AtermError {
            offset: self.at,
            expected,
        }
    }

    /// Goes past these bytes if they are next.
    fn take(&mut self, prefix: &[u8]) -> bool {
        let is_next = self.bytes[self.at..].starts_with(prefix);
        if is_next {
            self.at += prefix.len();
        }
        is_next
    }

    fn byte(&mut self, byte: u8, expected: &'static str) -> Result<(), AtermError> {
        if self.take(&[byte]) {
            Ok(())
        } else {
            Err(self.expected(expected))
        }
    }

    fn comma(&mut self) -> Result<(), AtermError> {
        self.byte(b',', "`,`")
    }

    fn list(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), AtermError>,
    ) -> Result<(), AtermError> {
        self.byte(b'[', "`[`")?;
        if self.take(b"]") {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.take(b"]") {
                return Ok(());
            }
            self.byte(b',', "`,` or `]`")?;
        }
    }

    fn tuple<T>(
        &mut self,
        content: impl FnOnce(&mut Self) -> Result<T, AtermError>,
    ) -> Result<T, AtermError> {
        self.byte(b'(', "`(`")?;
        let content = content(self)?;
        self.byte(b')', "`)`")?;
        Ok(content)
    }

    fn string(&mut self) -> Result<Vec<u8>, AtermError> {
        self.byte(b'"', "a string")?;
        let mut string = Vec::new();
        loop {
            let rest = &self.bytes[self.at..];
            let Some(plain) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) else {
                self.at = self.bytes.len();
                return Err(self.expected("the end of a string"));
            };
            string.extend_from_slice(&rest[..plain]);
            self.at += plain + 1;
            if rest[plain] == b'"' {
                return Ok(string);
            }
            let Some(&escaped) = rest.get(plain + 1) else {
                return Err(self.expected("an escaped character"));
            };
            self.at += 1;
            string.push(match escaped {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                other => other,
            });
        }
    }

    fn text(&mut self) -> Result<String, AtermError> {
        let offset = self.at;
        String::from_utf8(self.string()?).map_err(|_| AtermError {
            offset,
            expected: "UTF-8",
        })
    }

    fn path(&mut self) -> Result<StorePath, AtermError> {
        let offset = self.at;
        StorePath::parse(&self.text()?).map_err(|_| AtermError {
            offset,
            expected: "a store path",
        })
    }

    fn texts(&mut self) -> Result<BTreeSet<String>, AtermError> {
        let mut texts = BTreeSet::new();
        self.list(|parser| {
            texts.insert(parser.text()?);
            Ok(())
        })?;
        Ok(texts)
    }

    fn output(&mut self) -> Result<(String, DerivationOutput), AtermError> {
        self.tuple(|parser| {
            let name = parser.text()?;
            parser.comma()?;
            let path = parser.text()?;
            parser.comma()?;
            let hash_algo = parser.text()?;
            parser.comma()?;
            let hash = parser.text()?;
            Ok((
                name,
                DerivationOutput {
                    path,
                    hash_algo,
                    hash,
                },
            ))
        })
    }

    fn input(&mut self, drv: &mut Derivation, is_dynamic: bool) -> Result<(), AtermError> {
        self.tuple(|parser| {
            let drv_path = parser.path()?;
            parser.comma()?;
            let depth = if is_dynamic { 0 } else { DEPTH_MAX };
            let NeededOutputs { outputs, dynamic } = parser.needed(depth)?;
            if !dynamic.is_empty() {
                drv.dynamic_inputs.insert(drv_path.clone(), dynamic);
            }
            drv.input_drvs.insert(drv_path, outputs);
            Ok(())
        })
    }

    /// Parses outputs, or a pair of outputs and of a list that says for outputs what is needed of the derivations that
    /// those outputs are; at `depth` such lists deep.
    fn needed(&mut self, depth: usize) -> Result<NeededOutputs, AtermError> {
        if !self.bytes[self.at..].starts_with(b"(") {
            return Ok(NeededOutputs {
                outputs: self.texts()?,
                dynamic: BTreeMap::new(),
            });
        }
        if depth == DEPTH_MAX {
            return Err(self.expected("an end of the nesting"));
        }
        self.tuple(|parser| {
            let outputs = parser.texts()?;
            parser.comma()?;
            let mut dynamic = BTreeMap::new();
            parser.list(|parser| {
                parser.tuple(|parser| {
                    let output = parser.text()?;
                    parser.comma()?;
                    dynamic.insert(output, parser.needed(depth + 1)?);
                    Ok(())
                })
            })?;
            Ok(NeededOutputs { outputs, dynamic })
        })
    }
}

fn write_string(out: &mut Vec<u8>, string: impl AsRef<[u8]>) {
    out.push(b'"');
    for &byte in string.as_ref() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

fn write_list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    write: impl Fn(&mut Vec<u8>, T),
) {
    write_separated(out, *b"[]", items, write);
}

fn write_tuple<const N: usize>(out: &mut Vec<u8>, strings: [impl AsRef<[u8]>; N]) {
    write_separated(out, *b"()", strings, write_string);
}

fn write_separated<T>(
    out: &mut Vec<u8>,
    [open, close]: [u8; 2],
    items: impl IntoIterator<Item = T>,
    write: impl Fn(&mut Vec<u8>, T),
) {
    out.push(open);
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(close);
}

fn write_needed(
    out: &mut Vec<u8>,
    outputs: &BTreeSet<String>,
    dynamic: &BTreeMap<String, NeededOutputs>,
) {
    if dynamic.is_empty() {
        write_list(out, outputs, write_string);
        return;
    }
    out.push(b'(');
    write_list(out, outputs, write_string);
    out.push(b',');
    write_list(out, dynamic, |out, (output, needed)| {
        out.push(b'(');
        write_string(out, output);
        out.push(b',');
        write_needed(out, &needed.outputs, &needed.dynamic);
        out.push(b')');
    });
    out.push(b')');
}

#[cfg(test)]
mod tests;

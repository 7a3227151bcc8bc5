//! The attacks of docs/security.md, tried against the server. Others are tried where what they attack is tested.

mod browsers;
mod comments;
mod floods;
mod gone;
mod guesses;
mod names;
mod payloads;
mod sandbox;
pub(crate) mod secrets;
mod strangers;

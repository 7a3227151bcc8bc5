//! The attacks of docs/security.md, tried against the server. Others are tried where what they attack is tested.

mod secrets;

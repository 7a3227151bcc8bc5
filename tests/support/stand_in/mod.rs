//! Stand-ins for the Nix daemon, for what no real one can be made to do.
//!
//! A [`StandIn`] speaks the server's side of the worker protocol by itself and does as a test says: it answers, is slow,
//! talks nonsense, hangs or goes away. A [`Proxy`] stands before a real daemon and breaks connections at a chosen
//! moment. Both listen on a socket of their own and run on threads, so that tests of any kind can use them. The protocol
//! is written down here a second time on purpose: what both sides get wrong in the same way would go unseen.

pub(crate) mod answer;
mod proxy;
mod request;
mod server;
pub(crate) mod wire;

pub(crate) use proxy::{Fault, Proxy};
pub(crate) use request::Asked;
pub(crate) use server::{Act, StandIn, built};

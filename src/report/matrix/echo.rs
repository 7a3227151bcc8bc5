//! Keeps what is typed off the screen while the block is there.
//!
//! Apart because it changes the terminal itself and not what stands on it. An Enter that the terminal shows would move
//! the cursor, and a line of the block would stay behind; so would a `^C` at the margin. Reads nothing: what is typed
//! goes to the shell afterwards.

use std::io;

use rustix::{
    process::getpgrp,
    termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr},
};

/// The terminal behind stderr does not show what is typed, until this is dropped.
#[derive(Debug)]
pub(super) struct EchoOff(());

impl EchoOff {
    /// Switches the echo off, if it is on and this process is in the foreground.
    pub(super) fn on_stderr() -> Option<Self> {
        change(|modes| {
            let is_on = modes.local_modes.contains(LocalModes::ECHO);
            modes.local_modes.remove(LocalModes::ECHO);
            is_on
        })
        .then_some(Self(()))
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        change(|modes| {
            modes.local_modes.insert(LocalModes::ECHO);
            true
        });
    }
}

/// Changes the terminal's modes if `change` says so. Whether they are changed.
fn change(change: impl FnOnce(&mut Termios) -> bool) -> bool {
    let terminal = io::stderr();
    // A process in the background would be stopped for this; there the modes are the shell's own.
    let is_foreground = tcgetpgrp(&terminal).is_ok_and(|group| group == getpgrp());
    is_foreground
        && tcgetattr(&terminal).is_ok_and(|mut modes| {
            change(&mut modes) && tcsetattr(&terminal, OptionalActions::Now, &modes).is_ok()
        })
}

//! What is changed of the terminal itself while the block is there, and how it becomes again what it was.
//!
//! Apart from the screen because it has to be undone whatever happens: at the end, when the process is stopped, by a
//! panic, by a second signal. So it is known to the whole process, as the terminal is there once. Signals stay on: in
//! these modes Ctrl-C, Ctrl-\ and Ctrl-Z mean what they always mean. Nothing is changed by a process in the
//! background, which would be stopped for it; there the modes are the shell's own.

use std::{
    io::{self, Write as _},
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
};

use rustix::{
    process::getpgrp,
    termios::{
        LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr,
    },
};

/// Shows the other screen, which scrolls nothing away.
pub(super) const ENTER_ALTERNATE: &str = "\x1b[?1049h";
/// Clears the screen.
pub(super) const CLEAR: &str = "\x1b[2J";
/// Shows the usual screen again, without the colours of the other one.
pub(super) const LEAVE_ALTERNATE: &str = "\x1b[0m\x1b[?1049l";

/// What is wanted of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Modes {
    /// What is typed is not shown, and waits for the shell: shown, an Enter would move the cursor, and a line of the
    /// block would stay behind.
    Silent,
    /// What is typed is not shown either, and can be read key by key.
    Keys,
}

impl Modes {
    fn removed(self) -> LocalModes {
        match self {
            Self::Silent => LocalModes::ECHO,
            Self::Keys => LocalModes::ECHO | LocalModes::ICANON,
        }
    }
}

/// What is changed now.
struct Held {
    /// The local modes that were taken away, and `VMIN` and `VTIME` as they were.
    modes: Option<(LocalModes, [u8; 2])>,
    /// Whether keys can be read.
    keys: bool,
    is_alternate: bool,
}

static HELD: Mutex<Held> = Mutex::new(Held {
    modes: None,
    keys: false,
    is_alternate: false,
});

fn held() -> MutexGuard<'static, Held> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets the modes of the terminal behind stderr, if this process is in its foreground. Does nothing if they are set
/// already, unless `again`: someone else may have had the terminal meanwhile.
pub(super) fn hold(wanted: Modes, again: bool) {
    let mut held = held();
    if held.modes.is_some() && !again {
        return;
    }
    let (mut removed, mut codes) = held.modes.unwrap_or((LocalModes::empty(), [1, 0]));
    let is_first = held.modes.is_none();
    let is_changed = change(|modes| {
        removed |= modes.local_modes & wanted.removed();
        modes.local_modes.remove(wanted.removed());
        let [min, time] = [SpecialCodeIndex::VMIN, SpecialCodeIndex::VTIME];
        if is_first {
            codes = [modes.special_codes[min], modes.special_codes[time]];
        }
        if wanted == Modes::Keys {
            modes.special_codes[min] = 1;
            modes.special_codes[time] = 0;
        }
    });
    if is_changed {
        held.modes = Some((removed, codes));
        held.keys = wanted == Modes::Keys;
    }
}

/// Sets the modes back.
pub(super) fn release() {
    release_held(&mut held());
}

fn release_held(held: &mut Held) {
    held.keys = false;
    if let Some((removed, [min, time])) = held.modes.take() {
        change(|modes| {
            modes.local_modes.insert(removed);
            modes.special_codes[SpecialCodeIndex::VMIN] = min;
            modes.special_codes[SpecialCodeIndex::VTIME] = time;
        });
    }
}

/// Whether keys may be read now: the modes are set, and this process is in the foreground.
pub(super) fn has_keys() -> bool {
    held().keys && is_foreground()
}

/// Returns what has to be written for the other screen to be shown; nothing if it is.
pub(super) fn enter_alternate() -> &'static str {
    if std::mem::replace(&mut held().is_alternate, true) {
        ""
    } else {
        ENTER_ALTERNATE
    }
}

/// Returns what has to be written for the usual screen to be shown; nothing if it is.
pub(super) fn leave_alternate() -> &'static str {
    if std::mem::take(&mut held().is_alternate) {
        LEAVE_ALTERNATE
    } else {
        ""
    }
}

/// Undoes everything at once, from wherever. If the run goes on, the next frame takes the terminal again.
pub(in crate::report) fn restore() {
    let mut held = match HELD.try_lock() {
        Ok(held) => held,
        Err(TryLockError::Poisoned(held)) => held.into_inner(),
        // Whoever changes it right now is the one that broke down.
        Err(TryLockError::WouldBlock) => return,
    };
    if std::mem::take(&mut held.is_alternate) {
        // There is nobody to tell.
        let _ = io::stderr().write_all(LEAVE_ALTERNATE.as_bytes());
    }
    release_held(&mut held);
}

fn is_foreground() -> bool {
    tcgetpgrp(io::stderr()).is_ok_and(|group| group == getpgrp())
}

/// Changes the terminal's modes. Whether they are as wanted.
fn change(change: impl FnOnce(&mut Termios)) -> bool {
    let terminal = io::stderr();
    is_foreground()
        && tcgetattr(&terminal).is_ok_and(|mut modes| {
            change(&mut modes);
            tcsetattr(&terminal, OptionalActions::Now, &modes).is_ok()
        })
}

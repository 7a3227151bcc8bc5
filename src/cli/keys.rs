//! `--no-keys`, and what becomes of the wishes that keys stand for.

use std::sync::Arc;

use clap::Args;
use rustix::process::{Signal, getpid, kill_process};
use tokio::sync::{Notify, mpsc};

use super::check::lock;
use crate::{
    report::{Keyboard, SharedReporter, Wish},
    run::Input,
};

/// Options about keys.
#[derive(Debug, Args)]
pub(super) struct KeysArgs {
    /// Leave what is typed during the run to the shell: the matrix takes no keys
    #[arg(long, help_heading = "Output")]
    pub(super) no_keys: bool,
}

impl KeysArgs {
    /// Whether there is a keyboard, and it is wanted.
    pub(super) fn are_wanted(&self) -> bool {
        !self.no_keys && Keyboard::is_there()
    }
}

/// The wishes of whoever is at the keyboard, on their way.
pub(super) struct Wishes {
    /// What the run is to know.
    pub(super) inputs: mpsc::UnboundedReceiver<Input>,
    /// Told when a run that is over is not read any more.
    pub(super) left: Arc<Notify>,
    pub(super) keyboard: Keyboard,
}

/// Starts to take keys for this reporter, if it is to have any. To be called in a runtime.
pub(super) fn take_keys(reporter: &SharedReporter) -> Wishes {
    let (input_tx, inputs) = mpsc::unbounded_channel();
    let (left, keyboard) = (Arc::new(Notify::new()), Keyboard::default());
    let takes_keys = lock(reporter).takes_keys();
    if takes_keys {
        let pass_on = {
            let left = Arc::clone(&left);
            move |wish| {
                let input = match wish {
                    Wish::Cancel(check) => Input::CancelChecks(vec![check]),
                    Wish::Explain(check) => Input::Explain(check),
                    Wish::Stop => {
                        // Just as Ctrl-C, wherever that leads.
                        let _ = kill_process(getpid(), Signal::INT);
                        return;
                    }
                    Wish::Leave => return left.notify_one(),
                    // Whoever reads the keys does that.
                    Wish::OpenPager(_) => return,
                };
                // A run that is over wants to know nothing.
                let _ = input_tx.send(input);
            }
        };
        lock(reporter).on_wish(pass_on.clone());
        keyboard.start(reporter, pass_on);
    }
    Wishes {
        inputs,
        left,
        keyboard,
    }
}

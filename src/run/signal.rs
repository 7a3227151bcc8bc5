//! Turns signals into wishes to stop.
//!
//! Apart from the loop that carries wishes out because what a signal means depends on where the process runs. Stops
//! nothing itself.

use std::io::{self, IsTerminal};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::Stop;

/// Listens for SIGINT, SIGTERM and, on a terminal, SIGHUP from now on. The first wish is one to stop, the second one
/// means at once; what to do then is for the receiver to decide.
///
/// # Errors
///
/// Those of the system, where it refuses a handler.
pub fn stops() -> io::Result<mpsc::UnboundedReceiver<Stop>> {
    let (stop_tx, stop_rx) = mpsc::unbounded_channel();
    listen(SignalKind::interrupt(), Stop::Interrupt, &stop_tx)?;
    listen(SignalKind::terminate(), Stop::Terminate, &stop_tx)?;
    // `nohup` takes all three streams off the terminal and ignores the signal, which has to stay so.
    if io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal() {
        listen(SignalKind::hangup(), Stop::Hangup, &stop_tx)?;
    }
    Ok(stop_rx)
}

fn listen(kind: SignalKind, stop: Stop, stop_tx: &mpsc::UnboundedSender<Stop>) -> io::Result<()> {
    let mut signals = signal(kind)?;
    let stop_tx = stop_tx.clone();
    tokio::spawn(async move {
        while signals.recv().await.is_some() && stop_tx.send(stop).is_ok() {
            // The shell and the kernel both tell that a terminal is gone, which is nobody's second wish.
            if stop == Stop::Hangup {
                return;
            }
        }
    });
    Ok(())
}

//! Turns signals into wishes to stop.

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::Stop;

/// Listens for SIGINT and SIGTERM from now on. The first one is a wish, the second one means at once; what to do then is
/// for the receiver to decide.
pub fn stops() -> std::io::Result<mpsc::UnboundedReceiver<Stop>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (stop_tx, stop_rx) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let stop = tokio::select! {
                Some(()) = interrupt.recv() => Stop::Interrupt,
                Some(()) = terminate.recv() => Stop::Terminate,
                else => return,
            };
            if stop_tx.send(stop).is_err() {
                return;
            }
        }
    });
    Ok(stop_rx)
}

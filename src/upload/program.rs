//! Runs a program to its end: what it says is kept within bounds, and it does not outlive whoever asked.

use std::{
    io,
    process::{ExitStatus, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    runtime::Handle,
    time::{Instant, sleep_until, timeout},
};

use super::Invocation;

/// How much of what a program prints is kept, in bytes.
const STDOUT_MAX: usize = 64 << 20;
/// How much of its errors is kept: the last of them.
const STDERR_MAX: usize = 16 << 10;
/// How long a program may take to end when it is told to.
const GRACE: Duration = Duration::from_secs(1);
/// Errors that the next attempt cannot but meet again.
const FINAL: [&str; 12] = [
    "don't know how to open nix store",
    "permission denied",
    "host key verification failed",
    "access denied",
    "accessdenied",
    "unauthorized",
    "unauthenticated",
    "forbidden",
    "http error 401",
    "http error 403",
    "http status 401",
    "http status 403",
];

/// Why a program did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What it said, or why it could not be run.
    pub text: String,
    /// Whether trying again is of no use.
    pub is_final: bool,
}

/// A child in a process group of its own, so that a Ctrl-C in the terminal does not reach it. The whole group is told to
/// end, and a moment later made to, when this is dropped before the child has ended.
struct Group(Option<Child>);

impl Group {
    fn child(&mut self) -> &mut Child {
        self.0.as_mut().expect("only dropping takes it")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(mut child) = self.0.take() else {
            return;
        };
        // Without an id it has been waited for, and the number may belong to somebody else.
        let Some(id) = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)) else {
            return;
        };
        // It fails only if nothing is left of the group.
        let _ = kill_process_group(id, Signal::TERM);
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                if timeout(GRACE, child.wait()).await.is_err() {
                    let _ = kill_process_group(id, Signal::KILL);
                    let _ = child.wait().await;
                }
            });
        }
    }
}

/// Runs it and returns what it printed on its standard output. When the future is dropped, the program ends.
pub async fn run_program(invocation: &Invocation) -> Result<Vec<u8>, Fault> {
    let heard = Mutex::new(Instant::now());
    run_heard(invocation, &heard).await
}

/// The same, and ends it when it has said nothing for so long: it hangs.
pub async fn run_unless_silent(invocation: &Invocation, limit: Duration) -> Result<Vec<u8>, Fault> {
    let heard = Mutex::new(Instant::now());
    let last = || *heard.lock().unwrap_or_else(PoisonError::into_inner);
    let silence = async {
        loop {
            let until = last() + limit;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    };
    tokio::select! {
        ended = run_heard(invocation, &heard) => ended,
        () = silence => Err(Fault {
            text: format!(
                "`{}` said nothing for {} min and was ended",
                invocation.program.display(),
                limit.as_secs() / 60
            ),
            is_final: true,
        }),
    }
}

/// Runs it, and notes when it was heard of last.
async fn run_heard(invocation: &Invocation, heard: &Mutex<Instant>) -> Result<Vec<u8>, Fault> {
    let name = invocation.program.display().to_string();
    let failed = |error: io::Error| Fault {
        text: format!("cannot run `{name}`: {error}"),
        is_final: error.kind() == io::ErrorKind::NotFound,
    };
    let child = Command::new(&invocation.program)
        .args(&invocation.args)
        .envs(invocation.env.iter().map(|(name, value)| (name, value)))
        // With it, Nix writes a number before each line.
        .env_remove("IN_SYSTEMD")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let mut group = Group(Some(child));
    let child = group.child();
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A program that does not read to the end says why by how it ends.
            let _ = stdin.write_all(invocation.stdin.as_bytes()).await;
        }
    };
    let (status, (), printed, said) = tokio::join!(
        child.wait(),
        write,
        collect(stdout, heard, |kept| kept.truncate(STDOUT_MAX)),
        collect(stderr, heard, |kept| {
            kept.drain(..kept.len().saturating_sub(STDERR_MAX));
        }),
    );
    let status = status.map_err(failed)?;
    if status.success() {
        return Ok(printed);
    }
    Err(fault(&name, status, &said))
}

async fn collect(
    pipe: Option<impl AsyncRead + Unpin>,
    heard: &Mutex<Instant>,
    bound: impl Fn(&mut Vec<u8>),
) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut pipe) = pipe else {
        return kept;
    };
    let mut buffer = vec![0; 8 << 10];
    while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
        *heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        kept.extend_from_slice(&buffer[..read]);
        bound(&mut kept);
    }
    kept
}

fn fault(name: &str, status: ExitStatus, said: &[u8]) -> Fault {
    let said = String::from_utf8_lossy(said);
    let said = console::strip_ansi_codes(&said);
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.trim().is_empty())
        .collect();
    // Nix says at the end what went wrong, and before that what it does.
    let from = lines.iter().rposition(|line| line.starts_with("error:"));
    let from = from.unwrap_or(lines.len().saturating_sub(3));
    let text = lines[from..].join("\n");
    let text = text.strip_prefix("error:").unwrap_or(&text).trim();
    let lower = said.to_ascii_lowercase();
    Fault {
        text: if text.is_empty() {
            format!("`{name}` ended with {status} and does not say why")
        } else {
            text.to_owned()
        },
        is_final: FINAL.iter().any(|sign| lower.contains(sign)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use rustix::process::{Pid, test_kill_process};

    use super::{Invocation, STDERR_MAX, run_program, run_unless_silent};

    fn shell(script: &str) -> Invocation {
        Invocation {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            stdin: "in\n".into(),
            ..Invocation::default()
        }
    }

    #[tokio::test]
    async fn what_it_prints_comes_back_and_what_it_says_explains_a_failure() {
        assert_eq!(run_program(&shell("cat")).await.unwrap(), b"in\n");
        let fault = run_program(&shell(
            "echo copying >&2; printf '\\033[31merror:\\033[0m no\\n  at x\\n' >&2; exit 1",
        ))
        .await
        .unwrap_err();
        assert_eq!((fault.text.as_str(), fault.is_final), ("no\n  at x", false));
        let fault = run_program(&shell("exit 3")).await.unwrap_err();
        assert!(fault.text.contains("exit status: 3"), "{fault:?}");
        let fault = run_program(&shell("echo 'error: HTTP error 403' >&2; exit 1"))
            .await
            .unwrap_err();
        assert!(fault.is_final);
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_missed_for_good() {
        let invocation = Invocation {
            program: "/nonexistent/tool".into(),
            ..Invocation::default()
        };
        let fault = run_program(&invocation).await.unwrap_err();
        assert!(fault.is_final && fault.text.contains("/nonexistent/tool"));
    }

    #[tokio::test]
    async fn a_flood_of_errors_costs_bounded_memory() {
        let fault = run_program(&shell("yes error | head -c 1000000 >&2; exit 1"))
            .await
            .unwrap_err();
        assert!(fault.text.len() <= STDERR_MAX);
    }

    #[tokio::test]
    async fn one_that_hangs_is_ended_and_one_that_is_slow_is_not() {
        let limit = Duration::from_secs(2);
        let slow = shell("for n in 1 2 3 4 5 6 7; do sleep 0.5; echo $n >&2; done; echo done");
        assert_eq!(run_unless_silent(&slow, limit).await.unwrap(), b"done\n");
        let began = Instant::now();
        let hangs = shell("echo copying >&2; exec sleep 60");
        let fault = run_unless_silent(&hangs, limit).await.unwrap_err();
        assert!(
            fault.is_final && fault.text.contains("said nothing"),
            "{fault:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(30));
    }

    #[tokio::test]
    async fn it_ends_when_nobody_waits_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("id");
        let script = format!(
            "echo $$ > {0}.new; mv {0}.new {0}; while :; do sleep 0.01; done",
            file.display()
        );
        let begun = async {
            while !file.exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let invocation = shell(&script);
        tokio::select! {
            ended = run_program(&invocation) => panic!("{ended:?}"),
            () = begun => {}
        }
        let id = std::fs::read_to_string(&file).unwrap();
        let id = Pid::from_raw(id.trim().parse().unwrap()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while test_kill_process(id).is_ok() {
            assert!(Instant::now() < deadline, "it still runs");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

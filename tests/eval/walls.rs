//! A hostile program in the place of an evaluator: what it can do behind each kind of walls, and could without them.

use std::{
    fmt::Write as _,
    fs,
    io::Read as _,
    net::TcpListener,
    os::unix::net::UnixListener,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use nixci::eval::{Isolation, Network, NixEvalJobs, Walls};

use crate::{
    isolation::{all_walls, apart, limits, mirror},
    support::{Project, nix, program::write_program, project::SYSTEM, store::TestStore},
};

/// Things that a program tries: a name, and a command of the shell that succeeds if it could do it.
type Deeds = Vec<(&'static str, String)>;

/// A process of the same user with a secret in its environment, as the server is one.
struct Victim(Child);

impl Victim {
    fn start() -> Self {
        let mut command = Command::new("sleep");
        command
            .arg("600")
            .env("VICTIM", "s3cret")
            .stdin(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that takes the place of nix-eval-jobs, tries all of this and says which succeeded, in one line.
fn evaluator(store: &TestStore, deeds: &Deeds) -> NixEvalJobs {
    let mut script = "#!/bin/sh\nexec 3>&1 >/dev/null 2>&1\nwhile [ $# -gt 0 ]; do [ \"$1\" != --gc-roots-dir ] || roots=$2; shift; done\n".to_owned();
    for (name, command) in deeds {
        writeln!(script, "({command}) && said=\"$said {name}\"").unwrap();
    }
    writeln!(
        script,
        "echo '{{\"attr\":\"a\",\"attrPath\":[\"{SYSTEM}\",\"a\"],\"error\":\"'$said.'\"}}' >&3"
    )
    .unwrap();
    fs::create_dir_all(store.folder().join("jobs")).unwrap();
    let program = write_program(&store.folder().join("jobs/nix-eval-jobs"), &script);
    NixEvalJobs::new(program, (2, 34))
}

/// The names of what succeeds with an isolation that this changes.
fn done(
    store: &TestStore,
    project: &Project<'_>,
    deeds: &Deeds,
    change: impl Fn(&mut Isolation),
) -> Vec<String> {
    let own = mirror(store, project, 7);
    let mut evaluation = apart(store, &own, Walls::None);
    change(limits(&mut evaluation));
    let found = evaluation.run_with(&evaluator(store, deeds));
    let said = found.failed.get(&format!("{SYSTEM}.a"));
    let said = said.unwrap_or_else(|| panic!("{found:#?}"));
    let said = said.message.strip_suffix('.').unwrap();
    said.split_whitespace().map(str::to_owned).collect()
}

fn names(deeds: &Deeds) -> Vec<String> {
    deeds.iter().map(|(name, _)| (*name).to_owned()).collect()
}

fn reads(path: &Path) -> String {
    format!("grep -q . {}", path.display())
}

/// What an evaluator has to be able to do.
fn work(store: &TestStore, own: &Path) -> Deeds {
    vec![
        ("mirror", reads(&own.join(".git/HEAD"))),
        ("store", format!("ls {}", store.dir().display())),
        ("hosts", "cat /etc/hosts".to_owned()),
        ("home", "mkdir -p $HOME/a/b && echo x > $HOME/a/b/c && mv $HOME/a/b/c $HOME/a/d && rm $HOME/a/d".to_owned()),
        ("tmp", "echo x > $TMPDIR/x && rm $TMPDIR/x".to_owned()),
        ("roots", "echo x > $roots/x".to_owned()),
        ("null", "echo x > /dev/null && head -c 1 /dev/urandom".to_owned()),
        ("git", "git --version".to_owned()),
        ("itself", "grep -q . /proc/self/maps".to_owned()),
    ]
}

/// Rows "local repo read" and "token leak through fetchers", and what else belongs to the server: whoever has got an
/// evaluator to run code of theirs has got no further.
#[test]
fn a_hostile_program_gets_nothing_of_the_server() {
    let store = nix::newest().store().with_daemon();
    let folder = store.folder().to_owned();
    let project = Project::new(&store).check("a", "").committed();
    let (own, _) = mirror(&store, &project, 7);
    let secret = Project::named(&store, "secret")
        .file("token", "s3cret")
        .committed();
    let (other, _) = mirror(&store, &secret, 8);
    let user_home = tempfile::tempdir_in("/var/tmp").unwrap();
    for name in ["credentials", "nixci.sqlite", "nixci.token"] {
        fs::write(folder.join(name), "s3cret").unwrap();
    }
    fs::write(user_home.path().join(".netrc"), "s3cret").unwrap();
    let mut victim = Victim::start();
    let pid = victim.0.id();
    let attacks: Deeds = vec![
        ("other-mirror", reads(&other.folder().join(".git/HEAD"))),
        (
            "list-mirrors",
            format!("ls {}/8", folder.join("mirrors").display()),
        ),
        ("credentials", reads(&folder.join("credentials"))),
        ("database", reads(&folder.join("nixci.sqlite"))),
        ("token", reads(&folder.join("nixci.token"))),
        ("user-home", reads(&user_home.path().join(".netrc"))),
        ("shadow", reads(Path::new("/etc/shadow"))),
        ("environment", format!("grep -q s3cret /proc/{pid}/environ")),
        ("memory", format!("exec 4< /proc/{pid}/mem")),
        ("files", format!("ls /proc/{pid}/fd/0")),
        ("root", format!("ls /proc/{pid}/root/")),
        ("signal", format!("kill -CONT {pid}")),
        (
            "write-mirror",
            format!("echo x >> {}", own.folder().join("description").display()),
        ),
        (
            "write-tmp",
            format!("echo x > {}/x", user_home.path().display()),
        ),
        (
            "move",
            format!(
                "mv {0}/nixci.token {0}/moved && mv {0}/moved {0}/nixci.token",
                folder.display()
            ),
        ),
        (
            "link",
            format!(
                "ln {0}/nixci.token {0}/linked && rm {0}/linked",
                folder.display()
            ),
        ),
    ];
    // Bubblewrap has folders of its own of that name, in memory: what counts is what is outside.
    let writes: Deeds = vec![
        (
            "write-state",
            format!("echo x > {}", folder.join("new").display()),
        ),
        (
            "write-database",
            format!("echo x >> {}", folder.join("nixci.sqlite").display()),
        ),
    ];
    let outside = || {
        let database = fs::read_to_string(folder.join("nixci.sqlite")).unwrap();
        (folder.join("new").exists(), database)
    };
    let work = work(&store, own.folder());
    let open = |isolation: &mut Isolation| isolation.walls = Walls::None;
    assert_eq!(done(&store, &project, &attacks, open), names(&attacks));
    assert_eq!(done(&store, &project, &work, open), names(&work));
    let untouched = (false, "s3cret".to_owned());
    done(&store, &project, &writes, open);
    assert_eq!(outside(), (true, "s3cretx\n".to_owned()));
    fs::remove_file(folder.join("new")).unwrap();
    fs::write(folder.join("nixci.sqlite"), "s3cret").unwrap();
    for walls in all_walls() {
        let with = |isolation: &mut Isolation| isolation.walls = walls.clone();
        assert_eq!(done(&store, &project, &attacks, with), [""; 0], "{walls:?}");
        assert_eq!(
            done(&store, &project, &work, with),
            names(&work),
            "{walls:?}"
        );
        done(&store, &project, &writes, with);
        assert_eq!(outside(), untouched, "{walls:?}");
    }
    assert!(victim.is_running());
}

/// Row "SSRF": without a network nothing answers.
#[test]
fn a_hostile_program_has_no_network_unless_it_is_given() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store).check("a", "").committed();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().read(&mut [0; 1]);
        }
    });
    let connect: Deeds = vec![(
        "connect",
        format!("bash -c ': > /dev/tcp/127.0.0.1/{port}'"),
    )];
    for walls in all_walls() {
        // A proxy is at one port: that one is open, and no other.
        let proxy = |port| Network::Proxy {
            port,
            keeper: Some(env!("CARGO_BIN_EXE_nixci").into()),
        };
        for (network, expected) in [
            (Network::All, names(&connect)),
            (Network::None, Vec::new()),
            (proxy(port), names(&connect)),
            (proxy(port ^ 1), Vec::new()),
        ] {
            let with = |isolation: &mut Isolation| {
                isolation.walls = walls.clone();
                isolation.network = network.clone();
            };
            let done = done(&store, &project, &connect, with);
            assert_eq!(done, expected, "{walls:?}");
        }
    }
}

/// What it writes in its home it cannot run behind Landlock; and nothing that it starts is freer than it is.
#[test]
fn behind_landlock_only_programs_of_the_system_run() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store).check("a", "").committed();
    let deeds: Deeds = vec![
        ("run", "cp /bin/true $HOME/true && $HOME/true".to_owned()),
        (
            "set-user",
            "setpriv --no-new-privs true && ! grep -q 'NoNewPrivs:.1' /proc/self/status".to_owned(),
        ),
        ("leave", "setsid sh -c 'cat /etc/shadow'".to_owned()),
    ];
    let with = |walls: Walls| move |isolation: &mut Isolation| isolation.walls = walls.clone();
    let landlock = all_walls().pop().unwrap();
    assert_eq!(done(&store, &project, &deeds, with(landlock)), [""; 0]);
    assert_eq!(
        done(&store, &project, &deeds, with(Walls::None)),
        names(&deeds)
    );
}

/// What Landlock cannot do before Linux 7.1, so that nobody believes it: sockets with a path can be reached. Behind them
/// has to be somebody who asks for more than a user.
#[test]
fn sockets_with_a_path_are_in_reach_behind_landlock() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store).check("a", "").committed();
    let path = store.folder().join("other.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let connect = format!(
        "python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"{}\")'",
        path.display()
    );
    let deeds: Deeds = vec![("connect", connect)];
    for walls in all_walls() {
        let with = |isolation: &mut Isolation| isolation.walls = walls.clone();
        let expected = match walls {
            Walls::Bubblewrap(_) => Vec::new(),
            Walls::Landlock(_) | Walls::None => names(&deeds),
        };
        assert_eq!(done(&store, &project, &deeds, with), expected, "{walls:?}");
    }
}

//! How long it takes, beside git: `cargo test --test git measure -- --ignored --nocapture --test-threads=1`.
#![allow(clippy::print_stdout, reason = "the numbers are what this is for")]

use std::{
    fmt::Write as _,
    io::Write as _,
    process::{Command, Stdio},
    time::Instant,
};

use crate::{World, id, support::git_server::GitRepository};

/// Commits `commits` times `files` files, each time with other texts.
fn fill(repository: &GitRepository, commits: usize, files: usize) {
    let mut stream = String::new();
    for commit in 0..commits {
        write!(
            stream,
            "commit refs/heads/main\ncommitter a <a> {} +0000\ndata 1\nx\n",
            1_700_000_000 + commit
        )
        .unwrap();
        for file in 0..files {
            let text = format!("{commit} {file}\n").repeat(20);
            let folder = file % 97;
            write!(
                stream,
                "M 644 inline d{folder}/f{file}\ndata {}\n{text}\n",
                text.len()
            )
            .unwrap();
        }
    }
    let mut import = Command::new("git")
        .args(["fast-import", "--quiet"])
        .current_dir(repository.folder())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    import
        .stdin
        .take()
        .unwrap()
        .write_all(stream.as_bytes())
        .unwrap();
    assert!(import.wait().unwrap().success());
    repository.git(&["reset", "--quiet", "--hard", "main"]);
}

#[tokio::test]
#[ignore = "it measures"]
async fn measure_a_large_repository() {
    let world = World::new();
    fill(&world.repository, 450, 100);
    let objects = world.repository.git(&["count-objects", "-v"]);
    println!("{}", objects.replace('\n', " "));
    let beside = GitRepository::init(&world.folder().join("beside"));
    let url = format!("{}/work/.git", world.server.address());
    let fetch_by_git = || {
        let begin = Instant::now();
        beside.git(&[
            "fetch",
            "--quiet",
            "--no-tags",
            &url,
            "+refs/heads/main:refs/x/main",
        ]);
        begin.elapsed()
    };
    let by_git = fetch_by_git();
    let begin = Instant::now();
    let base = world.fetch("refs/heads/main").await.unwrap();
    println!("everything: git {by_git:?}, nixci {:?}", begin.elapsed());

    world.repository.commit(&[("d1/f1", "new"), ("more", "x")]);
    let by_git = fetch_by_git();
    let begin = Instant::now();
    let main = world.fetch("refs/heads/main").await.unwrap();
    println!(
        "one more commit: git {by_git:?}, nixci {:?}",
        begin.elapsed()
    );
    let begin = Instant::now();
    world.fetch("refs/heads/main").await.unwrap();
    println!("nothing new: nixci {:?}", begin.elapsed());

    world
        .repository
        .git(&["checkout", "--quiet", "-b", "pull", &base.to_string()]);
    let pull = world.repository.commit(&[("d2/f2", "new")]);
    world.fetch("refs/heads/pull").await.unwrap();
    let begin = Instant::now();
    world
        .repository
        .git(&["merge-tree", "--write-tree", "main", "pull"]);
    let by_git = begin.elapsed();
    let begin = Instant::now();
    world.mirror.merge(main, id(&pull)).await.unwrap();
    println!("a merge: git {by_git:?}, nixci {:?}", begin.elapsed());
}

#[tokio::test]
#[ignore = "it measures"]
async fn measure_a_commit_of_ten_thousand_files() {
    let world = World::new();
    fill(&world.repository, 1, 10_000);
    let begin = Instant::now();
    world.fetch("refs/heads/main").await.unwrap();
    println!("fetched: {:?}", begin.elapsed());
    let begin = Instant::now();
    world.fetch("refs/heads/main").await.unwrap();
    println!("looked through again: {:?}", begin.elapsed());
}

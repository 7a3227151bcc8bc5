use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use super::{ReportFile, StreamFile};

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_is_there_as_a_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("junit.xml");
    fs::write(&path, "of an earlier run").unwrap();
    let file = ReportFile::new(&path).unwrap();
    assert!(names(dir.path()).is_empty());
    file.write(b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(names(dir.path()), ["junit.xml"]);
    // Others may read it as they may read other files.
    let plain = dir.path().join("plain");
    fs::write(&plain, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&plain));
}

#[test]
fn a_link_and_a_device_stay_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let (target, link) = (dir.path().join("target"), dir.path().join("link"));
    fs::write(&target, "old").unwrap();
    symlink("target", &link).unwrap();
    ReportFile::new(&link).unwrap().write(b"new").unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"new");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    ReportFile::new(Path::new("/dev/null"))
        .unwrap()
        .write(b"x")
        .unwrap();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn what_cannot_be_written_is_told_before() {
    let dir = tempfile::tempdir().unwrap();
    let error = |path: &Path| {
        let both = [
            ReportFile::new(path).unwrap_err().to_string(),
            StreamFile::new(path).err().unwrap().to_string(),
        ];
        let [report, stream] = both;
        // A few say the same in other words.
        assert_eq!(
            report.to_lowercase().split(" (os").next(),
            stream.to_lowercase().split(" (os").next()
        );
        report.replace(dir.path().to_str().unwrap(), "DIR")
    };
    assert_eq!(error(dir.path()), "cannot write to `DIR`: is a directory");
    assert_eq!(
        error(&dir.path().join("no/such")),
        "cannot write to `DIR/no/such`: No such file or directory (os error 2)"
    );
    fs::write(dir.path().join("file"), "").unwrap();
    assert_eq!(
        error(&dir.path().join("file/x")),
        "cannot write to `DIR/file/x`: Not a directory (os error 20)"
    );
    assert!(error(Path::new("")).starts_with("cannot write to ``: "));
}

#[test]
fn a_stream_fails_once() {
    let mut full = StreamFile::new(Path::new("/dev/full")).unwrap();
    full.write(|out| out.write_all(b"x")).unwrap();
    let error = full.write(|out| out.flush()).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot write to `/dev/full`: No space"),
        "{error}"
    );
    full.write(|out| out.flush()).unwrap();
    assert!(ReportFile::new(Path::new("-")).unwrap().is_stdout());
    assert!(StreamFile::new(Path::new("-")).unwrap().is_stdout());
}

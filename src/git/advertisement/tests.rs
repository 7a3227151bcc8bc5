use super::Advertisement;

const ONE: &str = "46179bd8354ce5a4491b7f9bece24de1acd74eef";
const TWO: &str = "56179bd8354ce5a4491b7f9bece24de1acd74eef";

fn answer(lines: &[&[u8]]) -> Vec<u8> {
    let mut answer = b"001e# service=git-upload-pack\n0000".to_vec();
    for line in lines {
        answer.extend_from_slice(format!("{:04x}", line.len() + 4).as_bytes());
        answer.extend_from_slice(line);
    }
    answer.extend_from_slice(b"0000");
    answer
}

fn parse(lines: &[&str]) -> Result<Advertisement, String> {
    let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
    Advertisement::parse(&answer(&lines), 100)
}

#[test]
fn refs_tags_and_the_default_branch_are_read() {
    let found = parse(&[
        &format!("{ONE} HEAD\0multi_ack thin-pack symref=HEAD:refs/heads/main object-format=sha1 agent=git/2\n"),
        &format!("{ONE} refs/tags/v1\n"),
        &format!("{TWO} refs/tags/v1^{{}}\n"),
        &format!("{TWO} refs/heads/main"),
    ])
    .unwrap();
    assert_eq!(found.default_branch.as_deref(), Some("refs/heads/main"));
    assert_eq!(found.capabilities, ["multi_ack", "thin-pack"]);
    assert_eq!(found.refs.len(), 2);
    assert_eq!(
        found.find("refs/tags/v1").unwrap().commit().to_string(),
        TWO
    );
    assert_eq!(found.find("refs/tags/v1").unwrap().id.to_string(), ONE);
    assert_eq!(found.find("refs/heads/main").unwrap().peeled, None);
    assert_eq!(found.find("refs/heads/m"), None);
}

#[test]
fn a_repository_without_refs_is_one() {
    let none = "0".repeat(40);
    let found = parse(&[&format!("{none} capabilities^{{}}\0multi_ack\n")]).unwrap();
    assert_eq!(found.refs, []);
    assert_eq!(Advertisement::parse(&answer(&[]), 1).unwrap().refs, []);
}

#[test]
fn names_that_are_no_text_are_left_out() {
    let line = [ONE.as_bytes(), b" refs/heads/\xff\xfe"].concat();
    let found = Advertisement::parse(&answer(&[&line]), 1).unwrap();
    assert_eq!(found.refs, []);
}

#[test]
fn what_is_told_to_libgit2_is_read_back() {
    let found = parse(&[&format!(
        "{ONE} refs/heads/main\0side-band-64k symref=HEAD:refs/heads/main"
    )])
    .unwrap();
    let id = found.refs[0].id;
    let again =
        Advertisement::parse(&found.of_wanted(&[("refs/heads/w0".to_owned(), id)]), 1).unwrap();
    assert_eq!(
        (again.refs[0].name.as_str(), again.refs[0].id),
        ("refs/heads/w0", id)
    );
    assert_eq!(again.capabilities, ["side-band-64k"]);
}

#[test]
fn garbage_is_told_from_an_answer() {
    for (garbage, expected) in [
        (&b""[..], "it does not begin as git does"),
        (b"<html>", "a line of it has no length"),
        (b"+0a+0123", "a line of it has no length"),
        (b"0003", "a line of it is shorter than nothing"),
        (b"ffff# service", "it breaks off in the midst of a line"),
        (b"00", "it breaks off in the midst of a line"),
        (
            b"001e# service=git-upload-pack\n0005x",
            "it does not go on as git does",
        ),
        (
            b"001e# service=git-upload-pack\n00000005x",
            "it has a line that names no ref",
        ),
        (
            b"001e# service=git-upload-pack\n0000000eERR \x1b[2Jno",
            "it says:  [2Jno",
        ),
    ] {
        assert_eq!(
            Advertisement::parse(garbage, 1),
            Err(expected.to_owned()),
            "{garbage:?}"
        );
    }
    assert_eq!(
        parse(&[&format!("{ONE} HEAD\0object-format=sha256")]),
        Err("its commits have SHA-256 names, which are not understood yet".to_owned())
    );
    let many: Vec<String> = (0..101).map(|n| format!("{ONE} refs/heads/{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(parse(&many), Err("it has more than 100 refs".to_owned()));
}

proptest::proptest! {
    #[test]
    fn no_answer_breaks_the_reader(bytes: Vec<u8>, lines: Vec<Vec<u8>>) {
        let _ = Advertisement::parse(&bytes, 10);
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        let _ = Advertisement::parse(&answer(&lines), 10);
    }
}

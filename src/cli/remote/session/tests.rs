use tokio::io::BufReader;

use super::{main_part, read_line};

#[test]
fn an_error_is_told_without_advice() {
    for (said, expected) in [
        ("", ""),
        ("ssh: no route\n", "ssh: no route"),
        (
            "\u{1b}[1merror:\u{1b}[0m unexpected argument '--x' found\n\n  tip: …\n\nUsage: nixci\n",
            "unexpected argument '--x' found",
        ),
        ("warning: a\nerror: no\n  such\n", "no\n  such"),
    ] {
        assert_eq!(main_part(said), expected);
    }
}

#[tokio::test]
async fn lines_are_read_whole() {
    let mut reader = BufReader::with_capacity(2, &b"abc\n\nlast"[..]);
    let mut line = Vec::new();
    assert!(read_line(&mut reader, &mut line).await.unwrap());
    assert_eq!(line, b"abc");
    line.clear();
    assert!(read_line(&mut reader, &mut line).await.unwrap());
    assert!(line.is_empty());
    assert!(read_line(&mut reader, &mut line).await.is_err());
    line.clear();
    assert!(!read_line(&mut reader, &mut line).await.unwrap());
}

use proptest::prelude::*;

use super::{Key, Keys};

fn keys(bytes: &[u8]) -> Vec<Key> {
    let mut keys = Keys::default();
    let mut found = keys.take(bytes);
    found.extend(keys.flush());
    found
}

#[test]
fn what_terminals_send_is_understood() {
    use Key::{
        Backspace, Char, Ctrl, Down, End, Enter, Escape, Home, Left, PageDown, PageUp, Right, Up,
    };
    for (bytes, expected) in [
        (&b"jq?"[..], &[Char('j'), Char('q'), Char('?')][..]),
        ("é✔𝄞".as_bytes(), &[Char('é'), Char('✔'), Char('𝄞')]),
        (b"\r\n\x7f\x08", &[Enter, Enter, Backspace, Backspace]),
        (b"\x1b[A\x1b[B\x1b[C\x1b[D", &[Up, Down, Right, Left]),
        (b"\x1bOA\x1bOB\x1bOH\x1bOF", &[Up, Down, Home, End]),
        (
            b"\x1b[5~\x1b[6~\x1b[1~\x1b[4~",
            &[PageUp, PageDown, Home, End],
        ),
        (b"\x06\x02", &[Ctrl('f'), Ctrl('b')]),
        (b"\x1b", &[Escape]),
        (b"\x1b\x1b[A", &[Escape, Up]),
        // Of what is none of ours nothing is taken for a character: F5, Ctrl-Up, Alt-q, the end of a paste.
        (
            b"\x1b[15~\x1b[1;5A\x1bq\x1b[201~\x00\xff\xc3(",
            &[Char('(')],
        ),
    ] {
        assert_eq!(keys(bytes), expected, "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_key_may_come_in_pieces() {
    let mut keys = Keys::default();
    assert_eq!(keys.take(b"\x1b"), []);
    assert!(keys.is_waiting());
    assert_eq!(keys.take(b"["), []);
    assert_eq!(keys.take(b"6"), []);
    assert_eq!(keys.take(b"~\xe2\x9c"), [Key::PageDown]);
    assert_eq!(keys.take(b"\x94"), [Key::Char('✔')]);
    assert!(!keys.is_waiting());
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_are_the_same_keys(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"\x1b[O;~15AB".to_vec())], 0..60),
        at in any::<prop::sample::Index>(),
    ) {
        let whole = keys(&bytes);
        let (first, second) = bytes.split_at(at.index(bytes.len() + 1));
        let mut pieces = Keys::default();
        let mut found = pieces.take(first);
        found.extend(pieces.take(second));
        found.extend(pieces.flush());
        // A sequence that does not end is given up where it is too long, which depends on the pieces.
        if bytes.len() <= super::SEQUENCE_BYTES_MAX {
            prop_assert_eq!(found, whole);
        }
        prop_assert!(keys(&bytes).iter().all(|key| !matches!(key, Key::Char(c) if c.is_control())));
    }
}

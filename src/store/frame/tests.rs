use super::{Frame, clean_message};
use crate::store::{
    ActivityId, ActivityResult, LogMessage, StoreError,
    wire::{Request, WireReader},
};

async fn read(request: &Request) -> Result<Frame, StoreError> {
    Frame::read(&mut WireReader::new(request.bytes(), "a test")).await
}

fn start(word: u64) -> Request {
    Request::default().u64(word)
}

#[tokio::test]
async fn data_of_old_operations_is_skipped() {
    let request = start(0x6461_7416).string("a NAR").u64(0x616c_7473);
    assert_eq!(read(&request).await.unwrap(), Frame::Finished);
}

#[tokio::test]
async fn an_error_is_its_message() {
    let request = start(0x6378_7470).string("Error").u64(0).string("Error");
    let request = request
        .string("\x1b[31;1merror:\x1b[0m\n       it failed\n")
        .u64(0)
        .u64(1)
        .u64(0)
        .string("while");
    assert_eq!(
        read(&request).await.unwrap(),
        Frame::Failed {
            message: "it failed".to_owned()
        }
    );
    let with_position = start(0x6378_7470)
        .string("Error")
        .u64(0)
        .string("Error")
        .string("no")
        .u64(1);
    assert!(matches!(
        read(&with_position).await,
        Err(StoreError::Protocol {
            field: "error position",
            ..
        })
    ));
}

#[tokio::test]
async fn a_log_line_may_hold_anything() {
    let request = start(0x5253_4c54)
        .u64(7)
        .u64(101)
        .u64(1)
        .u64(1)
        .string(b"\x1b]0;\0\xff");
    let result = ActivityResult::LogLine("\x1b]0;\0\u{fffd}".to_owned());
    assert_eq!(
        read(&request).await.unwrap(),
        Frame::Message(LogMessage::Result {
            id: ActivityId(7),
            result
        })
    );
}

#[tokio::test]
async fn fields_without_a_meaning_are_read_and_forgotten() {
    let mut request = start(0x5253_4c54)
        .u64(7)
        .u64(104)
        .u64(100_000)
        .u64(1)
        .string("buildPhase");
    for number in 1..100_000 {
        request = request.u64(0).u64(number);
    }
    let result = ActivityResult::Phase("buildPhase".to_owned());
    assert_eq!(
        read(&request).await.unwrap(),
        Frame::Message(LogMessage::Result {
            id: ActivityId(7),
            result
        })
    );
}

#[tokio::test]
async fn what_is_no_message_is_an_error() {
    // The daemon asks for data that no operation of ours has.
    for (request, field) in [
        (start(0x6461_7461), "message type"),
        (start(0), "message type"),
        (
            start(0x5253_4c54).u64(7).u64(101).u64(1).u64(2),
            "field type",
        ),
        (
            start(0x5253_4c54).u64(7).u64(101).u64(u64::MAX),
            "field count",
        ),
    ] {
        let error = read(&request).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Protocol { field: found, .. } if found == field),
            "{error:?}"
        );
    }
}

#[test]
fn messages_lose_what_is_for_a_terminal() {
    assert_eq!(clean_message("\x1b[31;1merror:\x1b[0m a\x1b[0m b"), "a b");
    assert_eq!(clean_message("  no label\n"), "no label");
    assert_eq!(clean_message("error: error: twice"), "error: twice");
}

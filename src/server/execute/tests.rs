use super::*;

#[tokio::test]
async fn a_run_whose_journal_breaks_down_breaks_down_and_ends() {
    let journal = async { outcome_of(tokio::spawn(async { panic!("a fault") }).await) };
    let caught: Result<Option<()>, _> = AssertUnwindSafe(journal).catch_unwind().await;
    assert!(caught.is_err(), "it is known");
    let ended = tokio::spawn(std::future::pending::<()>());
    ended.abort();
    assert_eq!(outcome_of(ended.await), None);
}

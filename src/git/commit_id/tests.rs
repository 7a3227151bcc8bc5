use super::CommitId;

#[test]
fn only_a_whole_name_is_taken() {
    let name = "46179bd8354ce5a4491b7f9bece24de1acd74eef";
    assert_eq!(name.parse::<CommitId>().unwrap().to_string(), name);
    let upper = name.to_uppercase();
    assert_eq!(upper.parse::<CommitId>().unwrap().to_string(), name);
    for wrong in [
        "",
        "46179bd",
        "main",
        &name[1..],
        &format!("{name}0"),
        &format!("{}g", &name[1..]),
    ] {
        assert!(wrong.parse::<CommitId>().is_err(), "{wrong}");
    }
}

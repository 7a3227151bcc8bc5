use super::{Activity, ActivityKind, ActivityResult, Verbosity};
use crate::store::frame::Field::{self, Number, Text};

const DRV: &str = "/nix/store/6gdvyj6j7fbm4bkvqy7rrp36n7m5b9ha-a.drv";

fn text(text: &str) -> Field {
    Text(text.to_owned())
}

fn activity(kind: u64, fields: Vec<Field>) -> Activity {
    Activity::from_fields(ActivityKind::from_wire(kind), fields)
}

#[test]
fn every_activity_is_known_by_its_fields() {
    let table: Vec<_> = [
        (100, vec![text("/p"), text("from"), text("to")]),
        (101, vec![text("https://a/b.nar")]),
        (102, vec![]),
        (103, vec![]),
        (104, vec![]),
        (105, vec![text(DRV), text(""), Number(1), Number(1)]),
        (
            105,
            vec![text(DRV), text("ssh-ng://build-2"), Number(1), Number(1)],
        ),
        (106, vec![]),
        (107, vec![]),
        (108, vec![text("/p"), text("https://cache")]),
        (109, vec![text("/p"), text("https://cache")]),
        (110, vec![text(DRV)]),
        (111, vec![]),
        (111, vec![text(DRV), text(DRV)]),
        (112, vec![]),
        (113, vec![text("/p"), Number(0)]),
        (0, vec![]),
        (114, vec![text("newer")]),
    ]
    .into_iter()
    .map(|(kind, fields)| format!("{kind}: {:?}", activity(kind, fields)))
    .collect();
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn every_result_is_known_by_its_fields() {
    let table: Vec<_> = [
        (100, vec![Number(4096), Number(8)]),
        (101, vec![text("a line")]),
        (102, vec![text("/p")]),
        (103, vec![text("/p")]),
        (104, vec![text("buildPhase")]),
        (105, vec![Number(1), Number(2), Number(3), Number(4)]),
        (106, vec![Number(101), Number(4096)]),
        (107, vec![text("a line")]),
        (108, vec![text("receiving objects")]),
        (109, vec![text("/p")]),
        (110, vec![text("newer")]),
    ]
    .into_iter()
    .map(|(kind, fields)| format!("{kind}: {:?}", ActivityResult::from_fields(kind, fields)))
    .collect();
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn fields_of_a_wrong_shape_make_it_unknown() {
    for fields in [
        vec![],
        vec![text(DRV)],
        vec![Number(1), text("")],
        vec![text("no path"), text("")],
    ] {
        assert_eq!(
            activity(105, fields),
            Activity::Unknown {
                kind: ActivityKind::Build
            }
        );
    }
    for (kind, fields) in [
        (101, vec![]),
        (101, vec![Number(1)]),
        (105, vec![Number(1), Number(2), Number(3)]),
        (106, vec![text("x"), Number(3)]),
    ] {
        assert_eq!(
            ActivityResult::from_fields(kind, fields),
            ActivityResult::Unknown { kind }
        );
    }
}

#[test]
fn levels_beyond_the_highest_are_the_highest() {
    for level in 0..=7 {
        assert_eq!(Verbosity::from_wire(level).to_wire(), level);
    }
    assert_eq!(Verbosity::from_wire(u64::MAX), Verbosity::Vomit);
}

use super::{Budget, resident_bytes, tree};

#[test]
fn the_largest_goes_when_all_together_are_too_large() {
    let budget = Budget::new(100);
    assert_eq!(budget.victim(&[]), None);
    assert_eq!(budget.victim(&[(1, 60), (2, 40)]), None);
    assert_eq!(budget.victim(&[(1, 60), (2, 41)]), Some(1));
    assert_eq!(budget.victim(&[(7, 101)]), Some(7));
}

#[test]
fn there_are_as_many_workers_as_have_room_for_the_flake() {
    let mut budget = Budget::new(100);
    assert_eq!(budget.workers(8), 8);
    budget.loaded(40);
    assert_eq!(budget.workers(8), 2);
    // The first one had evaluated something large as well.
    budget.loaded(20);
    budget.loaded(30);
    assert_eq!(budget.workers(8), 5);
    assert_eq!(budget.workers(3), 3);
    let mut small = Budget::new(10);
    small.loaded(40);
    assert_eq!(small.workers(8), 1);
}

#[test]
fn a_worker_begins_anew_when_it_is_over_its_share_for_what_it_keeps() {
    let mut budget = Budget::new(100);
    budget.loaded(10);
    assert!(!budget.is_worn_out(50, 2));
    assert!(budget.is_worn_out(51, 2));
    assert!(!budget.is_worn_out(51, 1));
    // Where loading the flake alone is over the share, beginning anew would help nothing.
    let mut tight = Budget::new(100);
    tight.loaded(45);
    assert!(!tight.is_worn_out(60, 2));
}

#[test]
fn the_memory_of_a_process_is_measured() {
    let own = resident_bytes(std::process::id()).unwrap();
    assert!(own > 1 << 20, "{own}");
    let ballast = vec![1u8; 64 << 20];
    let larger = resident_bytes(std::process::id()).unwrap();
    assert!(larger > own + (32 << 20), "{own} {larger}");
    drop(ballast);
    assert_eq!(resident_bytes(u32::MAX / 2), None);
}

#[test]
fn a_tree_is_a_process_with_all_below_it() {
    let parents = [(2, 1), (3, 2), (4, 3), (5, 1), (6, 5), (7, 3)].into();
    assert_eq!(tree(2, &parents), [2, 3, 4, 7].into());
    assert_eq!(tree(6, &parents), [6].into());
    // Its own parent, which no kernel says.
    assert_eq!(tree(8, &[(8, 8)].into()), [8].into());
}

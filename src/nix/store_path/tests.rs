use super::StorePath;

const DRV: &str = "/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-ok-1.0.drv";

#[test]
fn parts_of_a_derivation_path() {
    let path = StorePath::parse(DRV).unwrap();
    assert_eq!(path.hash_part(), "sbmgrpkpqw7n9q6xg30k28gz54jbzxh6");
    assert_eq!(path.name(), "ok-1.0.drv");
    assert!(path.is_derivation());
    assert_eq!(path.as_str(), DRV);
}

#[test]
fn what_is_no_store_path_is_refused() {
    for bad in [
        "",
        "ok",
        "/nix/store",
        "/nix/store/short-ok",
        "nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-ok",
        "/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-",
        "/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-a b",
        "/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxe6-ok",
        "/nix/store/../sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-ok",
        "/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-ok/bin",
        "/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-ok\n",
    ] {
        assert!(StorePath::parse(bad).is_err(), "{bad:?}");
    }
}

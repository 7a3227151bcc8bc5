use super::ProtocolVersion;

#[test]
fn the_wire_has_both_numbers_in_one_word() {
    assert_eq!(
        ProtocolVersion::from_wire(0x122),
        Some(ProtocolVersion::OLDEST)
    );
    assert_eq!(
        ProtocolVersion::from_wire(0x126),
        Some(ProtocolVersion::NEWEST)
    );
    assert_eq!(ProtocolVersion::OLDEST.to_wire(), 0x122);
    assert_eq!(ProtocolVersion::new(38).to_string(), "1.38");
    assert!(ProtocolVersion::from_wire(0x10a) < Some(ProtocolVersion::OLDEST));
    for not_ours in [0, 0x26, 0x226, 0x1_0126, u64::MAX] {
        assert_eq!(ProtocolVersion::from_wire(not_ours), None, "{not_ours:#x}");
    }
}

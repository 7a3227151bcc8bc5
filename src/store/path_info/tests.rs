use super::PathInfo;
use crate::{nix::golden, store::wire::WireReader};

#[tokio::test]
async fn golden_path_infos_are_read() {
    let Some((bytes, meaning)) = golden::read_wire("worker-protocol/valid-path-info-1.16") else {
        return;
    };
    let mut reader = WireReader::new(&bytes[..], "a test");
    for meaning in meaning.as_array().unwrap() {
        assert_eq!(
            reader.path("path").await.unwrap(),
            golden::store_path(&meaning["path"])
        );
        let info = PathInfo::read(&mut reader).await.unwrap();
        let deriver = &meaning["deriver"];
        assert_eq!(
            info.deriver,
            (!deriver.is_null()).then(|| golden::store_path(deriver))
        );
        assert_eq!(
            info.references,
            meaning["references"]
                .as_array()
                .unwrap()
                .iter()
                .map(golden::store_path)
                .collect()
        );
        assert_eq!(info.registered_at, meaning["registrationTime"]);
        assert_eq!(info.nar_size_bytes, meaning["narSize"]);
        assert_eq!(info.is_ultimate, meaning["ultimate"]);
        assert_eq!(
            info.signatures,
            serde_json::from_value(meaning["signatures"].clone()).unwrap()
        );
        assert_eq!(info.content_address.is_empty(), meaning["ca"].is_null());
        assert_eq!(info.nar_hash.len(), 64, "hexadecimal digits of 32 bytes");
    }
    assert!(!reader.has_buffered());
}

use serde_json::{Value, json};

use super::*;

#[test]
fn the_engine_says_whether_its_storage_has_quotas() {
    let quota = |driver: &str, backing: &str| {
        Quota::of(&SystemInfo {
            driver: Some(driver.to_owned()),
            driver_status: Some(vec![
                vec!["Backing Filesystem".to_owned(), backing.to_owned()],
                vec!["nonsense".to_owned()],
            ]),
            ..SystemInfo::default()
        })
    };
    assert_eq!(quota("overlay2", "extfs"), Quota::None);
    assert_eq!(quota("overlay2", "xfs"), Quota::OfLayer);
    assert_eq!(quota("btrfs", ""), Quota::WithImage);
    assert_eq!(quota("zfs", ""), Quota::OfLayer);
    assert_eq!(Quota::of(&SystemInfo::default()), Quota::None);
    let snapshotter = ["driver-type", "io.containerd.snapshotter.v1"].map(str::to_owned);
    let info = SystemInfo {
        driver: Some("btrfs".to_owned()),
        driver_status: Some(vec![snapshotter.into()]),
        ..SystemInfo::default()
    };
    assert_eq!(Quota::of(&info), Quota::None);
}

fn container(layer: i64, mounts: &Value) -> ContainerSummary {
    let labels = json!({
        OWNER_LABEL: "local", LEASE_LABEL: LeaseId::generate().to_string(), DISK_LABEL: "1",
    });
    let id = "0123456789ab".repeat(5) + "0123";
    let container = json!({"Id": id, "SizeRw": layer, "Labels": labels, "Mounts": mounts});
    serde_json::from_value(container).unwrap()
}

fn volume(name: &str) -> Value {
    json!([
        {"Type": "volume", "Name": name}, {"Type": "volume", "Name": "unknown"},
        {"Type": "tmpfs"}, {"Type": "bind", "Name": "b"},
    ])
}

fn sizes() -> Sizes {
    let sizes = [("a", Some(500)), ("b", Some(7)), ("broken", None)];
    sizes.map(|(name, size)| (name.to_owned(), size)).into()
}

#[test]
fn a_containers_layer_and_its_volumes_count_together() {
    let mut used = DiskUse::of(&container(1_000, &volume("a")), Some(&sizes())).unwrap();
    assert_eq!((used.used, used.limit), (Some(1_500), Some(MEBIBYTE)));
    assert!(!used.is_suspect());
    used.used = Some(MEBIBYTE);
    assert!(!used.is_suspect());
    used.used = Some(MEBIBYTE + 1);
    assert!(used.is_suspect());
    used.limit = None;
    assert!(!used.is_suspect());
    let strange = ContainerSummary {
        labels: Some(HashMap::new()),
        ..container(1, &json!([]))
    };
    assert_eq!(DiskUse::of(&strange, Some(&sizes())), None);
}

#[test]
fn what_cannot_be_counted_is_not_nothing() {
    for (layer, name) in [(-1, "a"), (5, "broken")] {
        let used = DiskUse::of(&container(layer, &volume(name)), Some(&sizes())).unwrap();
        assert_eq!(used.used, None);
        assert!(used.is_suspect());
    }
    // If no volume could be measured, the layer still counts.
    let used = DiskUse::of(&container(5, &volume("broken")), None).unwrap();
    assert_eq!(used.used, Some(5));
}

#[test]
fn engines_old_and_new_tell_of_their_volumes() {
    let volumes = json!([
        {"Name": "a", "UsageData": {"Size": 5, "RefCount": 1}},
        {"Name": "b", "UsageData": {"Size": -1, "RefCount": 1}},
        {"Name": "c"},
    ]);
    for answer in [
        json!({"Volumes": volumes, "Images": null}),
        json!({"VolumeUsage": {"Items": volumes, "TotalSize": 5}}),
    ] {
        let answer: Measured = serde_json::from_value(answer).unwrap();
        let sizes = answer.sizes();
        assert_eq!((sizes["a"], sizes["b"], sizes["c"]), (Some(5), None, None));
    }
}

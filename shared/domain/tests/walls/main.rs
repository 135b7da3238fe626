//! The walls of the house: which crate links what, and that no modules import each other in a
//! circle.
//!
//! ARCHITECTURE.md shows the arrows. A planted wrong import is found, which the tests show too.

mod imports;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use imports::{circle, graph};

/// What a crate without the outside does not link: SDKs, Docker's client, Lambda, servers, and the
/// crates of ours that do.
const OUTSIDE: [&str; 9] = [
    "aws-",
    "aws_",
    "bollard",
    "containerlease-functions",
    "containerlease-local",
    "containerlease-service",
    "containerlease-table",
    "lambda_",
    "rusqlite",
];

/// The crates whose modules must not import each other in a circle.
const CRATES: [&str; 9] = [
    "functions/src",
    "infra/bench/src",
    "infra/cli/src",
    "infra/docker-host/guard/src",
    "infra/local/src",
    "infra/testkit/src",
    "shared/domain/src",
    "shared/service/src",
    "shared/settings/src",
];

#[test]
fn the_rules_link_nothing_of_the_outside() {
    for package in ["containerlease-domain", "containerlease-settings"] {
        assert_eq!(outside_of(&links(package), &[]), [""; 0], "{package}");
    }
}

#[test]
fn the_guard_links_docker_and_nothing_else_of_the_outside() {
    let linked = links("containerlease-guard");
    assert!(linked.contains("bollard"), "{linked:?}");
    assert_eq!(outside_of(&linked, &["bollard", "bollard-stubs"]), [""; 0]);
}

#[test]
fn a_client_alone_links_nothing_of_the_outside() {
    assert_eq!(outside_of(&links("containerlease-cli"), &[]), [""; 0]);
}

#[test]
fn a_crate_that_links_the_outside_is_told_from_one_that_does_not() {
    let found = outside_of(&links("containerlease-service"), &[]);
    assert!(found.iter().any(|name| name == "bollard"), "{found:?}");
    assert!(
        found.iter().any(|name| name == "aws-sdk-dynamodb"),
        "{found:?}"
    );
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    for folder in CRATES {
        let graph = graph(&sources(folder));
        assert!(!graph.is_empty(), "{folder} has modules");
        assert_eq!(circle(&graph), None, "{folder}");
    }
}

#[test]
fn a_planted_wrong_import_is_found() {
    for (folder, file, wrong) in [
        (
            "shared/domain/src",
            "names.rs",
            "use crate::{lease::Lease};",
        ),
        (
            "shared/settings/src",
            "reader.rs",
            "use super::guard::GuardSettings;",
        ),
        ("shared/service/src", "store/table.rs", "use crate::reaper;"),
        (
            "shared/service/src",
            "docker/client.rs",
            "fn f() { crate::leasing::end::f() }",
        ),
        (
            "functions/src",
            "http/answer.rs",
            "use crate::{\n    routes::read,\n};",
        ),
    ] {
        let mut sources = sources(folder);
        let text = sources.get_mut(file).expect("there is such a file");
        text.insert_str(0, wrong);
        assert!(circle(&graph(&sources)).is_some(), "{folder}/{file}");
    }
}

/// The names of all crates that a package links, itself included, without its default features.
fn links(package: &str) -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--edges", "normal"])
        .args([
            "--no-default-features",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .args(["--package", package])
        .current_dir(repository())
        .output()
        .expect("cargo can be run");
    let said = String::from_utf8_lossy(&tree.stderr);
    assert!(tree.status.success(), "{said}");
    let lines = String::from_utf8(tree.stdout).expect("names are text");
    let names = lines.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

fn outside_of(linked: &BTreeSet<String>, allowed: &[&str]) -> Vec<String> {
    let outside = |name: &&String| {
        OUTSIDE.iter().any(|prefix| name.starts_with(prefix)) && !allowed.contains(&name.as_str())
    };
    linked.iter().filter(outside).cloned().collect()
}

/// The sources of a crate, by their path below `folder`.
fn sources(folder: &str) -> BTreeMap<String, String> {
    let root = repository().join(folder);
    let mut sources = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.expect("a folder can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("it is text");
                let name = path.strip_prefix(&root).expect("it is below its root");
                sources.insert(name.display().to_string(), text);
            }
        }
    }
    sources
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

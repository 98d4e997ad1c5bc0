//! Links: files and anchors exist. Addresses of other hosts are only looked at: a test must not depend on a network.

use std::path::{Component, Path, PathBuf};

use crate::document::{Document, root};

/// What is wrong with a document's links.
pub(crate) fn check(document: &Document, all: &[Document]) -> Vec<String> {
    let problem = |link: &crate::document::Piece| {
        let what = broken(document, &link.text, all)?;
        Some(document.problem(link.line, &format!("{}: {what}", link.text)))
    };
    document.links.iter().filter_map(problem).collect()
}

fn broken(document: &Document, link: &str, all: &[Document]) -> Option<&'static str> {
    if link.contains("://") {
        return (!link.starts_with("https://")).then_some("not an address by https");
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() { PathBuf::from(&document.name) } else { beside(&document.name, file) };
    if !root().join(&target).exists() {
        return Some("no such file");
    }
    let known = |document: &&Document| Path::new(&document.name) == target;
    let has_anchor = |document: &Document| document.anchors.iter().any(|known| known == anchor);
    let found = anchor.is_empty() || all.iter().find(known).is_some_and(has_anchor);
    (!found).then_some("no such heading")
}

/// The path below the repository of a file that is named by its place relative to another one.
fn beside(document: &str, file: &str) -> PathBuf {
    let mut path = PathBuf::from(document);
    path.pop();
    for component in Path::new(file).components() {
        match component {
            Component::ParentDir => _ = path.pop(),
            other => path.push(other),
        }
    }
    path
}

#[test]
fn a_link_is_broken_by_its_file_or_its_anchor() {
    let of = |name: &str| Document { name: name.to_owned(), anchors: vec!["known".into()], ..Document::default() };
    let all = [of("README.md"), of("src/config/mod.rs")];
    for (link, broken_by) in [
        ("#known", None),
        ("../../README.md#known", None),
        ("../../LICENSE", None),
        ("https://host/path", None),
        ("http://host/path", Some("not an address by https")),
        ("#unknown", Some("no such heading")),
        ("../../README.md#unknown", Some("no such heading")),
        ("none.md", Some("no such file")),
    ] {
        assert_eq!(broken(&all[1], link, &all), broken_by, "{link}");
    }
}

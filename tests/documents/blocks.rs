//! Fenced blocks that are compared or checked without being run.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use temp_dir::TempDir;

use crate::document::{Block, Document, root};

/// What a fence may say, see the list in `main.rs`.
const TAGS: [&str; 6] = ["console", "conf", "yaml", "dockerfile", "sh", "text"];

/// Columns of a page.
const WIDTH: usize = 120;

/// Every block has a known tag, and no line is wider than a page.
pub(crate) fn check_tags(document: &Document) -> Vec<String> {
    let unknown = |block: &&Block| !TAGS.contains(&block.tag.as_str());
    let tag = |block: &Block| document.problem(block.line - 1, &format!("the tag {:?} has no check", block.tag));
    let tags = document.blocks.iter().filter(unknown).map(tag);
    let wide = document.blocks.iter().flat_map(|block| {
        let wide = |(_, line): &(usize, &str)| line.chars().count() > WIDTH;
        block.text.lines().enumerate().filter(wide).map(|(number, _)| document.problem(block.line + number, "too wide"))
    });
    tags.chain(wide).collect()
}

/// Every configuration passes `k8psh --check`, with the variables that Kubernetes would set.
pub(crate) fn check_configurations(document: &Document) -> Vec<String> {
    let problem = |block: &Block| {
        let output = check_configuration(&block.text);
        (!output.is_empty()).then(|| document.problem(block.line, &output))
    };
    document.tagged("conf").filter_map(problem).collect()
}

fn check_configuration(text: &str) -> String {
    let directory = TempDir::new().expect("a temporary directory");
    fs::write(directory.child("k8psh.conf"), text).expect("the configuration");
    let mut command = Command::new(env!("CARGO_BIN_EXE_k8psh"));
    command.args(["--config", "k8psh.conf", "--check"]).current_dir(directory.path());
    let output = command.env("BUILD_SERVICE_HOST", "10.96.0.7").output().expect("k8psh runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() || !said.is_empty() { said } else { output.status.to_string() }
}

/// Every excerpt of a manifest or a Dockerfile is in one.
pub(crate) fn check_excerpts(document: &Document) -> Vec<String> {
    let manifests = contents(|name| name.ends_with(".yaml"));
    let dockerfiles = contents(|name| name.ends_with(".Dockerfile") || name == "Dockerfile.scratch");
    let problem = |block: &Block| {
        let sources = if block.tag == "yaml" { &manifests } else { &dockerfiles };
        let found = sources.iter().any(|source| contains(source, &block.text));
        (!found).then(|| document.problem(block.line, "this is in no manifest of tests/pods"))
    };
    document
        .blocks
        .iter()
        .filter(|block| ["yaml", "dockerfile"].contains(&block.tag.as_str()))
        .filter_map(problem)
        .collect()
}

/// The files of this kind at the repository's top and in `tests/pods`.
fn contents(wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for directory in [root(), root().join("tests/pods")] {
        for entry in fs::read_dir(directory).expect("a directory") {
            let entry = entry.expect("an entry");
            if wanted(&entry.file_name().to_string_lossy()) {
                found.push(fs::read_to_string(entry.path()).expect("a text"));
            }
        }
    }
    found
}

/// Whether the lines of `part` follow each other somewhere in `whole`, all of them indented by as much more.
fn contains(whole: &str, part: &str) -> bool {
    let whole: Vec<_> = whole.lines().collect();
    let part: Vec<_> = part.lines().collect();
    let indented = |lines: &[&str]| {
        let depth = lines[0].len().checked_sub(part[0].len());
        let shifted = |(line, part): (&&str, &&str)| {
            line.is_empty() && part.is_empty()
                || depth.is_some_and(|depth| **line == format!("{}{part}", " ".repeat(depth)))
        };
        lines.iter().zip(&part).all(shifted)
    };
    !part.is_empty() && whole.windows(part.len()).any(indented)
}

/// Every script can be parsed, and what it names is there.
pub(crate) fn check_scripts(document: &Document) -> Vec<String> {
    let manifests = contents(|name| name.ends_with(".yaml")).concat();
    let parsed = document.tagged("sh").filter(|block| !is_shell(&block.text));
    let unparsed = parsed.map(|block| document.problem(block.line, "this is no shell script"));
    let missing = document.tagged("sh").flat_map(|block| {
        let lines = block.text.lines().enumerate();
        let words = lines.flat_map(|(number, line)| line.split_whitespace().map(move |word| (number, word)));
        let missing = words.filter(|(_, word)| is_missing(word, &manifests));
        missing.map(|(number, word)| document.problem(block.line + number, &format!("{word}: there is none")))
    });
    unparsed.chain(missing).collect()
}

fn is_shell(text: &str) -> bool {
    let mut command = Command::new("sh");
    command.args(["-n", "-c", text]).stderr(Stdio::null());
    command.status().expect("sh runs").success()
}

/// Whether a word names a file of the repository, or a Job or Pod of the manifests, that does not exist.
fn is_missing(word: &str, manifests: &str) -> bool {
    let is_file = ["scripts/", "tests/", "src/", "Dockerfile"].iter().any(|start| word.starts_with(start));
    let is_script = word.starts_with("scripts/");
    let job = word.strip_prefix("job/").or_else(|| word.strip_prefix("--from=cronjob/"));
    let known = |name: &str| name == "now" || manifests.contains(&format!("metadata: {{name: {name}}}"));
    is_file && !root().join(word).exists()
        || is_script && !is_executable(&root().join(word))
        || job.is_some_and(|name| !known(name))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|data| data.permissions().mode() & 0o111 != 0)
}

#[test]
fn an_excerpt_may_be_indented_otherwise() {
    let whole = "a:\n  b:\n    c: 1\n\n  d: 2\n";
    for (part, found) in [
        ("b:\n  c: 1\n", true),
        ("    c: 1\n\n  d: 2\n", true),
        ("c: 1\n\nd: 2\n", false),
        ("b:\n    c: 1\n", false),
        ("b:\n  c: 2\n", false),
        ("", false),
    ] {
        assert_eq!(contains(whole, part), found, "{part:?}");
    }
}

#[test]
fn a_configuration_with_an_error_does_not_pass() {
    assert_eq!(check_configuration("[ a ]\nb\n"), "");
    assert_eq!(check_configuration("[ a:x ]\nb\n"), "k8psh: k8psh.conf:1:5: section a: port x is not a number\n");
}

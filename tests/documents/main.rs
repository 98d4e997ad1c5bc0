//! Every Markdown file of the repository, held against the program, the scripts and the manifests.
//!
//! A fenced block is checked by its tag:
//!
//! | tag | check |
//! | --- | --- |
//! | `console` | run as written; see [`console`] |
//! | `conf` | passes `k8psh --check`, and is `k8psh.conf` for the console blocks below it |
//! | `yaml` | is found in a manifest of `tests/pods`, whatever the indentation |
//! | `dockerfile` | is found in `Dockerfile.scratch` or a Dockerfile of `tests/pods` |
//! | `sh` | is a shell script, and the files and Jobs that it names exist |
//! | `text` | a picture, no wider than a page |
//!
//! Outside of blocks: links and anchors lead somewhere, options and variables exist, messages are printed by the program,
//! limits have the values that the program uses.
//!
//! Every failure says `FILE:LINE`.

mod blocks;
mod console;
mod document;
mod limits;
mod links;
mod messages;
mod words;

use document::Document;

/// Fails the test with one line for each problem.
#[track_caller]
fn report(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// All documents, through one check.
#[track_caller]
fn check_all(check: impl Fn(&Document) -> Vec<String>) {
    let documents = document::all();
    assert!(documents.iter().any(|document| document.name == "README.md"), "README.md is not among the documents");
    report(&documents.iter().flat_map(check).collect::<Vec<_>>());
}

#[test]
fn every_link_and_every_anchor_leads_somewhere() {
    let documents = document::all();
    report(&documents.iter().flat_map(|document| links::check(document, &documents)).collect::<Vec<_>>());
}

#[test]
fn every_block_has_a_tag_that_says_how_it_is_checked() {
    check_all(blocks::check_tags);
}

#[test]
fn every_configuration_passes_the_programs_own_check() {
    check_all(blocks::check_configurations);
}

#[test]
fn every_excerpt_of_a_manifest_is_in_the_manifest() {
    check_all(blocks::check_excerpts);
}

#[test]
fn every_script_names_files_and_jobs_that_exist() {
    check_all(blocks::check_scripts);
}

#[test]
fn every_command_prints_what_its_block_shows() {
    if console::can_be_contained() {
        check_all(console::check);
    }
}

#[test]
fn every_message_is_one_that_the_program_prints() {
    if console::can_be_contained() {
        let printed = messages::printed();
        check_all(|document| messages::check(document, &printed));
    }
}

#[test]
fn every_option_and_every_variable_exists() {
    let known = words::known();
    check_all(|document| words::check(document, &known));
}

#[test]
fn every_option_is_explained_where_options_are() {
    report(&words::unexplained("src/options/README.md"));
}

#[test]
fn every_limit_has_the_value_that_the_program_uses() {
    check_all(limits::check);
}

#[test]
fn the_quick_start_is_two_commands() {
    let readme = document::read("README.md");
    let block = readme.tagged("sh").next().expect("a quick start");
    assert_eq!(block.text, "scripts/demo\nscripts/check\n", "README.md:{}", block.line);
}

#[test]
fn the_readme_is_read_in_ten_minutes() {
    let lines = document::read("README.md").text.lines().count();
    assert!(lines <= 250, "README.md:250: it has {lines} lines");
}

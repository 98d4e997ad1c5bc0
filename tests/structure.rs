//! Holds the source to its map: arrows between rooms go where `src/lib.rs` says and nowhere else, no circle of files or
//! folders, no folder of more than a dozen files, no file of more than 400 lines beside its tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, ItemMod, ItemUse, Macro, UseTree};

/// Most files in a folder, without the folders in it.
const FOLDER: usize = 12;

/// Most lines of a file, without its module of tests.
const LINES: usize = 400;

/// Rooms that everybody may use: they use nothing themselves.
const GROUND: [&str; 2] = ["exit", "limits"];

/// A file of the library as a module, such as `sys::fd`.
struct Module {
    name: String,
    file: PathBuf,
    source: String,
}

impl Module {
    /// The room that the module is in: its first part.
    fn room(&self) -> &str {
        room(&self.name)
    }

    /// The source without the module of tests at its end.
    fn without_tests(&self) -> &str {
        self.source.split("#[cfg(test)]\nmod tests {").next().unwrap_or(&self.source)
    }
}

fn room(module: &str) -> &str {
    module.split("::").next().unwrap_or(module)
}

/// All modules of the library. `sys/freestanding` is part of the binary alone, and so is `main.rs`; the files of
/// `sys/arch` are one module, of which each processor has its own.
fn modules() -> Vec<Module> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules = Vec::new();
    let mut folders = vec![source.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the source") {
            let path = entry.expect("an entry").path();
            let relative = path.strip_prefix(&source).expect("below the source").to_owned();
            if path.is_dir() {
                if relative != Path::new("sys/freestanding") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") && relative != Path::new("main.rs") {
                modules.push(Module {
                    name: module_name(&relative),
                    source: fs::read_to_string(&path).expect("text"),
                    file: relative,
                });
            }
        }
    }
    assert!(modules.len() > 50, "found {} files only", modules.len());
    modules.sort_by(|one, other| one.name.cmp(&other.name));
    modules
}

/// The name of the module that a file is: `a/b.rs` and `a/b/mod.rs` are `a::b`. Tests in a file of their own are a part of
/// the module above them.
fn module_name(file: &Path) -> String {
    let name = file.with_extension("").to_str().expect("a name").replace('/', "::");
    let name = name.strip_suffix("::mod").or(name.strip_suffix("::tests")).unwrap_or(&name);
    name.to_owned()
}

/// The names that a file takes from other modules of the crate, as paths from its root.
struct Uses<'m> {
    module: &'m str,
    found: BTreeSet<String>,
}

impl Uses<'_> {
    /// Notes a path as it is written.
    fn note(&mut self, parts: &[String]) {
        let path = match parts.first().map(String::as_str) {
            Some("crate") => parts[1..].to_vec(),
            Some("super") => {
                let up = parts.iter().take_while(|part| *part == "super").count();
                let own: Vec<_> = self.module.split("::").map(str::to_owned).collect();
                let Some(depth) = own.len().checked_sub(up) else { return };
                [&own[..depth], &parts[up..]].concat()
            }
            // A child, by `use child::Name`, or another crate.
            Some("self") => [&[self.module.to_owned()], &parts[1..]].concat(),
            _ => [&[self.module.to_owned()], parts].concat(),
        };
        self.found.insert(path.join("::"));
    }

    fn note_tree(&mut self, before: &[String], tree: &UseTree) {
        match tree {
            UseTree::Path(path) => self.note_tree(&[before, &[path.ident.to_string()]].concat(), &path.tree),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.note_tree(before, tree)),
            UseTree::Name(name) if name.ident == "self" => self.note(before),
            UseTree::Name(name) => self.note(&[before, &[name.ident.to_string()]].concat()),
            UseTree::Rename(name) if name.ident == "self" => self.note(before),
            UseTree::Rename(name) => self.note(&[before, &[name.ident.to_string()]].concat()),
            UseTree::Glob(_) => self.note(before),
        }
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test")
    })
}

impl<'ast> Visit<'ast> for Uses<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_for_tests(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !is_for_tests(&item.attrs) {
            self.note_tree(&[], &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if parts.len() > 1 && ["crate", "super"].contains(&&*parts[0]) {
            self.note(&parts);
        }
        visit::visit_path(self, path);
    }

    // `pub(in crate::room)` says who may use a thing, and uses nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_macro(&mut self, item: &'ast Macro) {
        let text = item.tokens.to_string();
        for (at, _) in text.match_indices("crate :: ") {
            let path =
                text[at..].split(" :: ").map(|part| part.split(|c: char| !c.is_alphanumeric() && c != '_').next());
            let parts: Vec<_> =
                path.map_while(|part| part.filter(|part| !part.is_empty())).map(str::to_owned).collect();
            self.note(&parts);
        }
    }
}

/// Which module uses which others.
fn arrows(modules: &[Module]) -> BTreeMap<&str, BTreeSet<&str>> {
    let names: BTreeSet<&str> = modules.iter().map(|module| &*module.name).collect();
    let mut arrows: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for module in modules {
        let file = syn::parse_file(&module.source).unwrap_or_else(|error| panic!("{}: {error}", module.file.display()));
        let mut uses = Uses { module: &module.name, found: BTreeSet::new() };
        uses.visit_file(&file);
        let targets = arrows.entry(&module.name).or_default();
        for path in &uses.found {
            // The longest part of the path that is a module: what follows is a thing in it.
            let ends = path.match_indices("::").map(|(at, _)| at).chain([path.len()]).collect::<Vec<_>>();
            let target = ends.into_iter().rev().find_map(|end| names.get(&path[..end]));
            targets.extend(target.filter(|target| **target != module.name));
        }
    }
    arrows
}

/// A circle among these arrows, as the way around it.
fn circle<'n>(arrows: &BTreeMap<&'n str, BTreeSet<&'n str>>) -> Option<Vec<&'n str>> {
    fn follow<'n>(
        arrows: &BTreeMap<&'n str, BTreeSet<&'n str>>,
        way: &mut Vec<&'n str>,
        done: &mut BTreeSet<&'n str>,
    ) -> bool {
        let here = way[way.len() - 1];
        for next in arrows.get(here).into_iter().flatten() {
            if let Some(start) = way.iter().position(|before| before == next) {
                way.drain(..start);
                way.push(next);
                return true;
            }
            if !done.contains(next) {
                way.push(next);
                if follow(arrows, way, done) {
                    return true;
                }
                way.pop();
            }
        }
        done.insert(here);
        false
    }
    let mut done = BTreeSet::new();
    arrows.keys().find_map(|start| {
        let mut way = vec![*start];
        (!done.contains(start) && follow(arrows, &mut way, &mut done)).then_some(way)
    })
}

/// The map in `lib.rs`: lines `//! room → room room`.
fn map() -> BTreeMap<String, BTreeSet<String>> {
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("lib.rs");
    let lines = source.lines().filter_map(|line| line.strip_prefix("//! ")?.split_once('→'));
    let map: BTreeMap<_, _> = lines
        .map(|(room, others)| (room.trim().to_owned(), others.split_whitespace().map(str::to_owned).collect()))
        .collect();
    assert!(map.len() > 8, "lib.rs has a map of {} rooms only", map.len());
    map
}

#[test]
fn arrows_between_rooms_are_those_of_the_map() {
    let modules = modules();
    let map = map();
    let rooms: BTreeSet<_> =
        modules.iter().map(Module::room).filter(|room| !GROUND.contains(room) && *room != "lib").collect();
    assert_eq!(rooms, map.keys().map(String::as_str).collect(), "the map has every room and no other");
    let arrows = arrows(&modules);
    let mut wrong = Vec::new();
    let mut used: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (from, targets) in &arrows {
        for to in targets.iter().filter(|to| room(to) != room(from) && !GROUND.contains(&room(to))) {
            used.insert((room(from), room(to)));
            if !map.get(room(from)).is_some_and(|allowed| allowed.contains(room(to))) {
                wrong.push(format!("{from} uses {to}"));
            }
        }
    }
    assert!(wrong.is_empty(), "not on the map in lib.rs:\n{}", wrong.join("\n"));
    for (from, allowed) in &map {
        for to in allowed {
            assert!(used.contains(&(from, to)), "the map in lib.rs has {from} use {to}, which it does not");
        }
    }
}

#[test]
fn there_is_no_circle_of_folders() {
    let map = map();
    let arrows = map.iter().map(|(room, others)| (&**room, others.iter().map(|other| &**other).collect())).collect();
    assert_eq!(circle(&arrows), None);
}

#[test]
fn there_is_no_circle_of_files() {
    assert_eq!(circle(&arrows(&modules())), None);
}

#[test]
fn a_folder_has_no_more_than_a_dozen_files() {
    let mut folders: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for module in modules() {
        *folders.entry(module.file.parent().expect("a folder").to_owned()).or_default() += 1;
    }
    for (folder, count) in folders {
        assert!(count <= FOLDER, "{} has {count} files", folder.display());
    }
}

#[test]
fn a_file_is_no_longer_than_it_can_be_read_at_once() {
    for module in modules() {
        let is_tests = module.file.file_stem().is_some_and(|stem| stem == "tests");
        let lines = module.without_tests().lines().count();
        assert!(is_tests || lines <= LINES, "{} has {lines} lines without its tests", module.file.display());
    }
}

#[test]
fn circles_are_found() {
    let arrows = |pairs: &[(&'static str, &'static str)]| {
        let mut arrows: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (from, to) in pairs {
            arrows.entry(from).or_default().insert(to);
        }
        arrows
    };
    assert_eq!(circle(&arrows(&[("a", "b"), ("a", "c"), ("b", "c")])), None);
    assert_eq!(circle(&arrows(&[("a", "b"), ("b", "c"), ("c", "b")])), Some(vec!["b", "c", "b"]));
}

#[test]
fn uses_are_found_however_they_are_written() {
    let source = "
        use crate::text::{line::{self, Line as L}, number};
        use super::fd::*;
        pub(in crate::client) fn f() { crate::diag::report(); reported!(\"{}\", crate::limits::PATH) }
        #[cfg(test)] mod tests { use crate::server::x; }
    ";
    let mut uses = Uses { module: "sys::socket", found: BTreeSet::new() };
    uses.visit_file(&syn::parse_file(source).expect("Rust"));
    let found: Vec<_> = uses.found.iter().map(String::as_str).collect();
    let wanted = ["crate", "diag::report", "limits::PATH", "sys::fd", "text::line", "text::line::Line", "text::number"];
    assert_eq!(found, wanted[1..]);
}

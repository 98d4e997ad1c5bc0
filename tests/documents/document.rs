//! A Markdown file, taken apart: headings, links, fenced blocks, code in the text, tables.

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A fenced block.
#[derive(Debug)]
pub(crate) struct Block {
    /// The line of its first line of content, from 1.
    pub(crate) line: usize,
    /// The first word behind the fence.
    pub(crate) tag: String,
    pub(crate) text: String,
}

/// A piece of text and where it is.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// A row of a table: the plain text of its cells, and the code in each of them.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) line: usize,
    pub(crate) cells: Vec<String>,
    pub(crate) codes: Vec<Vec<String>>,
}

/// A table; its first row has the headings.
pub(crate) type Table = Vec<Row>;

#[derive(Debug, Default)]
pub(crate) struct Document {
    /// Its path below the repository.
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) anchors: Vec<String>,
    pub(crate) links: Vec<Piece>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) codes: Vec<Piece>,
    pub(crate) tables: Vec<Table>,
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All documents of the repository, in the order of their names.
pub(crate) fn all() -> Vec<Document> {
    let mut names = Vec::new();
    collect(&root(), &mut names);
    names.sort();
    names.iter().map(|name| read(name)).collect()
}

fn collect(directory: &Path, names: &mut Vec<String>) {
    for entry in fs::read_dir(directory).expect("a directory of the repository") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        if path.is_dir() && name != "target" && name != ".git" {
            collect(&path, names);
        } else if name.ends_with(".md") {
            names.push(path.strip_prefix(root()).expect("a path below the repository").to_string_lossy().into_owned());
        }
    }
}

/// The document of this name.
pub(crate) fn read(name: &str) -> Document {
    let text = fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    parse(name, text)
}

impl Document {
    /// A problem in this document.
    pub(crate) fn problem(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.name)
    }

    /// Its blocks of this tag.
    pub(crate) fn tagged<'d>(&'d self, tag: &'d str) -> impl Iterator<Item = &'d Block> {
        self.blocks.iter().filter(move |block| block.tag == tag)
    }
}

fn parse(name: &str, text: String) -> Document {
    let mut reader = Reader { text: &text, document: Document::default(), heading: None, block: None };
    for (event, range) in Parser::new_ext(&text, Options::ENABLE_TABLES).into_offset_iter() {
        reader.take(event, range);
    }
    let mut document = reader.document;
    document.anchors = numbered(document.anchors);
    document.name = name.to_owned();
    document.text = text;
    document
}

struct Reader<'t> {
    text: &'t str,
    document: Document,
    /// The text of the heading that is being read.
    heading: Option<String>,
    block: Option<Block>,
}

impl Reader<'_> {
    fn line(&self, offset: usize) -> usize {
        self.text[..offset].matches('\n').count() + 1
    }

    fn take(&mut self, event: Event, range: Range<usize>) {
        let line = self.line(range.start);
        match event {
            Event::Start(tag) => self.start(tag, line),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.add(&text),
            Event::SoftBreak => self.add(" "),
            Event::Code(code) => self.add_code(&code, line),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag, line: usize) {
        match tag {
            Tag::Heading { .. } => self.heading = Some(String::new()),
            Tag::CodeBlock(kind) => {
                let (line, info) = match kind {
                    CodeBlockKind::Fenced(info) => (line + 1, info.to_string()),
                    CodeBlockKind::Indented => (line, String::new()),
                };
                let tag = info.split_whitespace().next().unwrap_or_default().to_owned();
                self.block = Some(Block { line, tag, text: String::new() });
            }
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.document.links.push(Piece { line, text: dest_url.to_string() });
            }
            Tag::Table(_) => self.document.tables.push(Table::new()),
            Tag::TableHead | Tag::TableRow => {
                let row = Row { line, ..Row::default() };
                self.document.tables.last_mut().expect("a table").push(row);
            }
            Tag::TableCell => {
                let row = self.row().expect("a row");
                row.cells.push(String::new());
                row.codes.push(Vec::new());
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => self.document.anchors.extend(self.heading.take().as_deref().map(anchor)),
            TagEnd::CodeBlock => self.document.blocks.extend(self.block.take()),
            _ => {}
        }
    }

    fn row(&mut self) -> Option<&mut Row> {
        self.document.tables.last_mut()?.last_mut()
    }

    fn add(&mut self, text: &str) {
        if let Some(block) = &mut self.block {
            block.text.push_str(text);
        } else if let Some(heading) = &mut self.heading {
            heading.push_str(text);
        } else if let Some(cell) = self.row().and_then(|row| row.cells.last_mut()) {
            cell.push_str(text);
        }
    }

    fn add_code(&mut self, code: &str, line: usize) {
        self.add(code);
        self.document.codes.push(Piece { line, text: code.to_owned() });
        if let Some(codes) = self.row().filter(|row| row.line == line).and_then(|row| row.codes.last_mut()) {
            codes.push(code.to_owned());
        }
    }
}

/// The anchor that GitHub gives a heading: small letters, hyphens for blanks, no punctuation but `-` and `_`.
pub(crate) fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|char| char.is_alphanumeric() || " -_".contains(*char));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// Headings that are spelled alike get a number from the second on.
fn numbered(anchors: Vec<String>) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let number = |anchor: String| {
        let count = seen.entry(anchor.clone()).or_default();
        *count += 1;
        if *count == 1 { anchor } else { format!("{anchor}-{}", *count - 1) }
    };
    anchors.into_iter().map(number).collect()
}

#[test]
fn a_document_is_taken_apart() {
    let text =
        "# A `--b`: c\n\n# A --b c\n\n[d](e#f) and `g\nh`\n\n```sh x\ni\n```\n\n| j | k |\n| - | - |\n| `l` m | n |\n";
    let document = parse("name", text.to_owned());
    assert_eq!(document.anchors, ["a---b-c", "a---b-c-1"]);
    assert_eq!((document.links[0].line, document.links[0].text.as_str()), (5, "e#f"));
    assert_eq!((document.codes[1].line, document.codes[1].text.as_str()), (5, "g h"));
    let block = &document.blocks[0];
    assert_eq!((block.line, block.tag.as_str(), block.text.as_str()), (9, "sh", "i\n"));
    let row = &document.tables[0][1];
    assert_eq!((row.line, row.cells.join("/").as_str(), row.codes[0].join("/").as_str()), (14, "l m/n", "l"));
    assert_eq!(document.problem(14, "what"), "name:14: what");
}

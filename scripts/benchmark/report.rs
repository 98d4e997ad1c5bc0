//! What was measured, for people and for programs.

use std::fmt::{self, Display};
use std::fs;
use std::time::Duration;

/// What a figure is measured in.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Bytes,
    Kibibytes,
    Microseconds,
    Milliseconds,
    /// MiB per second.
    Rate,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Bytes => "B",
            Self::Kibibytes => "KiB",
            Self::Microseconds => "µs",
            Self::Milliseconds => "ms",
            Self::Rate => "MiB/s",
        }
    }

    fn of(self, time: Duration) -> f64 {
        let scale = if matches!(self, Self::Milliseconds) { 1e3 } else { 1e6 };
        time.as_secs_f64() * scale
    }
}

/// What is to be reached: by the ratio where there is one, else by the value itself.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    None,
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    pub(crate) fn is_none(self) -> bool {
        matches!(self, Self::None)
    }

    fn is_met_by(self, value: f64) -> Option<bool> {
        match self {
            Self::None => None,
            Self::AtMost(limit) => Some(value <= limit),
            Self::AtLeast(limit) => Some(value >= limit),
        }
    }
}

impl Display for Goal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => formatter.write_str("-"),
            Self::AtMost(limit) => write!(formatter, "<= {limit}"),
            Self::AtLeast(limit) => write!(formatter, ">= {limit}"),
        }
    }
}

/// One line of the table.
pub(crate) struct Figure {
    name: String,
    transport: Option<&'static str>,
    unit: Unit,
    /// What it is compared with: the local run unless the name says otherwise.
    base: Option<f64>,
    value: f64,
    goal: Goal,
}

impl Figure {
    /// A value that there is no local counterpart of.
    pub(crate) fn alone(name: &str, unit: Unit, value: u64, goal: Goal) -> Self {
        Self { name: name.into(), transport: None, unit, base: None, value: value as f64, goal }
    }

    pub(crate) fn against(name: &str, unit: Unit, base: f64, value: f64, goal: Goal) -> Self {
        Self { name: name.into(), transport: None, unit, base: Some(base), value, goal }
    }

    pub(crate) fn times(name: &str, unit: Unit, base: Duration, value: Duration, goal: Goal) -> Self {
        Self::against(name, unit, unit.of(base), unit.of(value), goal)
    }

    pub(crate) fn through(self, transport: &'static str) -> Self {
        Self { transport: Some(transport), ..self }
    }

    fn ratio(&self) -> Option<f64> {
        self.base.map(|base| self.value / base)
    }

    fn verdict(&self) -> Option<bool> {
        self.goal.is_met_by(self.ratio().unwrap_or(self.value))
    }

    fn cells(&self) -> [String; 5] {
        let amount = |value: f64| format!("{value:.0} {}", self.unit.name());
        let verdict = match self.verdict() {
            None => "",
            Some(true) => " met",
            Some(false) => " MISSED",
        };
        [
            self.transport.map_or(self.name.clone(), |transport| format!("{transport}: {}", self.name)),
            self.base.map_or("-".into(), amount),
            amount(self.value),
            self.ratio().map_or("-".into(), |ratio| format!("{ratio:.2}")),
            format!("{}{verdict}", self.goal),
        ]
    }

    fn json(&self) -> String {
        let or_null = |value: Option<String>| value.unwrap_or_else(|| "null".into());
        format!(
            r#"{{"figure":{},"transport":{},"unit":{},"local":{},"k8psh":{:.3},"ratio":{},"goal":{},"met":{}}}"#,
            quoted(&self.name),
            or_null(self.transport.map(quoted)),
            quoted(self.unit.name()),
            or_null(self.base.map(|base| format!("{base:.3}"))),
            self.value,
            or_null(self.ratio().map(|ratio| format!("{ratio:.4}"))),
            or_null(self.verdict().map(|_| quoted(&self.goal.to_string()))),
            or_null(self.verdict().map(|met| met.to_string())),
        )
    }
}

/// A table that is a Markdown table too.
pub(crate) fn table(figures: &[Figure]) {
    let rows: Vec<_> = figures.iter().map(Figure::cells).collect();
    let head = ["figure", "local", "k8psh", "ratio", "goal"].map(String::from);
    let widths: [usize; 5] = std::array::from_fn(|column| {
        rows.iter().chain([&head]).map(|row| row[column].chars().count()).max().unwrap_or(0)
    });
    let print = |row: &[String; 5]| {
        let [name, local, k8psh, ratio, goal] = row;
        let [a, b, c, d, e] = widths;
        println!("| {name:a$} | {local:>b$} | {k8psh:>c$} | {ratio:>d$} | {goal:e$} |");
    };
    println!("{}\n", machine());
    print(&head);
    let [a, b, c, d, e] = widths.map(|width| "-".repeat(width));
    println!("| {a} | {b} | {c} | {d} | {e} |");
    rows.iter().for_each(print);
}

/// One object: `{"machine": …, "figures": [{"figure": …, "local": …, "k8psh": …, "ratio": …, "met": …}, …]}`.
pub(crate) fn json(figures: &[Figure]) {
    let figures: Vec<_> = figures.iter().map(Figure::json).collect();
    println!("{{\"machine\":{},\"figures\":[{}]}}", quoted(&machine()), figures.join(","));
}

/// The figures mean little without it: processor, how many of them, kernel.
fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{processors} × {}, Linux {}", model.unwrap_or(std::env::consts::ARCH), kernel.trim())
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

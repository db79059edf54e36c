//! The only place that knows colours, tables and units.

use std::io::{IsTerminal, Write};

use comfy_table::{CellAlignment, Table, presets};
use owo_colors::OwoColorize;

use crate::error::{Error, Kind};
use crate::pipeline::Diagnostics;
use crate::stats::Tally;

/// Whether stderr takes colours: a terminal, and nobody said `NO_COLOR`.
pub fn colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

fn red(text: &str) -> String {
    if colours() { text.red().bold().to_string() } else { text.to_owned() }
}

/// Prints to stdout; a closed pipe ends the program quietly.
pub fn out(text: &str) {
    if std::io::stdout().write_all(text.as_bytes()).is_err() {
        std::process::exit(0);
    }
}

/// Prints JSON to stdout.
pub fn json(value: &serde_json::Value) {
    out(&format!("{value:#}\n"));
}

/// All diagnostics, and how many there are.
pub fn diagnostics(all: &Diagnostics) -> String {
    let text = all.to_string().replace("error: ", &format!("{} ", red("error:")));
    let count = all.0.len();
    format!("{text}{count} mistake{} found; nothing has run\n", if count == 1 { "" } else { "s" })
}

/// An error, what it happened to, and what would mend it.
pub fn error(error: &Error) -> String {
    let mut text = format!("{} {error}", red("error:"));
    if error.kind == Kind::Bug {
        text.push_str("\n  this is a mistake of tamis; please report it");
    }
    if let Some(hint) = &error.hint {
        text.push_str(&format!("\n  hint: {hint}"));
    }
    text
}

/// 12,345
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The table of a run: for each step documents in, kept, dropped, the reasons, and its speed on one core.
pub fn summary(tally: &Tally, order: &[String]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["step", "in", "kept", "dropped", "MB/s", "because"]);
    for column in 1..=4 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for label in order {
        let Some(step) = tally.steps.get(label) else { continue };
        let mut reasons: Vec<(&String, &u64)> = step.dropped.iter().collect();
        reasons.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let mut because: Vec<String> = reasons.iter().take(3).map(|(r, n)| format!("{r} {}", count(**n))).collect();
        if reasons.len() > 3 {
            because.push("…".into());
        }
        if !step.redacted.is_empty() {
            let kinds: Vec<String> = step.redacted.iter().map(|(k, n)| format!("{k} {}", count(*n))).collect();
            because.push(format!("(redacted {})", kinds.join(", ")));
        }
        if step.panicked > 0 {
            because.push(format!("(quarantined {})", count(step.panicked)));
        }
        let speed = step.bytes as f64 * 1e3 / step.nanos.max(1) as f64;
        table.add_row([
            label.clone(),
            count(step.seen),
            count(step.kept),
            count(step.dropped()),
            format!("{speed:.0}"),
            because.join(", "),
        ]);
    }
    let lines: Vec<String> = table.lines().map(|l| l.trim_end().to_owned()).collect();
    let mut text = lines.join("\n");
    let lost: Vec<String> = tally.quarantined.iter().map(|(r, n)| format!("{r} {}", count(*n))).collect();
    let (parts, expanded) = match tally.expanded {
        0 => (String::new(), String::new()),
        n => (format!(" + {} made of them", count(tally.parts)), format!(" + {} cut or joined", count(n))),
    };
    text.push_str(&format!(
        "\n\n {} read{parts} = {} kept + {} dropped + {} quarantined{}{expanded}\n",
        count(tally.read),
        count(tally.kept),
        count(tally.dropped),
        count(tally.quarantined()),
        if lost.is_empty() { String::new() } else { format!(" ({})", lost.join(", ")) },
    ));
    text
}

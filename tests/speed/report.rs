//! The printed tables: figures, bars of the ratios, goals, and what was lost.

use crate::measure::{Aim, Case, Goal, Row, Unit};
use std::cell::RefCell;
use std::io::IsTerminal;

/// Characters of a bar up to ratio 1, and in all.
const ONE: usize = 12;
const BAR: usize = 30;

/// Prints case after case and remembers what to sum up.
pub struct Report {
    colours: bool,
    /// Goals are for real numbers of rows.
    goals: bool,
    heading: RefCell<String>,
    reached: Vec<String>,
    missed: Vec<String>,
    lost: Vec<String>,
}

impl Report {
    pub fn new(goals: bool) -> Report {
        Report {
            colours: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
            goals,
            heading: RefCell::default(),
            reached: Vec::new(),
            missed: Vec::new(),
            lost: Vec::new(),
        }
    }

    pub fn paint(&self, code: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub fn heading(&self, text: &str) {
        text.clone_into(&mut self.heading.borrow_mut());
        let line = "─".repeat(92_usize.saturating_sub(text.chars().count() + 4));
        println!("\n{}", self.paint("1", &format!("── {text} {line}")));
    }

    pub fn say(&self, text: &str) {
        println!("{}", self.paint("2", text));
    }

    pub fn case(&mut self, case: &Case) {
        println!("\n{}", self.paint("1", &case.title));
        for row in &case.rows {
            println!("  {}", self.line(case, row));
        }
        if !self.goals {
            return;
        }
        for goal in &case.goals {
            self.goal(case, goal);
        }
        let place = format!("{}, {}", self.heading.borrow(), case.title);
        for row in case
            .rows
            .iter()
            .filter(|row| row.name.starts_with("pg_strata"))
        {
            if let Some(ratio) = case.ratio(row.name, case.baseline).filter(|r| *r < 1.0) {
                let noise = case.row(case.baseline).map_or(0.0, Row::spread) + row.spread();
                let doubt = if (1.0 - ratio) * 100.0 < noise {
                    "  (within the spread)"
                } else {
                    ""
                };
                self.lost
                    .push(format!("{ratio:.2}x  {place}: {}{doubt}", row.name));
            }
        }
    }

    fn line(&self, case: &Case, row: &Row) -> String {
        let Some(median) = row.median() else {
            let reason = row.why_not.as_deref().unwrap_or("not measured");
            return self.paint("2", &format!("{:<22} –  {reason}", row.name));
        };
        let (figure, unit) = figure(case.unit, median);
        let ratio = case.ratio(row.name, case.baseline);
        let text = format!(
            "{:<22}{figure:>9} {unit:<8}±{:>3.0}%  {:>7}  ",
            row.name,
            row.spread(),
            ratio.map_or(String::new(), |r| format!("{}x", short(r))),
        );
        let colour = match ratio {
            _ if !row.name.starts_with("pg_strata") => "2",
            Some(r) if r < 0.97 => "33",
            _ => "32",
        };
        let mut line = format!("{text}{}", self.paint(colour, &bar(ratio.unwrap_or(0.0))));
        if row.cpu_seconds() > 0.0 {
            let extra = format!(
                "  {:.0} B WAL/row, {:.2} s CPU",
                row.wal_bytes_per_row(),
                row.cpu_seconds()
            );
            line.push_str(&self.paint("2", &extra));
        }
        line
    }

    fn goal(&mut self, case: &Case, goal: &Goal) {
        let text = match goal.aim {
            Aim::Times(times, other) => format!("{}: at least {times}x {other}", goal.name),
            Aim::AtMostMs(limit) => format!("{}: at most {limit} ms", goal.name),
        };
        let whole = format!("{}, {} — {text}", self.heading.borrow(), case.title);
        if case.reaches(goal) {
            println!("  {}", self.paint("32", &format!("✓ goal, {text}")));
            self.reached.push(whole);
        } else {
            println!("  {}", self.paint("31", &format!("✗ goal missed, {text}")));
            self.missed.push(whole);
        }
    }

    /// A goal that is a limit on one figure: says what it is, what was measured, and whether that is enough.
    pub fn check(&mut self, what: &str, limit: &str, value: &str, met: bool) {
        let text = format!("{what}: {value} (goal: {limit})");
        if !self.goals {
            self.say(&format!("  {text}"));
            return;
        }
        let whole = format!("{} — {text}", self.heading.borrow());
        if met {
            println!("  {}", self.paint("32", &format!("✓ {text}")));
            self.reached.push(whole);
        } else {
            println!("  {}", self.paint("31", &format!("✗ missed, {text}")));
            self.missed.push(whole);
        }
    }

    pub fn sum_up(&self) {
        if !self.goals {
            return;
        }
        self.heading("In short");
        println!(
            "{} of {} goals reached.",
            self.reached.len(),
            self.reached.len() + self.missed.len()
        );
        for text in &self.missed {
            println!("  {} {text}", self.paint("31", "✗"));
        }
        if !self.lost.is_empty() {
            println!("Slower than the baseline:");
            for text in &self.lost {
                println!("  {text}");
            }
        }
    }
}

fn figure(unit: Unit, value: f64) -> (String, &'static str) {
    match unit {
        Unit::RowsPerSecond if value >= 1e6 => (format!("{:.2} M", value / 1e6), "rows/s"),
        Unit::RowsPerSecond => (format!("{:.1} k", value / 1e3), "rows/s"),
        Unit::JobsPerSecond if value >= 1e4 => (format!("{:.1} k", value / 1e3), "jobs/s"),
        Unit::JobsPerSecond => (format!("{value:.0}"), "jobs/s"),
        Unit::Milliseconds if value < 10.0 => (format!("{value:.3}"), "ms"),
        Unit::Milliseconds => (format!("{value:.1}"), "ms"),
    }
}

fn short(ratio: f64) -> String {
    if ratio < 10.0 {
        format!("{ratio:.2}")
    } else {
        format!("{ratio:.0}")
    }
}

/// A bar with a mark where the baseline ends; an arrow where there is no room for the rest.
fn bar(ratio: f64) -> String {
    let eighths = (ratio * ONE as f64 * 8.0) as usize;
    let (full, rest) = (eighths / 8, eighths % 8);
    if full >= BAR {
        let mut text: Vec<char> = "█".repeat(BAR - 1).chars().collect();
        text.push('▶');
        return text.into_iter().collect();
    }
    let mut text: Vec<char> = "█".repeat(full).chars().collect();
    if rest > 0 {
        text.push(['▏', '▎', '▍', '▌', '▋', '▊', '▉'][rest - 1]);
    }
    if text.len() < ONE {
        text.resize(ONE, ' ');
        text.push('│');
    }
    text.into_iter().collect()
}

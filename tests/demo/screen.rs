//! What the demo writes: headings, prose, statements and results, at most 100 columns wide.

use std::cell::Cell;
use std::io::IsTerminal;

const WIDTH: usize = 96;

#[derive(Clone, Copy)]
pub enum Colour {
    Bold,
    Dim,
    Statement,
    Hot,
    Cold,
}

/// Colours only where a person looks, and not where they are unwanted (no-color.org).
pub struct Screen {
    colours: bool,
    steps: Cell<u32>,
    /// Prose that follows a result is set off by an empty line.
    after_result: Cell<bool>,
}

impl Screen {
    pub fn new() -> Screen {
        Screen {
            colours: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
            steps: Cell::new(0),
            after_result: Cell::new(false),
        }
    }

    pub fn paint(&self, colour: Colour, text: &str) -> String {
        if !self.colours {
            return text.to_string();
        }
        let code = match colour {
            Colour::Bold => "1",
            Colour::Dim => "2",
            Colour::Statement => "36",
            Colour::Hot => "33",
            Colour::Cold => "34",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// A numbered heading.
    pub fn step(&self, title: &str) {
        self.steps.set(self.steps.get() + 1);
        let line = format!("{}. {title}", self.steps.get());
        println!("\n{}", self.paint(Colour::Bold, &line));
        self.after_result.set(false);
    }

    /// Prose, broken into lines.
    pub fn say(&self, text: &str) {
        if self.after_result.replace(false) {
            println!();
        }
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
                println!("{line}");
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        println!("{line}");
    }

    /// A question that a statement answers.
    pub fn question(&self, text: &str) {
        println!("\n{}", self.paint(Colour::Bold, text));
    }

    /// A statement or command, as one would type it.
    pub fn statement(&self, text: &str) {
        println!();
        self.after_result.set(true);
        for line in text.lines() {
            println!("  {}", self.paint(Colour::Statement, line));
        }
    }

    /// What came back.
    pub fn result(&self, text: &str) {
        println!();
        self.after_result.set(true);
        for line in text.trim_end().lines() {
            println!("  {}", line.trim_end());
        }
    }

    /// A remark below a result.
    pub fn note(&self, text: &str) {
        println!("  {}", self.paint(Colour::Dim, text));
        self.after_result.set(true);
    }
}

/// 26115 as "26,115".
pub fn thousands(number: i64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) && !out.ends_with('-') {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes as whole kilobytes.
pub fn kilobytes(bytes: i64) -> String {
    format!("{} kB", thousands((bytes + 512) / 1024))
}

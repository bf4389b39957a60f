//! What the demo prints, and how.

use super::common::Cluster;
use super::fail;
use postgres::Client;
use std::cell::Cell;
use std::io::IsTerminal;

/// Colours where the output is a terminal.
#[derive(Clone, Copy)]
pub enum Colour {
    Bold,
    Dim,
    Hot,
    Cold,
}

/// The demo's output: numbered steps, SQL, results.
pub struct Show {
    colours: bool,
    steps: Cell<u32>,
}

impl Show {
    pub fn new() -> Show {
        Show {
            colours: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
            steps: Cell::new(0),
        }
    }

    pub fn title(&self, text: &str) {
        println!("\n{}\n", self.paint(text, Colour::Bold));
    }

    pub fn step(&self, text: &str) {
        self.steps.set(self.steps.get() + 1);
        let heading = format!("{}. {text}", self.steps.get());
        println!("\n{}\n", self.paint(&heading, Colour::Bold));
    }

    pub fn text(&self, text: &str) {
        println!("   {text}");
    }

    /// SQL as it is run.
    pub fn sql(&self, sql: &str) {
        for line in sql.lines() {
            println!("   {}", self.paint(&format!("> {line}"), Colour::Dim));
        }
    }

    /// A command as one would type it.
    pub fn command(&self, command: &str) {
        println!("   {}", self.paint(&format!("$ {command}"), Colour::Dim));
    }

    pub fn result(&self, text: &str) {
        println!("   = {text}");
    }

    pub fn block(&self, text: &str) {
        for line in text.trim_end().lines() {
            println!("     {line}");
        }
    }

    /// Shows and runs a statement.
    pub fn run(&self, client: &mut Client, sql: &str) {
        self.sql(sql);
        client
            .batch_execute(sql)
            .unwrap_or_else(|error| fail(&error));
    }

    /// Runs a query in psql and shows its table.
    pub fn table(&self, cluster: &Cluster, database: &str, sql: &str) {
        let options = ["-P", "footer=off", "-P", "null=-", "-v", "ON_ERROR_STOP=1"];
        let output = cluster.psql_with(database, &options, sql);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        self.block(&String::from_utf8_lossy(&output.stdout));
    }

    pub fn paint(&self, text: &str, colour: Colour) -> String {
        let code = match colour {
            Colour::Bold => "1",
            Colour::Dim => "2",
            Colour::Hot => "33",
            Colour::Cold => "36",
        };
        if self.colours {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }
}

/// 26115 as 26,115.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size for people.
pub fn bytes(value: u64) -> String {
    if value < 1024 * 1024 {
        format!("{} kB", value.div_ceil(1024))
    } else {
        format!("{:.1} MB", value as f64 / 1024.0 / 1024.0)
    }
}

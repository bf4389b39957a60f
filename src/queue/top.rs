//! Queues as a picture for a terminal of 80 columns or more.

use super::counters::Event;
use super::stats::Stats;

const NAME: usize = 24;
const BAR: usize = 20;
/// Parts of a cell that are full.
const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// A heading, a line for each queue with the fullest first, and a line for all.
pub fn picture(queues: &[Stats], now: i64) -> Vec<String> {
    let mut sorted: Vec<&Stats> = queues.iter().collect();
    sorted.sort_by_key(|q| (std::cmp::Reverse(waiting(q)), q.queue.as_str()));
    let most = sorted.iter().map(|q| q.ready).max().unwrap_or(0);
    let mut lines = vec![format!(
        "{:NAME$} {:BAR$} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7}",
        "queue", "ready", "", "running", "later", "in/s", "out/s", "failed", "waits"
    )];
    lines.extend(sorted.iter().map(|q| line(q, most, now)));
    let sum = |of: fn(&Stats) -> i64| short(queues.iter().map(of).sum::<i64>() as f64);
    let rate = |event: Event| {
        let rates = queues.iter().filter_map(|q| q.counted);
        short(rates.map(|c| c.rate[event as usize]).sum())
    };
    lines.push(format!(
        "{:NAME$} {:BAR$} {:>7} {:>7} {:>7} {:>7} {:>7}",
        format!("{} queues", queues.len()),
        "",
        sum(|q| q.ready),
        sum(|q| q.running),
        sum(|q| q.scheduled + q.held),
        rate(Event::Pushed),
        rate(Event::Done)
    ));
    lines
}

fn waiting(q: &Stats) -> i64 {
    q.ready + q.running + q.scheduled + q.held
}

fn line(q: &Stats, most: i64, now: i64) -> String {
    let rate = |event: Event| {
        q.counted
            .map_or(String::from("-"), |c| short(c.rate[event as usize]))
    };
    let failed = q.counted.map_or(String::from("-"), |c| {
        short(c.total[Event::Failed as usize] as f64)
    });
    let waits = q
        .oldest_ready
        .map_or(String::from("-"), |at| age(now.saturating_sub(at)));
    let mut name = q.queue.clone();
    if q.paused {
        name.push_str(" (paused)");
    }
    format!(
        "{} {} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7}",
        cut(&name),
        bar(q.ready, most),
        short(q.ready as f64),
        short(q.running as f64),
        short((q.scheduled + q.held) as f64),
        rate(Event::Pushed),
        rate(Event::Done),
        failed,
        waits
    )
}

/// A name in exactly [`NAME`] cells.
fn cut(name: &str) -> String {
    let length = name.chars().count();
    if length <= NAME {
        return format!("{name:NAME$}");
    }
    let head: String = name.chars().take(NAME - 1).collect();
    format!("{head}…")
}

/// A bar of [`BAR`] cells, full for the largest number; never empty for a number above 0.
fn bar(number: i64, most: i64) -> String {
    let eighths = if most <= 0 {
        0
    } else {
        let exact = number.max(0) as f64 / most as f64 * (BAR * 8) as f64;
        (exact.round() as usize)
            .max(usize::from(number > 0))
            .min(BAR * 8)
    };
    let mut out = "█".repeat(eighths / 8);
    if eighths % 8 > 0 {
        out.push(EIGHTHS[eighths % 8]);
    }
    format!("{out:BAR$}")
}

/// A number in at most six characters: `0.2`, `17`, `12.3k`, `4.6M`.
fn short(number: f64) -> String {
    let n = number.abs();
    match n {
        _ if n == 0.0 => "0".into(),
        _ if n < 9.95 && n.fract() != 0.0 => format!("{number:.1}"),
        _ if n < 9_999.5 => format!("{number:.0}"),
        _ if n < 999_950.0 => format!("{:.1}k", number / 1e3),
        _ if n < 999_950_000.0 => format!("{:.1}M", number / 1e6),
        _ => format!("{:.1}G", number / 1e9),
    }
}

/// A time in at most six characters: `340 ms`, `12 s`, `5 min`, `3 h`, `12 d`.
fn age(us: i64) -> String {
    let ms = us.max(0) / 1000;
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{} s", ms / 1000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} d", ms / 86_400_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_stay_short() {
        let numbers = [0.0, 0.25, 9.96, 12.0, 9_999.0, 12_345.0, 1_000_000.0, 5e9];
        let texts: Vec<String> = numbers.into_iter().map(short).collect();
        assert_eq!(
            texts,
            ["0", "0.2", "10", "12", "9999", "12.3k", "1.0M", "5.0G"]
        );
        assert!(texts.iter().all(|t| t.len() <= 6));
        let times = [
            5_000,
            60_000_000,
            600_000_000,
            8_000_000_000,
            999_000_000_000,
        ];
        let texts: Vec<String> = times.into_iter().map(age).collect();
        assert_eq!(texts, ["5 ms", "60 s", "10 min", "2 h", "11 d"]);
    }

    #[test]
    fn every_line_is_of_one_width_and_the_fullest_queue_comes_first() {
        let queue = |name: &str, ready| Stats {
            queue: name.into(),
            ready,
            ..Stats::default()
        };
        let mut queues = vec![
            queue("a", 1),
            queue(&"long".repeat(20), 1000),
            queue("empty", 0),
        ];
        queues[0].paused = true;
        let lines = picture(&queues, 0);
        assert_eq!(lines.len(), 5);
        assert!(lines[1].starts_with("longlong"), "{lines:?}");
        assert!(lines[1].contains(&"█".repeat(BAR)), "{lines:?}");
        assert!(lines[2].starts_with("a (paused) "), "{lines:?}");
        assert!(lines[2].contains('▏'), "one job is seen: {lines:?}");
        assert!(!lines[3].contains('▏'), "{lines:?}");
        let width = |l: &String| l.chars().count();
        assert!(lines[..4].iter().all(|l| width(l) == width(&lines[0])));
        assert!(lines[4].starts_with("3 queues"), "{lines:?}");
    }
}

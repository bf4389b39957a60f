//! Lists of names as settings hold them: `"$user", public, "Odd, ""name"""`.

/// The names of a list; unquoted ones are folded to lower case, as the server does.
#[must_use]
pub fn parse(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted_name(quoted)
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            (rest[..end].trim().to_ascii_lowercase(), &rest[end..])
        };
        // an empty name is how the empty list is stored
        if !name.is_empty() {
            names.push(name);
        }
        rest = after
            .trim_start()
            .strip_prefix(',')
            .unwrap_or("")
            .trim_start();
    }
    names
}

/// What comes up to the closing quote, and what follows it.
fn quoted_name(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        if c != '"' {
            name.push(c);
        } else if chars.peek().is_some_and(|(_, next)| *next == '"') {
            name.push('"');
            chars.next();
        } else {
            return (name, &text[i + 1..]);
        }
    }
    (name, "")
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn names_come_out_as_the_server_reads_them() {
        assert_eq!(parse("\"$user\", public"), ["$user", "public"]);
        assert_eq!(
            parse("App,  \"Odd, \"\"name\"\"\" ,x"),
            ["app", "Odd, \"name\"", "x"]
        );
        assert!(parse("").is_empty());
        assert!(parse("\"\"").is_empty());
    }
}

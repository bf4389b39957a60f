//! Dead letter queues that lead back to where a job came from.

use crate::error::{Error, Kind, Result};

/// 22023 if copies of failed jobs would go round in a circle. `next` gives the dead letter queue of a queue.
pub fn check_circle(
    name: &str,
    dead_letter: &str,
    mut next: impl FnMut(&str) -> Result<Option<String>>,
) -> Result<()> {
    let mut path = vec![name.to_string()];
    let mut at = dead_letter.to_string();
    loop {
        if at == name {
            path.push(at);
            let circle = format!("Copies would go round: {}.", path.join(" -> "));
            return Err(Error::new(
                Kind::InvalidParameter,
                format!("dead_letter \"{dead_letter}\" leads back to queue \"{name}\""),
            )
            .detail(circle));
        }
        // a circle that does not hold this queue is not of our making
        if path.contains(&at) {
            return Ok(());
        }
        path.push(at.clone());
        match next(&at)? {
            None => return Ok(()),
            Some(further) => at = further,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check_circle;

    #[test]
    fn dead_letters_do_not_go_round() {
        let next = |name: &str| {
            Ok(match name {
                "b" => Some("c".to_string()),
                "c" => Some("a".to_string()),
                "x" => Some("y".to_string()),
                "y" => Some("x".to_string()),
                _ => None,
            })
        };
        assert!(check_circle("a", "a", next).is_err());
        assert!(check_circle("a", "b", next).is_err());
        assert!(check_circle("q", "d", next).is_ok());
        assert!(check_circle("q", "x", next).is_ok(), "it ends");
    }
}

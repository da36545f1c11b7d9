//! Sentences in lines that a terminal is wide enough for.

/// Lines of at most `columns` characters, broken between words but not inside back quotes.
pub fn lines(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words(text) {
        let line = &mut lines[0..];
        let last = line.len() - 1;
        let used = line[last].chars().count();
        if used > 0 && used + 1 + word.chars().count() > columns {
            lines.push(word);
        } else {
            if used > 0 {
                line[last].push(' ');
            }
            line[last].push_str(&word);
        }
    }
    lines
}

/// Words, where a command in back quotes is one.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_open = false;
    for word in text.split(' ') {
        match words.last_mut().filter(|_| is_open) {
            Some(last) => {
                last.push(' ');
                last.push_str(word);
            }
            None => words.push(word.to_owned()),
        }
        is_open ^= word.matches('`').count() % 2 == 1;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_words_but_not_inside_a_command() {
        assert_eq!(lines("one two `a b c` four", 9), ["one two", "`a b c`", "four"]);
    }
}

//! Heredocs: finding `<<WORD` in a line. Reading the bodies is `parse`'s work.

use super::words;

/// A here-document: inline text given to RUN, COPY or ADD.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Heredoc {
    /// The terminating word, quotes removed; for COPY also the file's name.
    pub name: String,
    /// The body; for `<<-` without leading tabs.
    pub content: String,
    /// False if any part of the word was quoted: variables in the body stay as they are.
    pub expand: bool,
    /// `<<-`: leading tabs do not count.
    pub chomp: bool,
}

/// The heredocs that a line opens, without bodies. A line with an unfinished quote opens none.
pub fn find(line: &str) -> Vec<Heredoc> {
    if !line.contains("<<") {
        return Vec::new();
    }
    let Some(words) = words::shell(line) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let Some((chomp, name)) = opener(word) else {
            continue;
        };
        // The word may stand apart: `<< EOF`.
        let name = if name.is_empty() { words.next() } else { Some(name) };
        found.extend(name.and_then(|name| named(name, chomp)));
    }
    found
}

/// Parses one word that is a heredoc and nothing else, such as a source of COPY or the whole of a RUN.
pub fn whole(text: &str) -> Option<Heredoc> {
    let (chomp, name) = opener(text.trim())?;
    let mut words = words::shell(name)?.into_iter();
    let name = words.next()?;
    words.next().is_none().then(|| named(name, chomp)).flatten()
}

/// Digits (a file descriptor), `<<`, perhaps `-`: gives what follows.
fn opener(word: &str) -> Option<(bool, &str)> {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
    let (chomp, name) = match rest.strip_prefix('-') {
        Some(name) => (true, name),
        None => (false, rest),
    };
    (!name.contains('<')).then_some((chomp, name))
}

fn named(word: &str, chomp: bool) -> Option<Heredoc> {
    let name = words::unquote(word);
    (!name.is_empty() && !word.contains('<')).then(|| Heredoc {
        expand: name == word,
        name,
        content: String::new(),
        chomp,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_words_open_a_heredoc() {
        for (line, names) in [
            ("<<EOF", vec!["EOF"]),
            ("cat <<A >x 3<<-B", vec!["A", "B"]),
            ("<< EOF", vec!["EOF"]),
            ("<<'E F'", vec!["E F"]),
            ("<<E\"O\"F", vec!["EOF"]),
            ("echo $((1 << 4))", vec!["4))"]),
            ("echo $((1<<4))", vec![]),
            ("echo 'a <<b'", vec![]),
            ("echo \"a << b\"", vec![]),
            ("cat <<<word", vec![]),
            ("cat <<", vec![]),
            ("don't <<EOF", vec![]),
        ] {
            let found: Vec<_> = find(line).into_iter().map(|d| d.name).collect();
            assert_eq!(found, names, "{line}");
        }
    }

    #[test]
    fn quoting_any_part_turns_expansion_off() {
        assert!(whole("<<EOF").unwrap().expand);
        assert!(!whole("<<'EOF'").unwrap().expand);
        assert!(!whole("<<-E\\OF").unwrap().expand);
        assert!(whole("<<EOF cat").is_none());
    }
}

//! The ways in which instructions cut their arguments into words. Each instruction knows which one it uses.
//!
//! Variables are not expanded here.

/// Leading `--flag` words of `text` from `at` on, without the dashes and with quotes and backslashes resolved, each
/// with its byte offset, and the offset of what follows. A bare `--` ends them.
pub fn flags(text: &str, at: usize) -> (Vec<(usize, String)>, usize) {
    let mut found = Vec::new();
    let mut at = skip_blanks(text, at);
    while text[at..].starts_with("--") {
        let (word, end) = resolve(text, at + 2);
        let next = skip_blanks(text, end);
        if word.is_empty() {
            return (found, next);
        }
        found.push((at, word));
        at = next;
    }
    (found, at)
}

fn skip_blanks(text: &str, at: usize) -> usize {
    at + (text[at..].len() - text[at..].trim_start().len())
}

/// One word from `at` on, quotes and backslashes resolved, and the offset of its end.
fn resolve(text: &str, at: usize) -> (String, usize) {
    let (mut word, mut quote) = (String::new(), None);
    let mut chars = text[at..].char_indices();
    while let Some((offset, c)) = chars.next() {
        match (c, quote) {
            ('\\', _) => word.extend(chars.next().map(|(_, c)| c)),
            (c, Some(q)) if c == q => quote = None,
            (c, Some(_)) => word.push(c),
            ('\'' | '"', None) => quote = Some(c),
            (c, None) if c.is_whitespace() => return (word, at + offset),
            (c, None) => word.push(c),
        }
    }
    (word, text.len())
}

/// Words between blanks, quotes meaning nothing: FROM, COPY, ADD, EXPOSE, VOLUME.
pub fn blank(text: &str) -> Vec<&str> {
    text.split([' ', '\t', '\u{b}', '\u{c}', '\r']).filter(|w| !w.is_empty()).collect()
}

/// Words with quotes and escapes respected, and kept for the expansion to resolve: ENV, LABEL, ARG. An unfinished
/// quote reaches to the end; an escape character at the end vanishes.
pub fn quoted(text: &str, escape: char) -> Vec<&str> {
    split(text, escape).0
}

/// Words as a POSIX shell would see them, quotes kept; nothing if a quote is unfinished.
pub fn shell(text: &str) -> Option<Vec<&str>> {
    let (words, complete) = split(text, '\\');
    complete.then_some(words)
}

fn split(text: &str, escape: char) -> (Vec<&str>, bool) {
    let (mut words, mut start, mut quote) = (Vec::new(), None, None);
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if quote.is_none() && c.is_whitespace() {
            words.extend(start.take().map(|s: usize| &text[s..at]));
            continue;
        }
        start.get_or_insert(at);
        if quote == Some(c) {
            quote = None;
        } else if c == escape && quote != Some('\'') {
            chars.next();
        } else if quote.is_none() && matches!(c, '\'' | '"') {
            quote = Some(c);
        }
    }
    words.extend(start.map(|s| &text[s..]));
    (words, quote.is_none())
}

/// Takes the quotes and backslashes off a shell word.
pub fn unquote(word: &str) -> String {
    let (mut plain, mut quote) = (String::new(), None);
    let mut chars = word.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            ('\\', None) => plain.extend(chars.next()),
            ('\\', Some('"')) => plain.push(chars.next_if(|c| matches!(c, '"' | '\\' | '$')).unwrap_or('\\')),
            ('\'' | '"', None) => quote = Some(c),
            (c, _) => plain.push(c),
        }
    }
    plain
}

/// The JSON (exec) form. `None` if the text is not a JSON array: then it is the other form, without an error. An
/// array with something else than strings is an error, because nobody can have meant it otherwise.
pub fn json(text: &str) -> Option<Result<Vec<String>, String>> {
    if !text.trim_start().starts_with('[') {
        return None;
    }
    let values: Vec<serde_json::Value> = serde_json::from_str(text).ok()?;
    let string = |value| match value {
        serde_json::Value::String(s) if s.contains('\0') => Err("a string of the array holds a zero byte".into()),
        serde_json::Value::String(s) => Ok(s),
        other => Err(format!("only strings may stand in the JSON form, not {other}")),
    };
    Some(values.into_iter().map(string).collect())
}

/// Splits a comma-separated list in which a field may be quoted, as in CSV.
pub fn comma_fields(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    if quoted {
        return Err(format!("a quotation mark is not closed in {text:?}"));
    }
    fields.push(field);
    Ok(fields)
}

/// A size in bytes with a binary unit, `64m`, `1.5GiB`: the manner in which the peers read sizes of memory.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a size: write bytes, or a number with k, m, g or t");
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let shift = match unit.trim() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(wrong()),
    };
    let bytes = match number.parse::<u64>() {
        Ok(whole) => whole.checked_mul(1 << shift).ok_or_else(wrong)?,
        Err(_) => (number.parse::<f64>().map_err(|_| wrong())? * (1u64 << shift) as f64) as u64,
    };
    // The kernel keeps sizes of file systems as signed numbers.
    i64::try_from(bytes).map(|_| bytes).map_err(|_| wrong())
}

/// The known word nearest to a mistyped one, if it is near enough to be worth saying.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    if word.len() > 64 {
        return None;
    }
    known.into_iter().map(|k| (distance(word, k), k)).filter(|(d, _)| *d <= limit).min().map(|(_, k)| k)
}

/// Edits (insert, delete, replace, swap neighbours) that lead from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = rows[i][j] + usize::from(a[i] != b[j]);
            let mut best = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_words_keep_their_quotes() {
        assert_eq!(quoted("a=\"b c\" d='e \\' f\\ g", '\\'), ["a=\"b c\"", "d='e \\'", "f\\ g"]);
        assert_eq!(quoted("a=b` c", '`'), ["a=b` c"]);
        assert_eq!(quoted("a=\"b c", '\\'), ["a=\"b c"]);
    }

    #[test]
    fn json_is_an_array_of_strings_or_nothing() {
        assert_eq!(json(" [\"a\", \"b\"] "), Some(Ok(vec!["a".into(), "b".into()])));
        assert_eq!(json("[ -f x ]"), None);
        assert_eq!(json("['a']"), None);
        assert!(json("[\"a\", 1]").unwrap().is_err());
        assert_eq!(json("[]"), Some(Ok(vec![])));
    }

    #[test]
    fn quoted_fields_may_hold_commas() {
        assert_eq!(comma_fields(r#"a=1,"b=x,y",c"#).unwrap(), ["a=1", "b=x,y", "c"]);
        assert!(comma_fields(r#""a"#).is_err());
    }

    #[test]
    fn sizes_have_binary_units() {
        for (text, bytes) in
            [("0", 0), ("12", 12), ("1k", 1024), ("64M", 64 << 20), ("1.5gib", 3 << 29), ("2tb", 2 << 40)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "k", "-1", "1x", "1.2.3", "99999999t", "9223372036854775808", "nan", "1e3"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nearest_finds_slips_only() {
        let known = ["RUN", "COPY", "ENTRYPOINT"];
        assert_eq!(nearest("RUM", known), Some("RUN"));
        assert_eq!(nearest("RNU", known), Some("RUN"));
        assert_eq!(nearest("ENTRYPIONT", known), Some("ENTRYPOINT"));
        assert_eq!(nearest("APT", known), None);
    }
}

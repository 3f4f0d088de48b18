//! `.dockerignore`: which paths of a build context are left out.
//!
//! Docker's rules (the documentation of `.dockerignore`; moby's patternmatcher settles the details), which are not Git's:
//! patterns are anchored at the root, a trailing slash means nothing, and the last pattern that matches decides. A pattern
//! that matches a folder counts for all below it. This module reads no files; [`crate::build::context`] finds them.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::build::glob::Glob;
use crate::error::{Kind, Result, fail};

/// The rules of one ignore file, in order. The default leaves nothing out.
#[derive(Debug, Default, Clone)]
pub struct Ignore {
    name: String,
    rules: Vec<Rule>,
}

/// One line of an ignore file.
#[derive(Debug, Clone)]
pub struct Rule {
    glob: Glob,
    /// The line began with `!`: what it matches is taken in again.
    pub negated: bool,
    /// 1-based line number, or the position in a list of patterns.
    pub line: usize,
    /// The line as written, without surrounding white space.
    pub text: String,
}

impl Ignore {
    /// Parses the text of an ignore file; `name` is for messages.
    pub fn parse(name: &str, text: &[u8]) -> Result<Ignore> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let lines = text.split(|b| *b == b'\n').enumerate().filter(|(_, l)| !l.starts_with(b"#"));
        Ignore::build(name, lines.map(|(i, l)| (i + 1, l)))
    }

    /// Makes rules of a list of patterns (`--exclude`).
    pub fn from_patterns(name: &str, patterns: &[String]) -> Result<Ignore> {
        Ignore::build(name, patterns.iter().enumerate().map(|(i, p)| (i + 1, p.as_bytes())))
    }

    fn build<'a>(name: &str, lines: impl Iterator<Item = (usize, &'a [u8])>) -> Result<Ignore> {
        let mut rules = Vec::new();
        for (line, bytes) in lines {
            let text = bytes.trim_ascii();
            if text.is_empty() {
                continue;
            }
            let shown = String::from_utf8_lossy(text).into_owned();
            let wrong = |why: &str| fail(Kind::User, format!("{name}: line {line}: pattern {shown:?}: {why}"));
            let (negated, pattern) = match text.strip_prefix(b"!") {
                Some(rest) => (true, rest.trim_ascii()),
                None => (false, text),
            };
            if pattern.is_empty() {
                return Err(wrong("illegal exclusion pattern, nothing follows `!`"));
            }
            let glob = Glob::compile(&clean(pattern), true).map_err(wrong)?;
            rules.push(Rule { glob, negated, line, text: shown });
        }
        Ok(Ignore { name: name.to_string(), rules })
    }

    /// The name given to [`Ignore::parse`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is no rule at all.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether `path`, relative to the root and without `.` or `..`, is left out.
    pub fn excluded(&self, path: &Path) -> bool {
        self.decided_by(path).is_some_and(|rule| !rule.negated)
    }

    /// The rule that decides about `path`: the last that matches it or a folder above it.
    pub fn decided_by(&self, path: &Path) -> Option<&Rule> {
        self.last_match(path).map(|i| &self.rules[i])
    }

    /// Whether something below the excluded folder `dir` may be taken in again, so that a walk has to enter it.
    pub fn may_reinclude_below(&self, dir: &Path) -> bool {
        // What excludes the folder excludes all below it; only a later `!` can change that.
        let from = self.last_match(dir).map_or(0, |i| i + 1);
        let path = dir.as_os_str().as_bytes();
        self.rules[from..].iter().any(|rule| rule.negated && rule.glob.fit(path).below)
    }

    fn last_match(&self, path: &Path) -> Option<usize> {
        let path = path.as_os_str().as_bytes();
        if path.is_empty() {
            return None;
        }
        self.rules.iter().rposition(|rule| rule.glob.fit(path).matched)
    }
}

/// Removes empty and `.` components, resolves `..` by the text alone, and drops a leading slash, as Go's `filepath.Clean`
/// does for Docker.
fn clean(pattern: &[u8]) -> Vec<u8> {
    let rooted = pattern.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in pattern.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." if parts.last().is_some_and(|p| *p != b"..") => drop(parts.pop()),
            b".." if rooted => {}
            _ => parts.push(part),
        }
    }
    // `.` and `/` name the root, which no rule can leave out; as a pattern `/` matches no relative path.
    if parts.is_empty() { b"/".to_vec() } else { parts.join(&b'/') }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    fn excluded(text: &str, path: &str) -> bool {
        Ignore::parse(".dockerignore", text.as_bytes()).unwrap().excluded(Path::new(path))
    }

    /// (ignore file, path, excluded)
    const TABLE: &[(&str, &str, bool)] = &[
        ("foo", "foo", true),
        ("foo", "foo/a/b", true),
        ("foo", "sub/foo", false),
        ("foo", "foobar", false),
        ("foo", "Foo", false),
        ("/foo", "foo", true),
        ("./foo", "foo", true),
        ("foo/", "foo", true),
        ("foo/.", "foo/x", true),
        ("a/../foo", "foo", true),
        ("../foo", "foo", false),
        ("/../foo", "foo", true),
        ("a//b", "a/b", true),
        (".", "foo", false),
        ("/", "foo", false),
        ("", "foo", false),
        ("  foo  ", "foo", true),
        ("foo\r\n", "foo", true),
        ("\u{feff}foo", "foo", true),
        ("# foo\nbar", "# foo", false),
        (" #foo", "#foo", true),
        ("#foo", "#foo", false),
        ("*", "a", true),
        ("*", "a/b", true),
        ("*", ".hidden", true),
        ("*.md", "a.md", true),
        ("*.md", "sub/a.md", false),
        ("*/*.md", "sub/a.md", true),
        ("*/*.md", "a/b/c.md", false),
        ("a?c", "abc", true),
        ("a?c", "a/c", false),
        ("a?c", "ac", false),
        ("a.c", "abc", false),
        ("a$", "a$", true),
        ("a+(b)|c{1}^", "a+(b)|c{1}^", true),
        ("[a-c]x", "bx", true),
        ("[a-c]x", "dx", false),
        ("[^a-c]x", "dx", true),
        ("[^a-c]x", "ax", false),
        ("[^a]x", "/x", false),
        ("[!a]x", "!x", true),
        ("[\\]a]x", "]x", true),
        ("a]", "a]", true),
        ("\\!a", "!a", true),
        ("\\*", "*", true),
        ("\\*", "a", false),
        ("**", "a", true),
        ("**", "a/b/c", true),
        ("**/x", "x", true),
        ("**/x", "a/b/x", true),
        ("**/x", "ax", false),
        ("**/x", "a/x/y", true),
        ("**/*.go", "a/b/c.go", true),
        ("**/*.go", "c.go", true),
        ("x/**", "x/a", true),
        ("x/**", "x/a/b", true),
        ("x/**", "x", false),
        ("a/**/b", "a/b", true),
        ("a/**/b", "a/x/y/b", true),
        ("a/**/b", "a/xb", false),
        ("a**b", "ab", true),
        ("a**b", "ax/b", true),
        ("a**b", "axb", false),
        ("a**", "abc/d", true),
        ("**/a/**/b/**", "x/a/y/b/z", true),
        ("**/.git", "sub/.git/config", true),
        ("*\n!keep", "keep", false),
        ("*\n!keep", "other", true),
        ("!keep\n*", "keep", true),
        ("dir\n!dir/keep", "dir/keep", false),
        ("dir\n!dir/keep", "dir/keep/below", false),
        ("dir\n!dir/keep", "dir/drop", true),
        ("dir\n!dir/keep\ndir/keep/x", "dir/keep/x", true),
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true),
        ("*.md\n!README*.md\nREADME-secret.md", "README-a.md", false),
        ("*\n! keep", "keep", false),
        ("*\n!/keep/", "keep", false),
        ("**/node_modules\n!a/node_modules/x", "a/node_modules/x", false),
        ("?", "é", true),
        ("[à-ü]", "é", true),
    ];

    #[test]
    fn table_of_patterns() {
        assert!(TABLE.len() >= 60);
        for (text, path, expected) in TABLE {
            assert_eq!(excluded(text, path), *expected, "{text:?} with {path:?}");
        }
    }

    #[test]
    fn malformed_patterns_name_their_line() {
        for text in ["ok\n!", "ok\n[a", "ok\n[", "ok\na\\", "ok\n[]", "ok\n[b-a]", "ok\n[-a]", "ok\n[a-]", "ok\n!  "] {
            let error = Ignore::parse(".dockerignore", text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(".dockerignore: line 2: pattern"), "{error}");
        }
        let error = Ignore::parse("x", b"!").unwrap_err().to_string();
        assert!(error.contains("illegal exclusion pattern"), "{error}");
    }

    #[test]
    fn walk_enters_only_where_a_negation_can_match() {
        for (text, dir, expected) in [
            ("dir", "dir", false),
            ("dir\n!dir/keep", "dir", true),
            ("dir\n!other/keep", "dir", false),
            ("!dir/keep\ndir", "dir", false),
            ("**\n!**/keep", "a/b", true),
            ("*\n!a/*/c", "a/b", true),
            ("*\n!a/*/c", "b", false),
            ("dir\n!dir", "dir", false),
        ] {
            let ignore = Ignore::parse("i", text.as_bytes()).unwrap();
            assert_eq!(ignore.may_reinclude_below(Path::new(dir)), expected, "{text:?} with {dir:?}");
        }
    }

    #[test]
    fn deciding_line_is_known() {
        let ignore = Ignore::parse("i", b"# c\n\n*.log\n!keep.log\n").unwrap();
        assert_eq!(ignore.decided_by(Path::new("a.log")).unwrap().line, 3);
        assert_eq!(ignore.decided_by(Path::new("keep.log")).unwrap().text, "!keep.log");
        assert!(ignore.decided_by(Path::new(OsStr::from_bytes(b"\xff"))).is_none());
    }
}

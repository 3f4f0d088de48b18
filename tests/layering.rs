//! The rules of the code's own shape, as a test: imports point downward, siblings make no cycle, `unsafe` stays in
//! `sys`, `image` does no I/O, files stay short and open with what they are for.
//!
//! It reads the sources as words, not as Rust: comments and strings are dropped, `crate::`, `self::` and `super::`
//! paths are followed, macros are not expanded. The layers are explained in docs/architecture.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The layers, bottom first. Modules on one line do not know each other; each may use all lines below it.
const LAYERS: &[&[&str]] = &[
    &["error", "progress"],
    &["sys", "image"],
    &["layer"],
    &["store"],
    &["run", "registry"],
    &["build"],
    &["cli"],
    &["main"],
];

/// No file may be longer; the aim is half of it.
const MAX_LINES: usize = 600;

/// Crates and parts of std that would be I/O or system calls; the folder `image` names none of them.
const IO: &[&[&str]] = &[
    &["std", "fs"],
    &["std", "process"],
    &["std", "env", "var"],
    &["std", "env", "var_os"],
    &["std", "net", "TcpStream"],
    &["rustix"],
    &["nix"],
    &["libc"],
];

#[test]
fn the_code_keeps_its_rules() {
    let root = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let src = root.join("src");
    let mut files = Vec::new();
    collect(&src, &src, &mut files);
    assert!(files.len() > 5, "no sources below {}", src.display());
    let found = check(&files);
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

fn collect(src: &Path, dir: &Path, into: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() {
            collect(src, &entry, into);
        } else if entry.extension().is_some_and(|e| e == "rs") {
            let name = entry.strip_prefix(src).unwrap().to_str().unwrap().to_owned();
            into.push((name, fs::read_to_string(&entry).unwrap()));
        }
    }
}

/// All violations in these files (path below `src`, text), sorted.
fn check(files: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    let modules: BTreeSet<Vec<String>> = files.iter().map(|(name, _)| module_of(name)).collect();
    let mut edges: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    for (name, text) in files {
        let words = words(text);
        if !text.trim_start().starts_with("//!") {
            found.push(format!("src/{name}: does not open with a `//!` line that says what it is for"));
        }
        let lines = text.lines().count();
        if lines > MAX_LINES {
            found.push(format!("src/{name}: {lines} lines; {MAX_LINES} is the limit, split it by what it hides"));
        }
        let here = module_of(name);
        if here.first().is_none_or(|m| m != "sys") && words.iter().any(|w| w == "unsafe") {
            found.push(format!("src/{name}: `unsafe` outside src/sys"));
        }
        if here.first().is_some_and(|m| m == "image") {
            found.extend(
                io_names(&words).into_iter().map(|io| format!("src/{name}: `image` does no I/O but names {io}")),
            );
        }
        for import in imports(&here, &words) {
            if let Some(problem) = upward(&here, &import.to) {
                found.push(format!("src/{name}: {problem}"));
            }
            if let (Some(from), Some(to)) = siblings(&here, &import.to, &modules)
                && !import.in_tests
            {
                edges.entry(from).or_default().insert(to);
            }
        }
    }
    found.extend(cycles(&edges));
    found.sort();
    found.dedup();
    found
}

/// `store/blob.rs` and `store/blob/mod.rs` are both `store::blob`; `lib.rs` is the root, `main.rs` the layer `main`.
fn module_of(name: &str) -> Vec<String> {
    let stem = name.trim_end_matches(".rs");
    if stem == "lib" {
        return Vec::new();
    }
    stem.trim_end_matches("/mod").split('/').map(str::to_owned).collect()
}

/// Why module `from` may not use `to`, if it may not.
fn upward(from: &[String], to: &[String]) -> Option<String> {
    let (from, to) = (from.first()?, to.first()?);
    if from == to {
        return None;
    }
    let level = |m: &String| LAYERS.iter().position(|l| l.contains(&m.as_str()));
    match (level(from), level(to)) {
        (None, _) => Some(format!("module `{from}` has no place in the table of layers (tests/layering.rs)")),
        // An item of lib.rs itself, not a module.
        (_, None) => None,
        (Some(f), Some(t)) if t < f => None,
        _ => Some(format!("`{from}` uses `{to}`, which is not below it")),
    }
}

/// The two children of the folder that both modules have in common, if they are different modules.
fn siblings(
    from: &[String],
    to: &[String],
    modules: &BTreeSet<Vec<String>>,
) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let common = from.iter().zip(to).take_while(|(a, b)| a == b).count();
    let child = |path: &[String]| path.get(..=common).map(<[String]>::to_vec).filter(|p| modules.contains(p));
    // Across the layers the table above rules.
    if common == 0 { (None, None) } else { (child(from), child(to)) }
}

/// Modules of one folder that use each other in a circle, each circle once.
fn cycles(edges: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>) -> Vec<String> {
    let reach = |start: &Vec<String>| {
        let mut seen = BTreeSet::new();
        let mut open = vec![start];
        while let Some(next) = open.pop() {
            for to in edges.get(next).into_iter().flatten() {
                if seen.insert(to) {
                    open.push(to);
                }
            }
        }
        seen
    };
    let mut found = BTreeSet::new();
    for from in edges.keys() {
        let reached = reach(from);
        if reached.contains(from) {
            let circle: BTreeSet<String> =
                reached.iter().filter(|to| reach(to).contains(from)).map(|m| m.join("::")).collect();
            let circle: Vec<_> = circle.into_iter().collect();
            found.insert(format!("these modules use each other in a circle: {}", circle.join(", ")));
        }
    }
    found.into_iter().collect()
}

struct Import {
    /// Path from the crate's root, items included.
    to: Vec<String>,
    /// Whether it stands in an inline module called `tests`.
    in_tests: bool,
}

/// Every path that starts at the crate's root or is relative to this module.
fn imports(file: &[String], words: &[String]) -> Vec<Import> {
    let mut found = Vec::new();
    // Names of the inline modules around, and how deep in braces each began.
    let mut inline: Vec<(String, usize)> = Vec::new();
    let mut depth = 0usize;
    let mut at = 0;
    while at < words.len() {
        let word = words[at].as_str();
        match word {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                inline.pop_if(|(_, d)| *d == depth);
            }
            "mod" if words.get(at + 2).is_some_and(|w| w == "{") => inline.push((words[at + 1].clone(), depth)),
            "crate" | "super" | "self" | "dhow" if words.get(at + 1).is_some_and(|w| w == "::") => {
                let mut base: Vec<String> = file.to_vec();
                base.extend(inline.iter().map(|(name, _)| name.clone()));
                let from_root = word == "crate" || word == "dhow";
                // Inside a path (`a::self::`) or another crate's (`::dhow`) it does not begin one.
                let begins = at == 0 || words[at - 1] != "::";
                if begins {
                    if from_root {
                        base.clear();
                    } else if word == "super" {
                        base.pop();
                    }
                    let mut paths = Vec::new();
                    at = tree(words, at + 2, &base, &mut paths);
                    let in_tests = inline.iter().any(|(name, _)| name == "tests");
                    found.extend(paths.into_iter().map(|to| Import { to, in_tests }));
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads `a::b`, `{a, b::{c, d}}`, `super::x` or `*` from `at` on, as a continuation of `base`. Gives where it ends.
fn tree(words: &[String], mut at: usize, base: &[String], into: &mut Vec<Vec<String>>) -> usize {
    let mut path = base.to_vec();
    loop {
        match words.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while at < words.len() && words[at] != "}" {
                    let next = tree(words, at, &path, into);
                    at = if next == at { at + 1 } else { next };
                    if words.get(at).is_some_and(|w| w == "as") {
                        at += 2;
                    }
                    if words.get(at).is_some_and(|w| w == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            Some("super") => drop(path.pop()),
            Some("self" | "*") => {}
            Some(name) if is_name(name) => path.push(name.to_owned()),
            _ => {
                into.push(path);
                return at;
            }
        }
        at += 1;
        if words.get(at).is_none_or(|w| w != "::") {
            into.push(path);
            return at;
        }
        at += 1;
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// What of [`IO`] these words name.
fn io_names(words: &[String]) -> Vec<String> {
    let mut paths = Vec::new();
    for (at, pair) in words.windows(2).enumerate() {
        if pair[1] == "::" && IO.iter().any(|io| io[0] == pair[0]) {
            tree(words, at + 2, &pair[..1], &mut paths);
        }
    }
    let named = |io: &&&[&str]| paths.iter().any(|p| p.iter().zip(**io).all(|(a, b)| a == b) && p.len() >= io.len());
    IO.iter().filter(named).map(|io| format!("`{}`", io.join("::"))).collect()
}

/// Names and punctuation (`::` as one word) of a source, without comments, strings and character literals.
fn words(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut words = Vec::new();
    let mut at = 0;
    let is = |i: usize, c: char| chars.get(i) == Some(&c);
    while at < chars.len() {
        let c = chars[at];
        if c == '/' && is(at + 1, '/') {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if c == '/' && is(at + 1, '*') {
            at = after_block_comment(&chars, at);
        } else if c == '"' {
            at = after_string(&chars, at);
        } else if c == '\'' {
            at = after_quote(&chars, at);
        } else if c.is_alphabetic() || c == '_' {
            let start = at;
            while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                at += 1;
            }
            let word: String = chars[start..at].iter().collect();
            if matches!(word.as_str(), "r" | "br" | "cr")
                && let Some(end) = after_raw_string(&chars, at)
            {
                at = end;
            } else {
                words.push(word);
            }
        } else if c == ':' && is(at + 1, ':') {
            words.push("::".into());
            at += 2;
        } else {
            if !c.is_whitespace() {
                words.push(c.into());
            }
            at += 1;
        }
    }
    words
}

fn after_block_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn after_string(chars: &[char], mut at: usize) -> usize {
    at += 1;
    while at < chars.len() && chars[at] != '"' {
        at += 1 + usize::from(chars[at] == '\\');
    }
    at + 1
}

/// `at` stands behind the `r`: hashes, a quote, and to the quote with as many hashes. None for a raw name.
fn after_raw_string(chars: &[char], mut at: usize) -> Option<usize> {
    let start = at;
    while chars.get(at) == Some(&'#') {
        at += 1;
    }
    let hashes = at - start;
    if chars.get(at) != Some(&'"') {
        return None;
    }
    at += 1;
    while at < chars.len() {
        if chars[at] == '"' && chars[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(at)
}

/// A character literal is passed over whole; of a lifetime only the quote.
fn after_quote(chars: &[char], at: usize) -> usize {
    if chars.get(at + 1) == Some(&'\\') {
        let end = chars.iter().skip(at + 3).position(|c| *c == '\'');
        return end.map_or(chars.len(), |n| at + 3 + n + 1);
    }
    if chars.get(at + 2) == Some(&'\'') { at + 3 } else { at + 1 }
}

mod tests {
    //! The checker itself catches what it is there for.

    fn check(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> = files.iter().map(|(n, t)| ((*n).to_owned(), format!("//! Doc.\n{t}"))).collect();
        super::check(&files)
    }

    #[track_caller]
    fn refused(files: &[(&str, &str)], part: &str) {
        let found = check(files);
        assert!(found.len() == 1 && found[0].contains(part), "wanted {part:?}, found {found:?}");
    }

    #[test]
    fn downward_imports_pass() {
        let text =
            "use crate::{error::Kind, image::{config as c, digest}, store::*};\nfn f() { crate::layer::x::y(1) }";
        assert_eq!(check(&[("run/mod.rs", text)]), [""; 0]);
    }

    #[test]
    fn upward_imports_are_found_wherever_they_hide() {
        refused(&[("store/mod.rs", "use crate::run::Options;")], "`store` uses `run`");
        refused(&[("store/mod.rs", "use crate::{error::Kind, run::{self, Options}};")], "`store` uses `run`");
        refused(&[("layer/diff.rs", "fn f() { let x = crate::store::open(); }")], "`layer` uses `store`");
        refused(&[("layer/diff.rs", "use super::super::store::Store;")], "`layer` uses `store`");
        refused(&[("layer/mod.rs", "use super::store;")], "`layer` uses `store`");
        refused(&[("layer/mod.rs", "use super::{error, store};")], "`layer` uses `store`");
        refused(&[("layer/diff.rs", "mod tests { use super::super::super::store; }")], "`layer` uses `store`");
        refused(&[("layer/diff.rs", "use crate::{image::{a, b::{c, d}}, cli};")], "`layer` uses `cli`");
        refused(&[("layer/diff.rs", "use crate::{image as i, cli as c};")], "`layer` uses `cli`");
    }

    #[test]
    fn neighbours_on_one_level_do_not_know_each_other() {
        refused(&[("image/mod.rs", "use crate::sys::path;")], "`image` uses `sys`");
        refused(&[("run/mod.rs", "use crate::registry::pull;")], "`run` uses `registry`");
        refused(&[("error.rs", "use crate::progress::Event;")], "`error` uses `progress`");
    }

    #[test]
    fn a_new_top_level_module_needs_a_place() {
        refused(&[("daemon/mod.rs", "use crate::error::Kind;")], "no place in the table");
    }

    #[test]
    fn comments_and_strings_are_not_imports() {
        let text = r##"
            // crate::cli::x
            /* crate::cli /* nested */ crate::cli */
            const A: &str = "crate::cli \" unsafe crate::cli";
            const B: &str = r#"crate::cli " unsafe"#;
            fn f<'a>(c: char, s: &'a str) -> bool { c == '"' || c == '\'' || c == '\u{22}' }
            use crate::error; // unsafe
        "##;
        assert_eq!(check(&[("store/mod.rs", text)]), [""; 0]);
        refused(
            &[("store/mod.rs", "const Q: char = '\"'; use crate::cli; const R: char = '\"';")],
            "`store` uses `cli`",
        );
    }

    #[test]
    fn unsafe_belongs_to_sys() {
        assert_eq!(check(&[("sys/mount.rs", "fn f() { unsafe { g() } }")]), [""; 0]);
        refused(&[("layer/mod.rs", "fn f() { unsafe { g() } }")], "`unsafe` outside");
        assert_eq!(check(&[("layer/mod.rs", "#![deny(unsafe_code)]")]), [""; 0]);
    }

    #[test]
    fn image_does_no_io() {
        refused(&[("image/config.rs", "use std::fs::File;")], "names `std::fs`");
        refused(&[("image/config.rs", "use std::{fmt, fs};")], "names `std::fs`");
        refused(&[("image/config.rs", "fn f() { rustix::process::getuid(); }")], "names `rustix`");
        assert_eq!(
            check(&[("image/config.rs", "use std::fmt; use std::{env::consts::ARCH, net::Ipv4Addr};")]),
            [""; 0]
        );
    }

    #[test]
    fn siblings_in_a_circle_are_found() {
        let circle = [
            ("store/mod.rs", "mod a; mod b; mod c;"),
            ("store/a.rs", "use super::b::X;"),
            ("store/b.rs", "use crate::store::c::X;"),
            ("store/c/mod.rs", "use super::a;"),
        ];
        refused(&circle, "store::a, store::b, store::c");
        assert_eq!(check(&circle[..3]), [""; 0]);
        // What a parent defines or hands on, and what tests use, makes no circle.
        let fine = [
            ("store/a.rs", "use super::{b, Store}; fn f() { self::g() }"),
            ("store/b.rs", "use super::Store; mod tests { use crate::store::a; use super::*; }"),
            ("store/mod.rs", "pub use self::a::A; pub use b::B;"),
        ];
        assert_eq!(check(&fine), [""; 0]);
    }

    #[test]
    fn long_files_and_files_without_a_purpose_are_found() {
        refused(&[("store/mod.rs", &"\n".repeat(super::MAX_LINES))], "601 lines");
        let found = super::check(&[("store/mod.rs".into(), "use std::fmt;".into())]);
        assert!(found.len() == 1 && found[0].contains("does not open"), "{found:?}");
    }
}

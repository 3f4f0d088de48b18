//! Lines, continuations, directives and heredocs.

use super::*;
use proptest::prelude::*;

fn rests(text: &str) -> Vec<String> {
    parse("D", text.as_bytes()).unwrap().lines.into_iter().map(|l| l.rest).collect()
}

fn failure(text: &[u8]) -> String {
    parse("D", text).unwrap_err().to_string()
}

#[test]
fn continuations_keep_the_blanks_of_the_next_line_and_skip_comments() {
    assert_eq!(rests("RUN a \\  \n   b \\\n  # no \\\n\n   c\nRUN d"), ["a    b    c", "d"]);
    assert_eq!(rests("RUN a\\\\\nRUN b \\"), ["a\\\\", "b"]);
    assert_eq!(rests("# escape=`\nRUN a `\nb \\\n"), ["a b \\"]);
    assert_eq!(rests("\u{feff}RUN a \\\r\n b\r\n"), ["a  b"]);
}

#[test]
fn directives_end_with_the_first_other_line() {
    assert_eq!(parse("D", b"# x\n# escape=`\nRUN a").unwrap().escape, '\\');
    assert_eq!(parse("D", b"# Syntax = docker/dockerfile:1\n#ESCAPE=`\nRUN a").unwrap().escape, '`');
    assert!(failure(b"# escape=`\n# escape=\\\nRUN a").contains("only one escape parser directive"));
    assert!(failure(b"# escape=x\nRUN a").contains("invalid escape character `x`"));
}

#[test]
fn flags_are_split_off_with_their_places() {
    let file = parse("D", b"  copy --from=a \\\n --chown=\"1 2\" -- --x y").unwrap();
    let line = &file.lines[0];
    assert_eq!((line.keyword.as_str(), line.rest.as_str()), ("COPY", "--x y"));
    assert_eq!(line.flags[1].value.as_deref(), Some("1 2"));
    assert_eq!(line.flags[1].span, Span { line: 2, column: 2, end_line: 2 });
    assert_eq!(line.span, Span { line: 1, column: 3, end_line: 2 });
}

#[test]
fn comments_may_hold_any_bytes_instructions_may_not() {
    assert!(parse("D", b"# caf\xe9\nRUN a").is_ok());
    assert!(failure(b"RUN a\nRUN caf\xe9").starts_with("D:2:1: line is not UTF-8"));
    assert!(failure(b"RUN a\0").contains("not UTF-8"));
    assert!(failure(&[b"RUN ".as_slice(), &[b'x'; 70000]].concat()).contains("longer than"));
    assert!(failure(b"# nothing\n\n").contains("no instructions"));
}

#[test]
fn heredocs_are_read_in_order() {
    let file = parse("D", b"RUN <<A cat <<-'B' # x\na $x\nA\n\t\tb\n\tB\nRUN c").unwrap();
    let docs = &file.lines[0].heredocs;
    assert_eq!((docs[0].name.as_str(), docs[0].content.as_str(), docs[0].expand), ("A", "a $x\n", true));
    assert_eq!((docs[1].name.as_str(), docs[1].content.as_str(), docs[1].expand), ("B", "b\n", false));
    assert_eq!(file.lines[0].span.end_line, 5);
    assert!(failure(b"RUN x <<EOF\nx\n").starts_with("D:1:7: unterminated heredoc: no line `EOF`"));
    assert_eq!(parse("D", b"ONBUILD RUN <<A\nx\nA\n").unwrap().lines[0].heredocs.len(), 1);
    assert_eq!(rests("CMD a <<A\nRUN [\"<<A\"]\nRUN x").len(), 3);
}

proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse("D", &bytes);
    }

    #[test]
    fn never_panics_on_likely_text(text in "((RUN|COPY|ONBUILD|ENV|#) ?|--[a-z]=?|<<-?[AB'\"]|\\\\|`|\\[|\"|\r?\n|\t| |é|A){0,40}") {
        let _ = parse("D", text.as_bytes());
    }
}

#[test]
fn directives_and_comments_are_kept_for_the_checks() {
    let file = parse("D", b"# check=skip=all\n# syntax = a/b\n# one\n#two\nARG x\n# gone\n\nARG y \\\n\n  # in\n  z\n")
        .unwrap();
    assert_eq!(file.check, Some((Span { line: 1, column: 1, end_line: 1 }, "skip=all".into())));
    assert_eq!(file.syntax.as_deref(), Some("a/b"));
    assert_eq!(file.lines[0].comments, ["one", "two"]);
    assert_eq!((file.lines[1].comments.len(), file.lines[1].empty_lines.as_slice()), (0, [9].as_slice()));
    assert_eq!(parse("D", b"\n# check=skip=all\nARG x").unwrap().check, None);
}

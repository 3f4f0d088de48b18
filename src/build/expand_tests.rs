//! Table of the forms of expansion.

use super::*;
use proptest::prelude::*;

fn scope() -> Scope {
    [("V", "hello"), ("E", ""), ("P", "/a/b/c.tar.gz"), ("W", "x y"), ("S", "a*b*c"), ("é", "uni")]
        .into_iter()
        .collect()
}

fn shown(result: Result<String, String>) -> String {
    result.unwrap_or_else(|e| format!("! {e}"))
}

#[test]
fn every_form_gives_its_word() {
    for (text, want) in [
        ("plain  text", "plain  text"),
        ("$V", "hello"),
        ("${V}", "hello"),
        ("a$V/b", "ahello/b"),
        ("$V_x", ""),
        ("${V}_x", "hello_x"),
        ("$é", "uni"),
        ("$", "$"),
        ("$ V", "$ V"),
        ("$.", "$."),
        ("$1$@$$x", "x"),
        ("$12a", "a"),
        ("\\$V", "$V"),
        ("\\\\$V", "\\hello"),
        ("\\a\\", "a"),
        ("'$V \\'", "$V \\"),
        ("\"$V\"", "hello"),
        ("\"\\$V\"", "$V"),
        ("\"a\\tb\\\"\\\\\"", "a\\tb\"\\"),
        ("\"it's\"", "it's"),
        ("'a\"b'", "a\"b"),
        ("${N-w}", "w"),
        ("${E-w}", ""),
        ("${V-w}", "hello"),
        ("${N:-w}", "w"),
        ("${E:-w}", "w"),
        ("${V:-w}", "hello"),
        ("${N:-$V}", "hello"),
        ("${N:-${M:-deep}}", "deep"),
        ("${N:-a b}", "a b"),
        ("${N:-'a}b'}", "a}b"),
        ("${N:-\"$V\"}", "hello"),
        ("${N:-\\}}", "}"),
        ("${N+w}", ""),
        ("${E+w}", "w"),
        ("${V+w}", "w"),
        ("${N:+w}", ""),
        ("${E:+w}", ""),
        ("${V:+w$V}", "whello"),
        ("${V?no}", "hello"),
        ("${E?no}", ""),
        ("${N?no}", "! N: no"),
        ("${N:?}", "! N: is not allowed to be unset"),
        ("${E:?}", "! E: is not allowed to be empty"),
        ("${E:?give $V}", "! E: give hello"),
        ("${P#*/}", "a/b/c.tar.gz"),
        ("${P##*/}", "c.tar.gz"),
        ("${P%.*}", "/a/b/c.tar"),
        ("${P%%.*}", "/a/b/c"),
        ("${P#x}", "/a/b/c.tar.gz"),
        ("${P#/?/}", "b/c.tar.gz"),
        ("${S#a\\*}", "b*c"),
        ("${S%\\*?}", "a*b"),
        ("${N#*}", ""),
        ("${V#$V}", ""),
        ("${V#[h]}", "hello"),
        ("${V/l/L}", "heLlo"),
        ("${V//l/L}", "heLLo"),
        ("${V//l/}", "heo"),
        ("${V/x/y}", "hello"),
        ("${V/h*l/J}", "Jo"),
        ("${V//?/z}", "zzzzz"),
        ("${P//\\//_}", "_a_b_c.tar.gz"),
        ("${V/l/$W}", "hex ylo"),
        ("${V#\\x}", "! invalid escape \\x in pattern \\x"),
        ("${V:#x}", "! unsupported modifier :# in ${…}"),
        ("${V:%x}", "! unsupported modifier :% in ${…}"),
        ("${V^^}", "! unsupported modifier ^ in ${…}"),
        ("${V[0]}", "! unsupported modifier [ in ${…}"),
        ("${}", "! bad substitution: a name must follow ${"),
        ("${{V}", "! bad substitution: a name must follow ${"),
        ("${:x}", "! bad substitution: a name must follow ${"),
        ("${V", "! missing }"),
        ("${V:", "! missing }"),
        ("${V:-x", "! missing }"),
        ("${V/x}", "! missing / in ${…}"),
        ("${V/x/y", "! missing }"),
        ("'a", "! unfinished single quote"),
        ("\"a", "! unfinished double quote"),
        ("\"a\\", "! unfinished double quote"),
    ] {
        assert_eq!(shown(word(text, &scope(), '\\')), want, "{text}");
    }
}

#[test]
fn the_directive_changes_the_escape_character() {
    assert_eq!(word("`$V \\$V", &scope(), '`').unwrap(), "$V \\hello");
    assert_eq!(word("\"`\" c:\\x\"", &scope(), '`').unwrap(), "\" c:\\x");
}

#[test]
fn words_split_after_expansion_unless_quoted() {
    for (text, want) in [
        ("$W z", vec!["x", "y", "z"]),
        ("\"$W\" z", vec!["x y", "z"]),
        ("a'b c'd  $N\\ e", vec!["ab cd", " e"]),
        ("'' $N", vec![]),
        ("80 ${N:-1 2}", vec!["80", "1", "2"]),
    ] {
        assert_eq!(words(text, &scope(), '\\').unwrap(), want, "{text}");
    }
}

#[test]
fn names_without_a_value_are_told_unless_something_stands_in() {
    let text = "$V $A ${B} ${C:-x} ${D+$X} ${F#y} \"$A\" '$G' \\$H ${V:-$I} ${V/$J/k}";
    let names = |text, quotes| unset(text, &scope(), '\\', quotes).into_iter().collect::<Vec<_>>();
    assert_eq!(names(text, true), ["A", "B", "F", "I", "J", "X"]);
    assert_eq!(names("'$G'", false), ["G"]);
    assert!(names("$A ${B", true).is_empty());
}

#[test]
fn heredoc_bodies_keep_quotes() {
    assert_eq!(heredoc("'$V' \"${V}\" don't \\$V\n", &scope()).unwrap(), "'hello' \"hello\" don't $V\n");
}

#[test]
fn deep_nesting_is_refused_not_followed() {
    let text = format!("{}x{}", "${N:-".repeat(20000), "}".repeat(20000));
    assert!(word(&text, &scope(), '\\').unwrap_err().contains("nested"));
    assert_eq!(word(&"${N:-x}".repeat(200), &scope(), '\\').unwrap().len(), 200);
}

proptest! {
    #[test]
    fn never_panics(text in "(\\$\\{?|[VNEPS]|[:#%/?*+-]|\\}|\\\\|'|\"|é| ){0,40}") {
        let _ = word(&text, &scope(), '\\');
        let _ = words(&text, &scope(), '`');
        let _ = heredoc(&text, &scope());
    }
}

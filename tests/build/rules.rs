//! The table of rules in docs/dockerfile-rules.md is whole, and the tests that it names exist.

use crate::support::source_dir;
use std::fs;

/// As many rules as there are.
const RULES: usize = 40;

#[test]
fn every_rule_names_a_test_that_exists_or_says_that_it_is_open() {
    let table = fs::read_to_string(source_dir().join("docs/dockerfile-rules.md")).unwrap();
    let folder = source_dir().join("tests/build");
    let sources: String =
        fs::read_dir(folder).unwrap().map(|f| fs::read_to_string(f.unwrap().path()).unwrap()).collect();
    let mut seen = Vec::new();
    for row in table.lines().filter_map(|l| l.strip_prefix("| ")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let Ok(number) = cells[0].parse::<usize>() else { continue };
        seen.push(number);
        let tests: Vec<&str> = cells[2].split('`').skip(1).step_by(2).filter(|t| !t.starts_with('-')).collect();
        assert!(!tests.is_empty() || cells[2] == "open", "rule {number} has no test and is not open");
        for test in tests {
            assert!(sources.contains(&format!("\nfn {test}()")), "rule {number}: there is no test {test}");
        }
    }
    assert_eq!(seen, (1..=RULES).collect::<Vec<_>>());
    let named = sources.lines().filter_map(|l| l.strip_prefix("fn rule_")?.split('(').next());
    let lost: Vec<&str> = named.filter(|n| !table.contains(&format!("`rule_{n}`"))).collect();
    assert!(lost.is_empty(), "not in the table: {lost:?}");
}

//! The patterns of `${name#pattern}` and its relatives: `*`, `?` and backslash escapes, no brackets.

/// One element of a pattern.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Element {
    Star,
    Any,
    Char(char),
}

/// A parsed pattern.
#[derive(Debug)]
pub struct Pattern(Vec<Element>);

impl Pattern {
    /// Parses; a backslash may only stand before `*`, `?`, a backslash, `}` and `/`.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let mut elements = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            elements.push(match c {
                '*' => Element::Star,
                '?' => Element::Any,
                '\\' => match chars.next() {
                    Some(c @ ('*' | '?' | '\\' | '}' | '/')) => Element::Char(c),
                    Some(c) => return Err(format!("invalid escape \\{c} in pattern {text}")),
                    None => return Err(format!("pattern {text} ends in a backslash")),
                },
                c => Element::Char(c),
            });
        }
        Ok(Pattern(elements))
    }

    /// `value` without its shortest or longest beginning that matches.
    pub fn trim_start(&self, value: &str, longest: bool) -> String {
        let chars: Vec<char> = value.chars().collect();
        let cut = ends(&self.0, &chars, longest).unwrap_or(0);
        chars[cut..].iter().collect()
    }

    /// `value` without its shortest or longest ending that matches.
    pub fn trim_end(&self, value: &str, longest: bool) -> String {
        let elements: Vec<_> = self.0.iter().rev().copied().collect();
        let chars: Vec<char> = value.chars().rev().collect();
        let cut = ends(&elements, &chars, longest).unwrap_or(0);
        chars[cut..].iter().rev().collect()
    }

    /// `value` with the first or every match, longest each, replaced. An empty match replaces nothing but the first.
    pub fn replace(&self, value: &str, with: &str, every: bool) -> String {
        let chars: Vec<char> = value.chars().collect();
        let mut out = String::new();
        let (mut at, mut done) = (0, false);
        loop {
            let found = if done && !every { None } else { ends(&self.0, &chars[at..], true) };
            match found {
                Some(length) if length > 0 || !done => {
                    out.push_str(with);
                    at += length;
                    done = true;
                    if length > 0 && at < chars.len() {
                        continue;
                    }
                }
                _ => {}
            }
            let Some(c) = chars.get(at) else {
                return out;
            };
            out.push(*c);
            at += 1;
        }
    }
}

/// Length of the shortest or longest beginning of `chars` that `elements` match as a whole. All positions in the
/// pattern are followed at once, so the time is bounded by the product of the lengths.
fn ends(elements: &[Element], chars: &[char], longest: bool) -> Option<usize> {
    let mut states = vec![false; elements.len() + 1];
    states[0] = true;
    let mut best = None;
    for at in 0..=chars.len() {
        for i in 0..elements.len() {
            if states[i] && elements[i] == Element::Star {
                states[i + 1] = true;
            }
        }
        if states[elements.len()] {
            best = Some(at);
            if !longest {
                return best;
            }
        }
        let Some(c) = chars.get(at) else {
            break;
        };
        for i in (0..=elements.len()).rev() {
            let entered = i > 0
                && states[i - 1]
                && match elements[i - 1] {
                    Element::Star => false,
                    Element::Any => true,
                    Element::Char(wanted) => wanted == *c,
                };
            let stays = states[i] && elements.get(i) == Some(&Element::Star);
            states[i] = entered || stays;
        }
        if !states.contains(&true) {
            break;
        }
    }
    best
}

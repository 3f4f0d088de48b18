//! `--chmod` of COPY and ADD: octal, or symbolic as in `chmod(1)` with a umask of 0 (Dockerfile frontend 1.14).
//!
//! Only the arithmetic on mode bits; what it is applied to is decided elsewhere.

use crate::error::{Kind, Result, fail};

/// A parsed `--chmod`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chmod {
    /// These twelve bits, whatever they were.
    Octal(u32),
    /// Changes, one after the other.
    Symbolic(Vec<Change>),
}

/// One operation of a symbolic mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The `rwx` bits of the classes named: any of 0o700, 0o070, 0o007.
    who: u32,
    /// `+`, `-` or `=`.
    operator: char,
    /// The letters after it.
    what: Vec<char>,
}

impl Chmod {
    /// Parses the value of `--chmod`.
    pub fn parse(text: &str) -> Result<Chmod> {
        let wrong =
            || fail(Kind::User, format!("--chmod={text}: expected an octal mode up to 7777, or one like u=rwX,go-w"));
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let octal = text.bytes().all(|b| (b'0'..=b'7').contains(&b));
            let mode = u32::from_str_radix(text, 8).ok().filter(|mode| octal && *mode <= 0o7777);
            return mode.map(Chmod::Octal).ok_or_else(wrong);
        }
        let mut changes = Vec::new();
        for clause in text.split(',') {
            let at = clause.find(['+', '-', '=']).ok_or_else(wrong)?;
            let who = clause[..at].chars().try_fold(0, |who, c| class(c).map(|bits| who | bits)).ok_or_else(wrong)?;
            let who = if who == 0 { 0o777 } else { who };
            for c in clause[at..].chars() {
                match (c, changes.last_mut()) {
                    ('+' | '-' | '=', _) => changes.push(Change { who, operator: c, what: Vec::new() }),
                    ('r' | 'w' | 'x' | 'X' | 's' | 't' | 'u' | 'g' | 'o', Some(change)) => change.what.push(c),
                    _ => return Err(wrong()),
                }
            }
        }
        Ok(Chmod::Symbolic(changes))
    }

    /// The mode (twelve bits) of something that has `mode`.
    pub fn apply(&self, mode: u32, is_dir: bool) -> u32 {
        match self {
            Chmod::Octal(mode) => *mode,
            Chmod::Symbolic(changes) => changes.iter().fold(mode & 0o7777, |mode, change| change.apply(mode, is_dir)),
        }
    }

    /// The mode of a folder that has to be made on the way: an octal one, else the default.
    pub fn for_new_folder(&self) -> Option<u32> {
        match self {
            Chmod::Octal(mode) => Some(*mode),
            Chmod::Symbolic(_) => None,
        }
    }
}

impl Change {
    /// The set-user-id and set-group-id bits of the classes named.
    fn set_ids(&self) -> u32 {
        ((self.who & 0o100) << 5) | ((self.who & 0o010) << 7)
    }

    fn apply(&self, mode: u32, is_dir: bool) -> u32 {
        let mut bits = 0;
        for c in &self.what {
            bits |= match c {
                'r' => 0o444 & self.who,
                'w' => 0o222 & self.who,
                'x' => 0o111 & self.who,
                'X' if is_dir || mode & 0o111 != 0 => 0o111 & self.who,
                's' => self.set_ids(),
                't' => 0o1000,
                'u' => (((mode >> 6) & 7) * 0o111) & self.who,
                'g' => (((mode >> 3) & 7) * 0o111) & self.who,
                'o' => ((mode & 7) * 0o111) & self.who,
                _ => 0,
            };
        }
        match self.operator {
            '+' => mode | bits,
            '-' => mode & !bits,
            // A folder keeps its set-id bits unless they are named, as in chmod(1).
            _ => {
                let special = if is_dir { 0 } else { self.set_ids() };
                (mode & !(self.who | special)) | bits
            }
        }
    }
}

fn class(c: char) -> Option<u32> {
    Some(match c {
        'u' => 0o700,
        'g' => 0o070,
        'o' => 0o007,
        'a' => 0o777,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_12_modes() {
        for (text, mode, is_dir, expected) in [
            ("755", 0o600, false, 0o755),
            ("0", 0o600, false, 0),
            ("04755", 0o600, false, 0o4755),
            ("+x", 0o644, false, 0o755),
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o700, false, 0o755),
            ("u=rwX,go=rX", 0o600, true, 0o755),
            ("go-w", 0o666, false, 0o644),
            ("a=r", 0o4777, false, 0o444),
            ("u+s,g+s,+t", 0o755, false, 0o7755),
            ("g=u", 0o740, false, 0o770),
            ("o=", 0o777, false, 0o770),
            ("u+w-x", 0o500, false, 0o600),
        ] {
            assert_eq!(Chmod::parse(text).unwrap().apply(mode, is_dir), expected, "{text} on {mode:o}");
        }
    }

    #[test]
    fn rule_12_malformed_modes() {
        for text in ["9999", "10000", "", "x", "u", "u+q", "8", "u+x,", "0o7", "7 7", "z+x", "77777777777777"] {
            assert!(Chmod::parse(text).is_err(), "{text:?}");
        }
    }
}

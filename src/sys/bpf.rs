//! A compiler from "system call number → rules" to a classic BPF program, as seccomp(2) takes it.
//!
//! One block for each kernel architecture; in it a balanced binary tree over sorted ranges of call numbers, and rules on
//! arguments at the leaves. The kernel simulates a new filter once for every call number before it accepts it, so a
//! short path to each answer is what makes starting a container cheap; a linear list costs about ten times as much.
//!
//! Pure code: no system calls, and nothing from the rest of the crate, because `build.rs` includes this file as well.
//! Names of calls, capabilities and the JSON form of a profile belong to `seccomp_rules`.

use std::collections::{BTreeMap, HashMap};

/// One BPF instruction, laid out as `struct sock_filter` of linux/filter.h.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SockFilter {
    /// Operation.
    pub code: u16,
    /// Instructions to skip if the comparison holds.
    pub jt: u8,
    /// Instructions to skip if it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// Loads the 32-bit word at offset `k` of `struct seccomp_data`.
pub const LOAD: u16 = 0x20;
/// `A &= k`.
pub const AND: u16 = 0x54;
/// Jumps `k` instructions forward.
pub const JUMP: u16 = 0x05;
/// Branches on `A == k`.
pub const JUMP_EQ: u16 = 0x15;
/// Branches on `A > k`, unsigned.
pub const JUMP_GT: u16 = 0x25;
/// Branches on `A >= k`, unsigned.
pub const JUMP_GE: u16 = 0x35;
/// Ends the program with the answer `k`.
pub const RETURN: u16 = 0x06;

/// Offset of the call number in `struct seccomp_data`.
pub const OFFSET_NR: u32 = 0;
/// Offset of the architecture.
pub const OFFSET_ARCH: u32 = 4;
/// Offset of the first argument; each takes 8 bytes, the low half first on the machines we build for.
pub const OFFSET_ARGS: u32 = 16;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It is made.
    Allow,
    /// It is made, and the kernel logs it.
    Log,
    /// It fails with this error number (at most 4095).
    Errno(u16),
    /// The thread gets SIGSYS.
    Trap,
    /// The thread is killed.
    KillThread,
    /// The process is killed.
    KillProcess,
}

impl Action {
    /// The value that the filter returns (`SECCOMP_RET_*`).
    pub const fn value(self) -> u32 {
        match self {
            Action::Allow => 0x7fff_0000,
            Action::Log => 0x7ffc_0000,
            Action::Errno(number) => 0x0005_0000 | number as u32,
            Action::Trap => 0x0003_0000,
            Action::KillThread => 0,
            Action::KillProcess => 0x8000_0000,
        }
    }
}

/// How an argument is compared with a value; both are unsigned 64-bit numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compare {
    /// `arg == value`
    Eq,
    /// `arg != value`
    Ne,
    /// `arg < value`
    Lt,
    /// `arg <= value`
    Le,
    /// `arg > value`
    Gt,
    /// `arg >= value`
    Ge,
    /// `arg & mask == value`
    Masked(u64),
}

/// One comparison of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Condition {
    /// Which argument, 0 to 5.
    pub arg: u8,
    /// How it is compared.
    pub compare: Compare,
    /// With what.
    pub value: u64,
}

/// An action that applies if all conditions hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rule {
    /// All must hold; none means always.
    pub conditions: Vec<Condition>,
    /// What happens then.
    pub action: Action,
}

/// The rules of one kernel architecture, by call number. Of a call's rules the first that matches decides.
#[derive(Debug, Clone)]
pub struct Arch {
    /// `AUDIT_ARCH_*`.
    pub audit: u32,
    /// Call number → rules.
    pub calls: BTreeMap<u32, Vec<Rule>>,
}

/// Compiles the rules of all architectures; `default` answers calls without a matching rule, `foreign` calls of an
/// architecture that is not listed.
pub fn compile(arches: &[Arch], default: Action, foreign: Action) -> Vec<SockFilter> {
    let mut out = Assembler::new(default);
    let mut next = out.answer(foreign);
    for arch in arches.iter().rev() {
        let ranges = ranges(&mut out, &arch.calls);
        let tree = out.tree(&ranges);
        let block = out.load_before(OFFSET_NR, tree);
        next = out.branch(JUMP_EQ, arch.audit, block, next);
    }
    out.load_before(OFFSET_ARCH, next);
    out.finish()
}

/// What decides a range of call numbers: an index into the assembler's list of distinct rule lists.
type Class = usize;

/// Cuts the number line where the rules change; each entry holds from its number up to the next entry's.
fn ranges(out: &mut Assembler, calls: &BTreeMap<u32, Vec<Rule>>) -> Vec<(u32, Class)> {
    let nothing = out.class(&[]);
    let mut ranges = vec![(0, nothing)];
    let mut push = |from: u32, class: Class| match ranges.last_mut() {
        Some(last) if last.1 == class => {}
        // Only number 0, where the first range begins.
        Some(last) if last.0 == from => last.1 = class,
        _ => ranges.push((from, class)),
    };
    for (&number, rules) in calls {
        push(number, out.class(rules));
        if let Some(after) = number.checked_add(1)
            && !calls.contains_key(&after)
        {
            push(after, nothing);
        }
    }
    ranges.dedup_by_key(|range| range.1);
    ranges
}

/// A place in the program, counted from its end, so that it stays true while code is put before it.
type Label = usize;

/// Writes a program from its end to its start: every jump's target exists before the jump, so distances are known at
/// once. Every piece of code ends in returns or jumps, and so nothing ever runs on into what happens to stand behind it.
struct Assembler {
    reversed: Vec<SockFilter>,
    default: Action,
    classes: Vec<Vec<Rule>>,
    class_index: HashMap<Vec<Rule>, Class>,
    class_labels: HashMap<Class, Label>,
    answers: HashMap<u32, Label>,
}

/// How far a conditional jump may reach is 255; a little is kept for the jumps that `branch` itself may have to add.
const REACH: usize = 250;

impl Assembler {
    fn new(default: Action) -> Self {
        Assembler {
            reversed: Vec::new(),
            default,
            classes: Vec::new(),
            class_index: HashMap::new(),
            class_labels: HashMap::new(),
            answers: HashMap::new(),
        }
    }

    fn finish(mut self) -> Vec<SockFilter> {
        self.reversed.reverse();
        self.reversed
    }

    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) -> Label {
        self.reversed.push(SockFilter { code, jt, jf, k });
        self.reversed.len() - 1
    }

    /// How many instructions the next one pushed has to skip to get to `label`.
    fn distance(&self, label: Label) -> usize {
        self.reversed.len() - 1 - label
    }

    /// `label` itself, or a new place near by that goes on to it.
    fn near(&mut self, label: Label) -> Label {
        if self.distance(label) <= REACH {
            return label;
        }
        let target = self.reversed[label];
        if target.code == RETURN {
            return self.push(RETURN, 0, 0, target.k);
        }
        // A program has at most 4096 instructions, so the distance always fits.
        let distance = self.distance(label) as u32;
        self.push(JUMP, 0, 0, distance)
    }

    /// A return that can be reached from here; an earlier one is used again if it is near.
    fn answer(&mut self, action: Action) -> Label {
        let value = action.value();
        let label = match self.answers.get(&value) {
            Some(&label) => self.near(label),
            None => self.push(RETURN, 0, 0, value),
        };
        self.answers.insert(value, label);
        label
    }

    fn branch(&mut self, code: u16, k: u32, yes: Label, no: Label) -> Label {
        if yes == no {
            return yes;
        }
        let yes = self.near(yes);
        let no = self.near(no);
        let (jt, jf) = (self.distance(yes) as u8, self.distance(no) as u8);
        self.push(code, jt, jf, k)
    }

    /// Puts a load before `then`, which must follow it directly or be jumped to.
    fn load_before(&mut self, offset: u32, then: Label) -> Label {
        self.go_to(then);
        self.push(LOAD, 0, 0, offset)
    }

    /// Makes sure that what is pushed next runs on into `label`.
    fn go_to(&mut self, label: Label) {
        let distance = self.distance(label);
        if distance > 0 {
            self.push(JUMP, 0, 0, distance as u32);
        }
    }

    /// The class of a rule list; what stands behind a rule without conditions can never match and is dropped.
    fn class(&mut self, rules: &[Rule]) -> Class {
        let end = rules.iter().position(|rule| rule.conditions.is_empty()).map_or(rules.len(), |at| at + 1);
        let mut rules = rules[..end].to_vec();
        // A last rule that says what the default says anyway is the same as none.
        while rules.last().is_some_and(|rule| rule.action == self.default) {
            rules.pop();
        }
        if let Some(&class) = self.class_index.get(&rules) {
            return class;
        }
        self.classes.push(rules.clone());
        self.class_index.insert(rules, self.classes.len() - 1);
        self.classes.len() - 1
    }

    /// The tree that finds the range of the call number in the accumulator.
    fn tree(&mut self, ranges: &[(u32, Class)]) -> Label {
        match *ranges {
            [] => self.answer(self.default),
            [(_, class)] => self.leaf(class),
            // One number that differs from both sides needs one comparison, not two.
            [(_, before), (number, class), (next, after)] if before == after && next == number + 1 => {
                let no = self.leaf(before);
                let yes = self.leaf(class);
                self.branch(JUMP_EQ, number, yes, no)
            }
            _ => {
                let (low, high) = ranges.split_at(ranges.len() / 2);
                let yes = self.tree(high);
                let no = self.tree(low);
                self.branch(JUMP_GE, high[0].0, yes, no)
            }
        }
    }

    fn leaf(&mut self, class: Class) -> Label {
        let rules = self.classes[class].clone();
        match rules.as_slice() {
            [] => self.answer(self.default),
            [Rule { conditions, action }] if conditions.is_empty() => self.answer(*action),
            rules => {
                // Arguments stand at the same place on every architecture, so one copy serves all of them.
                let label = match self.class_labels.get(&class) {
                    Some(&label) => self.near(label),
                    None => self.rules(rules),
                };
                self.class_labels.insert(class, label);
                label
            }
        }
    }

    fn rules(&mut self, rules: &[Rule]) -> Label {
        let mut otherwise = self.answer(self.default);
        for rule in rules.iter().rev() {
            let mut then = self.answer(rule.action);
            for condition in rule.conditions.iter().rev() {
                then = self.condition(condition, then, otherwise);
            }
            otherwise = then;
        }
        otherwise
    }

    fn condition(&mut self, condition: &Condition, yes: Label, no: Label) -> Label {
        let Condition { arg, compare, value } = *condition;
        match compare {
            Compare::Eq => self.equal(arg, u64::MAX, value, yes, no),
            Compare::Ne => self.equal(arg, u64::MAX, value, no, yes),
            Compare::Masked(mask) => self.equal(arg, mask, value, yes, no),
            Compare::Ge => self.above(arg, JUMP_GE, value, yes, no),
            Compare::Gt => self.above(arg, JUMP_GT, value, yes, no),
            Compare::Lt => self.above(arg, JUMP_GE, value, no, yes),
            Compare::Le => self.above(arg, JUMP_GT, value, no, yes),
        }
    }

    /// `arg & mask == value`, by halves; a half of the mask that is zero costs nothing.
    fn equal(&mut self, arg: u8, mask: u64, value: u64, yes: Label, no: Label) -> Label {
        if value & !mask != 0 {
            return no;
        }
        let offset = OFFSET_ARGS + 8 * u32::from(arg);
        let low = self.equal_half(offset, mask as u32, value as u32, yes, no);
        self.equal_half(offset + 4, (mask >> 32) as u32, (value >> 32) as u32, low, no)
    }

    fn equal_half(&mut self, offset: u32, mask: u32, value: u32, yes: Label, no: Label) -> Label {
        if mask == 0 {
            return yes;
        }
        let mut test = self.branch(JUMP_EQ, value, yes, no);
        if mask != u32::MAX {
            self.go_to(test);
            test = self.push(AND, 0, 0, mask);
        }
        self.load_before(offset, test)
    }

    /// `arg >= value` or `arg > value`, as `low_code` says: the upper halves decide unless they are equal.
    fn above(&mut self, arg: u8, low_code: u16, value: u64, yes: Label, no: Label) -> Label {
        let offset = OFFSET_ARGS + 8 * u32::from(arg);
        let low = self.branch(low_code, value as u32, yes, no);
        let low = self.load_before(offset, low);
        let equal = self.branch(JUMP_EQ, (value >> 32) as u32, low, no);
        let high = self.branch(JUMP_GT, (value >> 32) as u32, yes, equal);
        self.load_before(offset + 4, high)
    }
}
